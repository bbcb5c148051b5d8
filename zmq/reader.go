package zmq

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// reader cuts what a connection delivers into messages. It reads into a slab; whole messages go to the inbox as runs of
// that slab, without being touched, and the reader goes on behind them.
//
//	0 .. start     handed over
//	start .. next  whole messages, count of them
//	next .. pos    the message that is not whole yet, behind its parts in aside
//	pos .. end     not looked at yet
//
// The body of a frame is passed as it arrives, so that it need not be in one piece. Commands are
// passed as a whole.
type reader struct {
	c       *conn
	sealed  *sealedConn // what c reads from; nil if frames travel as they are
	slab    *slab
	start   int
	next    int
	pos     int
	end     int
	count   int
	aside   gather // the beginning of the message at next that is in other places
	phase   phase
	flags   byte  // of the frame before pos
	missing int   // bytes of its body that have not arrived
	lone    bool  // it is the first frame of the message at next
	head    int   // size of its header
	room    int   // how many more messages the inbox takes
	behind  bool  // more is likely to be there than was read
	full    bool  // the inbox does not take the message at next
	awaited bool  // a receiver waited for what was handed over
	handed  bool  // something was handed over
	want    int   // size of the next slab: grows with the traffic
	need    int   // bytes behind pos that the next header or command takes
	last    int   // size of the last whole message
	cuts    int   // commands that were cut out of the present message
	trust   int   // the most memory taken for a message on the mere word of the peer
	budget  int64 // bytes that may be allocated for what has arrived
	limit   int64
	parts   int         // what the socket's budget knows of, in bytes
	over    bool        // that has taken the budget beyond its limit
	leaving bool        // the peer is gone, and the rest of what it has sent is read beyond the bounds
	look    *time.Timer // for a look whether the peer is gone
	err     error       // what the peer has done that ends the connection
}

// phase is where in the stream of frames the reader is.
type phase int

const (
	between   phase = iota // pos is where the next message or command begins
	inMessage              // pos is where the next frame of the message at next begins
	inBody                 // bytes are missing of the frame before pos
	whole                  // pos is where the message at next ends, for which the inbox has no room
)

// perByte is how many bytes are allocated at most for each byte that arrives, beside a constant for
// each connection. What a message needs stays below that by itself (see gather.go). A slab that is
// larger than that, because the next message may be as large as the last one, is allocated only if
// the budget allows it.
const perByte = 3

const (
	firstRead = 4 << 10  // a quiet connection's slab
	largeRead = 64 << 10 // a busy connection's slab
	readMost  = 128 << 10
	hugeRead  = 8 << 20   // for sealed frames, and for messages that no cache holds anyway
	headStart = 256 << 10 // trust in a peer that has not sent a larger message yet
)

// readLoop reads until the connection ends, and returns why.
func (c *conn) readLoop() error {
	r := &reader{c: c, want: firstRead, trust: headStart, limit: c.p.s.cfg.MaxMessageSize}
	if c.p.in == nil {
		r.limit = min(r.limit, int64(c.p.s.cfg.MaxSubscriptionBytes))
	}
	r.sealed, _ = c.nc.(*sealedConn)
	r.slab = newSlab(max(r.want, len(c.peer.Buffered)))
	r.end = copy(r.slab.b, c.peer.Buffered)
	c.peer.Buffered = nil
	defer r.close()
	for {
		if c.isAborted() && errors.Is(c.err, ErrKeyRemoved) {
			return c.err // nothing more of this peer
		}
		if err := r.scan(); err != nil {
			return err
		}
		if r.over {
			if err := r.waitBudget(); err != nil {
				return err
			}
			continue
		}
		if (r.full || r.awaited) && c.lend(r) {
			if c.readErr != nil {
				return r.finish(c.readErr)
			}
			continue
		}
		r.awaited = false
		if r.full {
			if err := r.waitRoom(); err != nil {
				return err
			}
			continue
		}
		if err := r.fill(); err != nil {
			return r.finish(err)
		}
	}
}

// pull is the turn of a receiver that reads, for which there is nothing in its queue: it reads once, unless something was
// left to be handed over.
func (r *reader) pull() error {
	r.handed, r.over = false, false // what is unread is being received
	if err := r.scan(); err != nil || r.handed || r.full {
		if r.handed {
			r.c.seen()
		}
		return err
	}
	if err := r.fillSoon(); err != nil {
		return err
	}
	return r.scan()
}

