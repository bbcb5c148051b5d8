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
	sincePing atomic.Bool // something came since the first PING that waits for judgement
	sinceTick atomic.Bool // something came since the time to live was last looked at
	stalled   atomic.Bool // the reader waits for room: that nothing comes is our own doing

	mu      sync.Mutex
	ping    *time.Timer // sends the next PING
	verdict *time.Timer // judges the peer; nil where no PING waits for that
	ttl     *time.Timer // nil where the peer announced none
	ticks   int         // of ttl, so that one is ignored which a new PING came before
	ended   bool
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
	if c.p.s.cfg.HeartbeatInterval > 0 {
		c.pulse.mu.Lock()
		c.ping = time.AfterFunc(c.p.s.cfg.HeartbeatInterval, c.sendPing)
		c.pulse.mu.Unlock()
	}
	return c.endPulse
}

// maxPings bounds the bytes of PINGs that wait for a peer that reads nothing.
const maxPings = 1 << 10

// sendPing sends a PING, after which the peer has the heartbeat timeout to show a sign of life.
func (c *conn) sendPing() {
	cfg := &c.p.s.cfg
	c.pulse.mu.Lock()
	if c.ended {
		c.pulse.mu.Unlock()
		return
	}
	if c.verdict == nil {
		c.sincePing.Store(false) // before the peer can answer
		c.verdict = time.AfterFunc(cfg.HeartbeatTimeout, c.judge)
	}
	c.ping.Reset(cfg.HeartbeatInterval)
	c.pulse.mu.Unlock()
	c.p.out.control(func(dst []byte) []byte {
		if len(dst) > maxPings {
			return dst
		}
		return wire.AppendPing(dst, cfg.HeartbeatTTL, nil)
	})
}

// judge gives the peer up if nothing came from it.
func (c *conn) judge() {
	c.pulse.mu.Lock()
	c.verdict = nil
	c.pulse.mu.Unlock()
	if !c.stalled.Load() && !c.sincePing.Load() {
		c.fail(errNoHeartbeat)
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
	c.ticks++
	if ttl > 0 && !c.ended {
		c.sinceTick.Store(false)
		tick := c.ticks
		c.ttl = time.AfterFunc(ttl, func() { c.tick(ttl, tick) })
	}
}

// tick gives the peer up if nothing came from it since the last tick, and otherwise waits for the next.
func (c *conn) tick(ttl time.Duration, tick int) {
	c.pulse.mu.Lock()
	defer c.pulse.mu.Unlock()
	switch {
	case c.ended || tick != c.ticks:
	case c.stalled.Load() || c.sinceTick.Swap(false):
		c.ttl.Reset(ttl)
	default:
		c.fail(errExpired)
	}
}

// endPulse ends the timers.
func (c *conn) endPulse() {
	c.pulse.mu.Lock()
	defer c.pulse.mu.Unlock()
	c.ended = true
	for _, t := range []*time.Timer{c.ping, c.verdict, c.ttl} {
		if t != nil {
			t.Stop()
		}
	}
}
