package zmq

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// conn is one network connection after its handshake. Two goroutines serve it: the one that called run reads, and a second
// one writes. Each direction ends on its own: a failed write does not keep the reader from what has arrived, and a peer that
// has ended its side still gets the batch that is being written. Both end at once only when the connection is aborted.
type conn struct {
	p    *pipe
	nc   net.Conn
	in   io.Reader // nc, or what reads from it with less waking
	sys  *sysConn  // nil if the system cannot be asked about the connection
	peer *zmtp.Peer

	more  chan struct{} // of capacity one: the writer's queue is no longer empty
	ended chan struct{} // closed when the reader has seen the end of what the peer sends

	lost atomic.Bool // a write has failed: the peer reads nothing any more

	once     sync.Once
	err      error         // why the connection was aborted; set before aborted is closed
	aborted  chan struct{} // closed by abort
	writeErr error         // why the writer ended; the writer's

	now     *nowait  // for writes that do not wait; nil where there are none
	pend    pending  // what such a write has left for the writer
	parts   [][]byte // memory for such writes
	unacked unackedSince
	written ledger // of what the system has taken; of whoever has the writer's part

	told chan struct{} // of capacity one: something has become of the reader's part while it was lent; nil where nobody receives

	glance *readNow // for a REQ that looks before it sends, and for waits of a REQ or REP; nil where that cannot be done

	// Guarded by the receive queue's mu.
	r           *reader // for whoever reads
	reading     reading
	used        bool  // somebody read since the reader looked
	unwatched   bool  // the reader does not look until it is told
	interrupted bool  // who reads is to look at the queue
	readErr     error // why who read could not go on

	// Of whoever reads.
	hope   int       // how many more waits a receiver begins by looking again and again
	wary   int       // how many short waits do not give it hope
	doubt  int       // how many that will be the next time
	rested time.Time // when others were last let run

	heartbeat
}

// pending is a batch of which a part was written.
type pending struct {
	batch
	written int
}

// serveDialed runs a connection of a connecting socket from its handshake to its end. It returns
// the reason for the end, and how long the connection was there after its handshake: 0 if that was
// not completed.
func (s *socket) serveDialed(ctx context.Context, nc net.Conn, p *pipe) (lasted time.Duration, err error) {
	defer nc.Close()
	c, err := s.handshake(ctx, nc, nc, p.endpoint, p)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	err = c.run(ctx)
	return max(time.Since(start), 1), err
}

// welcome does the handshake of a connection that came in at an endpoint, which ctx bounds. It calls heard when the first bytes
// have come. It returns nil if the peer is not accepted.
func (s *socket) welcome(ctx context.Context, nc net.Conn, endpoint string, heard func()) *conn {
	c, _ := s.handshake(ctx, nc, &heardConn{Conn: nc, heard: heard}, endpoint, nil) // the reason is in the event
	return c
}

// heardConn is a connection that tells when the first bytes have come.
type heardConn struct {
	net.Conn
	heard func() // nil when it was called
}

// Read is that of the connection.
func (h *heardConn) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if n > 0 && h.heard != nil {
		h.heard()
		h.heard = nil
	}
	return n, err
}

// SyscallConn is that of the connection, whose writes end with their deadline as those of all system connections do.
func (h *heardConn) SyscallConn() (syscall.RawConn, error) {
	conn, ok := h.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return conn.SyscallConn()
}

// serveAccepted runs the connection of a welcome peer to its end.
func (s *socket) serveAccepted(c *conn) {
	_ = c.run(s.life) // the reason is in the event
	s.dropPipe(c.p)
}

// handshake does the handshake of a connection, in which the socket admits the peer before it sends the command that tells the
// peer so. shake is what the handshake reads from and writes to, in place of nc. dialed is the pipe of a connecting socket; nil
// gives an accepted connection a pipe of its own.
func (s *socket) handshake(ctx context.Context, nc, shake net.Conn, endpoint string, dialed *pipe) (c *conn, err error) {
	cfg := s.zmtp
	cfg.Admit = func(peer *zmtp.Peer) error {
		p := dialed
		if p == nil {
			p = newPipe(s, endpoint)
			if err := s.addPipe(p, true); err != nil {
				return err
			}
		}
		admitted := newConn(p, nc, peer)
		if err := admitted.join(); err != nil {
			admitted.withdraw()
			return err
		}
		c = admitted
		return nil
	}
	if _, err = zmtp.Handshake(ctx, shake, dialed == nil, cfg); err == nil {
		return c, nil
	}
	if c != nil { // the peer did not get the last command
		c.withdraw()
	}
	failed := newHandshakeError(err)
	s.emit(EventHandshakeFailed, endpoint, remoteAddress(nc), failed)
	return nil, failed
}

