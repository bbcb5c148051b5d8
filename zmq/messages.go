package zmq

import (
	"context"
	"iter"
	"sync"
)

// ahead is how much a loop takes from the queue at a time: so many messages, and no more after so many bytes.
const (
	ahead      = 64
	aheadBytes = 64 << 10
)

// handful is what a loop has taken from the queue, and not handed out yet: all[next:n].
type handful struct {
	all     [ahead]Message
	next, n int
}

var handfuls = sync.Pool{New: func() any { return new(handful) }}

// free gives an empty handful back.
func (h *handful) free() {
	*h = handful{} // no message is to stay in memory
	handfuls.Put(h)
}

// pop takes the first message out.
func (h *handful) pop() Message {
	m := h.all[h.next]
	h.next++
	return m
}

// messages is the loop over what a socket receives.
func (s *socket) messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		h := s.in.beginLoop()
		defer s.in.endLoop(h)
		for {
			if err := s.mayReceive(ctx); err != nil {
				yield(Message{}, s.opError("receive", "", err))
				return
			}
			if h.next == h.n {
				if err := s.in.recvSome(ctx, h); err != nil {
					yield(Message{}, s.opError("receive", "", err))
					return
				}
			}
			if !yield(h.pop(), nil) {
				return
			}
		}
	}
}

// mayReceive returns why nothing more is to be received.
func (s *socket) mayReceive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closing.Load() {
		return ErrClosed
	}
	return nil
}

// beginLoop returns what an earlier loop has left, or an empty handful.
func (q *inQueue) beginLoop() *handful {
	q.loops.Add(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.takeLeft()
	if h == nil {
		return handfuls.Get().(*handful)
	}
	q.count(h, 1)
	return h
}

// endLoop leaves what was not handed out to others, ahead of what waits. A closed queue drops it.
func (q *inQueue) endLoop(h *handful) {
	q.loops.Add(-1)
	if h.next == h.n {
		h.free()
		return
	}
	q.mu.Lock()
	q.count(h, -1)
	q.left = append(q.left, h)
	if q.closed {
		q.dropLeft()
	}
	q.mu.Unlock()
	q.arrived.wake(1)
}

// count counts the messages of a handful as received, or takes that back. mu is held.
func (q *inQueue) count(h *handful, sign int) {
	q.received += uint64(sign * (h.n - h.next))
	for _, m := range h.all[h.next:h.n] {
		q.bytes += uint64(sign * len(m.wire))
	}
}

// takeLeft takes what the loop that ended first has left. mu is held.
func (q *inQueue) takeLeft() *handful {
	if len(q.left) == 0 {
		return nil
	}
	h := q.left[0]
	q.left = append(q.left[:0], q.left[1:]...)
	return h
}

// popLeft takes one message of what loops have left, if there is any. mu is held.
func (q *inQueue) popLeft() (m Message) {
	if len(q.left) == 0 {
		return m
	}
	h := q.left[0]
	m = h.pop()
	q.received++
	q.bytes += uint64(len(m.wire))
	if h.next == h.n {
		q.takeLeft().free()
	}
	return m
}

// dropLeft throws away what loops have left, and counts it. mu is held.
func (q *inQueue) dropLeft() {
	for h := q.takeLeft(); h != nil; h = q.takeLeft() {
		q.gaveUp.Add(uint64(h.n - h.next))
		for h.next < h.n {
			m := h.pop()
			m.Release()
		}
		h.free()
	}
}

// recvSome takes the next messages, waiting for one until ctx ends or the queue is closed. Where others receive too, it takes
// no more than one.
func (q *inQueue) recvSome(ctx context.Context, h *handful) error {
	m, _, err := q.recv(ctx)
	if err != nil {
		return err
	}
	h.all[0], h.next, h.n = m, 0, 1
	if q.loops.Load() > 1 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for size := len(m.wire); h.n < ahead && size < aheadBytes && q.arrived.n.Load() == 0; {
		in := q.cur
		if in == nil || in.n == 0 || len(q.left) > 0 {
			return nil
		}
		m := in.pop()
		if q.accept != nil && !q.accept(m.Bytes()) {
			m.Release()
			continue
		}
		q.taken(in, len(m.wire))
		size += len(m.wire)
		h.all[h.n] = m
		h.n++
	}
	return nil
}
