package zmq

import (
	"github.com/experimance/experimance-go/internal/wire"
)

// Message is a received message: one frame, or several. It is a small value, cheap to pass on.
//
// Its bytes lie in memory that the engine shares among the messages of one read. They stay valid and unchanged for as
// long as the Message is in use. Calling Release when done lets the engine use that memory again, which is what makes
// large messages fast; not calling it is always safe. To keep a small message for long, keep a Clone: the message itself
// would hold on to its whole block, of up to 64 KiB.
//
// The bytes must not be written to.
type Message struct {
	wire   []byte // all frames, encoded as they are on the wire
	slab   *slab
	head   uint8 // length of the first frame's header
	routed bool  // the peer's routing id is an additional first frame
	frames int32 // in wire
	from   *Peer // nil where it is not known
}

// cut makes m the first message of b, which holds whole and valid messages, and returns its length.
func (m *Message) cut(b []byte) int {
	if b[0] == 0 { // one short frame: what most messages are
		end := 2 + int(b[1])
		m.wire, m.head, m.frames = b[:end:end], 2, 1
		return end
	}
	flags, end, head := firstFrame(b)
	m.head, m.frames = uint8(head), 1
	for flags&wire.FlagMore != 0 {
		var size int
		flags, size, _ = firstFrame(b[end:])
		end += size
		m.frames++
	}
	m.wire = b[:end:end]
	return end
}

// firstFrame tells where the body of the first frame of b begins and ends. b must be whole and valid.
func firstFrame(b []byte) (flags byte, end, head int) {
	flags, size, head, err := wire.ParseHeader(b)
	if err != nil || head == 0 {
		return 0, len(b), len(b)
	}
	return flags, head + int(size), head
}

// Len returns the number of frames, 0 for the zero Message.
func (m Message) Len() int {
	if m.routed {
		return int(m.frames) + 1
	}
	return int(m.frames)
}

// Bytes returns the first frame, which is the whole of a message of one frame.
func (m Message) Bytes() []byte {
	if m.frames == 1 && !m.routed {
		return m.wire[m.head:]
	}
	return m.Frame(0)
}

// Frame returns the frame at index i, counted from 0, or nil where there is none.
func (m Message) Frame(i int) []byte {
	if i < 0 || i >= m.Len() {
		return nil
	}
	if m.routed {
		if i == 0 {
			return m.from.route
		}
		i--
	}
	b := m.wire
	for {
		_, end, head := firstFrame(b)
		if i == 0 {
			return b[head:end:end]
		}
		b, i = b[end:], i-1
	}
}

// Frames returns all frames in a new slice, as Send takes them.
func (m Message) Frames() [][]byte {
	frames := make([][]byte, 0, m.Len())
	if m.routed {
		frames = append(frames, m.from.route)
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
	m.frames--
	if m.frames > 0 {
		_, _, head := firstFrame(m.wire)
		m.head = uint8(head)
	}
}

// Clone returns a copy in memory of its own, which Release leaves alone.
func (m Message) Clone() Message {
	m.wire, m.slab = append([]byte(nil), m.wire...), nil
	return m
}

// Release gives the message's memory back and makes m the zero Message. It may be called at most once for each received
// message: the slices that Bytes, Frame and Frames returned, and any copy of the Message, are invalid afterwards.
func (m *Message) Release() {
	if m.slab != nil {
		m.slab.release(1)
	}
	*m = Message{}
}