// join makes the connection that of its pipe and has the pattern admit the peer.
func (c *conn) join() error {
	p := c.p
	p.out.restart()
	p.flow(true)
	p.setPeer(c, nil)
	p.account.open()
	if p.account.set(keptProperties, propertiesSize(c.peer.Properties)) {
		p.account.b.settle()
	}
	p.setFrom(c.describe())
	return p.s.pat.admit(p)
}

// leave leaves the pipe without a connection.
func (c *conn) leave() {
	c.p.setPeer(nil, nil)
	c.p.flow(false)
	c.p.account.close()
}

// withdraw takes back join, also one that failed.
func (c *conn) withdraw() {
	c.leave()
	c.p.s.pat.detach(c.p)
	if !c.p.dialed {
		c.p.s.dropPipe(c.p)
	}
}

func newConn(p *pipe, nc net.Conn, peer *zmtp.Peer) *conn {
	c := &conn{
		p: p, nc: nc, in: nc, sys: newSysConn(nc), peer: peer,
		more: make(chan struct{}, 1), ended: make(chan struct{}), aborted: make(chan struct{}),
	}
	if peer.Sealer != nil {
		sealed := newSealedConn(nc, peer.Sealer, peer.Buffered, p.s.cfg.MaxMessageSize)
		sealed.seen = c.seen
		sealed.trust = func(n int) int {
			if p.s.budget.isPressed() {
				return 0
			}
			return n
		}
		c.nc, c.in, peer.Buffered = sealed, sealed, nil
	}
	if p.in != nil {
		if calm := newCalmReader(c.nc); calm != nil {
			c.in = calm
		}
		c.told = make(chan struct{}, 1)
	}
	return c
}

// run serves the connection of an admitted peer until it ends, and returns why it ended. The caller closes the network
// connection when the place of the peer is free and what waited for it is given to others: a peer that sees the end may come
// back at once.
func (c *conn) run(ctx context.Context) error {
	remote := remoteAddress(c.nc)
	p, s := c.p, c.p.s
	defer context.AfterFunc(ctx, func() { c.abort(net.ErrClosed) })()
	defer c.peer.User.Membership.OnEnd(func() { c.abort(ErrKeyRemoved) })()
	if c.isAborted() {
		_ = c.nc.SetDeadline(longAgo) // the handshake has removed it
	}
	s.attached(p)
	if p.over.Load() && !p.dialed {
		c.abort(net.ErrClosed) // the endpoint was unbound before there was a connection to abort
	}
	s.emit(EventHandshakeSucceeded, p.endpoint, remote, nil)

	defer c.beat()()
	if c.sys != nil && c.sys.stream {
		s.watchAcks()
	}

	if !s.publishes { // a publisher must not wait for the system once for each subscriber
		if c.now = newNowait(c.nc); c.now != nil {
			p.out.lend(c, s.kind == "REQ" || s.kind == "REP")
		}
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	if s.kind == "REQ" || s.kind == "REP" {
		c.glance = newReadNow(c.nc)
	}
	if p.in != nil {
		p.in.q.addSource(c)
	}
	readErr := c.endReading(c.readLoop())
	if p.in != nil {
		p.in.q.removeSource(c)
		p.in.settle()
	}
	<-written
	if s.parts && !p.out.isDraining() { // nothing new for this peer while its last messages settle
		s.pat.detach(p)
		if !p.keeps() {
			s.abandon(p)
		}
	}
	c.settle()

	c.leave()
	s.detached(p)
	s.announceRoom() // more may wait for a peer that is not there
	err := c.reason(readErr)
	if errors.Is(err, ErrLimit) {
		s.overLimit.Add(1)
	}
	s.emit(EventDisconnected, p.endpoint, remote, err)
	return err
}

// abort ends both directions at once, for the reason err. What has arrived and was not read is lost, so it is for
// connections of which nothing more is wanted or can come.
func (c *conn) abort(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.aborted)
		_ = c.nc.SetDeadline(longAgo) // which ends reads and writes; on a closed connection there are none
	})
}

// isAborted reports whether the connection was aborted.
func (c *conn) isAborted() bool {
	select {
	case <-c.aborted:
		return true
	default:
		return false
	}
}

// isEnded reports whether the reader has seen the end of what the peer sends.
func (c *conn) isEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// endReading notes that the reader has come to the end, for the reason err, which it returns. A peer that ended its side in
// good order may still read what is being written. Any other end is that of both directions.
func (c *conn) endReading(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.abort(err)
	}
	close(c.ended)
	return err
}

