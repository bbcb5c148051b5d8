package zmq

import (
	"context"
	"sync"
	"sync/atomic"
)

// inQueue holds the messages that peers sent and nobody received yet. Each peer has an inbox; those that are not empty
// stand in a ring, and Recv takes one message from each in turn (fair queueing, RFC 30).
type inQueue struct {
	arrived waitList
	cfg     *Config

	mu       sync.Mutex
	cur      *inbox                  // next to be served; nil when all are empty
	accept   func(first []byte) bool // filter on receipt by the first frame, called with mu held; nil accepts everything
	closed   bool
	finished bool   // nothing more is to come: a Drain has ended
	emptied  func() // called with mu held when the last message of a finished queue was handed out
	received uint64
	bytes    uint64

	goneN    int                 // messages of peers that are gone
	goneSize int                 // their bytes
	held     map[*inbox]struct{} // whose readers wait because of those

	hands     []*handful // of loops, and those that loops have left
	discarded *atomic.Uint64

	sources
}

// inbox holds what one peer sent. Its fields are guarded by its queue's mu.
type inbox struct {
	q       *inQueue
	p       *pipe
	from    *Peer     // who sends the messages that come
	segs    []segment // a queue: segs[head:] is what waits
	head    int
	n       int // messages waiting
	size    int // bytes waiting
	maxN    int
	maxSize int
	gone    bool  // the peer will not send any more
	source  *pipe // inproc: the peer's pipe, whose outQueue is taken when the inbox is empty
	spare   batch // inproc: memory of the last batch that was taken, for the next
	next    *inbox
	prev    *inbox

	blocked bool          // the reader waits for room
	room    chan struct{} // of capacity one
}

func newInbox(p *pipe) *inbox {
	in := &inbox{q: p.s.in, p: p, maxN: p.s.cfg.RecvHWM, maxSize: p.s.cfg.RecvHWMBytes, room: make(chan struct{}, 1)}
	if p.s.kind == "PULL" { // a PUSH waits
		in.maxSize = min(in.maxSize, warmBytes)
	}
	return in
}

// recv takes the next message, waiting for one until ctx ends or the queue is closed. It tells which pipe it came by.
func (q *inQueue) recv(ctx context.Context) (Message, *pipe, error) {
	if err := ctx.Err(); err != nil {
		return Message{}, nil, err
	}
	for {
		if m, p, err := q.tryRecv(); m.slab != nil || err != nil {
			return m, p, err
		}
		if !q.readSelf(ctx, nil) {
			return q.await(ctx)
		}
		if err := ctx.Err(); err != nil {
			return Message{}, nil, err
		}
	}
}

// await is recv where there was nothing at the first look.
func (q *inQueue) await(ctx context.Context) (Message, *pipe, error) {
	w := q.arrived.add()
	defer q.arrived.remove(w)
	for {
		if m, p, err := q.tryRecv(); m.slab != nil || err != nil {
			return m, p, err
		}
		if q.readSelf(ctx, w) {
			if err := ctx.Err(); err != nil {
				return Message{}, nil, err
			}
			continue
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return Message{}, nil, ctx.Err()
		}
	}
}

// tryRecv takes the next message, if there is one, else it returns the zero Message. The pipe of one that a loop has taken is
// not known.
func (q *inQueue) tryRecv() (Message, *pipe, error) {
	q.mu.Lock()
	in := q.cur
	if in == nil || in.n == 0 || len(q.hands) > 0 {
		return q.search()
	}
	m := in.pop()
	if q.accept != nil && !q.accept(m.Bytes()) {
		m.Release()
		return q.search()
	}
	q.taken(in, 1, len(m.wire))
	more := q.cur != nil
	q.tellEmpty()
	q.mu.Unlock()
	if more {
		q.arrived.wake(1) // a wake stands for any number of messages: pass it on
	}
	return m, in.p, nil
}

// search is tryRecv where the first message of the first inbox will not do. It unlocks mu.
func (q *inQueue) search() (m Message, from *pipe, err error) {
	var roomy []*socket // inproc peers that wait to hear of the room we made
	for m = q.fromHands(); m.slab == nil && q.cur != nil; {
		in := q.cur
		if in.n == 0 {
			if asked := in.refill(); asked {
				roomy = append(roomy, in.source.s)
			}
			if in.n == 0 {
				q.leave(in)
				continue
			}
		}
		m = in.pop()
		if q.accept != nil && !q.accept(m.Bytes()) {
			m.Release() // which makes it the zero Message
			continue
		}
		from = in.p
		q.taken(in, 1, len(m.wire))
	}
	more := q.cur != nil || q.handsHold()
	switch {
	case q.closed:
		err = ErrClosed
	case q.finished && m.slab == nil && !more:
		err = ErrDrained
	}
	q.tellEmpty()
	q.mu.Unlock()
	if more {
		q.arrived.wake(1) // a wake stands for any number of messages: pass it on
	}
	for _, s := range roomy {
		s.announceRoom()
	}
	return m, from, err
}