// catchUp is pull for all that is there, without waiting for more.
func (r *reader) catchUp() error {
	for {
		r.over = false
		if err := r.scan(); err != nil || r.full {
			return err
		}
		n, err := r.c.glance.read(r.space())
		if r.filled(n); err != nil || n == 0 {
			return err
		}
	}
}

// A receiver that waits for a request or a reply looks again and again for spinTime before it sleeps, since waking its thread
// takes longer than that. It does so as long as that is of use: after so many longer waits in a row it does not, until one is
// short again, and for longer each time that it was of no use: who is to answer may be in this process, and need the processor
// to do so. Other threads that want the processor go first each time, other goroutines once in a while.
const (
	spinTime = 20 * time.Microsecond
	patience = 16
	turnTime = 2 * time.Millisecond
	maxDoubt = 1 << 12
)

// fillSoon is fill for a receiver.
func (r *reader) fillSoon() error {
	c := r.c
	if c.glance == nil || !canYield {
		return r.fill()
	}
	start := time.Now()
	if start.Sub(c.rested) >= turnTime {
		runtime.Gosched()
		start = time.Now()
		c.rested = start
	}
	for b := r.space(); c.hope > 0 && time.Since(start) < spinTime; yieldThread() {
		if n, err := c.glance.read(b); n > 0 || err != nil {
			r.filled(n)
			c.hope, c.doubt = patience, c.doubt/2
			return err
		}
	}
	err := r.fill()
	c.rested = time.Now()
	switch short := c.rested.Sub(start) < spinTime; {
	case short && c.wary == 0:
		c.hope = patience
	case short:
		c.wary--
	case c.hope > 0:
		if c.hope--; c.hope == 0 {
			c.doubt = min(2*c.doubt+patience, maxDoubt)
			c.wary = c.doubt
		}
	}
	return err
}

// fill reads once.
func (r *reader) fill() error {
	if r.sealed != nil {
		return r.fillSealed()
	}
	n, err := r.c.in.Read(r.space())
	r.filled(n)
	return err
}

// fillSealed is fill if frames are sealed. A large one comes in a slab of its own.
func (r *reader) fillSealed() error {
	n, own, err := r.sealed.next(r.space())
	if own.slab != nil {
		r.adopt(own)
		return err
	}
	r.filled(n)
	return err
}

// close lets go of all memory.
func (r *reader) close() {
	r.slab.release(1)
	r.aside.reset()
	if r.look != nil {
		r.look.Stop()
	}
}

// kept returns how much memory is kept for what is not whole. Of the usual slab of a connection, which each may have, counts
// what is in it.
func (r *reader) kept() int {
	n := r.aside.kept
	if size := len(r.slab.b); size > usualSlab || n > 0 {
		n += size
	} else {
		n += r.end - r.next
	}
	if r.sealed != nil {
		n += r.sealed.kept()
	}
	return n
}

// usualSlab is the size of the slab that each connection may have.
const usualSlab = largeRead + slabSlack

// account tells the budget how much memory is kept.
func (r *reader) account() {
	if n := r.kept(); n != r.parts {
		r.parts = n
		if a := r.c.p.account; a.set(keptParts, n) && a.b.settle() {
			r.over = true
		}
	}
}

// trusted returns how much memory is taken on the mere word of the peer: n, unless peers make the socket keep much.
func (r *reader) trusted(n int) int {
	if r.c.p.s.budget.isPressed() {
		return 0
	}
	return n
}

// space returns where to read to.
func (r *reader) space() []byte {
	r.makeSpace()
	r.account()
	limit := len(r.slab.b)
	if r.aside.size == 0 && r.total() > largeRead {
		limit = r.end + min(limit-r.end, r.missing) // a large message has its slab for itself
	}
	most := readMost
	if max(r.total(), r.size()) > maxSlab || r.sealed != nil {
		most = hugeRead
	}
	r.behind = false
	return r.slab.b[r.end:min(limit, r.end+most)]
}

// filled notes that n bytes were read into the space, which was what there was, where they do not fill it.
func (r *reader) filled(n int) {
	if n > 0 {
		r.c.seen()
	}
	r.end += n
	r.budget += int64(n) * perByte
	if r.end == len(r.slab.b) {
		r.behind = true
		if r.want < largeRead {
			r.want *= 4
		}
	}
}

// finish hands over what came with the end of the connection, and returns the reason for that.
func (r *reader) finish(end error) error {
	for {
		if err := r.scan(); err != nil {
			return err
		}
		var err error
		switch {
		case r.over:
			err = r.waitBudget()
		case r.full:
			err = r.waitRoom()
		default:
			return r.cutOff(end)
		}
		if err != nil {
			return err
		}
	}
}