// isPeerGone reports whether the peer reads and sends nothing any more, as far as that can be told without reading what it
// has sent. A peer that has ended its side alone may still wait for answers, unless the socket has none to give. Whether it
// does is found out by a PING: the system of a peer that is gone answers that with a reset, and then all that the peer has
// sent is here. The end of the peer's side is seen when all before it has arrived, that is, when the system had room for it.
// Before, a PING could destroy what is still with the peer's system.
func (c *conn) isPeerGone() bool {
	half, both := c.sys.peerEnded()
	broken := c.lost.Load() && (c.sys == nil || c.sys.stream) // over ipc a peer that reads no more may still send
	if broken || both || half && c.p.s.sink {
		return true
	}
	if half && c.hasCommands() {
		c.queuePing()
	}
	return false
}

// reason returns why the connection has ended. readErr is why the reader has.
func (c *conn) reason(readErr error) error {
	switch {
	case c.isAborted():
		return c.err
	case c.writeErr != nil:
		return c.writeErr
	}
	return readErr
}

// wakeWriter tells the writer that there is something to take.
func (c *conn) wakeWriter() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// hasCommands reports whether the peer's version has commands: all since 3.0.
func (c *conn) hasCommands() bool { return c.peer.Major != 2 }

// subscribe sends a subscription or a cancellation, in the form that the peer's version has for it. It returns how many bytes
// of such news wait for the peer.
func (c *conn) subscribe(topic []byte, cancel bool) int {
	return c.p.out.control(func(dst []byte) []byte { return wire.AppendSubscribe(dst, c.peer.Minor, cancel, topic) })
}

// write is the writer's goroutine. When it returns, no sender has its part any more, and what was not written whole is back in
// the queue.
func (c *conn) write() {
	c.writeLoop()
	p := c.p
	p.out.lend(nil, false)
	c.takeBackPending()
	if c.writeErr != nil && !p.keeps() {
		p.s.abandon(p) // the reader may go on for long
	}
}

// writeLoop writes what waits in the pipe's queue. It sleeps while there is nothing, or while a sender writes in its place; a
// wake may be a late one, that was meant for something written long ago, or for an earlier connection. It returns when
// nothing more is to be written.
func (c *conn) writeLoop() {
	var b batch
	var vec net.Buffers
	for {
		if c.p.out.reclaim() && !(c.writePending(&vec) && c.writeAll(&b, &vec)) {
			return
		}
		select {
		case <-c.more:
		case <-c.ended:
			return
		case <-c.aborted:
			return
		}
	}
}

// busy is after how many messages in one write the writer lets others run before it looks again. A sender that is at work makes
// the next write large then, and neither has to wake the other.
const busy = 64

// writeAll writes until nothing waits, everything that there is with each write. It reports false where nothing more is to be
// written to the connection. b is for memory that is used again.
func (c *conn) writeAll(b *batch, vec *net.Buffers) bool {
	for {
		if c.isEnded() || c.isAborted() {
			return false // what waits is for another peer, or for the next connection
		}
		*b = c.p.out.take(*b)
		if b.asked {
			c.p.s.announceRoom()
		}
		if b.n == 0 && len(b.ctl) == 0 {
			if b.draining {
				c.sayGoodbye()
			}
			return !b.draining
		}
		if !c.writeOut(*b, 0, vec) {
			return false
		}
		if b.n >= busy {
			runtime.Gosched()
		}
	}
}

// writeOut writes a batch, from after the first written bytes. It reports false where the connection is at its end.
func (c *conn) writeOut(b batch, written int, vec *net.Buffers) bool {
	if _, ok := c.nc.(*sealedConn); ok { // it takes whole frames
		for i, seg := range b.segs {
			b.segs[i] = seg.joined()
		}
	}
	c.writing.Store(true)
	n, err := c.writeBatch(b, written, vec)
	c.writing.Store(false)
	written += n
	if err != nil {
		c.takeBack(b, max(written-len(b.ctl), 0))
		c.endWriting(err)
		return false
	}
	c.finish(b)
	return true
}

// finish counts a batch that was written, and lets go of its memory.
func (c *conn) finish(b batch) {
	size := 0
	for i, seg := range b.segs {
		size += seg.size()
		c.note(seg.n, seg.size())
		seg.slab.release(1)
		b.segs[i] = segment{}
	}
	c.wrote.Add(1)
	c.p.sent(b.n, size)
	c.p.out.sent()
}

// note notes what the system has taken, for settle. size may be less than what that takes on the wire.
func (c *conn) note(n, size int) {
	if c.sys == nil || !c.sys.stream {
		return
	}
	if c.peer.Sealer != nil {
		size += n * mechanism.CurveOverhead
	}
	c.written.note(n, size)
}

