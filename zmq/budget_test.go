package zmq

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The largest hoarders are ended, and no more of them than is needed.
func TestHoarders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(4, 1000).Draw(t, "limit")
		unread := rapid.Int64Range(0, 2000).Draw(t, "unread")
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 500), 0, 20).Draw(t, "fixed")
		slices.Sort(sizes)
		slices.Reverse(sizes)
		all := make([]holding, len(sizes))
		fixed := int64(0)
		for i, size := range sizes {
			all[i].size = size
			fixed += size
		}
		enough := func(fixed int64) bool { return fixed+unread <= limit || fixed <= limit/4*3 }
		n := hoarders(limit, fixed+unread, fixed, all)
		for _, size := range sizes[:n] {
			if enough(fixed) {
				t.Fatalf("%d are ended, although fewer would do", n)
			}
			fixed -= size
		}
		if !enough(fixed) {
			t.Fatalf("%d are ended, and that does not do", n)
		}
	})
}

// simPeer is a peer in a simulation. It sends messages of a size in pieces; one that hoards does not
// end its message.
type simPeer struct {
	a      *account
	hoards bool
	left   int   // messages to send
	size   int   // of each
	part   int   // of the present message that has arrived
	hand   bool  // the message is whole, and the queue does not take it
	unread int64 // bytes in the queue
	over   bool
	waits  bool
	ended  bool
}

// simulation is a socket with a budget, without I/O and without goroutines.
type simulation struct {
	t     *testing.T
	rnd   *rand.Rand
	b     *budget
	peers []*simPeer
	told  int
}

func newSimulation(t *testing.T, seed uint64, limit int) *simulation {
	s := &simulation{t: t, rnd: rand.New(rand.NewPCG(seed, 0))}
	s.b = newBudget(limit, func(error) { s.told++ })
	return s
}

func (s *simulation) add(p *simPeer) {
	p.a = s.b.newAccount(func(error) { p.ended = true })
	p.a.open()
	s.peers = append(s.peers, p)
}

const simPiece = 1000

// step lets a peer go on, and reports whether it could.
func (s *simulation) step(p *simPeer) bool {
	if p.ended {
		if p.a != nil {
			p.a.close()
			p.a, p.part, p.left = nil, 0, 0
		}
		return false
	}
	if p.waits {
		select {
		case <-p.a.room:
			p.waits = false
		default:
			if !p.hand || p.unread > 0 {
				return false
			}
			p.waits = false // as inbox.cut does
		}
	}
	switch {
	case p.hand:
		return s.push(p)
	case p.over:
		if s.b.settle() {
			p.a.await()
			p.waits = s.b.settle()
		}
		p.over = p.waits
		return !p.waits
	case p.left == 0:
		return false
	}
	if p.part += simPiece; p.hoards && p.part > p.size {
		p.part = p.size
		return false
	}
	p.part = min(p.part, p.size)
	p.over = p.a.set(keptParts, p.part) && s.b.settle()
	p.hand = p.part == p.size && !p.hoards
	return true
}

// push hands a whole message over to the queue, if that takes it.
func (s *simulation) push(p *simPeer) bool {
	if !s.b.allows(p.unread) {
		p.a.set(keptUnread, p.part)
		p.a.set(keptParts, 0)
		p.a.await()
		p.waits = !s.b.allows(p.unread)
		return !p.waits
	}
	p.unread += int64(p.size)
	s.b.add(keptUnread, int64(p.size))
	p.a.set(keptUnread, 0)
	p.a.set(keptParts, 0)
	p.part, p.hand = 0, false
	p.left--
	return true
}

// receive receives a message of a peer, if there is one.
func (s *simulation) receive(p *simPeer) bool {
	if p.unread == 0 {
		return false
	}
	p.unread -= int64(p.size)
	s.b.add(keptUnread, -int64(p.size))
	return true
}

