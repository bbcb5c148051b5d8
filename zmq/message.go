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
	frames int32
}

// newMessage makes the message of the frames that wire holds, which must be whole and valid.
func newMessage(b []byte, s *slab) Message {
	m := Message{wire: b, slab: s}
	for off := 0; off < len(b); {
		_, size, head, err := wire.ParseHeader(b[off:])
		if err != nil || head == 0 {
			break
		}
		if m.frames == 0 {
			m.head = uint8(head)
		}
		off += head + int(size)
		m.frames++
	}
	return m
}

// Len returns the number of frames, 0 for the zero Message.
func (m Message) Len() int { return int(m.frames) }

// Bytes returns the first frame, which is the whole of a message of one frame.
func (m Message) Bytes() []byte {
	if m.frames == 1 {
		return m.wire[m.head:]
	}
	return m.Frame(0)
}

// Frame returns the frame at index i, counted from 0, or nil where there is none.
func (m Message) Frame(i int) []byte {
	if i < 0 || i >= int(m.frames) {
		return nil
	}
	b := m.wire
	for {
		_, size, head, _ := wire.ParseHeader(b)
		end := head + int(size)
		if i == 0 {
			return b[head:end:end]
		}
		b, i = b[end:], i-1
	}
}

// Frames returns all frames in a new slice, as Send takes them.
func (m Message) Frames() [][]byte {
	frames := make([][]byte, m.frames)
	b := m.wire
	for i := range frames {
		_, size, head, _ := wire.ParseHeader(b)
		end := head + int(size)
		frames[i], b = b[head:end:end], b[end:]
	}
	return frames
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
