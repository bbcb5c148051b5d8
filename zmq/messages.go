package zmq

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// ahead is how much a loop takes from the queue at a time: so many messages, and no more after so many bytes.
const (
	ahead      = 64
	aheadBytes = 64 << 10
)

// handful is what a loop has taken from the queue: all[:n], of which next says how much was handed out. The loop takes one
// message after the other without a lock; others that find the queue empty take from it too, with the queue's mu held, which
// guards everything but next.
type handful struct {
	next  atomic.Int32
	n     int32
	all   [ahead]Message
	ended bool // the loop is over
}

var handfuls = sync.Pool{New: func() any { return new(handful) }}

// pop takes the first message out. It reports false where there is none.
func (h *handful) pop() (Message, bool) {
	if h.next.Load() >= h.n {
		return Message{}, false
	}
	i := h.next.Add(1) - 1
	if i >= h.n {
		return Message{}, false
	}
	return h.all[i], true
}

// rest is what was not handed out, in messages and bytes. The queue's mu is held.
func (h *handful) rest() (n, size int) {
	left := h.all[min(h.next.Load(), h.n):h.n]
	for _, m := range left {
		size += len(m.wire)
	}
	return len(left), size
}

// holds reports whether not everything was handed out. The queue's mu is held.
func (h *handful) holds() bool { return h.next.Load() < h.n }

// messages is the loop over what a socket receives.
func (s *socket) messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if err := s.each(ctx, yield); err != nil {
			yield(Message{}, s.opError("receive", "", err))
		}
	}
}

// each receives for a loop. It returns why nothing more is to be received, nil where the loop does not want more.
func (s *socket) each(ctx context.Context, yield func(Message, error) bool) error {
	h := s.in.beginLoop()
	defer s.in.endLoop(h)
	endless := ctx.Done() == nil
	for {
		if !endless {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if s.closing.Load() {
			return ErrClosed
		}
		m, ok := h.pop()
		if !ok {
			var err error
			if m, err = s.in.recvSome(ctx, h); err != nil {
				return err
			}
		}
		if !yield(m, nil) {
			return nil
		}
	}
}

// beginLoop returns what an earlier loop has left, or an empty handful.
func (q *inQueue) beginLoop() *handful {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.hands) == 1 && q.hands[0].ended {
		q.hands[0].ended = false
		return q.hands[0]
	}
	h := handfuls.Get().(*handful)
	q.hands = append(q.hands, h)
	return h
}

// endLoop leaves what was not handed out to others, ahead of what waits.
func (q *inQueue) endLoop(h *handful) {
	q.mu.Lock()
	h.ended = true
	left := h.holds()
	q.tidy() // which may give h away
	if left {
		q.interrupt()
	}
	q.mu.Unlock()
	if left {
		q.arrived.wake(1)
	}
}

// tidy forgets the handfuls of loops that are over, when nothing is left of them. mu is held.
func (q *inQueue) tidy() {
	kept := q.hands[:0]
	for _, h := range q.hands {
		if h.ended && !h.holds() {
			clear(h.all[:]) // they are not to be kept in memory
			h.next.Store(0)
			h.n, h.ended = 0, false
			handfuls.Put(h)
		} else {
			kept = append(kept, h)
		}
	}
	clear(q.hands[len(kept):])
	q.hands = kept
}

// handsHold reports whether loops have taken what they have not handed out yet. mu is held.
func (q *inQueue) handsHold() bool {
	return slices.ContainsFunc(q.hands, (*handful).holds)
}

// inHands is what loops have taken and not handed out yet, in messages and bytes. mu is held.
func (q *inQueue) inHands() (n, size int) {
	for _, h := range q.hands {
		messages, bytes := h.rest()
		n, size = n+messages, size+bytes
	}
	return n, size
}

// fromHands takes a message that a loop has taken and not handed out yet, if there is any. mu is held.
func (q *inQueue) fromHands() Message {
	for _, h := range q.hands {
		if m, ok := h.pop(); ok {
			if h.ended {
				q.tidy()
			}
			return m
		}
	}
	return Message{}
}

// dropHands throws away what loops have not handed out yet, and returns how many messages that were. mu is held.
func (q *inQueue) dropHands() (n int) {
	for m := q.fromHands(); m.slab != nil; m = q.fromHands() {
		q.received--
		q.bytes -= uint64(len(m.wire))
		m.Release()
		n++
	}
	return n
}

// recvSome takes the next messages, waiting for one until ctx ends or the queue is closed. It returns the first; the others are
// in h, unless others receive too.
func (q *inQueue) recvSome(ctx context.Context, h *handful) (Message, error) {
	q.refill(h)
	if m, ok := h.pop(); ok {
		return m, nil
	}
	m, _, err := q.recv(ctx)
	if err == nil {
		q.refill(h)
	}
	return m, err
}

// refill takes what waits to an empty h, unless others receive too. With Config.Conflate what waits may yet be replaced.
func (q *inQueue) refill(h *handful) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h.n = 0
	q.tellEmpty()
	if !q.closed && !q.finished && !q.cfg.Conflate && !q.handsHold() && q.arrived.n.Load() == 0 {
		h.n = int32(q.takeMany(h.all[:], aheadBytes))
	}
	h.next.Store(0)
}
