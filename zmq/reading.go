package zmq

import (
	"context"
	"errors"
	"os"
	"time"
)

// reading says whose part it is to read from a connection. It is the reader's, unless the reader lends it: to whom finds
// the socket's queue empty, and would have to be woken for each message otherwise. Where one goroutine reads and receives, no
// time goes into waking, and messages stay in the cache of one processor.
//
// A reader lends its part only while the connection is the one source of its socket's messages. It takes it back when nobody
// used it for a while, so that prefetching, heartbeats and the end of the connection do not depend on the receiver.
type reading int

const (
	byReader reading = iota
	byNobody         // the next receiver that finds nothing may take it
	byReceiver
)

// lending says when a socket's readers lend their part.
type lending int

const (
	never   lending = iota
	awaited         // when a receiver waited for the reader, as long as a read takes all that is there
	always          // also when the inbox is full, and while more comes than a read takes
)

// lendingOf returns what is right for a type of socket. While a reader lends its part and no receiver reads, nobody notices
// that a peer has gone, or takes more than the system has room for. That is of no concern to a PULL, whose peers wait. Peers of
// a SUB drop what a full system does not take, so its readers go on when much comes. A REQ looks before it sends. The others
// could refuse a peer that comes back at once, or send to one that has gone. With Config.Conflate nothing is to wait.
func lendingOf(kind string, conflate bool) lending {
	switch {
	case conflate:
		return never
	case kind == "PULL":
		return always
	case kind == "SUB" || kind == "XSUB" || kind == "REQ" || kind == "REP":
		return awaited
	}
	return never
}

// lendTick is how long nobody has read when a reader takes its part back.
const lendTick = 10 * time.Millisecond

// sources are the peers from which a queue gets messages, and what a receiver must be told while it waits for one of them.
// Its fields are guarded by the queue's mu.
type sources struct {
	conns map[*conn]struct{}
	links int   // inproc peers
	solo  *conn // the one source; nil where there are others or none

	watched <-chan struct{} // of the context at whose end the receiver that reads is interrupted
	unwatch func() bool
}

// addSource notes that messages come from c, or from an inproc peer where that is nil.
func (q *inQueue) addSource(c *conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c == nil {
		q.links++
	} else {
		if q.conns == nil {
			q.conns = map[*conn]struct{}{}
		}
		q.conns[c] = struct{}{}
	}
	q.choose()
}

// removeSource is the opposite of addSource.
func (q *inQueue) removeSource(c *conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c == nil {
		q.links--
	} else {
		delete(q.conns, c)
	}
	q.choose()
}

// choose finds the one source, and has the part of one that is no longer alone given back. mu is held.
func (q *inQueue) choose() {
	old := q.solo
	q.solo = nil
	if len(q.conns) == 1 && q.links == 0 {
		for c := range q.conns {
			q.solo = c
		}
	}
	if old != nil && old != q.solo {
		old.recall()
	}
}

// recall has the reading part given back to the reader. The queue's mu is held.
func (c *conn) recall() {
	if c.reading == byNobody {
		c.giveToReader()
	}
	c.interrupt()
}

// giveToReader ends the lending. The queue's mu is held.
func (c *conn) giveToReader() {
	c.reading = byReader
	c.tellReader()
}

// tellReader has a reader that lends its part look at what has become of it.
func (c *conn) tellReader() {
	select {
	case c.told <- struct{}{}:
	default:
	}
}

var longAgo = time.Unix(1, 0)

// interrupt has a receiver that reads look at the queue. The queue's mu is held.
func (c *conn) interrupt() {
	if c.reading == byReceiver && !c.interrupted {
		c.interrupted = true
		_ = c.nc.SetReadDeadline(longAgo) // on a closed connection nobody waits
	}
}

// interrupt has a receiver that reads look at the queue. mu is held.
func (q *inQueue) interrupt() {
	if q.solo != nil {
		q.solo.interrupt()
	}
}

// rouseAll has everybody who receives look at what has changed.
func (q *inQueue) rouseAll() {
	q.arrived.wakeAll()
	q.mu.Lock()
	q.interrupt()
	q.mu.Unlock()
}

