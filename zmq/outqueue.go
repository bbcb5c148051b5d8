package zmq

import (
	"iter"
	"math"
	"sync"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
)

// segment is a run of whole messages, encoded as they go on the wire, in one slab. Whoever holds a segment of an
// outQueue holds one reference to its slab; a segment of an inQueue holds one for each of its n messages.
type segment struct {
	b    []byte
	slab *slab
	n    int
	tail []byte // in an outQueue, the rest of its one message, which lies in memory of the sender's
}

func (seg *segment) size() int { return len(seg.b) + len(seg.tail) }

// largeMessage is the encoded size from which a message gets a slab of its own instead of being put behind others.
const largeMessage = 16 << 10

// outQueue holds the messages that wait for one peer. Senders encode into it at once; its consumer (the connection's
// writer, or the receiving socket of an inproc pair) takes everything that waits in one go.
type outQueue struct {
	// What each message touches comes first, on one line of the processor's cache: between one that sends and one that
	// writes, lines go to and fro, which takes longer than all else.
	mu      sync.Mutex
	open    []byte // the last messages, in openSlab, as long as others may be put behind them; nil where there is no such slab
	size    int    // bytes waiting
	maxSize int
	n       int32 // whole messages waiting
	maxN    int32
	idle    bool // the consumer found nothing and must be woken
	special bool // shut, draining or conflate

	segs     []segment // messages before those in open
	closedN  int32     // how many
	openSlab *slab
	chunk    int    // size of the last slab that was opened
	inflight int    // messages taken, and not yet known to be sent
	ctl      []byte // command frames for the present connection, sent ahead of messages
	wantRoom bool   // a sender was turned away
	shut     bool   // nothing may be put
	conflate bool   // only the last message is kept
	draining bool   // no more messages are accepted: the consumer ends when it finds nothing

	withdrawn func(wire []byte) bool // messages in flight that match are not queued again; nil for none

	// wake tells the consumer that the queue is no longer empty. It is called without any lock of the queue held.
	// Set before the queue is shared.
	wake func()

	// A sender that finds the consumer asleep may take its part for one write, which saves the time that waking it takes.
	// It calls a method of direct then, without any lock of the queue held. nil where nobody may.
	direct  *conn
	eager   bool      // whenever the consumer sleeps, instead of when it has slept for a while
	lent    bool      // a sender has the consumer's part
	back    sync.Cond // the part was given back
	lastPut time.Time // when the consumer was last woken
}

// putResult says what became of a message.
type putResult int

const (
	putDone putResult = iota
	putFull
	putShut
)

const firstChunk, lastChunk = minSlab, 64 << 10

// put encodes one message behind those that wait. size is its encoded size. With ask the consumer will announce the next
// room.
func (q *outQueue) put(frames [][]byte, size int, ask bool) putResult {
	q.mu.Lock()
	if q.special || q.n >= q.maxN || q.size >= q.maxSize {
		if r := q.admit(ask, false); r != putDone {
			q.mu.Unlock()
			return r
		}
	}
	if cap(q.open)-len(q.open) < size || size >= largeMessage {
		q.openNew(size)
	}
	q.open = appendFrames(q.open, frames)
	q.n++
	q.size += size
	if q.idle {
		q.rouse(1)
	} else {
		q.mu.Unlock()
	}
	return putDone
}

// putEach puts messages of one frame each, under one lock, as long as there is room and they are shorter than limit when
// encoded, which is largeMessage at most. It returns how many it took.
func (q *outQueue) putEach(bodies [][]byte, limit int) (n int) {
	q.mu.Lock()
	for n < len(bodies) && !q.special && q.n < q.maxN && q.size < q.maxSize {
		frames := bodies[n : n+1]
		size := encodedSize(frames)
		if size >= limit {
			break
		}
		if cap(q.open)-len(q.open) < size {
			q.openNew(size)
		}
		q.open = appendFrames(q.open, frames)
		q.n++
		q.size += size
		n++
	}
	if n > 0 {
		q.unlock(n)
	} else {
		q.mu.Unlock()
	}
	return n
}

