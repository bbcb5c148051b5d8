package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// ending is how a connection ends.
type ending string

const (
	endClosed ending = "closed"        // both sides have ended their streams, and everything was delivered
	endCut    ending = "cut"           // by Cut or Close
	endReset  ending = "reset"         // by Reset
	endPeer   ending = "reset by peer" // one of the two sides has failed
	endDial   ending = "no target"     // the target could not be reached
)

// conn is one connection through the relay.
type conn struct {
	r        *Relay
	id       int
	client   net.Conn
	up, down *lane // to the target, to the client

	ctx    context.Context // ends when the connection is to end
	cancel context.CancelFunc

	mu     sync.Mutex
	target net.Conn // nil until it was dialed
	at     string   // the endpoint that was dialed
	how    ending   // set once, by finish
	over   bool     // both sides are closed, and the counters final
	ended  int      // lanes whose giver has passed on the end of the stream, or has failed
	failed bool     // a lane's receiving side has failed
}

func newConn(r *Relay, id int, client net.Conn) *conn {
	c := &conn{r: r, id: id, client: client, up: newLane(ToTarget, r.cfg), down: newLane(ToClient, r.cfg)}
	c.ctx, c.cancel = context.WithCancel(r.ctx)
	return c
}

func (c *conn) lanes() []*lane { return []*lane{c.up, c.down} }

func (c *conn) other(l *lane) *lane {
	if l == c.up {
		return c.down
	}
	return c.up
}

// finish has the connection end. The first call decides how.
func (c *conn) finish(how ending) {
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
		c.finish(endDial)
		c.close(nil)
		return
	}
	c.open(target, at)
	var wg sync.WaitGroup
	for _, l := range c.lanes() {
		wg.Go(func() { c.taken(l, l.take()) })
		wg.Go(func() { c.given(l, l.give()) })
	}
	<-c.ctx.Done()
	for _, l := range c.lanes() {
		l.stop()
	}
	wg.Wait()
	c.close(target)
}

// open gives the lanes their sides, unless a partition has begun meanwhile.
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

// isolate has both sides' sockets ignore what arrives, or no longer, as far as the system can do that. The relay's mu is held.
func (c *conn) isolate(ignore bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ignorePackets(c.client, ignore)
	if c.target != nil {
		ignorePackets(c.target, ignore)
	}
}

// taken follows the end of a lane's taker.
func (c *conn) taken(l *lane, err error) {
	if l.isHalved() && !errors.Is(err, io.EOF) && !errors.Is(err, errStopped) {
		c.finish(endPeer) // the giver, which would have passed it on, has ended
	}
}

// given follows the end of a lane's giver, and passes that on.
func (c *conn) given(l *lane, err error) {
	var sink *sinkError
	switch {
	case errors.Is(err, errStopped):
		return
	case errors.Is(err, io.EOF):
		if w, ok := l.to.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite() // a failure shows in the other lane
		}
	case errors.As(err, &sink):
		l.stop() // what the receiving side has sent before it failed is passed on by the other lane
	default:
		if c.delivered(l) {
			c.finish(endPeer)
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
			c.finish(endPeer)
		}
	case both && (c.up.isHalved() || c.down.isHalved()):
		c.finish(endCut) // a side may be sending still
	case both && c.delivered(c.up) && c.delivered(c.down):
		c.finish(endClosed)
	}
}

// delivered waits until a lane's receiving side has acknowledged everything, so that the end that follows does not overtake it.
// It reports false if the connection ends before, or that side has failed.
func (c *conn) delivered(l *lane) bool {
	for c.ctx.Err() == nil {
		switch n, alive := unacknowledged(l.to); {
		case n == 0:
			return true
		case !alive:
			c.finish(endPeer)
			return false
		}
		pause(c.ctx, deliveryPause)
	}
	return false
}

// deliveryPause is how long to wait before the systems are asked again whether everything was acknowledged.
const deliveryPause = 2 * time.Millisecond

// close closes both sides, and counts what is destroyed by that. target may be nil.
func (c *conn) close(target net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.how != endClosed {
		for l, sink := range map[*lane]net.Conn{c.up: target, c.down: c.client} {
			n, _ := unacknowledged(sink)
			l.destroy(n)
		}
	}
	for _, side := range []struct {
		nc net.Conn
		l  *lane // that the side sends into
	}{{c.client, c.up}, {target, c.down}} {
		switch {
		case side.nc == nil:
		case c.how == endClosed:
			_ = side.nc.Close() // there is nobody to tell
		case c.how == endCut:
			ignorePackets(side.nc, false)
			shutdown(side.nc) // the system acknowledges nothing more, so that what is unread now stays true
			side.l.destroy(unread(side.nc))
			_ = side.nc.Close()
		default:
			ignorePackets(side.nc, true)
			if local, ok := side.nc.(*net.UnixConn); ok {
				_ = local.CloseRead() // fails if the connection has failed
			}
			side.l.destroy(unread(side.nc))
			reset(side.nc)
		}
	}
	for _, l := range c.lanes() {
		l.destroy(l.holds())
	}
	c.over = true
}

// shutdown ends both directions of a connection, which stays open.
func shutdown(nc net.Conn) {
	half, ok := nc.(interface {
		CloseRead() error
		CloseWrite() error
	})
	if ok {
		_ = half.CloseRead() // these fail if the connection has failed
		_ = half.CloseWrite()
	}
}

// reset closes a connection so that the other side sees a reset, if the network has such a thing.
func reset(nc net.Conn) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only for a closed connection
	}
	_ = nc.Close() // there is nobody to tell
}

func (c *conn) stats() ConnStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := ConnStats{ID: c.id, Target: c.at, ToTarget: c.up.counters(), ToClient: c.down.counters()}
	if c.over {
		s.End = string(c.how)
	}
	return s
}