// cutOff returns the reason for the end of the connection when everything was handed over.
func (r *reader) cutOff(end error) error {
	if errors.Is(end, io.EOF) && (r.end > r.next || r.aside.size > 0) {
		return io.ErrUnexpectedEOF
	}
	return end
}

// scan looks at what was read, and hands over the whole messages in it, those before an error included, as far as the inbox and
// the budget have room. After an error it returns the same one again.
func (r *reader) scan() error {
	r.full = false
	for more := true; more && r.err == nil && !r.over; {
		if r.pos < r.end && r.slab.b[r.pos] <= wire.FlagMore {
			r.skim()
		}
		more, r.err = r.frame()
	}
	r.deliver()
	return r.err
}

// runLength is after how many messages a run is handed over, so that the receiver has something to do meanwhile.
const runLength = 256

// skim passes short frames as fast as possible, as long as nothing else comes.
func (r *reader) skim() {
	if r.phase > inMessage || r.c.p.in == nil || r.c.p.s.publishes || r.limit < 2+255 {
		return
	}
	b, pos, next := r.slab.b[:r.end], r.pos, r.next
	n, within, most := min(r.room, runLength-r.count), r.phase == inMessage, r.limit-int64(r.aside.size)
	before := n
	for n > 0 && pos+2 <= len(b) && b[pos] <= wire.FlagMore {
		end := pos + 2 + int(b[pos+1])
		if end > len(b) {
			break
		}
		if b[pos] == 0 && !within { // a message of one frame
			pos, next = end, end
			n--
			continue
		}
		more := b[pos] != 0
		if int64(end-next) > most || !more && r.aside.size > 0 {
			break
		}
		pos, within = end, more
		if !more {
			r.ended(end - next)
			next = end
			n--
		}
	}
	r.pos, r.next = pos, next
	r.count += before - n
	r.room -= before - n
	if within {
		r.phase = inMessage
	} else {
		r.phase = between
	}
}

// ended notes the size of a message that is whole.
func (r *reader) ended(size int) {
	r.last = size
	r.trust = max(r.trust, size)
}

// frame passes the next frame, or what is there of its body. It reports false if more must arrive
// first, or if the inbox is full.
func (r *reader) frame() (bool, error) {
	switch r.phase {
	case whole:
		return r.message()
	case inBody:
		return r.pass(r.missing)
	}
	flags, size, head, err := wire.ParseHeader(r.slab.b[r.pos:r.end])
	if err != nil {
		return false, err
	}
	if head == 0 {
		r.need = wire.MaxHeader
		return false, nil
	}
	if r.phase == inMessage && flags&wire.FlagCommand != 0 {
		return r.cut(flags, size, head)
	}
	if size > r.sizeLimit(flags)-int64(r.size()+head) {
		if r.c.p.in == nil {
			return false, ErrTooManySubscriptions
		}
		return false, ErrMessageTooLarge
	}
	r.flags, r.head, r.lone = flags, head, r.phase == between
	return r.pass(head + int(size))
}

// sizeLimit returns how large a message may be, or the command that a frame with these flags is.
func (r *reader) sizeLimit(flags byte) int64 {
	if flags&wire.FlagCommand != 0 {
		return max(r.limit, maxCut)
	}
	return r.limit
}

// size returns how much of the message at next has been passed.
func (r *reader) size() int { return r.aside.size + r.pos - r.next }

// pass passes the rest of a frame, of which n bytes are behind pos or missing.
func (r *reader) pass(n int) (bool, error) {
	here := min(n, r.end-r.pos)
	r.pos += here
	r.missing = n - here
	if r.missing > 0 {
		r.phase = inBody
		r.drop()
		return false, nil
	}
	switch {
	case r.flags&wire.FlagCommand != 0:
		r.deliver() // so that a subscription does not overtake messages
		err := r.command(r.flags, r.body())
		r.forget()
		return true, err
	case r.flags&wire.FlagMore != 0:
		r.phase = inMessage
		r.drop()
		return true, nil
	}
	return r.message()
}

// body returns the body of the frame that ends at pos, which is the first one of what begins at next. Its beginning may have
// been put aside.
func (r *reader) body() []byte {
	here := r.slab.b[r.next:r.pos]
	if len(r.aside.parts) > 0 {
		here = r.aside.join(make([]byte, 0, r.size()), here)
	}
	return here[r.head:]
}