// watch has the receiver that reads interrupted at the end of ctx. What was set up for an earlier call with the same context
// is used again. mu is held.
func (q *inQueue) watch(ctx context.Context) {
	done := ctx.Done()
	if done == q.watched {
		return
	}
	if q.unwatch != nil {
		q.unwatch()
		q.unwatch = nil
	}
	if q.watched = done; done != nil {
		q.unwatch = context.AfterFunc(ctx, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if q.watched == done {
				q.interrupt()
			}
		})
	}
}

// mayLend reports whether it is right to lend the reader's part now. The queue's mu is held.
func (c *conn) mayLend(r *reader) bool {
	q, s := c.p.in.q, c.p.s
	switch {
	case q.solo != c || q.closed || q.finished || s.lends == never || s.lends == awaited && r.full:
		return false
	case s.kind == "REQ" && c.glance == nil: // it must be able to look before it sends
		return false
	}
	return r.awaited || r.last <= largeMessage // a large message is better read while the receiver is at work
}

// lend lets receivers read, where that is of use, and returns when the part is the reader's again. It reports whether
// anybody read.
func (c *conn) lend(r *reader) (used bool) {
	q := c.p.in.q
	q.mu.Lock()
	if !c.mayLend(r) {
		q.mu.Unlock()
		return false
	}
	c.r, c.reading, c.used, c.readErr = r, byNobody, false, nil
	q.mu.Unlock()
	q.arrived.wake(1)

	tick := time.NewTimer(lendTick)
	defer tick.Stop()
	gone := c.aborted
	for {
		select {
		case <-c.told:
			tick.Reset(lendTick)
		case <-tick.C:
		case <-gone:
			gone = nil
		}
		q.mu.Lock()
		ticks := false
		switch {
		case c.reading == byNobody && (!c.used || gone == nil):
			c.reading = byReader
		case c.reading == byNobody:
			used, ticks, c.used = true, true, false
		case c.reading == byReceiver: // who may wait for a long time
			used, c.unwatched = true, true
		}
		back := c.reading == byReader
		used = used || back && c.used
		q.mu.Unlock()
		if back {
			return used
		}
		if ticks {
			tick.Reset(lendTick)
		}
	}
}

// readSelf has a receiver that found nothing read, if the reader has lent its part. It returns when it has read something or was
// interrupted, and reports false where it could not read. w is the receiver's place in the list of those who wait; nil where
// it has none.
func (q *inQueue) readSelf(ctx context.Context, w *waiter) bool {
	q.mu.Lock()
	c := q.solo
	if c == nil || c.reading != byNobody || q.cur != nil || q.closed || q.finished || q.handsHold() || w != nil && len(w.ready) > 0 || ctx.Err() != nil {
		q.mu.Unlock() // an interruption that came before would not be noticed
		return false
	}
	c.reading, c.used = byReceiver, true
	q.watch(ctx)
	q.mu.Unlock()
	q.giveBack(c, c.r.pull())
	return true
}

// catchUp reads all that has come while nobody read, without waiting. It reports whether the connection turned out to be at its
// end.
func (q *inQueue) catchUp() (ending bool) {
	q.mu.Lock()
	c := q.solo
	if c == nil || c.reading != byNobody || q.closed {
		ending = c != nil && c.readErr != nil
		q.mu.Unlock()
		return ending
	}
	c.reading, c.used = byReceiver, true
	q.mu.Unlock()
	err := c.r.catchUp()
	q.giveBack(c, err)
	return err != nil
}

// giveBack ends a receiver's turn at reading, which ended with err.
func (q *inQueue) giveBack(c *conn, err error) {
	q.mu.Lock()
	if c.interrupted {
		c.interrupted = false
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
		_ = c.nc.SetReadDeadline(time.Time{}) // on a closed connection the reader finds out
		if c.isAborted() {
			_ = c.nc.SetReadDeadline(longAgo) // abort may have set it just before
		}
	}
	c.reading = byNobody
	behind := c.r.behind && c.p.s.lends != always
	switch {
	case err != nil || q.closed || q.finished || q.solo != c || behind:
		c.readErr = err
		c.r.awaited = c.r.awaited && !behind
		c.giveToReader()
	case c.unwatched:
		c.tellReader()
	}
	c.unwatched = false
	q.mu.Unlock()
	q.arrived.wake(1) // another receiver may read now
}
