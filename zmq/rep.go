package zmq

import (
	"context"
	"sync"

	"github.com/experimance/experimance-go/internal/wire"
)

// Rep is a REP socket: it receives a request, and must send its reply before it receives the next (RFC 28). Its peers are
// REQ and DEALER. Where several requests are to be worked on at once, use a Router.
type Rep struct {
	*socket
	replier
}

// NewRep makes a REP socket. Bind or Connect it next, and Close it in the end.
func NewRep(cfg Config) (*Rep, error) {
	s, err := newSocket("REP", cfg, true)
	if err != nil {
		return nil, err
	}
	r := &Rep{socket: s}
	r.replier.s = s
	s.pat = &r.replier
	return r, nil
}

// Recv returns the next request, and waits for one until ctx ends or the socket is closed. While a request has no reply it
// fails with ErrState. Requests come from the peers in turn; one without the delimiter of RFC 28 is dropped and counted.
func (r *Rep) Recv(ctx context.Context) (Message, error) { return r.recv(ctx) }

// Send sends the reply to the last request; without one it fails with ErrState. It does not wait: where the peer has gone,
// or does not read its replies, the reply is dropped and counted in Stats.Dropped. The frames are copied.
func (r *Rep) Send(ctx context.Context, frames ...[]byte) error { return r.send(ctx, frames) }

// replier is the pattern of a REP.
type replier struct {
	noPattern
	s *socket

	mu       sync.Mutex
	busy     bool     // a Recv is under way
	client   *pipe    // who waits for a reply; nil where nobody does
	gone     bool     // the client has gone
	envelope []byte   // what goes before the reply, encoded: the frames up to the delimiter, in memory of our own
	scratch  [][]byte // the frames of a reply
}

func (r *replier) recv(ctx context.Context) (Message, error) {
	r.mu.Lock()
	if r.client != nil || r.busy {
		r.mu.Unlock()
		return Message{}, r.s.outOfTurn("receive", "the last request has no reply yet")
	}
	r.busy = true
	r.mu.Unlock()
	for {
		m, p, err := r.s.in.recv(ctx)
		r.mu.Lock()
		if err != nil {
			r.busy = false
			r.mu.Unlock()
			return Message{}, r.s.opError("receive", "", err)
		}
		if r.unwrap(&m) {
			from := m.slab.peer()
			r.client, r.gone, r.busy = p, from == nil || from != p.from(), false
			r.keep(cap(r.envelope))
			r.mu.Unlock()
			return m, nil
		}
		r.mu.Unlock()
		r.s.reject(&m, len(m.wire))
	}
}

// unwrap takes the envelope off a request and keeps it. It reports false if there is none.
func (r *replier) unwrap(m *Message) bool {
	size := 0
	for {
		flags, end, head := firstFrame(m.wire[size:])
		if flags&wire.FlagMore == 0 {
			return false
		}
		size += end
		if end == head {
			break
		}
	}
	r.envelope = append(r.envelope[:0], m.wire[:size]...)
	m.wire = m.wire[size:]
	return true
}

// keep counts the memory of a long envelope. mu is held.
func (r *replier) keep(n int) {
	if n <= largeRead {
		n = 0
	}
	if r.client.account.set(keptEnvelopes, n) {
		r.s.budget.settle()
	}
}

func (r *replier) send(ctx context.Context, frames [][]byte) error {
	size, err := r.s.checkSend(ctx, frames)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == nil {
		return r.s.outOfTurn("send", "there is no request to reply to")
	}
	if r.gone || r.put(frames, len(r.envelope)+size) != putDone {
		r.s.dropped.Add(1)
	}
	if cap(r.envelope) > largeRead {
		r.envelope = nil // the next one will hardly be as large
	}
	r.keep(0)
	r.client = nil
	return nil
}

// shortEnvelope is the size in bytes of the largest envelope that is sent frame by frame.
const shortEnvelope = 256

// put queues a reply of these frames, with the envelope before it, which is size bytes together. mu
// is held.
func (r *replier) put(frames [][]byte, size int) putResult {
	if len(r.envelope) > shortEnvelope {
		s := newSlab(size)
		seg := segment{b: appendFrames(append(s.b[:0], r.envelope...), frames), slab: s, n: 1}
		result := r.client.out.putSegment(seg, false, false)
		if result != putDone {
			s.release(1)
		}
		return result
	}
	all := r.scratch[:0]
	for rest := r.envelope; len(rest) > 0; {
		_, end, head := firstFrame(rest)
		all, rest = append(all, rest[head:end]), rest[end:]
	}
	r.scratch = append(all, frames...)
	result := r.client.out.put(r.scratch, size, false)
	if clear(r.scratch); cap(r.scratch) > shortEnvelope {
		r.scratch = nil
	}
	return result
}

// detach makes sure that a reply does not go to whoever comes back in the peer's place: to a REQ it would look like the reply
// to another request. Requests that were not received yet have no reply from now on.
func (r *replier) detach(p *pipe) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.dropReplies()
	p.setFrom(nil)
	if r.client == p {
		r.gone = true
	}
}

// dropReplies drops and counts the replies that are still queued for a REQ that has gone. The REQ would take them for replies
// to its next request when it comes back.
func (p *pipe) dropReplies() {
	if from := p.from(); from == nil || from.SocketType != "REQ" || p.live() {
		return
	}
	p.out.withdraw(func([]byte) bool { return true }, p.s.drop)
	p.s.changed.wakeAll() // the queue may be one that is drained
}

// orphaned counts the replies to a peer that is gone.
func (r *replier) orphaned(segs []segment) { r.s.drop(segs) }
