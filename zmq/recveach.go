package zmq

import (
	"context"
	"math"
)

// recvEach receives as many messages as wait, at least one.
func (s *socket) recvEach(ctx context.Context, into []Message) (n int, err error) {
	if n, err = s.in.recvEach(ctx, into); err != nil {
		return 0, s.opError("receive", "", err)
	}
	return n, nil
}

// recvEach takes as many messages as wait and into has room for, waiting for the first until ctx ends or the queue is closed.
func (q *inQueue) recvEach(ctx context.Context, into []Message) (n int, err error) {
	if err := ctx.Err(); err != nil || len(into) == 0 {
		return 0, err
	}
	if n = q.takeWaiting(into); n > 0 {
		return n, nil
	}
	if into[0], _, err = q.recv(ctx); err != nil {
		return 0, err
	}
	return 1 + q.takeWaiting(into[1:]), nil
}

// takeWaiting takes what waits, unless loops have taken messages that come before.
func (q *inQueue) takeWaiting(into []Message) (n int) {
	q.mu.Lock()
	if !q.closed && !q.handsHold() {
		n = q.takeMany(into, math.MaxInt)
		q.tellEmpty()
	}
	more := q.cur != nil
	q.mu.Unlock()
	if more {
		q.arrived.wake(1) // a wake stands for any number of messages: pass it on
	}
	return n
}

// inTurn is how many messages of one peer are taken before the next peer's.
const inTurn = 8

// takeMany takes what waits, and returns how many messages that were. It ends when a peer's next would make them more than limit
// bytes, or before one that is larger by itself. mu is held.
func (q *inQueue) takeMany(into []Message, limit int) (n int) {
	for size := 0; n < len(into) && size < limit; {
		in := q.cur
		if in == nil || in.n == 0 || messageEnd(in.segs[in.head].b) > limit {
			break
		}
		most := len(into) - n
		if in.next != in {
			most = min(most, inTurn)
		}
		took, bytes := q.takeRun(in, into[n:n+most], limit-size)
		n, size = n+took, size+bytes
	}
	return n
}

// takeRun takes the first message of a run of a peer, and as many more as are of limit bytes with it, and goes on to the next peer.
// It returns how many are in into, and their size. mu is held.
func (q *inQueue) takeRun(in *inbox, into []Message, limit int) (n, size int) {
	seg := &in.segs[in.head]
	b, looked := seg.b, 0
	for most := min(len(into), seg.n); looked < most; looked++ {
		end := messageEnd(b)
		if looked > 0 && end > limit-size {
			break
		}
		m := Message{wire: b[:end:end], slab: seg.slab}
		b = b[end:]
		if q.accept == nil || q.accept(m.Bytes()) {
			into[n] = m
			n, size = n+1, size+end
		} else {
			m.Release()
		}
	}
	in.cut(looked, len(seg.b)-len(b))
	q.taken(in, n, size)
	return n, size
}

// ReleaseEach is [Message.Release] of each of several messages, with less effort for those that came one after the other. They
// are the zero Message afterwards. Those that are so already are passed over.
func ReleaseEach(messages []Message) {
	for len(messages) > 0 {
		first := messages[0].slab
		n := 1
		for n < len(messages) && messages[n].slab == first {
			n++
		}
		if first != nil {
			first.release(n)
		}
		clear(messages[:n])
		messages = messages[n:]
	}
}
