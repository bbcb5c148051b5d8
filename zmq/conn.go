package zmq

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// conn is one network connection after its handshake. Two goroutines serve it: the one that called serve reads, and a
// second one writes.
type conn struct {
	p    *pipe
	nc   net.Conn
	in   io.Reader // nc, or what reads from it with less waking
	peer *zmtp.Peer

	more chan struct{} // of capacity one: the writer's queue is no longer empty
	once sync.Once
	err  error         // why the connection ends: the first reason given to fail
	gone chan struct{} // closed by fail

	now   *nowait  // for writes that do not wait; nil where there are none
	pend  pending  // what such a write has left for the writer
	parts [][]byte // memory for such writes

	bye *time.Timer // ends the connection some time after everything was sent; the writer's

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

	pulse
}

// pending is a batch of which a part was written.
type pending struct {
	batch
	written int
}

// goodbye bounds how long a connection on which everything was sent waits for the peer's end of it. Closing without
// waiting could make the system throw away what the peer has not read yet.
const goodbye = 250 * time.Millisecond

// serveDialed runs a connection of a connecting socket from its handshake to its end. It returns the reason for the end,
// and whether the handshake had succeeded.
func (s *socket) serveDialed(ctx context.Context, nc net.Conn, p *pipe) (established bool, err error) {
	defer nc.Close()
	peer, err := s.handshake(ctx, nc, p.endpoint, false)
	if err != nil {
		return false, err
	}
	return newConn(p, nc, peer).run(ctx)
}

// welcome does the handshake of a connection that came in at an endpoint, which ctx bounds. It returns nil where there is no
// peer now.
func (s *socket) welcome(ctx context.Context, nc net.Conn, endpoint string) *conn {
	peer, err := s.handshake(ctx, nc, endpoint, true)
	if err != nil {
		return nil
	}
	p := newPipe(s, endpoint)
	if !s.addPipe(p) {
		s.emit(EventHandshakeFailed, endpoint, nc.RemoteAddr().String(), newHandshakeError(errUnbound))
		return nil
	}
	return newConn(p, nc, peer)
}

var errUnbound = errors.New("the endpoint was unbound meanwhile")

// serveAccepted runs the connection of a welcome peer to its end.
func (s *socket) serveAccepted(c *conn) {
	_, _ = c.run(s.life) // the reason is in the event
	s.dropPipe(c.p)
}

func (s *socket) handshake(ctx context.Context, nc net.Conn, endpoint string, server bool) (*zmtp.Peer, error) {
	peer, err := zmtp.Handshake(ctx, nc, server, s.zmtp)
	if err != nil {
		s.emit(EventHandshakeFailed, endpoint, nc.RemoteAddr().String(), newHandshakeError(err))
	}
	return peer, err
}

func newConn(p *pipe, nc net.Conn, peer *zmtp.Peer) *conn {
	c := &conn{p: p, nc: nc, in: nc, peer: peer, more: make(chan struct{}, 1), gone: make(chan struct{})}
	if peer.Sealer != nil {
		sealed := newSealedConn(nc, peer.Sealer, peer.Buffered, p.s.cfg.MaxMessageSize)
		sealed.seen = c.seen
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

// run attaches the connection to its pipe until it ends, and returns why it ended. It reports false where the socket does
// not want the peer.
func (c *conn) run(ctx context.Context) (wanted bool, err error) {
	remote := c.nc.RemoteAddr().String()
	p, s := c.p, c.p.s
	p.out.restart()
	p.flow(true)
	p.setPeer(c, nil)
	p.setFrom(c.describe())
	defer context.AfterFunc(ctx, func() { c.fail(net.ErrClosed) })()
	if err := s.attached(p); err != nil {
		p.setPeer(nil, nil)
		p.flow(false)
		s.emit(EventHandshakeFailed, p.endpoint, remote, &HandshakeError{Kind: HandshakeProtocol, Err: err})
		return false, err
	}
	if p.over.Load() && !p.dialed {
		c.fail(net.ErrClosed) // the endpoint was unbound before there was a connection to cut
	}
	s.emit(EventHandshakeSucceeded, p.endpoint, remote, nil)

	defer c.beat()()

	if !s.publishes { // who sends to many must not wait for the system each time
		if c.now = newNowait(c.nc); c.now != nil {
			p.out.lend(c, s.kind == "REQ" || s.kind == "REP")
		}
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.writeLoop()
	}()
	if s.kind == "REQ" || s.kind == "REP" {
		c.glance = newReadNow(c.nc)
	}
	if p.in != nil {
		p.in.q.addSource(c)
	}
	c.fail(c.readLoop())
	if p.in != nil {
		p.in.q.removeSource(c)
	}
	<-written
	if c.bye != nil {
		c.bye.Stop()
	}
	p.out.lend(nil, false)
	c.takeBackPending()

	p.setPeer(nil, nil)
	p.flow(false)
	s.detached(p)
	s.announceRoom() // more may wait for a peer that is not there
	s.emit(EventDisconnected, p.endpoint, remote, c.err)
	return true, c.err
}

// fail ends the connection at once, for the reason err. Both goroutines then come to their end.
func (c *conn) fail(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.gone)
		c.nc.Close()
	})
}

// wakeWriter tells the writer that there is something to take.
func (c *conn) wakeWriter() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// subscribe sends a subscription or a cancellation, in the form that the peer's version has for it. It returns how many bytes
// of such news wait for the peer.
func (c *conn) subscribe(topic []byte, cancel bool) int {
	return c.p.out.control(func(dst []byte) []byte { return wire.AppendSubscribe(dst, c.peer.Minor, cancel, topic) })
}

// writeLoop writes what waits in the pipe's queue. It sleeps while there is nothing, or while a sender writes in its place; a
// wake may be a late one, that was meant for something written long ago, or for an earlier connection.
func (c *conn) writeLoop() {
	var b batch
	var vec net.Buffers
	for {
		if c.p.out.reclaim() && !(c.writePending(&vec) && c.writeAll(&b, &vec)) {
			return
		}
		select {
		case <-c.more:
		case <-c.gone:
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
	n, err := c.write(b, written, vec)
	written += n
	if err != nil {
		c.takeBack(b, max(written-len(b.ctl), 0))
		c.fail(err)
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
		seg.slab.release(1)
		b.segs[i] = segment{}
	}
	c.p.sent(b.n, size)
	c.p.out.sent()
}

// takeBack returns to the queue what a failed write has not sent whole.
func (c *conn) takeBack(b batch, written int) {
	n, size := weigh(b.segs)
	rest := unsent(b.segs, written)
	restN, restSize := weigh(rest)
	c.p.sent(n-restN, size-restSize)
	c.p.out.putBack(rest)
}

// write writes a batch, from after its first skip bytes, with one system call where the system can.
func (c *conn) write(b batch, skip int, vec *net.Buffers) (int, error) {
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

// sayGoodbye ends the writing side of a connection on which everything was sent. The reader goes on until the peer has
// closed its side too.
func (c *conn) sayGoodbye() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		c.fail(net.ErrClosed) // the reader has nothing to wait for
		return
	}
	c.bye = time.AfterFunc(goodbye, func() { c.fail(net.ErrClosed) })
}