// taken counts n messages of size bytes that were taken out of in, and goes on to the next peer. mu is held.
func (q *inQueue) taken(in *inbox, n, size int) {
	q.received += uint64(n)
	q.bytes += uint64(size)
	if in.next != in {
		q.cur = in.next
	}
	if in.n == 0 && in.source == nil {
		q.leave(in)
	}
}

// pop cuts the first message out of the inbox, which has one.
func (in *inbox) pop() Message {
	seg := &in.segs[in.head]
	end := messageEnd(seg.b)
	m := Message{wire: seg.b[:end:end], slab: seg.slab}
	in.cut(1, end)
	return m
}

// cut takes the first n messages, which are size bytes of the first segment, off the inbox.
func (in *inbox) cut(n, size int) {
	seg := &in.segs[in.head]
	seg.b = seg.b[size:]
	seg.n -= n
	if seg.n == 0 {
		*seg = segment{}
		if in.head++; in.head == len(in.segs) {
			in.segs, in.head = in.segs[:0], 0
		}
	}
	in.n -= n
	in.size -= size
	if in.gone {
		in.q.settle(n, size)
	}
	if in.blocked && in.n <= in.maxN/2 && in.size <= in.maxSize/2 {
		in.unblock()
	}
}

// settle counts messages of a peer that is gone, which do not wait any more. mu is held.
func (q *inQueue) settle(n, size int) {
	q.goneN -= n
	q.goneSize -= size
	if q.goneN <= q.cfg.RecvHWM/2 && q.goneSize <= q.cfg.RecvHWMBytes/2 {
		for other := range q.held {
			other.unblock()
		}
		clear(q.held)
	}
}

// leaveBehind notes that the peer will not send any more. What it has sent is received still, but all that such peers leave
// behind has the bounds of one inbox: else a peer could come again and again, and each time leave as much.
func (in *inbox) leaveBehind() {
	q := in.q
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.held, in)
	if !in.gone {
		in.gone = true
		q.goneN += in.n
		q.goneSize += in.size
	}
}

// acceptRest makes room for what the peer has under way when it is told to send no more. A peer that goes on sending is
// held up by the bound in bytes alone.
func (in *inbox) acceptRest() {
	in.q.mu.Lock()
	defer in.q.mu.Unlock()
	in.maxN, in.maxSize = unlimited, in.q.cfg.RecvHWMBytes
	in.unblock()
}

// unblock lets a reader go on that waits for room. A signal that an earlier connection's reader has not taken will do.
func (in *inbox) unblock() {
	if !in.blocked {
		return
	}
	in.blocked = false
	select {
	case in.room <- struct{}{}:
	default:
	}
}

// refill takes over what waits in an inproc peer's queue, if there is one, and reports whether that made room for which
// a sender waits.
func (in *inbox) refill() (asked bool) {
	if in.source == nil || in.q.finished {
		return false
	}
	return in.fetch(in.source)
}

// fetch moves what waits in p's queue to the inbox. mu is held.
func (in *inbox) fetch(p *pipe) (asked bool) {
	b := p.out.take(in.spare)
	size := 0
	for _, seg := range b.segs {
		size += seg.size()
		seg = seg.joined()
		seg.slab.retain(seg.n - 1)
		in.add(seg)
	}
	clear(b.segs)
	in.spare = batch{segs: b.segs[:0]}
	p.sent(b.n, size)
	p.out.sent()
	return b.asked
}

// join puts the inbox at the end of the ring, where it is not in it. mu is held.
func (q *inQueue) join(in *inbox) {
	if in.next != nil {
		return
	}
	if q.cur == nil {
		q.cur, in.next, in.prev = in, in, in
		return
	}
	in.next, in.prev = q.cur, q.cur.prev
	in.prev.next, in.next.prev = in, in
}

// leave takes the inbox out of the ring. mu is held.
func (q *inQueue) leave(in *inbox) {
	if in.next == nil {
		return
	}
	if q.cur == in {
		q.cur = in.next
	}
	if q.cur == in {
		q.cur = nil
	}
	in.prev.next, in.next.prev = in.next, in.prev
	in.next, in.prev = nil, nil
}

