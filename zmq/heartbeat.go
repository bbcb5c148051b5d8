package zmq

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
)

var (
	errNoHeartbeat = errors.New("nothing came from the peer within Config.HeartbeatTimeout")
	errExpired     = errors.New("nothing came from the peer within the time to live that it announced")
)

// pulse watches whether anything comes from a peer. All traffic is a sign of life (RFC 37, "Connection Heartbeating").
type pulse struct {
	sincePing atomic.Bool // something came since the last PING
	sinceTick atomic.Bool // something came since the time to live was last looked at
	stalled   atomic.Bool // the reader waits for room: that nothing comes is our own doing

	mu    sync.Mutex
	ttl   *time.Timer // nil where the peer announced none
	ended bool
}

// seen notes a sign of life.
func (p *pulse) seen() {
	if !p.sincePing.Load() {
		p.sincePing.Store(true)
	}
	if !p.sinceTick.Load() {
		p.sinceTick.Store(true)
	}
}

// beat sends a PING in each interval and gives a silent peer up. It returns a function that ends all timers.
func (c *conn) beat() (stop func()) {
	cfg := &c.p.s.cfg
	if cfg.HeartbeatInterval == 0 {
		return c.endPulse
	}
	var ping, judge func()
	var timer *time.Timer
	rest := max(cfg.HeartbeatInterval-cfg.HeartbeatTimeout, 0)
	ping = func() {
		c.sincePing.Store(false)
		c.p.out.control(func(dst []byte) []byte { return wire.AppendPing(dst, cfg.HeartbeatTTL, nil) })
		c.next(&timer, cfg.HeartbeatTimeout, judge)
	}
	judge = func() {
		if !c.sincePing.Load() && !c.stalled.Load() {
			c.fail(errNoHeartbeat)
			return
		}
		c.next(&timer, rest, ping)
	}
	c.next(&timer, cfg.HeartbeatInterval, ping)
	return func() {
		c.endPulse()
		timer.Stop()
	}
}

// next calls f after d, unless the connection has ended.
func (c *conn) next(timer **time.Timer, d time.Duration, f func()) {
	c.pulse.mu.Lock()
	defer c.pulse.mu.Unlock()
	if !c.ended {
		*timer = time.AfterFunc(d, f)
	}
}

// expect gives the peer up when nothing comes from it for the time to live that its PING bears; zero means for ever.
func (c *conn) expect(ttl time.Duration) {
	c.pulse.mu.Lock()
	defer c.pulse.mu.Unlock()
	if c.ttl != nil {
		c.ttl.Stop()
		c.ttl = nil
	}
	if ttl == 0 || c.ended {
		return
	}
	c.sinceTick.Store(false)
	c.ttl = time.AfterFunc(ttl, func() {
		if c.sinceTick.Swap(false) || c.stalled.Load() {
			c.expect(ttl)
			return
		}
		c.fail(errExpired)
	})
}

// endPulse ends the timers.
func (c *conn) endPulse() {
	c.pulse.mu.Lock()
	defer c.pulse.mu.Unlock()
	c.ended = true
	if c.ttl != nil {
		c.ttl.Stop()
	}
}
