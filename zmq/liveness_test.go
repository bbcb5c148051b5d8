package zmq

import (
	"testing"
	"time"
)

// world plays a peer and a network to a liveness, in steps of a millisecond.
type world struct {
	interval, timeout time.Duration
	vanishes          time.Duration // when the network goes down; 0 for never
	answerAfter       time.Duration // how long the peer takes to answer a PING that it has read; negative for never
	backlog           time.Duration // how long bytes before the first PING go on leaving
	trickle           bool          // bytes leave all the time, and none are held up
	paused            time.Duration // once, when a look is due, the process stands still for so long
}

// run plays for at most so long, and returns when the peer was given up; 0 if it was not.
func (w world) run(t *testing.T, limit time.Duration) time.Duration {
	t.Helper()
	const step = time.Millisecond
	start := time.Now()
	l := newLiveness(w.interval, w.timeout)
	var look, answer time.Duration // when they are due; 0 for never
	var came, moved bool
	paused := w.paused
	for now := step; now < limit; now += step {
		up := w.vanishes == 0 || now < w.vanishes
		held := now < w.backlog
		if up && (held || w.trickle) {
			moved = true
		}
		if now%w.interval == 0 {
			if wait, ok := l.pinged(start.Add(now)); ok {
				if wait <= 0 {
					t.Fatalf("after a PING the next look is in %v", wait)
				}
				look, came, moved = now+wait, false, false
			}
			if up && w.answerAfter >= 0 && answer == 0 {
				answer = max(now, w.backlog) + w.answerAfter
			}
		}
		if answer != 0 && now >= answer {
			came, answer = came || up, 0
		}
		if look == 0 || now < look {
			continue
		}
		if paused > 0 {
			now, paused = now+paused, 0
		}
		wait, dead := l.look(start.Add(now), sighting{came, moved, held || !up && w.backlog > 0})
		if dead {
			return now
		}
		if look = 0; wait > 0 {
			look = now + wait
		}
		came, moved = false, false
	}
	return 0
}

// A peer that vanishes is given up within the interval and the timeout, whatever these are and whenever that happens.
func TestLivenessOfTheVanished(t *testing.T) {
	t.Parallel()
	for _, interval := range []int{20, 50, 100, 300, 1000} {
		for _, timeout := range []int{20, 50, 100, 300, 1000} {
			w := world{interval: time.Duration(interval) * time.Millisecond, timeout: time.Duration(timeout) * time.Millisecond}
			for w.vanishes = 1 * time.Millisecond; w.vanishes < 2*time.Second; w.vanishes += 37 * time.Millisecond {
				for _, w.backlog = range []time.Duration{0, w.vanishes} { // idle, or amid a stream
					end := w.run(t, time.Minute)
					if bound := w.vanishes + w.interval + w.timeout; end < w.vanishes || end > bound+time.Millisecond {
						t.Fatalf("%+v: given up at %v, want by %v", w, end, bound)
					}
				}
			}
		}
	}
}

// A peer that answers late because of what is before the PING, or one beside which this process stood still, is not given up.
func TestLivenessOfTheSlow(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, w := range map[string]world{
		"quick":            {interval: 100 * ms, timeout: 100 * ms},
		"just in time":     {interval: 100 * ms, timeout: 100 * ms, answerAfter: 99 * ms},
		"after a backlog":  {interval: 100 * ms, timeout: 100 * ms, backlog: 5 * time.Second, answerAfter: 50 * ms},
		"after a standing": {interval: 100 * ms, timeout: 100 * ms, answerAfter: 40 * ms, paused: 10 * time.Second},
		"long timeout":     {interval: 10 * ms, timeout: time.Second, answerAfter: 900 * ms},
	} {
		if end := w.run(t, 20*time.Second); end != 0 {
			t.Errorf("%s: given up at %v", name, end)
		}
	}
}

// A peer whose system takes bytes, but that answers no PING, is given up all the same.
func TestLivenessOfTheHanging(t *testing.T) {
	t.Parallel()
	w := world{interval: 100 * time.Millisecond, timeout: 100 * time.Millisecond, answerAfter: -1, trickle: true}
	if end := w.run(t, time.Minute); end == 0 || end > time.Second {
		t.Errorf("given up at %v", end)
	}
}

// The peer's system is given up when it is silent for the limit while bytes are under way, not when a program is slow.
func TestUnackedOverdue(t *testing.T) {
	t.Parallel()
	const limit = time.Minute
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	silent := tcpState{lastAck: time.Hour}

	var u unackedSince
	if u.overdue(at(0), 100, silent, limit) {
		t.Error("the first bytes after an hour are overdue at once")
	}
	if u.overdue(at(limit-1), 100, silent, limit) || !u.overdue(at(limit), 100, silent, limit) {
		t.Error("a silent system is not overdue at the limit")
	}
	if u.overdue(at(limit), 100, tcpState{acked: 1, lastAck: 0}, limit) {
		t.Error("progress does not count")
	}
	if u.overdue(at(3*limit), 100, tcpState{acked: 1, lastAck: time.Second}, limit) {
		t.Error("a system that answers is overdue, because its program is slow")
	}
	full := tcpState{acked: 1, lastAck: 2 * time.Minute, shut: true}
	if u.overdue(at(3*limit), 100, full, limit) {
		t.Error("a system without room is overdue before it is asked again")
	}
	if full.lastAck = probeTime; !u.overdue(at(4*limit), 100, full, limit) {
		t.Error("a system without room that is silent is never overdue")
	}
	if u.overdue(at(5*limit), 0, silent, limit) || u.overdue(at(6*limit), 100, silent, limit) {
		t.Error("what was acknowledged in between counts")
	}
}

// The ledger never counts too few messages, and counts exactly where runs end.
func TestLedger(t *testing.T) {
	t.Parallel()
	for _, size := range []int{minMessage, 100, 5000, 70_000} {
		var l ledger
		for range 10_000 {
			l.note(1, size)
		}
		if len(l.entries) > ledgerEntries {
			t.Errorf("%d entries", len(l.entries))
		}
		for n := range 100 {
			for _, more := range []int{0, 1, size - 1} {
				want := n
				if more > 0 {
					want++
				}
				if got := l.within(n*size + more); got < want {
					t.Fatalf("messages of %d bytes: %d are within %d bytes, want at least %d", size, got, n*size+more, want)
				}
			}
		}
	}
	var trickle ledger
	for range 45_000 {
		trickle.note(10, 140)
	}
	for n := 1000; n < 45_000; n += 777 {
		most := n*10 + 45_000*10/ledgerParts*2
		if got := trickle.within(n * 140); got < n*10 || got > most {
			t.Errorf("%d of many small messages are within the bytes of %d, want at most %d", got, n*10, most)
		}
	}
	var exact ledger
	for range 50 {
		exact.note(1, 70_000)
	}
	for n := range 50 {
		if got := exact.within(n * 70_000); got != n {
			t.Errorf("%d messages are within the bytes of %d", got, n)
		}
	}
}