// drop throws away what was passed of a message, unless it is received or may be a subscription.
func (r *reader) drop() {
	p := r.c.p
	if p.in == nil && r.flags&wire.FlagCommand == 0 && !(p.s.publishes && r.lone && r.flags&wire.FlagMore == 0) {
		r.aside.discard(r.pos - r.next)
		r.start, r.next = r.pos, r.pos
	}
}

// forget goes on behind pos with the next message or command.
func (r *reader) forget() {
	r.aside.reset()
	r.start, r.next = r.pos, r.pos
	r.phase, r.cuts = between, 0
}

// message takes note of the message that ends at pos. It reports false if the inbox has no room for
// it.
func (r *reader) message() (bool, error) {
	p := r.c.p
	if p.s.publishes && r.lone && r.phase != whole {
		if topic, cancel, ok := wire.ParseSubscription(r.flags, r.body()); ok {
			r.deliver() // so that it does not overtake messages
			err := r.subscription(topic, cancel)
			r.forget()
			return true, err
		}
	}
	if p.in == nil {
		r.forget()
		return true, nil
	}
	if r.room == 0 || r.count >= runLength {
		r.deliver()
		if r.room = p.in.capacity(false); r.room == 0 {
			r.full, r.phase = true, whole
			return false, nil
		}
	}
	r.ended(r.size())
	r.phase, r.cuts = between, 0
	if r.aside.size > 0 && !r.compact() {
		r.deliverJoined()
		return true, nil
	}
	r.next = r.pos
	r.count++
	r.room--
	return true, nil
}

// waitRoom waits until the inbox takes more. Meanwhile the message that it does not take counts as unread, since no end of a
// connection is to free it.
func (r *reader) waitRoom() error {
	in, a := r.c.p.in, r.c.p.account
	if in.capacity(true) > 0 {
		return nil
	}
	a.set(keptUnread, r.kept())
	a.set(keptParts, 0)
	r.parts = 0
	defer a.set(keptUnread, 0)
	return r.wait(in.room, func() bool { return in.capacity(true) > 0 })
}

// waitBudget waits until all peers together make the socket keep less than its limit, or little besides messages in parts.
func (r *reader) waitBudget() error {
	a := r.c.p.account
	r.over = false
	return r.wait(nil, func() bool {
		if !a.b.settle() || r.leaving {
			return true
		}
		a.await()
		return !a.b.settle() // some may have been freed just before await
	})
}

// wait waits until cond holds, which is looked at again after each signal of room or of the budget. As long as that
// lasts, nothing is read. If the peer turns out to be gone, the rest of what it has sent is read beyond the bounds.
func (r *reader) wait(room <-chan struct{}, cond func() bool) error {
	c, a := r.c, r.c.p.account
	c.stalled.Store(true)
	defer func() {
		c.seen() // the time to hear something begins anew
		c.stalled.Store(false)
	}()
	var alive <-chan time.Time
	if t := c.reassure(); t != nil {
		defer t.Stop()
		alive = t.C
	}
	gap := firstLook
	if r.look == nil {
		r.look = time.NewTimer(gap)
	} else {
		r.look.Reset(gap)
	}
	defer r.look.Stop()
	kept := false // the peer is gone, and the connection is kept
	defer func() {
		if kept {
			c.p.s.goneKept.Add(-1)
		}
	}()
	for {
		if c.p.s.sink && c.p.s.closing.Load() {
			return ErrClosed // what it does not take, another may
		}
		if cond() {
			return nil
		}
		select {
		case <-room:
		case <-a.room:
		case <-alive:
			c.pong(nil)
		case <-r.look.C:
			gap = min(2*gap, lastLook)
			r.look.Reset(gap)
			switch {
			case r.leaving || !c.isPeerGone():
			case c.p.in == nil:
				return io.EOF // what is left is about subscriptions
			case a.reserve(2 * c.sys.queuedIn()):
				r.leaving = true
				c.p.in.readToEnd()
			case c.p.s.publishes:
				return io.EOF // most of what is left is about subscriptions
			case !kept:
				kept = true
				c.p.s.goneKept.Add(1)
				a.b.report()
			}
		case <-c.aborted:
			return ErrClosed
		}
	}
}

// A reader that does not read looks whether its peer is gone: first after firstLook, then after twice as long each time, up
// to lastLook.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = 5 * time.Second
)

