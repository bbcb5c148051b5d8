package zmq

import (
	"fmt"
	"testing"
	"time"
)

// flooded is a simulation of an endpoint that is flooded with connections.
type flooded struct {
	set    pendingSet
	limit  int
	now    time.Time
	turned map[*pendingHandshake]bool // those that had to make room
	missed int                        // connections that came when none could make room
}

// arrive lets one connection come, for which another makes room if there are as many as may be.
func (f *flooded) arrive(p *pendingHandshake) {
	if f.set.n >= f.limit {
		out, _ := f.set.choose(f.now)
		if out == nil {
			f.missed++
			return
		}
		f.set.remove(out)
		f.turned[out] = true
	}
	p.since = f.now
	f.set.add(p)
}

// A peer whose handshake takes three round trips of 150 ms is not turned away by floods, from one address or from many.
func TestFarPeerInAFlood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		addresses int
		talk      bool   // they send something
		honest    string // address
	}{
		"silent, one address":        {1, false, "honest"},
		"silent, the peer's address": {1, false, "flood 0"},
		"silent, 20 addresses":       {20, false, "honest"},
		"silent, 5000 addresses":     {5000, false, "honest"},
		"talking, one address":       {1, true, "honest"},
		"talking, 20 addresses":      {20, true, "honest"},
	} {
		for _, rate := range []int{100, 3200, 20_000} { // a second
			if rate*c.addresses > 50_000_000 {
				continue // as the one before, and takes long
			}
			f := &flooded{limit: 1024, now: time.Unix(0, 0), turned: map[*pendingHandshake]bool{}}
			step := time.Second / time.Duration(rate)
			honest, last := map[*pendingHandshake]time.Time{}, f.now
			for i := range rate {
				f.now = f.now.Add(step)
				p := &pendingHandshake{address: fmt.Sprint("flood ", i%c.addresses)}
				if f.now.Sub(last) >= 50*time.Millisecond {
					p, last = &pendingHandshake{address: c.honest}, f.now
					honest[p] = f.now
				}
				f.arrive(p)
				if c.talk || honest[p] != (time.Time{}) {
					f.set.hear(p)
				}
				for p, since := range honest {
					if f.now.Sub(since) > 450*time.Millisecond {
						f.set.remove(p)
						delete(honest, p)
					}
					if f.turned[p] {
						t.Fatalf("%s, %d a second: a peer was turned away after %v", name, rate, f.now.Sub(since))
					}
				}
			}
			if f.missed > 0 && rate <= 3200 {
				t.Errorf("%s, %d a second: %d connections had to wait", name, rate, f.missed)
			}
		}
	}
}

// Those that are younger than the grace stay, whatever comes.
func TestGraceOfHandshakes(t *testing.T) {
	t.Parallel()
	f := &flooded{limit: 10, now: time.Unix(0, 0), turned: map[*pendingHandshake]bool{}}
	for i := range 10 {
		f.arrive(&pendingHandshake{address: fmt.Sprint(i)})
	}
	first, wait := f.set.choose(f.now.Add(grace - 1))
	if first != nil || wait != 1 {
		t.Errorf("%v has to make room just before its grace ends, or after %v", first, wait)
	}
	if first, _ = f.set.choose(f.now.Add(grace)); first == nil {
		t.Error("none has to make room after its grace")
	}
}
