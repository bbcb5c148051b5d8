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
	cur      *inbox                   // next to be served; nil when all are empty
	accept   func(first []byte) bool  // filter on receipt by the first frame, called with mu held; nil accepts everything
	pick     func(turn *inbox) *inbox // chooses the inbox, if one with a message has its turn; called with mu held; nil for that one
	closed   bool
	finished bool   // nothing more is to come: a Drain has ended
	emptied  func() // called with mu held when the last message of a finished queue was handed out
	received uint64
	bytes    uint64

	budget  *budget
	kept    int64 // memory of unread messages
	counted int64 // how much of it the budget knows of

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
	kept    int64 // memory of the messages: their slabs, whole
	local   bool  // the peer is in this process: its messages are not counted in the budget
	held    bool  // blocked because of the budget
	leaving bool  // the peer is gone, and the rest of what it has sent is read beyond the bounds
	gone    bool  // there will be no connection any more
	source  *pipe // inproc: the peer's pipe, whose outQueue is taken when the inbox is empty
	spare   batch // inproc: memory of the last batch that was taken, for the next
	next    *inbox
	prev    *inbox

	blocked bool          // the reader waits for room
	room    chan struct{} // of capacity one
}

func newInbox(p *pipe) *inbox {
	in := &inbox{q: p.s.in, p: p, room: make(chan struct{}, 1)}
	in.setBounds()
	return in
}

