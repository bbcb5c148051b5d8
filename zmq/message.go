package zmq

import (
	"iter"

	"github.com/experimance/experimance-go/internal/wire"
)

// Message is a received message: one frame, or several. It is a small value, cheap to pass on.
//
// Its bytes lie in memory that the engine shares among the messages of one read. They stay valid and unchanged for as
// long as the Message is in use. Calling Release when done lets the engine use that memory again, which is what makes
// large messages fast; not calling it is always safe. To keep a small message for long, keep a Clone: the message itself
// would hold on to its whole block, of up to 64 KiB, or 4 MiB among large messages.
//
// The bytes must not be written to.
type Message struct { // of four words, since the compiler keeps larger values in memory, which costs as much as all the rest
	wire []byte // all frames, encoded as they are on the wire
	slab *slab  // their memory; nil where it is not known
}

// messageEnd returns the length of the first message in b, which holds whole and valid messages only.
func messageEnd(b []byte) int {
	if b[0] == 0 { // one short frame: what most messages are
		return 2 + int(b[1])
	}
	off := 0
	for {
		flags, end, _ := firstFrame(b[off:])
		off += end
		if flags&wire.FlagMore == 0 {
			return off
		}
	}
}

// firstFrame tells where the body of the first frame of b begins and ends. b must be whole and valid.
func firstFrame(b []byte) (flags byte, end, head int) {
	flags, size, head, err := wire.ParseHeader(b)
	if err != nil || head == 0 {
		return 0, len(b), len(b)
	}
	return flags, head + int(size), head
}

// route is the peer's routing id, where that is an additional first frame.
func (m Message) route() []byte {
	if m.slab == nil || m.slab.from == nil {
		return nil
	}
	return m.slab.from.route
}

// Len counts the frames, 0 for the zero Message.
func (m Message) Len() int {
	n := 0
	if m.route() != nil {
		n++
	}
	for b := m.wire; len(b) > 0; n++ {
		_, end, _ := firstFrame(b)
		b = b[end:]
	}
	return n
}

// Bytes returns the first frame, which is the whole of a message of one frame.
func (m Message) Bytes() []byte {
	if len(m.wire) > 0 && m.wire[0] == 0 && m.route() == nil {
		return m.wire[2:]
	}
	return m.Frame(0)
}

// All returns an iterator over the frames and their indexes. It allocates nothing, and its time is
// proportional to the number of frames.
func (m Message) All() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		i := 0
		if id := m.route(); id != nil {
			if !yield(i, id) {
				return
			}
			i++
		}
		for b := m.wire; len(b) > 0; i++ {
			_, end, head := firstFrame(b)
			if !yield(i, b[head:end:end]) {
				return
			}
			b = b[end:]
		}
	}
}

// Frame returns the frame at index i, counted from 0, or nil if there is none. It passes over the
// frames before that one: use All or Frames for a message of many frames.
func (m Message) Frame(i int) []byte {
	if id := m.route(); id != nil {
		if i == 0 {
			return id
		}
		i--
	}
	for b := m.wire; len(b) > 0; i-- {
		_, end, head := firstFrame(b)
		if i == 0 {
			return b[head:end:end]
		}
		b = b[end:]
	}
	return nil
}

// Frames returns all frames in a new slice, as Send takes them. The slice takes 24 bytes for each
// frame.
func (m Message) Frames() [][]byte {
	frames := make([][]byte, 0, m.Len())
	if id := m.route(); id != nil {
		frames = append(frames, id)
	}
	for b := m.wire; len(b) > 0; {
		_, end, head := firstFrame(b)
		frames, b = append(frames, b[head:end:end]), b[end:]
	}
	return frames
}

// skip takes the first frame off the message.
func (m *Message) skip() {
	_, end, _ := firstFrame(m.wire)
	m.wire = m.wire[end:]
}

// Clone returns a copy in memory of its own, which Release leaves alone.
func (m Message) Clone() Message {
	return Message{wire: append([]byte(nil), m.wire...), slab: &slab{from: m.slab.peer()}}
}

// Release gives the message's memory back and makes m the zero Message. It may be called at most
// once for each received message: the slices that Bytes, All, Frame and Frames returned, and any
// copy of the Message, are invalid afterwards.
func (m *Message) Release() {
	if m.slab != nil {
		m.slab.release(1)
	}
	*m = Message{}
}
