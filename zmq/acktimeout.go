package zmq

import (
	"errors"
	"net"
	"time"
)

// TCP gives up a peer that vanished while data is on its way only after some fifteen minutes, and keepalive does not act
// meanwhile. The system's own option for that, TCP_USER_TIMEOUT, also cuts a living peer that has no room for more, because its
// program is slow. So the socket looks for itself, now and then, when the peer's system was last heard.

var errNoAck = errors.New("the peer's system acknowledges nothing any more: it has vanished, or the network is down")

// ackTimeout returns how long bytes may be on their way without a sign of the peer's system: as long as keepalive takes to
// notice that an idle peer is gone. 0 means for ever.
func ackTimeout(k net.KeepAliveConfig) time.Duration {
	const idle, interval, count = 15 * time.Second, 15 * time.Second, 9 // Go's defaults
	if !k.Enable {
		return idle + count*interval
	}
	if k.Idle < 0 || k.Interval < 0 || k.Count < 0 {
		return 0 // those of the system, which are not known
	}
	n := k.Count
	if n == 0 {
		n = count
	}
	return orDefault(k.Idle, idle) + time.Duration(n)*orDefault(k.Interval, interval)
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// probeTime is the longest time between two looks of a system whether a peer without room has some again (RFC 9293, section
// 3.8.6.1; Linux: 120 s), and a margin.
const probeTime = 130 * time.Second

// unackedSince remembers since when bytes of a connection are on their way without an acknowledgement. Guarded by the
// socket's ackMu.
type unackedSince struct {
	acked uint64
	since time.Time // zero: nothing is on its way
}

// overdue reports whether the peer's system is to be given up at now.
func (u *unackedSince) overdue(now time.Time, waiting int, st tcpState, limit time.Duration) bool {
	switch {
	case waiting == 0:
		u.since = time.Time{}
		return false
	case u.since.IsZero() || u.acked != st.acked:
		u.acked, u.since = st.acked, now
		return false
	}
	if st.shut {
		limit = max(limit, probeTime)
	}
	return now.Sub(u.since) >= limit && st.lastAck >= limit
}

// watchAcks begins to look for connections whose peer's system is silent. It is called with each tcp connection.
func (s *socket) watchAcks() {
	limit := ackTimeout(s.cfg.KeepAlive)
	if limit == 0 {
		return
	}
	s.ackMu.Lock()
	defer s.ackMu.Unlock()
	if s.ackTimer == nil && !s.closing.Load() {
		s.ackTimer = time.AfterFunc(limit/4, func() { s.checkAcks(limit) })
	}
}

// checkAcks gives up the connections whose peer's system is silent, and looks again later as long as there are connections.
func (s *socket) checkAcks(limit time.Duration) {
	s.ackMu.Lock()
	defer s.ackMu.Unlock()
	some, now := false, time.Now()
	for _, p := range s.allPipes() {
		c, _ := p.peer()
		if c == nil {
			continue
		}
		some = true
		waiting, known := c.sys.unacked()
		if !known || waiting == 0 && c.unacked.since.IsZero() {
			continue
		}
		if st, known := c.sys.tcp(); known && c.unacked.overdue(now, waiting, st, limit) {
			c.abort(errNoAck)
		}
	}
	if !some || s.life.Err() != nil {
		s.ackTimer = nil
		return
	}
	s.ackTimer.Reset(limit / 4)
}

// endAcks ends the timer of a closed socket.
func (s *socket) endAcks() {
	s.ackMu.Lock()
	defer s.ackMu.Unlock()
	if s.ackTimer != nil {
		s.ackTimer.Stop()
	}
}
