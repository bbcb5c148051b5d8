package zmq

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
)

var (
	errNoHeartbeat = errors.New("nothing came from the peer within Config.HeartbeatTimeout, and nothing reached it")
	errExpired     = errors.New("nothing came from the peer within the time to live that it announced, and nothing reached it")
)

// heartbeat watches whether a peer is alive (RFC 37, "Connection Heartbeating").
type heartbeat struct {
	sinceLook    atomic.Bool   // something came since the last look for an answer to a PING
	sinceTick    atomic.Bool   // something came since the time to live was last looked at
	sinceGoodbye atomic.Bool   // something came since our side was ended
	stalled      atomic.Bool   // the reader waits for room: that nothing comes is our own doing
	beats        atomic.Bool   // the peer has sent a PING or a PONG
	wrote        atomic.Uint64 // batches that the system has taken whole
	writing      atomic.Bool   // the writer is at work
	pingGap      atomic.Int64  // between the peer's last two PINGs, in ns; 0 until the first came

	beatMu   sync.Mutex
	live     liveness
	ping     *time.Timer // sends the next PING
	verdict  *time.Timer // looks for an answer
	ttl      *time.Timer // nil if the peer announced none
	ticks    int         // of ttl, so that one is ignored which a new PING came before
	looked   progress    // at the last look for an answer
	ticked   progress    // at the last look at the time to live
	lastPing time.Time   // of the peer
	ended    bool
}

// seen notes a sign of life.
func (h *heartbeat) seen() {
	if !h.sinceLook.Load() {
		h.sinceLook.Store(true)
	}
	if !h.sinceTick.Load() {
		h.sinceTick.Store(true)
	}
	if !h.sinceGoodbye.Load() {
		h.sinceGoodbye.Store(true)
	}
}

// isTalking reports whether the peer is likely to send more, although our side has ended: it sends heartbeats, or has sent
// something since.
func (h *heartbeat) isTalking() bool { return h.beats.Load() || h.sinceGoodbye.Load() }

// beat sends a PING in each interval, to a peer that knows commands, and gives a silent peer up. It
// returns a function that ends all timers.
func (c *conn) beat() (stop func()) {
	if cfg := &c.p.s.cfg; cfg.HeartbeatInterval > 0 && c.hasCommands() {
		c.beatMu.Lock()
		c.live = newLiveness(cfg.HeartbeatInterval, cfg.HeartbeatTimeout)
		c.ping = time.AfterFunc(cfg.HeartbeatInterval, c.sendPing)
		c.beatMu.Unlock()
	}
	return c.endBeat
}

// maxPings bounds the bytes of PINGs that wait for a peer that reads nothing. More bytes than that which have not left are
// held up by more than the length of the way.
const maxPings = 1 << 10

// sendPing sends a PING, after which the peer has the heartbeat timeout to show a sign of life.
func (c *conn) sendPing() {
	cfg := &c.p.s.cfg
	c.beatMu.Lock()
	if c.heartbeat.ended {
		c.beatMu.Unlock()
		return
	}
	c.ping.Reset(cfg.HeartbeatInterval)
	if wait, ok := c.live.pinged(time.Now()); ok {
		c.sinceLook.Store(false) // before the peer can answer
		c.looked = c.progress()
		if c.verdict == nil {
			c.verdict = time.AfterFunc(wait, c.lookForAnswer)
		} else {
			c.verdict.Reset(wait)
		}
	}
	c.beatMu.Unlock()
	c.queuePing()
}

// queuePing queues a PING, unless many wait already.
func (c *conn) queuePing() {
	c.p.out.control(func(dst []byte) []byte {
		if len(dst) > maxPings {
			return dst
		}
		return wire.AppendPing(dst, c.p.s.cfg.HeartbeatTTL, nil)
	})
}

// lookForAnswer gives the peer up if there was no sign of life for too long.
func (c *conn) lookForAnswer() {
	c.beatMu.Lock()
	defer c.beatMu.Unlock()
	if c.heartbeat.ended {
		return
	}
	p := c.progress()
	wait, dead := c.live.look(time.Now(), sighting{
		came:  c.sinceLook.Swap(false) || c.stalled.Load() || c.sys.queuedIn() > 0,
		moved: p.since(c.looked),
		held:  c.held(p),
	})
	c.looked = p
	switch {
	case dead && c.answers():
		c.abort(errNoHeartbeat)
	case wait > 0:
		c.verdict.Reset(wait)
	}
}

