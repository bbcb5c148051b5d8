package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// End is how a connection has ended.
type End string

// The ends of connections.
const (
	Open        End = ""              // it has not ended
	Closed      End = "closed"        // both sides have ended their streams, and all data was delivered
	WasCut      End = "cut"           // by Cut or Close
	WasReset    End = "reset"         // by Reset
	ResetByPeer End = "reset by peer" // one of the two sides has failed
	NoTarget    End = "no target"     // the relay could not connect to the target
)

// conn is one connection through the relay.
type conn struct {
	r        *Relay
	id       int
	client   net.Conn
	up, down *stream // to the target, to the client

	ctx    context.Context // ends when the connection must end
	cancel context.CancelFunc

	mu     sync.Mutex
	target net.Conn // nil until it is connected
	at     string   // endpoint of target
	how    End      // set once, by finish
	over   bool     // both sides are closed, and the counters are final
	ended  int      // streams whose writer has ended
	failed bool     // a receiving side has failed
}

func newConn(r *Relay, id int, client net.Conn) *conn {
	c := &conn{r: r, id: id, client: client, up: newStream(ToTarget, r.cfg), down: newStream(ToClient, r.cfg)}
	c.ctx, c.cancel = context.WithCancel(r.ctx)
	return c
}

func (c *conn) streams() []*stream { return []*stream{c.up, c.down} }

func (c *conn) other(l *stream) *stream {
	if l == c.up {
		return c.down
	}
	return c.up
}

// finish makes the connection end. The first call decides how.
func (c *conn) finish(how End) {
	c.mu.Lock()
	if c.how == "" {
		c.how = how
	}
	c.mu.Unlock()
	c.cancel()
}

// run forwards both directions until the connection ends, and closes both sides.
func (c *conn) run() {
	defer c.cancel()
	target, at, err := c.r.dial(c.ctx)
	if err != nil {
		c.finish(NoTarget)
		c.close(nil)
		return
	}
	c.open(target, at)
	var wg sync.WaitGroup
	for _, l := range c.streams() {
		wg.Go(func() { c.readEnded(l, l.readLoop()) })
		wg.Go(func() { c.writeEnded(l, l.writeLoop()) })
	}
	<-c.ctx.Done()
	for _, l := range c.streams() {
		l.stop()
	}
	wg.Wait()
	c.close(target)
}

// open sets the sides of the streams.
func (c *conn) open(target net.Conn, at string) {
	c.r.setBuffers(target)
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.up.open(c.client, target)
	c.down.open(target, c.client)
	c.mu.Lock()
	c.target, c.at = target, at
	c.mu.Unlock()
	if c.r.partition != None {
		c.isolate(true)
	}
}

// isolate makes the sockets of both sides ignore packets, or undoes that. The relay's mu is held.
func (c *conn) isolate(ignore bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ignorePackets(c.client, ignore)
	if c.target != nil {
		ignorePackets(c.target, ignore)
	}
}

// readEnded handles the end of a readLoop.
func (c *conn) readEnded(l *stream, err error) {
	if l.isHalved() && !errors.Is(err, io.EOF) && !errors.Is(err, errStopped) {
		c.finish(ResetByPeer) // the writer has ended before
	}
}

// writeEnded handles the end of a writeLoop: it forwards the end or the failure to the receiving side.
func (c *conn) writeEnded(l *stream, err error) {
	var sink *writeError
	switch {
	case errors.Is(err, errStopped):
		return
	case errors.Is(err, io.EOF):
		if w, ok := l.to.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite() // if this fails, so does the other stream
		}
	case errors.As(err, &sink):
		l.stop() // the other stream still forwards the data that this side has sent before
	default:
		if c.delivered(l) {
			c.finish(ResetByPeer)
		}
		return
	}
	c.mu.Lock()
	c.ended++
	c.failed = c.failed || sink != nil
	both, failed := c.ended == 2, c.failed
	c.mu.Unlock()
	switch {
	case both && failed:
		if sink != nil {
			l = c.other(l)
		}
		if c.delivered(l) {
			c.finish(ResetByPeer)
		}
	case both && (c.up.isHalved() || c.down.isHalved()):
		c.finish(WasCut) // a side may still send
	case both && c.delivered(c.up) && c.delivered(c.down):
		c.finish(Closed)
	}
}

// delivered waits until the receiving side of a stream has acknowledged all data, so that a reset does
// not overtake the data. It returns false if the connection ends before, or that side has failed.
func (c *conn) delivered(l *stream) bool {
	for c.ctx.Err() == nil {
		switch n, alive := unacknowledged(l.to); {
		case n == 0:
			return true
		case !alive:
			c.finish(ResetByPeer)
			return false
		}
		pause(c.ctx, deliveryPause)
	}
	return false
}

// deliveryPause is the time between two looks at the acknowledged data.
const deliveryPause = 2 * time.Millisecond

// close closes both sides, and counts the data that is lost by that. target may be nil.
func (c *conn) close(target net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.how != Closed {
		for l, sink := range map[*stream]net.Conn{c.up: target, c.down: c.client} {
			n, _ := unacknowledged(sink)
			l.lose(n)
		}
	}
	for _, side := range []struct {
		nc net.Conn
		l  *stream // the side's outgoing stream
	}{{c.client, c.up}, {target, c.down}} {
		switch {
		case side.nc == nil:
		case c.how == Closed:
			_ = side.nc.Close() // the connection is over in any case
		case c.how == WasCut:
			ignorePackets(side.nc, false)
			shutdown(side.nc) // the system acknowledges no more data, so that the next count is final
			side.l.lose(unread(side.nc))
			_ = side.nc.Close()
		default:
			ignorePackets(side.nc, true)
			if local, ok := side.nc.(*net.UnixConn); ok {
				_ = local.CloseRead() // fails on a failed connection
			}
			side.l.lose(unread(side.nc))
			reset(side.nc)
		}
	}
	for _, l := range c.streams() {
		l.lose(l.buffered())
	}
	c.over = true
}

// shutdown ends both directions of a connection without closing it.
func shutdown(nc net.Conn) {
	half, ok := nc.(interface {
		CloseRead() error
		CloseWrite() error
	})
	if ok {
		_ = half.CloseRead() // these fail on a failed connection
		_ = half.CloseWrite()
	}
}

// reset closes a connection with a reset, if the network has one.
func reset(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only on a closed connection
	}
	_ = nc.Close() // the connection is over in any case
}

func (c *conn) stats() ConnStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := ConnStats{ID: c.id, Target: c.at, ToTarget: c.up.counters(), ToClient: c.down.counters()}
	if c.over {
		s.End = c.how
	}
	return s
}