// putSegment adds messages that are encoded already. The queue takes over one reference to their slab, if it accepts them.
// With ask
// the consumer will announce the next room. late ones, which another queue had accepted, are put also into a queue that is being
// drained.
func (q *outQueue) putSegment(seg segment, ask, late bool) putResult {
	q.mu.Lock()
	if r := q.admit(ask, late); r != putDone {
		q.mu.Unlock()
		return r
	}
	q.closeOpen()
	q.segs = append(q.segs, seg)
	q.n += int32(seg.n)
	q.closedN = q.n
	q.size += seg.size()
	q.unlock(seg.n)
	return putDone
}

// admit says whether the queue takes a message now: late ones also when it is being drained. mu is held.
func (q *outQueue) admit(ask, late bool) putResult {
	if q.shut || q.draining && !late {
		return putShut
	}
	if q.conflate {
		discard(q.remove())
	}
	if q.n >= q.maxN || q.size >= q.maxSize {
		q.wantRoom = q.wantRoom || ask
		return putFull
	}
	return putDone
}

// note keeps special up to date. mu is held.
func (q *outQueue) note() { q.special = q.shut || q.draining || q.conflate }

// remove takes out what waits. mu is held.
func (q *outQueue) remove() []segment {
	q.closeOpen()
	segs := q.segs
	q.segs, q.closedN, q.n, q.size = nil, 0, 0, 0
	return segs
}

// hasRoom reports whether a message would be taken now. A queue that takes none any more has no need of room. Where there is
// none, the consumer will announce the next room.
func (q *outQueue) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := !q.shut && !q.conflate && (q.n >= q.maxN || q.size >= q.maxSize)
	q.wantRoom = q.wantRoom || full
	return !full
}

// unlock unlocks mu after n messages were put, or something else of interest to the consumer, and wakes it if it sleeps.
func (q *outQueue) unlock(n int) {
	if q.idle {
		q.rouse(n)
	} else {
		q.mu.Unlock()
	}
}

// rouse unlocks mu and wakes the consumer, which sleeps, for n messages; or has the caller take its part.
func (q *outQueue) rouse(n int) {
	q.idle = false
	direct := q.direct
	if direct != nil && n > 0 && q.size < largeMessage && q.mayBeDirect() {
		q.lent = true
		q.mu.Unlock()
		direct.writeDirect()
		return
	}
	q.mu.Unlock()
	q.wake()
}

// quiet is how long nothing has been sent when a sender writes by itself. A stream of messages is better off with the
// consumer, which writes many at once.
const quiet = 200 * time.Microsecond

// mayBeDirect says whether a sender that found the consumer asleep takes its part. mu is held.
func (q *outQueue) mayBeDirect() bool {
	if q.eager {
		return true
	}
	now := time.Now()
	was := q.lastPut
	q.lastPut = now
	return now.Sub(was) >= quiet
}

// lend lets senders take the consumer's part by calling direct, or no longer where that is nil. It returns when no sender has
// it any more.
func (q *outQueue) lend(direct *conn, eager bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.direct, q.eager = direct, eager
	for q.lent {
		q.back.Wait()
	}
}

// giveBack ends a sender's part as the consumer. It reports whether the consumer has something to do now and must be woken.
func (q *outQueue) giveBack(unfinished bool) (wake bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lent = false
	q.back.Broadcast()
	q.idle = !unfinished && q.n == 0 && len(q.ctl) == 0 && !q.draining
	return !q.idle
}

// openNew opens a slab with room for size bytes. They grow with the traffic, so that a quiet peer costs little. A large
// message gets one of its own. mu is held.
func (q *outQueue) openNew(size int) {
	switch {
	case size >= largeMessage:
		q.closeOpen()
		q.openSlab = newSlab(size)
		q.open = q.openSlab.b[:0:size]
		return
	case q.openSlab != nil:
		q.chunk *= 4
	default:
		q.chunk = max(q.chunk/4, firstChunk)
	}
	q.closeOpen()
	q.chunk = min(max(q.chunk, firstChunk), lastChunk)
	q.openSlab = newSlab(max(q.chunk, size))
	q.open = q.openSlab.b[:0]
}