// takeBack returns to the queue what a failed write has not sent whole.
func (c *conn) takeBack(b batch, written int) {
	n, size := weigh(b.segs)
	rest := unsent(b.segs, written)
	restN, restSize := weigh(rest)
	c.note(n-restN, size-restSize)
	c.note(0, max(written-(size-restSize), 0))
	c.p.sent(n-restN, size-restSize)
	c.p.out.putBack(rest, c.p.s.drop)
}

// endWriting ends the writing side after a failed write. The reader goes on: what has arrived is received.
func (c *conn) endWriting(err error) {
	c.writeErr = err
	c.lost.Store(true)
	if !c.isAborted() && !c.closeWrite() {
		c.abort(err)
	}
}

// closeWrite tells the peer that nothing more will come. It reports false if that cannot be done.
func (c *conn) closeWrite() bool {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok {
		return false
	}
	err := half.CloseWrite()
	return err == nil || errors.Is(err, syscall.ENOTCONN) // ENOTCONN: the system has closed it already
}

// writeBatch writes a batch, from after its first skip bytes, with one system call where the system can.
func (c *conn) writeBatch(b batch, skip int, vec *net.Buffers) (int, error) {
	if len(b.ctl) == 0 && len(b.segs) == 1 && b.segs[0].tail == nil {
		return c.nc.Write(b.segs[0].b[skip:])
	}
	if len(b.segs) == 0 {
		return c.nc.Write(b.ctl[skip:])
	}
	all := (*vec)[:0]
	if len(b.ctl) > 0 {
		all = append(all, b.ctl)
	}
	for _, seg := range b.segs {
		all = append(all, seg.b)
		if seg.tail != nil {
			all = append(all, seg.tail)
		}
	}
	*vec = all // WriteTo moves its receiver on: keep the memory
	for skip > 0 {
		n := min(skip, len(all[0]))
		if all[0] = all[0][n:]; len(all[0]) == 0 {
			all = all[1:]
		}
		skip -= n
	}
	written, err := all.WriteTo(c.nc)
	clear((*vec)[:cap(*vec)])
	return int(written), err
}

// sayGoodbye ends the writing side of a connection on which everything was written. It returns when the connection is no
// longer needed: when the peer has ended its side too; or, if nothing that comes from the peer is of interest, when the
// peer's system has everything and the peer, which sends nothing, had a moment to end its side. Closing earlier would answer
// the peer's next byte by a reset, and what its program has not read would be lost. How long that may take is the business of
// the caller of drain, which aborts the connection then.
func (c *conn) sayGoodbye() {
	c.sinceGoodbye.Store(false)
	if !c.closeWrite() {
		c.abort(net.ErrClosed)
		return
	}
	start := time.Now()
	c.poll(func() bool {
		s := c.p.s
		if (s.in == nil || s.closing.Load()) && time.Since(start) >= goodbye && !c.isTalking() {
			if n, known := c.sys.unacked(); known && n == 0 {
				c.abort(net.ErrClosed) // the reader has nothing to wait for
			}
		}
		return c.isEnded() || c.isAborted()
	}, c.ended)
}

// goodbye is how long a peer that has everything may take to end its side.
const goodbye = 250 * time.Millisecond

// pollMost is the longest wait between two looks at what the system does not announce.
const pollMost = 50 * time.Millisecond

// poll looks again and again whether cond holds, until it does, wake is closed, or the connection was aborted.
func (c *conn) poll(cond func() bool, wake <-chan struct{}) {
	wait := time.Millisecond
	t := time.NewTimer(wait)
	defer t.Stop()
	for !cond() {
		select {
		case <-t.C:
			wait = min(2*wait, pollMost)
			t.Reset(wait)
		case <-wake:
			return
		case <-c.aborted:
			return
		}
	}
}

// settle finds out, when both directions have ended, which of the messages that were written have not reached the peer's
// system. It waits for them only if the peer has ended its side in good order, and may be reading still.
func (c *conn) settle() {
	if !c.isAborted() && c.writeErr == nil && c.written.within(1) > 0 {
		ctx, cancel := context.WithTimeout(c.p.s.linger, c.p.s.cfg.Linger)
		defer cancel()
		c.poll(func() bool {
			n, known := c.sys.unacked()
			st, _ := c.sys.tcp()
			return !known || n == 0 || st.closed
		}, ctx.Done())
	}
	n, known := c.sys.unacked()
	if !known || n == 0 {
		return
	}
	lost := uint64(c.written.within(n))
	if c.isAborted() && errors.Is(c.err, net.ErrClosed) { // given up by ourselves, at the end of the linger time
		c.p.s.undelivered.Add(lost)
	} else {
		c.p.s.unconfirmed.Add(lost)
	}
}