// Whatever the order of events, all that honest peers send is received while hoarders take what they can, none of the honest
// is ended, and what is kept has a bound.
func TestBudgetServesHonestPeers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		const limit, honest, hoarders = 400_000, 8, 4
		s := newSimulation(t, seed, limit)
		for range honest {
			s.add(&simPeer{left: 50, size: 1 + s.rnd.IntN(limit/20)})
		}
		for range hoarders {
			s.add(&simPeer{left: 1, size: limit/20 + s.rnd.IntN(limit), hoards: true})
		}
		bound := int64(limit + len(s.peers)*limit/20 + len(s.peers)*simPiece)
		receives := s.rnd.IntN(3) // how fast the program is
		received, idle := 0, 0
		for received < honest*50 {
			p := s.peers[s.rnd.IntN(len(s.peers))]
			moved := s.step(p)
			for range receives {
				if s.receive(s.peers[s.rnd.IntN(honest)]) {
					received, moved = received+1, true
				}
			}
			if receives == 0 && s.rnd.IntN(100) == 0 {
				receives = s.rnd.IntN(3)
			}
			if kept := s.b.total(); kept > bound {
				t.Fatalf("seed %d: %d bytes are kept, the bound is %d", seed, kept, bound)
			}
			if idle++; moved {
				idle = 0
			}
			if idle > 100_000 && receives > 0 {
				t.Fatalf("seed %d: nothing moves after %d messages; %d bytes kept, %d of them in parts", seed, received, s.b.total(), s.b.sums[keptParts].Load())
			}
		}
		for _, p := range s.peers[:honest] {
			if p.ended {
				t.Fatalf("seed %d: an honest peer was ended", seed)
			}
		}
	}
}

// Of peers whose messages nobody receives, those with the most are suspended first, and one with no message goes on.
func TestBudgetIsShared(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		const limit = 400_000
		s := newSimulation(t, seed, limit)
		for range 1 + s.rnd.IntN(20) {
			s.add(&simPeer{left: 1 << 20, size: simPiece})
		}
		for range 50_000 {
			s.step(s.peers[s.rnd.IntN(len(s.peers))])
		}
		free := limit - s.b.total()
		for _, p := range s.peers {
			if p.unread < free-simPiece {
				t.Fatalf("seed %d: a peer with %d bytes unread is suspended, %d are left", seed, p.unread, free)
			}
		}
		if n := len(s.peers); free < 0 || free > int64(limit/(n+1)+2*simPiece) {
			t.Fatalf("seed %d: %d peers leave %d of %d bytes", seed, n, free, limit)
		}
		late := &simPeer{left: 1, size: simPiece}
		s.add(late)
		for range 3 {
			s.step(late)
		}
		if late.left != 0 {
			t.Fatalf("seed %d: a peer with no unread message is suspended", seed)
		}
		s.b.add(keptReserved, limit)
		if !s.b.allows(0) || s.b.allows(1) {
			t.Fatalf("seed %d: beyond the limit, a peer without unread messages is suspended, or one with some is not", seed)
		}
		if s.told > 1 {
			t.Errorf("seed %d: one episode was told %d times", seed, s.told)
		}
	}
}

// The sums are those of the accounts, and nothing is left when all are closed.
func TestBudgetSums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBudget(rapid.IntRange(1, 1000).Draw(t, "limit"), func(error) {})
		var all []*account
		ended := map[*account]bool{}
		for range rapid.IntRange(1, 5).Draw(t, "peers") {
			var a *account
			a = b.newAccount(func(error) { ended[a] = true })
			a.open()
			all = append(all, a)
		}
		for range rapid.IntRange(0, 50).Draw(t, "changes") {
			a := rapid.SampledFrom(all).Draw(t, "account")
			k := kept(rapid.IntRange(int(keptParts), int(keptKinds)-1).Draw(t, "kind"))
			if a.set(k, rapid.IntRange(0, 500).Draw(t, "bytes")) {
				b.settle()
			}
			var sum int64
			for _, a := range all {
				sum += a.fixed()
			}
			if sum != b.total() {
				t.Fatalf("%d bytes in all, %d in the accounts", b.total(), sum)
			}
			for a := range ended {
				a.close()
				a.set(keptEnvelopes, 0)
				a.open()
			}
			clear(ended)
			if b.total() > b.limit {
				t.Fatalf("%d bytes are kept, the limit is %d", b.total(), b.limit)
			}
		}
		for _, a := range all {
			a.close()
			a.set(keptEnvelopes, 0)
		}
		if b.total() != 0 || len(b.accounts) != 0 {
			t.Fatalf("%d bytes and %d accounts are left", b.total(), len(b.accounts))
		}
	})
}