// closeOpen has nothing more put behind the last messages. mu is held.
func (q *outQueue) closeOpen() {
	if q.openSlab == nil {
		return
	}
	q.segs = append(q.segs, segment{b: q.open, slab: q.openSlab, n: int(q.n - q.closedN)})
	q.open, q.openSlab, q.closedN = nil, nil, q.n
}

// control queues a command frame, which appendTo adds to its argument. It returns how many bytes of such frames wait: there
// is no bound but what the caller makes of that.
func (q *outQueue) control(appendTo func(dst []byte) []byte) int {
	q.mu.Lock()
	q.ctl = appendTo(q.ctl)
	waiting := len(q.ctl)
	q.unlock(0)
	return waiting
}

// batch is what a consumer takes from an outQueue in one go.
type batch struct {
	ctl      []byte
	segs     []segment
	n        int  // messages in segs
	asked    bool // a sender waits for the room that this made
	draining bool // nothing is left and nothing will come
}

// take hands over everything that waits. Where nothing does, the next put will wake the consumer. The slices in spare
// are empty, and their memory is used again.
func (q *outQueue) take(spare batch) batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := batch{ctl: q.ctl, n: int(q.n), asked: q.wantRoom}
	b.segs = q.remove()
	q.ctl, q.segs, q.wantRoom = spare.ctl[:0], spare.segs[:0], false
	q.inflight = b.n
	if b.n == 0 && len(b.ctl) == 0 {
		q.idle = true
		b.draining = q.draining
		if b.draining {
			q.shut = true // what comes now could not be sent any more
		}
	}
	return b
}

// reclaim notes that the consumer is awake, so that no sender will take its part. It reports false while one has it: the
// consumer then sleeps again, and will be woken when there is something to do.
func (q *outQueue) reclaim() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.lent {
		q.idle = false
	}
	return !q.lent
}

// putBack returns what was taken and not sent, ahead of what waits. Messages that were withdrawn meanwhile are passed to drop
// instead, which is called with mu held.
func (q *outQueue) putBack(segs []segment, drop func([]segment)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.withdrawn != nil {
		var withdrawn []segment
		withdrawn, segs = partition(segs, q.withdrawn)
		drop(withdrawn)
	}
	q.inflight, q.withdrawn = 0, nil
	q.prepend(segs)
}

// prepend puts messages ahead of the queued ones. mu is held.
func (q *outQueue) prepend(segs []segment) {
	if len(segs) == 0 {
		return
	}
	n, size := weigh(segs)
	q.n += int32(n)
	q.closedN += int32(n)
	q.size += size
	q.segs = append(append([]segment(nil), segs...), q.segs...)
}

// sent notes that what was taken is handed over, and counted there.
func (q *outQueue) sent() {
	q.mu.Lock()
	q.inflight, q.withdrawn = 0, nil
	q.mu.Unlock()
}

// withdraw removes the queued messages that match and passes them to drop, which is called with mu held. It returns how many
// they were. It does not wait for messages that the consumer has taken: those are sent, unless the consumer puts them back.
func (q *outQueue) withdraw(match func(wire []byte) bool, drop func([]segment)) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.inflight > 0 {
		q.withdrawn = match
	}
	withdrawn, kept := partition(q.remove(), match)
	q.prepend(kept)
	drop(withdrawn)
	return len(withdrawn)
}

// holds reports whether a queued message matches. Messages that the consumer has taken do not count.
func (q *outQueue) holds(match func(wire []byte) bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closeOpen()
	for m := range single(q.segs) {
		if match(m.b) {
			return true
		}
	}
	return false
}

// waiting returns how many messages are queued or in flight.
func (q *outQueue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int(q.n) + q.inflight
}

// close refuses further messages and returns those that wait. They count as waiting until sent is called.
func (q *outQueue) close() []segment {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inflight = int(q.n)
	q.shut, q.wantRoom = true, false
	q.note()
	return q.remove()
}