// deliver hands the whole messages over to the inbox.
func (r *reader) deliver() {
	if r.count > 0 {
		r.slab.retain(r.count)
		seg := segment{b: r.slab.b[r.start:r.next], slab: r.slab, n: r.count}
		r.awaited = r.c.p.in.push(seg) || r.awaited
		r.count, r.handed = 0, true
	}
	r.start = r.next
	r.room = 0
}

// deliverJoined hands the message that ends at pos over to the inbox, in a slab of its own, since
// its parts are in several.
func (r *reader) deliverJoined() {
	s := r.newSlab(r.size())
	b := r.aside.join(s.b[:0], r.slab.b[r.next:r.pos])
	r.awaited = r.c.p.in.push(segment{b: b, slab: s, n: 1}) || r.awaited
	r.aside.reset()
	r.start, r.next = r.pos, r.pos
	r.room, r.handed = 0, true
}

// compact moves what was put aside in the present slab up to the rest of its message, which ends at
// pos. It reports whether the message is in one piece then.
func (r *reader) compact() bool {
	for n := len(r.aside.parts); n > 0 && r.aside.parts[n-1].slab == r.slab; n-- {
		p := r.aside.pop()
		r.next -= copy(r.slab.b[r.next-len(p.b):], p.b)
		r.slab.release(1)
	}
	r.start = r.next
	return r.aside.size == 0
}

var errCommandV2 = errors.New("peer of ZMTP 2.0 sent a command, which only later versions have")

// command obeys a command. Those that are unknown are ignored, as RFC 37 asks.
func (r *reader) command(flags byte, body []byte) error {
	if !r.c.hasCommands() {
		return errCommandV2
	}
	if topic, cancel, ok := wire.ParseSubscription(flags, body); ok {
		return r.subscription(topic, cancel)
	}
	name, data, err := wire.ParseCommand(body)
	if err != nil {
		return err
	}
	switch string(name) {
	case wire.CommandPing:
		return r.ping(data)
	case wire.CommandPong:
		r.c.beats.Store(true)
	case wire.CommandError:
		return refusal(data)
	}
	return nil
}

// Bounds of the commands within a message, where libzmq puts its heartbeats: their number, and the
// size of the body of each.
const (
	maxCuts = 1000
	maxCut  = 8 << 10
)

var (
	errManyCommands = fmt.Errorf("peer sent more than %d commands within a message", maxCuts)
	errLongCommand  = fmt.Errorf("peer sent a command of more than %d bytes within a message", maxCut)
)

// cut obeys the command at pos, which is within a message, and puts aside what comes before it.
func (r *reader) cut(flags byte, size int64, head int) (bool, error) {
	switch {
	case r.cuts == maxCuts:
		return false, errManyCommands
	case size > maxCut:
		return false, errLongCommand
	}
	frame := head + int(size)
	if frame > r.end-r.pos {
		r.need = frame
		return false, nil
	}
	r.putAside()
	err := r.command(flags, r.slab.b[r.pos+head:r.pos+frame])
	r.pos += frame
	r.start, r.next = r.pos, r.pos
	r.cuts++
	return true, err
}

// putAside puts what was passed of the message at next aside, and goes on at pos with the rest of
// it.
func (r *reader) putAside() {
	r.deliver()
	r.aside.add(r.slab.b[r.next:r.pos], r.slab)
	r.start, r.next = r.pos, r.pos
}

// refusal is the error of a peer that took exception to us after we had accepted it.
func refusal(data []byte) error {
	reason, err := wire.ParseError(data)
	if err != nil {
		return err
	}
	return &mechanism.PeerError{Reason: reason}
}

// subscription passes on what the peer wants, or no longer wants, as long as that is not too much.
func (r *reader) subscription(topic []byte, cancel bool) error {
	p := r.c.p
	cost, excess := p.s.pat.subscription(p, topic, cancel)
	if cost+excess > p.s.cfg.MaxSubscriptionBytes {
		return ErrTooManySubscriptions
	}
	if a := p.account; a.set(keptSubscriptions, cost) && a.b.settle() {
		r.over = true
	}
	return nil
}

// ping answers a PING with a PONG that bears the same context (RFC 37, "Connection Heartbeating").
func (r *reader) ping(data []byte) error {
	ttl, context, err := wire.ParsePing(data)
	if err != nil {
		return err
	}
	r.c.expect(ttl)
	r.c.pong(context)
	return nil
}

// makeSpace makes room for the next read. Calling it again changes nothing.
func (r *reader) makeSpace() {
	total := r.total()
	switch {
	case r.end == r.next && len(r.aside.parts) == 0:
		r.freshSpace()
	case total > 0:
		r.spaceFor(total)
	default:
		r.spaceForMore()
	}
}