// setBounds sets how much may wait.
func (in *inbox) setBounds() {
	cfg := &in.p.s.cfg
	in.maxN, in.maxSize = cfg.RecvHWM, cfg.RecvHWMBytes
	if in.p.s.kind == "PULL" { // a PUSH waits
		in.maxSize = min(in.maxSize, warmBytes)
	}
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
	if in == nil || in.n == 0 || len(q.hands) > 0 || q.pick != nil {
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
		chosen := in
		if q.pick != nil {
			chosen = q.pick(in)
		}
		m = chosen.pop()
		if q.accept != nil && !q.accept(m.Bytes()) {
			m.Release() // which makes it the zero Message
			continue
		}
		from = chosen.p
		q.taken(chosen, 1, len(m.wire))
		if chosen != in {
			q.cur = in.next // the turn of in is over all the same
		}
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

// first returns the slab of the first message of the inbox, which has one.
func (in *inbox) first() *slab { return in.segs[in.head].slab }

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
	in.n -= n
	in.size -= size
	if seg.n == 0 {
		in.shift()
	}
	if in.blocked && (in.n == 0 || !in.held && in.n <= in.maxN/2 && in.size <= in.maxSize/2) {
		in.unblock()
	}
}

// shift takes the first segment, of which nothing is left, off the inbox.
func (in *inbox) shift() {
	slab := in.segs[in.head].slab
	in.segs[in.head] = segment{}
	if in.head++; in.head == len(in.segs) {
		in.segs, in.head = in.segs[:0], 0
		in.keep(-in.kept)
	} else if in.segs[in.head].slab != slab {
		in.keep(-int64(len(slab.b)) - segmentCost)
	}
}

// countStep is by how many bytes unread messages change before the budget is told.
const countStep = 64 << 10

// keep counts memory of messages that wait. It is called once for each slab, not for each message. mu is held.
func (in *inbox) keep(n int64) {
	if in.local {
		return
	}
	q := in.q
	in.kept += n
	q.kept += n
	if d := q.kept - q.counted; d >= countStep || -d >= countStep || q.kept == 0 || q.budget.waits.Load() > 0 {
		q.count()
	}
}

// count tells the budget how much memory unread messages take. mu is held.
func (q *inQueue) count() {
	d := q.kept - q.counted
	q.counted = q.kept
	q.budget.add(keptUnread, d)
}

// segmentCost is what a segment and its slab take beside the slab's bytes.
const segmentCost = 128

// goneCost is what the inbox and the pipe of a peer that is gone take, beside messages.
const goneCost = 1 << 10

// leaveBehind notes that there will be no connection to the peer any more. What it has sent is received still.
func (in *inbox) leaveBehind() {
	in.q.mu.Lock()
	defer in.q.mu.Unlock()
	if !in.gone && in.n > 0 {
		in.keep(goneCost) // until the inbox is empty
	}
	in.gone = true
}

// settle is called when a connection has ended. It moves messages out of slabs of which they take less than half, and of which
// the reader has used the rest. mu is not held.
func (in *inbox) settle() {
	in.q.mu.Lock()
	defer in.q.mu.Unlock()
	if in.leaving {
		in.leaving = false
		in.setBounds()
	}
	rest := in.segs[in.head:]
	left := rest[:0]
	for len(rest) > 0 {
		run, n, size := 0, 0, 0
		for slab := rest[0].slab; run < len(rest) && rest[run].slab == slab; run++ {
			n, size = n+rest[run].n, size+len(rest[run].b)
		}
		if old := rest[0].slab; !in.local && 2*size < len(old.b) {
			small := &slab{b: make([]byte, 0, size), from: old.from}
			for _, seg := range rest[:run] {
				small.b = append(small.b, seg.b...)
			}
			small.refs.Store(int32(n))
			in.keep(int64(size - len(old.b)))
			old.release(n)
			left = append(left, segment{b: small.b, slab: small, n: n})
		} else {
			left = append(left, rest[:run]...)
		}
		rest = rest[run:]
	}
	clear(in.segs[in.head+len(left):])
	in.segs = in.segs[:in.head+len(left)]
}

// readToEnd has the rest of what a peer that is gone has sent taken beyond the bounds.
func (in *inbox) readToEnd() {
	in.q.mu.Lock()
	defer in.q.mu.Unlock()
	in.maxN, in.maxSize, in.leaving = unlimited, unlimited, true
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
	in.blocked, in.held = false, false
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
	if seg.slab.from != in.from { // messages that several peers share, have it from their sender
		seg.slab.from = in.from
	}
	in.n += seg.n
	in.size += len(seg.b)
	if last := len(in.segs) - 1; last < in.head || in.segs[last].slab != seg.slab {
		in.keep(int64(len(seg.slab.b)) + segmentCost)
	} else if in.segs[last].extend(seg) {
		return
	}
	in.compact()
	in.segs = append(in.segs, seg)
}

// extend puts other, which is in the same slab, behind the segment, if it lies there already.
func (seg *segment) extend(other segment) bool {
	end := len(seg.b)
	if end == cap(seg.b) || &seg.b[:end+1][end] != &other.b[0] {
		return false
	}
	seg.b = seg.b[:end+len(other.b)]
	seg.n += other.n
	return true
}

// drop throws away what waits, and returns how many messages that were. mu is held.
func (in *inbox) drop() int {
	n := in.n
	for _, seg := range in.segs[in.head:] {
		seg.slab.release(seg.n)
	}
	clear(in.segs)
	in.segs, in.head, in.n, in.size = in.segs[:0], 0, 0, 0
	in.keep(-in.kept)
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
	q := in.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return unlimited
	}
	if q.finished {
		in.blocked = in.blocked || ask // until the queue is closed
		return 0
	}
	if q.cfg.Conflate || in.leaving {
		return unlimited
	}
	free := in.maxN - in.n
	if free <= 0 || in.size >= in.maxSize {
		in.blocked, in.held = in.blocked || ask, false
		return 0
	}
	if !q.budget.allows(in.kept) {
		if ask {
			in.p.account.await()
		}
		if !q.budget.allows(in.kept) { // looked at again: some may have been freed just before await
			in.blocked, in.held = in.blocked || ask, true
			if ask {
				q.budget.report()
			}
			return 0
		}
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

// excess is what waits of this peer beyond the bounds, in messages and bytes.
func (in *inbox) excess() (n, size int) {
	in.q.mu.Lock()
	defer in.q.mu.Unlock()
	return max(in.n-in.maxN, 0), max(in.size-in.maxSize, 0)
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
	q.mu.Unlock()
	q.arrived.wakeAll()
}
