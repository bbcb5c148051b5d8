package zmq

import (
	"container/list"
	"context"
	"time"
)

// pendingSet is the set of the handshakes of an endpoint that are in progress. It chooses which one
// has to make room for another: first one of a peer that has sent nothing, from the address with the
// most of these; else one from the address with the most handshakes. Of several it takes the oldest.
// It has no clock and no lock.
//
// A peer that is far away sends its first bytes as soon as it has connected, and then needs some
// round trips. So a flood of silent connections from a few addresses does not keep it out.
type pendingSet struct {
	n      int
	silent int // of those whose peer has sent nothing
	groups map[string]*pendingGroup
}

// pendingGroup has the handshakes with one address, the oldest first.
type pendingGroup struct {
	silent, heard list.List // of *pendingHandshake
}

// pendingHandshake is a handshake in progress.
type pendingHandshake struct {
	address string
	since   time.Time
	end     context.CancelCauseFunc
	heard   bool          // the peer has sent something
	place   *list.Element // in its group; nil when it was removed
}

// No handshake has to make room before it is so old: peers may be slowed down by all the others. If
// its address has more than half of all handshakes, or more than its share, crowdedGrace is enough.
const (
	grace        = 100 * time.Millisecond
	crowdedGrace = 10 * time.Millisecond
)

func (s *pendingSet) add(p *pendingHandshake) {
	if s.groups == nil {
		s.groups = map[string]*pendingGroup{}
	}
	g := s.groups[p.address]
	if g == nil {
		g = &pendingGroup{}
		s.groups[p.address] = g
	}
	p.place = g.list(p.heard).PushBack(p)
	s.n++
	if !p.heard {
		s.silent++
	}
}

// remove takes a handshake out. It does nothing if that was done before.
func (s *pendingSet) remove(p *pendingHandshake) {
	if p.place == nil {
		return
	}
	g := s.groups[p.address]
	g.list(p.heard).Remove(p.place)
	p.place = nil
	s.n--
	if !p.heard {
		s.silent--
	}
	if g.size() == 0 {
		delete(s.groups, p.address)
	}
}

// hear notes that the peer has sent something.
func (s *pendingSet) hear(p *pendingHandshake) {
	if p.place == nil || p.heard {
		return
	}
	g := s.groups[p.address]
	g.silent.Remove(p.place)
	p.heard = true
	s.silent--
	p.place = g.heard.PushBack(p) // those of an address begin in the order in which they came, or nearly so
}

// choose returns the handshake that has to make room at now. If none is old enough it returns nil,
// and how long it takes until one is.
func (s *pendingSet) choose(now time.Time) (chosen *pendingHandshake, wait time.Duration) {
	wait = grace
	most, silent := 0, false
	for _, g := range s.groups {
		for _, l := range []*list.List{&g.silent, &g.heard} {
			if l.Len() == 0 {
				continue
			}
			p := l.Front().Value.(*pendingHandshake)
			if p.heard && 2*s.silent > s.n {
				continue // most are silent: one of these will be old enough soon
			}
			if left := s.graceOf(g) - now.Sub(p.since); left > 0 {
				wait = min(wait, left)
				continue
			}
			n := g.size()
			if !p.heard {
				n = g.silent.Len()
			}
			better := chosen == nil || !p.heard && !silent
			if !better && !p.heard == silent {
				better = n > most || n == most && p.since.Before(chosen.since)
			}
			if better {
				chosen, most, silent = p, n, !p.heard
			}
		}
	}
	return chosen, wait
}

func (s *pendingSet) graceOf(g *pendingGroup) time.Duration {
	if n := g.size(); 2*n > s.n || n*len(s.groups) > s.n {
		return crowdedGrace
	}
	return grace
}

func (g *pendingGroup) size() int { return g.silent.Len() + g.heard.Len() }

func (g *pendingGroup) list(heard bool) *list.List {
	if heard {
		return &g.heard
	}
	return &g.silent
}
