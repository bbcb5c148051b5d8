package zmq

import "time"

// liveness decides when a peer that was sent a PING is given up. It is a state machine without a
// clock or a connection: its owner tells it the time and what has happened.
//
// A PING is answered by anything that comes from the peer. Until then it is a sign of life too when
// bytes of ours leave while others are held up: the PING may be behind them on a slow link, or its
// answer behind what a slow peer reads. (The system of a peer that hangs takes bytes as well, but not
// for ever.) A peer is dead when there was no sign of life for the timeout. So a peer that vanishes is
// given up within the interval of PINGs and the timeout, and one that is merely slow is not.
type liveness struct {
	timeout time.Duration
	step    time.Duration // between two looks

	waiting bool      // a PING has no answer yet
	left    bool      // the PING, and all that was before it, has left
	sign    time.Time // the last sign of life, or when the PING was queued
	due     time.Time // when the next look was to be
}

func newLiveness(interval, timeout time.Duration) liveness {
	return liveness{timeout: timeout, step: max(min(interval, timeout)/4, time.Millisecond)}
}

// pinged notes that a PING is queued at now. It returns how long to wait before the next look, and
// reports false if an earlier PING has no answer yet and a look is due for that.
func (l *liveness) pinged(now time.Time) (wait time.Duration, ok bool) {
	if l.waiting {
		return 0, false
	}
	l.waiting, l.left, l.sign = true, false, now
	return l.next(now), true
}

// sighting is what was seen between two looks.
type sighting struct {
	came  bool // something came from the peer, or could not be taken for want of room
	moved bool // bytes of ours have left
	held  bool // many bytes of ours have not left yet, or it is not known how many
}

// look decides at now, by what was seen since the last look. It returns how long to wait before the
// next look, 0 for none until the next PING, and whether the peer is dead.
func (l *liveness) look(now time.Time, seen sighting) (wait time.Duration, dead bool) {
	late := now.Sub(l.due) >= l.timeout/2 // this process did not run: the peer's signs may not have been noticed yet
	switch {
	case seen.came:
		l.waiting = false
		return 0, false
	case seen.moved && (seen.held || !l.left) || late:
		l.sign = now
	case now.Sub(l.sign) >= l.timeout:
		l.waiting = false
		return 0, true
	}
	l.left = l.left || !seen.held
	return l.next(now), false
}

// next returns how long to wait before the next look.
func (l *liveness) next(now time.Time) time.Duration {
	wait := min(l.step, l.timeout-now.Sub(l.sign))
	l.due = now.Add(wait)
	return wait
}