// reopen has messages accepted again.
func (q *outQueue) reopen() {
	q.mu.Lock()
	q.shut = false
	q.note()
	q.mu.Unlock()
}

// restart makes the queue ready for a new connection: messages are accepted, and no command of an earlier connection is
// left.
func (q *outQueue) restart() {
	q.mu.Lock()
	q.shut, q.ctl = false, q.ctl[:0]
	q.note()
	q.mu.Unlock()
}

// limit sets the bounds.
func (q *outQueue) limit(maxN, maxSize int) {
	q.mu.Lock()
	q.maxN, q.maxSize = int32(min(maxN, math.MaxInt32)), maxSize
	q.mu.Unlock()
}

// drain makes the consumer end when it has sent everything.
func (q *outQueue) drain() {
	q.mu.Lock()
	q.draining = true
	q.note()
	q.unlock(0)
}

// isShut reports whether the queue takes no messages.
func (q *outQueue) isShut() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shut
}

// isDraining reports whether the queue is to be drained.
func (q *outQueue) isDraining() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.draining
}

// finish closes the queue for good if it is being drained, and empty. It reports whether that is so.
func (q *outQueue) finish() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut = q.shut || q.draining && q.n == 0
	q.note()
	return q.draining && q.n == 0
}

// encodedSize is how many bytes the frames take on the wire.
func encodedSize(frames [][]byte) int {
	size := 0
	for _, f := range frames {
		size += len(f) + 2
		if len(f) > 255 {
			size += 7
		}
	}
	return size
}

// appendFrames appends one message to dst (RFC 37, section 3.2).
func appendFrames(dst []byte, frames [][]byte) []byte {
	last := len(frames) - 1
	if len(frames) == 1 && len(frames[0]) <= 255 {
		return append(append(dst, 0, byte(len(frames[0]))), frames[0]...)
	}
	for i, f := range frames {
		var flags byte
		if i < last {
			flags = wire.FlagMore
		}
		dst = appendFrame(dst, flags, f)
	}
	return dst
}

// unsent returns what remains of segs when the first written bytes of them have gone out: every message from the first
// one that did not go out whole. References to what went out are dropped.
func unsent(segs []segment, written int) []segment {
	for i, seg := range segs {
		if written >= seg.size() {
			written -= seg.size()
			seg.slab.release(1)
			continue
		}
		if seg.tail != nil {
			return segs[i:]
		}
		off := 0
		for {
			end := off + messageEnd(seg.b[off:])
			if end > written {
				break
			}
			off, seg.n = end, seg.n-1
		}
		seg.b = seg.b[off:]
		segs[i] = seg
		return segs[i:]
	}
	return nil
}

// single yields each message of segs as a segment. The segments do not hold references.
func single(segs []segment) iter.Seq[segment] {
	return func(yield func(segment) bool) {
		for _, seg := range segs {
			for ; seg.n > 1; seg.n-- {
				end := messageEnd(seg.b)
				if !yield(segment{b: seg.b[:end:end], slab: seg.slab, n: 1}) {
					return
				}
				seg.b = seg.b[end:]
			}
			if !yield(seg) {
				return
			}
		}
	}
}

// partition separates the messages that match from the rest. Both keep their order and hold the references of segs.
func partition(segs []segment, match func(wire []byte) bool) (matching, rest []segment) {
	for _, seg := range segs {
		seg.slab.retain(seg.n - 1)
	}
	for m := range single(segs) {
		if match(m.b) {
			matching = append(matching, m)
		} else {
			rest = append(rest, m)
		}
	}
	return matching, rest
}

// weigh returns how many messages and bytes are in segs.
func weigh(segs []segment) (n, size int) {
	for _, seg := range segs {
		n += seg.n
		size += seg.size()
	}
	return n, size
}

// discard drops the references of segs and returns how many messages they held.
func discard(segs []segment) int {
	n := 0
	for _, seg := range segs {
		n += seg.n
		seg.slab.release(1)
	}
	return n
}
