package zmq

import (
	"errors"
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
//	next .. pos    frames of a message that is not whole yet
//	pos .. end     not looked at yet
type reader struct {
	c       *conn
	slab    *slab
	start   int
	next    int
	pos     int
	end     int
	count   int
	room    int  // how many more messages the inbox takes
	behind  bool // more is likely to be there than was read
	full    bool // the inbox does not take the message at next
	awaited bool // a receiver waited for what was handed over
	handed  bool // something was handed over
	want    int  // size of the next slab: grows with the traffic
	need    int  // bytes that the message at next takes at least; 0 where none of it is there
	last    int  // size of the last whole message
	cuts    int  // commands that were cut out of the present message
	trust   int  // the most memory taken for a message on the mere word of the peer
	limit   int64
}

const (
	firstRead = 4 << 10  // a quiet connection's slab
	largeRead = 64 << 10 // a busy connection's slab
	readMost  = 128 << 10
	headStart = 256 << 10 // trust in a peer that has not sent a larger message yet
)

// readLoop reads until the connection ends, and returns why.
func (c *conn) readLoop() error {
	r := &reader{c: c, want: firstRead, trust: headStart, limit: c.p.s.cfg.MaxMessageSize}
	if c.p.in == nil {
		r.limit = min(r.limit, int64(c.p.s.cfg.MaxSubscriptionBytes))
	}
	r.slab = newSlab(max(r.want, len(c.peer.Buffered)))
	r.end = copy(r.slab.b, c.peer.Buffered)
	c.peer.Buffered = nil
	defer func() { r.slab.release(1) }()
	for {
		if err := r.scan(); err != nil {
			return err
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
	r.handed = false
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
	n, err := r.c.in.Read(r.space())
	r.filled(n)
	return err
}

// space returns where to read to.
func (r *reader) space() []byte {
	r.makeSpace()
	limit := len(r.slab.b)
	if r.need > largeRead {
		limit = r.next + min(limit-r.next, r.need) // a large message has its slab for itself
	}
	r.behind = false
	return r.slab.b[r.end:min(limit, r.end+readMost)]
}

// filled notes that n bytes were read into the space, which was what there was, where they do not fill it.
func (r *reader) filled(n int) {
	if n > 0 {
		r.c.seen()
	}
	r.end += n
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
		if !r.full {
			break
		}
		if err := r.waitRoom(); err != nil {
			return err
		}
	}
	if errors.Is(end, io.EOF) && r.end > r.next {
		return io.ErrUnexpectedEOF
	}
	return end
}

// scan looks at what was read, and hands over the whole messages in it, those before an error included, as far as the inbox
// has room.
func (r *reader) scan() error {
	r.full = false
	for {
		r.skim()
		if more, err := r.frame(); err != nil || !more {
			r.deliver()
			return err
		}
	}
}

// runLength is after how many messages a run is handed over, so that the receiver has something to do meanwhile.
const runLength = 256

// skim passes over short messages of one frame, as fast as possible, as long as nothing else comes.
func (r *reader) skim() {
	if r.pos != r.next || r.c.p.in == nil || r.c.p.s.publishes || r.limit < 2+255 {
		return
	}
	b, pos, n := r.slab.b[:r.end], r.pos, min(r.room, runLength-r.count)
	for n > 0 && pos+2 <= len(b) && b[pos] == 0 && pos+2+int(b[pos+1]) <= len(b) {
		pos += 2 + int(b[pos+1])
		n--
		r.count++
		r.room--
	}
	r.pos, r.next = pos, pos
}

// frame looks at the next frame. It reports false where that has not arrived whole, or the inbox is full.
func (r *reader) frame() (bool, error) {
	b := r.slab.b[r.pos:r.end]
	flags, size, head, err := wire.ParseHeader(b)
	if err != nil {
		return false, err
	}
	if head == 0 {
		r.need = r.end - r.next
		if r.need > 0 {
			r.need = r.pos - r.next + wire.MaxHeader
		}
		return false, nil
	}
	if size > r.limit-int64(r.pos-r.next+head) {
		if r.c.p.in == nil {
			return false, ErrTooManySubscriptions
		}
		return false, ErrMessageTooLarge
	}
	frame := head + int(size)
	if frame > len(b) {
		r.need = r.pos - r.next + frame
		return false, nil
	}
	switch {
	case flags&wire.FlagCommand != 0:
		if r.cuts > maxCuts {
			return false, errManyCommands
		}
		return true, r.command(flags, b[head:frame], frame)
	case flags&wire.FlagMore != 0:
		r.pos += frame
		return true, nil
	}
	return r.message(flags, b[head:frame], frame)
}

// message takes note of a message whose last frame is at pos. It reports false where the inbox has no room for it.
func (r *reader) message(flags byte, body []byte, frame int) (bool, error) {
	p := r.c.p
	if p.s.publishes && r.pos == r.next {
		if topic, cancel, ok := wire.ParseSubscription(flags, body); ok {
			return true, r.subscription(topic, cancel, frame)
		}
	}
	if p.in == nil {
		r.pos += frame
		r.start, r.next = r.pos, r.pos
		return true, nil
	}
	if r.room == 0 || r.count >= runLength {
		r.deliver()
		if r.room = p.in.capacity(false); r.room == 0 {
			r.full = true
			return false, nil
		}
	}
	r.pos += frame
	r.cuts = 0
	r.last = r.pos - r.next
	r.trust = max(r.trust, r.last)
	r.next = r.pos
	r.count++
	r.room--
	return true, nil
}

// waitRoom waits until the inbox takes more.
func (r *reader) waitRoom() error {
	in := r.c.p.in
	r.c.stalled.Store(true)
	defer func() {
		r.c.seen() // the time to hear something begins anew
		r.c.stalled.Store(false)
	}()
	var alive <-chan time.Time
	if t := r.c.reassure(); t != nil {
		defer t.Stop()
		alive = t.C
	}
	for {
		if r.c.p.s.sink && r.c.p.s.closing.Load() {
			return ErrClosed // what it does not take, another may
		}
		if in.capacity(true) > 0 {
			return nil
		}
		select {
		case <-in.room:
		case <-alive:
			r.c.pong(nil)
		case <-r.c.aborted:
			return ErrClosed
		}
	}
}

// deliver hands the whole messages over to the inbox.
func (r *reader) deliver() {
	if r.count > 0 {
		r.slab.retain(r.count)
		seg := segment{b: r.slab.b[r.start:r.next:r.next], slab: r.slab, n: r.count}
		r.awaited = r.c.p.in.push(seg) || r.awaited
		r.count, r.handed = 0, true
	}
	r.start = r.next
	r.room = 0
}

// command obeys the command frame at pos. Those that are unknown are ignored, as RFC 37 asks.
func (r *reader) command(flags byte, body []byte, frame int) error {
	if topic, cancel, ok := wire.ParseSubscription(flags, body); ok {
		return r.subscription(topic, cancel, frame)
	}
	name, data, err := wire.ParseCommand(body)
	if err != nil {
		return err
	}
	switch string(name) {
	case wire.CommandPing:
		err = r.ping(data)
	case wire.CommandPong:
		r.c.beats.Store(true)
	case wire.CommandError:
		err = refusal(data)
	}
	if err == nil {
		r.skip(frame)
	}
	return err
}

// skip goes on behind the command frame at pos. One between the frames of a message, where libzmq puts its heartbeats, is cut
// out, so that the message is in one piece.
func (r *reader) skip(frame int) {
	if r.pos != r.next {
		r.cuts++
		copy(r.slab.b[r.pos:], r.slab.b[r.pos+frame:r.end])
		r.end -= frame
		return
	}
	r.deliver()
	r.pos += frame
	r.start, r.next = r.pos, r.pos
}

// maxCuts bounds the commands within one message, since each takes moving what was read behind it.
const maxCuts = 1000

var errManyCommands = errors.New("peer sent more than 1000 commands within a message")

// refusal is the error of a peer that took exception to us after we had accepted it.
func refusal(data []byte) error {
	reason, err := wire.ParseError(data)
	if err != nil {
		return err
	}
	return &mechanism.PeerError{Reason: reason}
}

// subscription passes on what the peer wants, or no longer wants, as long as that is not too much. It is the frame at pos.
func (r *reader) subscription(topic []byte, cancel bool, frame int) error {
	if r.pos == r.next {
		r.deliver() // so that it does not overtake messages
	}
	p := r.c.p
	if p.s.pat.subscription(p, topic, cancel) > p.s.cfg.MaxSubscriptionBytes {
		return ErrTooManySubscriptions
	}
	r.skip(frame)
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

// makeSpace makes room for the next read: behind what is there, or in a new slab to which the beginning of an incomplete
// message moves. A message is never given more memory ahead of its arrival than the peer is trusted with, or than twice
// what has arrived of it.
func (r *reader) makeSpace() {
	size, partial := r.want, r.end-r.next
	if r.last > largeMessage {
		size = max(size, min(r.last, maxSlab)) // the next one will be as large
	}
	size = max(size, min(r.need, max(r.trust, 2*partial)))
	capacity, free := len(r.slab.b), len(r.slab.b)-r.end
	switch {
	case partial == 0 && capacity >= size && r.slab.sole():
		r.moveTo(r.slab) // nobody looks at it any more: begin again at its front
	case r.next == 0 && capacity >= size && free > 0:
	case r.need <= capacity-r.next && free >= min(size, capacity)/4:
	default:
		old := r.slab
		r.moveTo(newSlab(size))
		old.release(1)
	}
}

// moveTo goes on in slab s, with the bytes that are not handed over at its front.
func (r *reader) moveTo(s *slab) {
	partial := copy(s.b, r.slab.b[r.next:r.end])
	r.slab = s
	r.pos -= r.next
	r.start, r.next, r.end = 0, 0, partial
}