// push adds a run of messages, whose slab references the caller has taken. It reports whether a receiver waited for them.
func (in *inbox) push(seg segment) (awaited bool) {
	q := in.q
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		seg.slab.release(seg.n)
		q.discarded.Add(uint64(seg.n))
		return false
	}
	in.add(seg)
	q.join(in)
	if q.solo != nil && q.solo.p != in.p {
		q.solo.interrupt()
	}
	q.mu.Unlock()
	return q.arrived.wake(seg.n)
}

// add puts a run of messages behind those that wait, or in their place. mu is held.
func (in *inbox) add(seg segment) {
	if in.p.s.cfg.Conflate {
		in.drop()
		for seg.n > 1 {
			seg.b, seg.n = seg.b[messageEnd(seg.b):], seg.n-1
			seg.slab.release(1)
		}
	}
	in.compact()
	if seg.slab.from != in.from { // messages that several peers share, have it from their sender
		seg.slab.from = in.from
	}
	in.segs = append(in.segs, seg)
	in.n += seg.n
	in.size += len(seg.b)
}

// drop throws away what waits, and returns how many messages that were. mu is held.
func (in *inbox) drop() int {
	n, size := in.n, in.size
	for _, seg := range in.segs[in.head:] {
		seg.slab.release(seg.n)
	}
	clear(in.segs)
	in.segs, in.head, in.n, in.size = in.segs[:0], 0, 0, 0
	if in.gone {
		in.q.settle(n, size)
	}
	return n
}

// compact makes the slots of segments that were received ready for use again, where most are. Else an inbox that never
// gets empty would grow for ever.
func (in *inbox) compact() {
	if len(in.segs) < cap(in.segs) || in.head < len(in.segs)/2 {
		return
	}
	left := copy(in.segs, in.segs[in.head:])
	clear(in.segs[left:])
	in.segs, in.head = in.segs[:left], 0
}

// notify tells the queue that an inproc peer has messages.
func (in *inbox) notify() {
	q := in.q
	q.mu.Lock()
	if !q.closed {
		q.join(in)
	}
	q.interrupt()
	q.mu.Unlock()
	q.arrived.wake(1)
}

// capacity returns how many messages may be pushed now; where none may, it can ask for in.room to be signalled. A closed
// queue takes any number, and drops them.
func (in *inbox) capacity(ask bool) int {
	q, cfg := in.q, &in.p.s.cfg
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return unlimited
	}
	if q.finished {
		in.blocked = in.blocked || ask // until the queue is closed
		return 0
	}
	if q.goneN >= cfg.RecvHWM || q.goneSize >= cfg.RecvHWMBytes {
		if ask && q.held == nil {
			q.held = map[*inbox]struct{}{}
		}
		if ask {
			q.held[in] = struct{}{}
			in.blocked = true
		}
		return 0
	}
	if cfg.Conflate {
		return unlimited
	}
	free := in.maxN - in.n
	if free <= 0 || in.size >= in.maxSize {
		in.blocked = in.blocked || ask
		return 0
	}
	return free
}

// reject counts a message as discarded that was received, of size bytes, and that the pattern does not hand on.
func (s *socket) reject(m *Message, size int) {
	s.in.mu.Lock()
	s.in.received--
	s.in.bytes -= uint64(size)
	s.in.mu.Unlock()
	s.discarded.Add(1)
	m.Release()
}

// discard drops what waits now, and counts it.
func (q *inQueue) discard() {
	var roomy []*socket // inproc peers that wait to hear of the room we made
	q.mu.Lock()
	for in := q.cur; in != nil; {
		if asked := in.refill(); asked {
			roomy = append(roomy, in.source.s)
		}
		q.discarded.Add(uint64(in.drop()))
		in.unblock()
		if in = in.next; in == q.cur {
			break
		}
	}
	q.mu.Unlock()
	for _, s := range roomy {
		s.announceRoom()
	}
}

// excess is what waits beyond the bounds, in messages and bytes, of this peer and of all that are gone.
func (in *inbox) excess() (n, size int) {
	q := in.q
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(in.n-in.maxN, 0) + max(q.goneN-in.maxN, 0), max(in.size-in.maxSize, 0) + max(q.goneSize-in.maxSize, 0)
}

// close drops everything, counts it, and frees everybody who waits.
func (q *inQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.discarded.Add(uint64(q.dropHands()))
	if q.solo != nil {
		q.solo.recall()
	}
	if q.unwatch != nil {
		q.unwatch()
	}
	for q.cur != nil {
		in := q.cur
		q.leave(in)
		q.discarded.Add(uint64(in.drop()))
		in.unblock()
	}
	for in := range q.held {
		in.unblock()
	}
	clear(q.held)
	q.mu.Unlock()
	q.arrived.wakeAll()
}
