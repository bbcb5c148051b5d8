package zmq

import (
	"context"
	"errors"
	"net"
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
	peer *zmtp.Peer

	more chan struct{} // of capacity one: the writer's queue is no longer empty
	once sync.Once
	gone chan struct{} // closed by close
}

// goodbye bounds how long a connection on which everything was sent waits for the peer's end of it. Closing without
// waiting could make the system throw away what the peer has not read yet.
const goodbye = 250 * time.Millisecond

// serve runs one connection from its handshake to its end. It returns the reason for the end, and whether the handshake
// had succeeded. dialed is the connecting side's pipe; nil on the bound side, where the connection gets one of its own.
func (s *socket) serve(ctx context.Context, nc net.Conn, endpoint string, dialed *pipe) (established bool, err error) {
	remote := nc.RemoteAddr().String()
	defer nc.Close()
	peer, err := zmtp.Handshake(ctx, nc, dialed == nil, s.zmtp)
	if err != nil {
		s.emit(EventHandshakeFailed, endpoint, remote, err)
		return false, err
	}
	p := dialed
	if p == nil {
		p = newPipe(s, endpoint)
		if !s.addPipe(p) {
			return false, ErrClosed
		}
		defer s.dropPipe(p)
	}
	c := &conn{p: p, nc: nc, peer: peer, more: make(chan struct{}, 1), gone: make(chan struct{})}
	err = c.run(ctx, remote)
	return true, err
}

// run attaches the connection to its pipe until it ends.
func (c *conn) run(ctx context.Context, remote string) error {
	p, s := c.p, c.p.s
	p.out.restart()
	p.setPeer(c, nil)
	defer context.AfterFunc(ctx, c.close)()
	s.emit(EventHandshakeSucceeded, p.endpoint, remote, nil)
	s.attached(p)

	written := make(chan struct{})
	go func() {
		defer close(written)
		c.writeLoop()
	}()
	err := c.readLoop()
	c.close()
	<-written

	p.setPeer(nil, nil)
	s.detached(p)
	s.emit(EventDisconnected, p.endpoint, remote, err)
	return err
}

// close ends the connection at once. Both goroutines then come to their end.
func (c *conn) close() {
	c.once.Do(func() {
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

// subscribe sends a subscription or a cancellation, in the form that the peer's version has for it.
func (c *conn) subscribe(topic []byte, cancel bool) {
	c.p.out.control(func(dst []byte) []byte { return wire.AppendSubscribe(dst, c.peer.Minor, cancel, topic) })
}

// writeLoop writes what waits in the pipe's queue, everything that there is with each write.
func (c *conn) writeLoop() {
	q := &c.p.out
	var b batch
	var vec net.Buffers
	for {
		b = q.take(b)
		if b.asked {
			c.p.s.announceRoom()
		}
		if b.n == 0 && len(b.ctl) == 0 {
			if b.draining {
				c.sayGoodbye()
				return
			}
			select {
			case <-c.more:
				continue
			case <-c.gone:
				return
			}
		}
		written, err := c.write(b, &vec)
		if err != nil {
			q.putBack(unsent(b.segs, max(written-len(b.ctl), 0)))
			c.close()
			return
		}
		size := 0
		for i, seg := range b.segs {
			size += len(seg.b)
			seg.slab.release(1)
			b.segs[i] = segment{}
		}
		c.p.sent(b.n, size)
	}
}

// write writes a batch with one system call where the system can.
func (c *conn) write(b batch, vec *net.Buffers) (int, error) {
	if len(b.ctl) == 0 && len(b.segs) == 1 {
		return c.nc.Write(b.segs[0].b)
	}
	if len(b.segs) == 0 {
		return c.nc.Write(b.ctl)
	}
	all := (*vec)[:0]
	if len(b.ctl) > 0 {
		all = append(all, b.ctl)
	}
	for _, seg := range b.segs {
		all = append(all, seg.b)
	}
	*vec = all // WriteTo moves its receiver on: keep the memory
	written, err := all.WriteTo(c.nc)
	clear((*vec)[:cap(*vec)])
	return int(written), err
}

// sayGoodbye ends the writing side of a connection on which everything was sent. The reader goes on until the peer has
// closed its side too.
func (c *conn) sayGoodbye() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.nc.SetReadDeadline(time.Now().Add(goodbye)) != nil {
		c.close()
	}
}

var (
	errNestedCommand = errors.New("peer sent a command within a message")
	errTooLarge      = errors.New("peer sent a message larger than Config.MaxMessageSize")
)