// total returns the size of the message at next, or 0 as long as that is not known.
func (r *reader) total() int {
	if r.phase != inBody || r.flags&wire.FlagMore != 0 {
		return 0
	}
	return r.size() + r.missing
}

// freshSpace makes room when nothing is there of a message.
func (r *reader) freshSpace() {
	size, capacity := r.usual(), len(r.slab.b)
	switch {
	case capacity > maxSlab: // it was for one large message
		r.replace(size)
	case capacity >= size && r.slab.sole():
		r.moveTo(r.slab) // nobody looks at it any more: begin again at its front
	case capacity-r.end >= min(size, capacity)/4:
	default:
		r.replace(size)
	}
}

// spaceFor makes room for a message of total bytes.
func (r *reader) spaceFor(total int) {
	arrived := r.aside.size + r.end - r.next
	switch fill(total, arrived, len(r.slab.b)-r.end, r.trusted(r.trust)) {
	case exact:
		if 2*total <= r.want+slabSlack { // others fit behind it
			total = r.want
		}
		r.collect(total)
	case extend:
		r.grow(max(chunkSize(arrived), r.trusted(headStart)))
	}
}

// spaceForMore makes room for a message of which the size is not known, since this frame is not the
// last one, or its header is not whole.
func (r *reader) spaceForMore() {
	size, capacity, partial := r.usual(), len(r.slab.b), r.end-r.next
	least := 1
	if r.phase != inBody {
		least = r.need - (r.end - r.pos)
	}
	free := capacity - r.end
	alone := len(r.aside.parts) == 0
	switch {
	case alone && r.missing > free && r.missing >= 4*partial && partial+r.missing <= r.trusted(r.trust):
		r.replace(max(size, partial+r.missing))
	case least <= free && free >= min(size, capacity)/4:
	case alone && partial <= size/2:
		r.replace(max(size, partial+least))
	case least <= free:
	default:
		r.extend(max(chunkSize(r.aside.size+partial), r.need, min(r.missing, r.trusted(r.trust))))
	}
}

// usual returns the size of a slab for what comes next. The next message may be as large as the
// last one.
func (r *reader) usual() int {
	last := min(r.last, maxSlab)
	switch {
	case last <= largeMessage:
	case r.sealed != nil && r.lone && last >= ownRaw: // it comes in a slab of its own
	case int64(shelfOf(last).size) <= r.budget && r.trusted(last) > 0:
		return max(r.want, last)
	}
	return r.want
}

// newSlab is newSlab on account of the budget.
func (r *reader) newSlab(size int) *slab {
	s := newSlab(size)
	r.budget -= int64(len(s.b))
	return s
}

// grow goes on in a slab of size bytes. What is there of the message goes along if that is little,
// else it is put aside.
func (r *reader) grow(size int) {
	if len(r.aside.parts) == 0 && r.end-r.next <= size/2 {
		r.replace(size)
	} else {
		r.extend(size)
	}
}

// extend puts aside what was passed of the message at next, and goes on in a chunk of size bytes.
func (r *reader) extend(size int) {
	r.putAside()
	r.replace(size)
}

// replace goes on in a slab of size bytes.
func (r *reader) replace(size int) {
	old := r.slab
	r.moveTo(r.newSlab(size))
	old.release(1)
}

// moveTo goes on in slab s, with the bytes at its front that are neither handed over nor put aside.
func (r *reader) moveTo(s *slab) {
	partial := copy(s.b, r.slab.b[r.next:r.end])
	r.slab = s
	r.pos -= r.next
	r.start, r.next, r.end = 0, 0, partial
}

// collect goes on in a slab of size bytes, with all that has arrived of the message at next at its
// front.
func (r *reader) collect(size int) {
	s, old := r.newSlab(size), r.slab
	b := r.aside.join(s.b[:0], old.b[r.next:r.end])
	r.aside.reset()
	old.release(1)
	r.slab, r.start, r.next, r.pos, r.end = s, 0, 0, len(b), len(b)
}

// adopt goes on in the slab of a frame that was opened there.
func (r *reader) adopt(frame part) {
	r.putAside() // all that is there has been passed
	r.slab.release(1)
	r.slab = frame.slab
	at := len(r.slab.b) - cap(frame.b)
	r.start, r.next, r.pos, r.end = at, at, at, at+len(frame.b)
	r.budget += int64(len(frame.b))*perByte - 2*int64(len(r.slab.b)) // with the chunks before that slab
	r.behind = false
}