// answers reports whether the peer is known to answer PINGs: all of ZMTP 3.1 do, but not those of 3.0 before libzmq 4.2.
func (c *conn) answers() bool { return c.peer.Minor >= 1 || c.beats.Load() }

// progress is how far our bytes have come, as far as the system tells.
type progress struct {
	acked   uint64 // tcp: what the peer's system has taken
	queued  int    // a Unix domain socket: what the peer has not read, with the system's own overhead
	writing bool   // the writer waits for room there
	wrote   uint64 // batches that our system has taken, if it tells nothing else
	known   bool
}

// progress returns how far our bytes have come.
func (c *conn) progress() (p progress) {
	if st, known := c.sys.tcp(); known {
		return progress{acked: st.acked, known: true}
	}
	if c.sys != nil && !c.sys.stream {
		p.queued, p.known = c.sys.queuedOut()
	}
	if p.known {
		p.writing = c.writing.Load()
	} else {
		p.wrote = c.wrote.Load()
	}
	return p
}

// since reports whether bytes have left since an earlier look. What we have put into a queue ourselves does not count.
func (p progress) since(old progress) bool {
	return p.acked != old.acked || p.wrote != old.wrote || p.queued < old.queued || p.writing && p.queued != old.queued
}

// held reports whether many bytes have not left, or it is not known how many.
func (c *conn) held(p progress) bool {
	if !p.known {
		return true
	}
	if c.sys.stream {
		p.queued, _ = c.sys.queuedOut()
	}
	return p.queued > maxPings
}

// expect gives the peer up when nothing comes from it for the time to live that its PING bears; zero means for ever.
func (c *conn) expect(ttl time.Duration) {
	c.beats.Store(true)
	c.beatMu.Lock()
	defer c.beatMu.Unlock()
	now := time.Now()
	if !c.lastPing.IsZero() {
		c.pingGap.Store(int64(now.Sub(c.lastPing)))
	} else {
		c.pingGap.Store(int64(firstPingGap))
	}
	c.lastPing = now
	if c.ttl != nil {
		c.ttl.Stop()
		c.ttl = nil
	}
	c.ticks++
	if ttl > 0 && !c.heartbeat.ended {
		c.sinceTick.Store(false)
		c.ticked = c.progress()
		tick := c.ticks
		c.ttl = time.AfterFunc(ttl, func() { c.tick(ttl, tick) })
	}
}

// tick gives the peer up if there was no sign of life since the last tick, and otherwise waits for the next.
func (c *conn) tick(ttl time.Duration, tick int) {
	c.beatMu.Lock()
	defer c.beatMu.Unlock()
	if c.heartbeat.ended || tick != c.ticks {
		return
	}
	p := c.progress()
	moved := p.since(c.ticked)
	c.ticked = p
	if c.sinceTick.Swap(false) || c.stalled.Load() || moved || c.sys.queuedIn() > 0 {
		c.ttl.Reset(ttl)
		return
	}
	c.abort(errExpired)
}

// endBeat ends the timers.
func (c *conn) endBeat() {
	c.beatMu.Lock()
	defer c.beatMu.Unlock()
	c.heartbeat.ended = true
	for _, t := range []*time.Timer{c.ping, c.verdict, c.ttl} {
		if t != nil {
			t.Stop()
		}
	}
}

// maxPongs bounds the bytes of answers that wait for a peer that sends PINGs and reads nothing.
const maxPongs = 1 << 10

// pong queues a PONG with the context of a PING.
func (c *conn) pong(context []byte) {
	c.p.out.control(func(dst []byte) []byte {
		if len(dst) > maxPongs {
			return dst
		}
		return wire.AppendPong(dst, context)
	})
}

// A reader that waits for room cannot see PINGs, which are behind what it does not read. If the peer has sent any, it is
// sent PONGs meanwhile, as often as it has sent PINGs, but at most so often. firstPingGap is taken for the time between
// them after the first.
const (
	firstPingGap = time.Second
	minPingGap   = 20 * time.Millisecond
)

// reassure returns a ticker for the PONGs that a reader without room sends, nil if the peer sends no PINGs.
func (c *conn) reassure() *time.Ticker {
	gap := time.Duration(c.pingGap.Load())
	if gap == 0 {
		return nil
	}
	return time.NewTicker(max(gap, minPingGap) / 2)
}
