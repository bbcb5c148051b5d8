package harness

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/experimance/experimance-go/internal/relay"
	"github.com/experimance/experimance-go/internal/soak/peer"
)

// Make is how a peer is made.
type Make string

// The makes.
const (
	Local   Make = "local"   // a socket of this project in this process
	Process Make = "process" // the same in a process of its own
	Libzmq  Make = "libzmq"  // a socket of libzmq, in a process of its own
)

// Action is something that happens to a peer.
type Action string

// The actions. A peer that has ended is started again.
const (
	Kill   Action = "kill"   // SIGKILL
	Pause  Action = "pause"  // SIGSTOP, and SIGCONT after a time
	Close  Action = "close"  // in good order
	Drain  Action = "drain"  // and then close
	Rejoin Action = "rejoin" // leave all endpoints, and join them again
)

// PeerStep is one action of a plan.
type PeerStep struct {
	Wait   time.Duration // before it
	Action Action
	For    time.Duration // how long a pause lasts, or how long the peer is away
	Limit  time.Duration // of a drain, and the linger time of a close
}

// String describes the step.
func (s PeerStep) String() string {
	text := fmt.Sprintf("after %v %s for %v", s.Wait, s.Action, s.For)
	if s.Limit > 0 {
		text += fmt.Sprintf(", limit %v", s.Limit)
	}
	return text
}

// PeerPlan is a peer and what happens to it.
type PeerPlan struct {
	Name   string
	Make   Make
	Config peer.Config // without endpoints, keys and number
	Steps  []PeerStep
}

// GroupPlan is a few peers that talk to each other: each of Connecting to each of Binding.
type GroupPlan struct {
	Name                string
	Transport           string // "tcp", "ipc" or "inproc"
	Curve               bool
	Binding, Connecting []*PeerPlan
	SocketBuffer        int        // of the relays
	Direct              bool       // there are no relays
	Edges               []EdgePlan // for each of Connecting and each of Binding, in this order
}

// EdgePlan is what the relay between two peers does: several plans at once.
type EdgePlan [][]relay.Step

// Harmless reports whether the plan has no faults that may end a connection.
func (e EdgePlan) Harmless() bool {
	for _, steps := range e {
		if slices.ContainsFunc(steps, func(s relay.Step) bool { return s.Fault != relay.FaultSlow }) {
			return false
		}
	}
	return true
}

// RoundPlan is what happens in one round of a soak.
type RoundPlan struct {
	Seed   uint64
	Number int
	Length time.Duration // of the part with faults
	Groups []GroupPlan
}

// String describes the round.
func (p RoundPlan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, round %d, %v of faults\n", p.Seed, p.Number, p.Length)
	for _, g := range p.Groups {
		mechanism := "NULL"
		if g.Curve {
			mechanism = "CURVE"
		}
		fmt.Fprintf(&b, "  %s over %s, %s, socket buffers %d, direct: %v\n", g.Name, g.Transport, mechanism, g.SocketBuffer, g.Direct)
		for i, side := range [][]*PeerPlan{g.Binding, g.Connecting} {
			for _, p := range side {
				fmt.Fprintf(&b, "    %s %s: %s %s\n", []string{"binding", "connecting"}[i], p.Name, p.Make, strings.Join(p.Config.Args(), " "))
				for _, s := range p.Steps {
					fmt.Fprintf(&b, "      %v\n", s)
				}
			}
		}
		for i, e := range g.Edges {
			for j, steps := range e {
				for _, s := range steps {
					fmt.Fprintf(&b, "    relay %d, plan %d: %v\n", i, j, s)
				}
			}
		}
	}
	return b.String()
}

// Limits says what plans may have.
type Limits struct {
	Length time.Duration // of a round's part with faults, about
	Groups int           // in a round
	Makes  []Make        // of peers; one that is there twice is twice as likely
}

// pattern is two types of socket that talk to each other.
type pattern struct {
	sends, receives string
	several         bool // there may be several peers on each side
}

var patterns = []pattern{
	{"PUSH", "PULL", true},
	{"DEALER", "ROUTER", true},
	{"REQ", "REP", true},
	{"PUB", "SUB", true},
	{"XPUB", "XSUB", true},
	{"PAIR", "PAIR", false},
}

// NewPlan returns the plan of a round. It depends on its arguments only.
func NewPlan(seed uint64, number int, limits Limits) RoundPlan {
	rng := rand.New(rand.NewPCG(seed, uint64(number)))
	p := RoundPlan{Seed: seed, Number: number, Length: limits.Length}
	for i := range limits.Groups {
		g := newGroupPlan(rng, limits)
		g.Name = fmt.Sprintf("group %d, %s", i, g.Name)
		p.Groups = append(p.Groups, g)
	}
	return p
}

func pick[T any](rng *rand.Rand, all ...T) T { return all[rng.IntN(len(all))] }

// oneIn reports true once in n times.
func oneIn(rng *rand.Rand, n int) bool { return rng.IntN(n) == 0 }

func newGroupPlan(rng *rand.Rand, limits Limits) GroupPlan {
	pat := pick(rng, patterns...)
	transports := []string{"tcp", "tcp", "tcp", "ipc", "ipc"}
	if slices.Contains(limits.Makes, Local) {
		transports = append(transports, "inproc")
	}
	g := GroupPlan{
		Name: pat.sends + " to " + pat.receives, Transport: pick(rng, transports...),
		Curve: oneIn(rng, 3), SocketBuffer: pick(rng, 0, 0, 32<<10),
	}
	if pat.sends == "XPUB" && oneIn(rng, 2) { // and PUB with XSUB, or XPUB with SUB
		if oneIn(rng, 2) {
			pat.sends = "PUB"
		} else {
			pat.receives = "SUB"
		}
		g.Name = pat.sends + " to " + pat.receives
	}
	bindType, connectType := pat.receives, pat.sends
	if oneIn(rng, 2) {
		bindType, connectType = connectType, bindType
	}
	binding, connecting := 1, 1
	if pat.several {
		binding, connecting = pick(rng, 1, 1, 2), pick(rng, 1, 1, 2, 3)
	}
	g.Direct = g.Transport == "inproc" || oneIn(rng, 4)
	faulty := !oneIn(rng, 4) // and else everything must be exact
	shared := peer.Config{
		Shape: pick(rng, peer.Small, peer.Small, peer.Mixed, peer.Large, peer.Parts),
		Rate:  pick(rng, 100, 1000, 1000, 5000, 20_000), SendHWM: pick(rng, 0, 0, 1, 10, 100), RecvHWM: pick(rng, 0, 0, 1, 10, 100),
	}
	if shared.Shape == peer.Large {
		shared.Rate = pick(rng, 100, 1000)
	}
	if oneIn(rng, 2) {
		shared.Heartbeat = pick[time.Duration](rng, 50, 200, 500) * time.Millisecond
		shared.HeartbeatTimeout = pick[time.Duration](rng, 100, 200, 600) * time.Millisecond
	}
	slow := time.Duration(0)
	if oneIn(rng, 2) {
		slow = pick[time.Duration](rng, 5, 10, 20) * time.Millisecond
	}
	side := func(n int, kind string) (plans []*PeerPlan) {
		for i := range n {
			p := &PeerPlan{Name: fmt.Sprintf("%s-%d", strings.ToLower(kind), i), Make: Local, Config: shared}
			if g.Transport != "inproc" {
				p.Make = pick(rng, limits.Makes...)
			}
			p.Config.Type, p.Config.Calls, p.Config.Flags = kind, pick(rng, peer.One, peer.Batch, peer.Loop), newFlags(rng, kind)
			if (kind == "DEALER" || kind == "REQ") && oneIn(rng, 2) {
				p.Config.Identity = p.Name
			}
			if kind == pat.receives {
				p.Config.Slow = slow
			}
			plans = append(plans, p)
		}
		return plans
	}
	g.Binding, g.Connecting = side(binding, bindType), side(connecting, connectType)
	all := slices.Concat(g.Binding, g.Connecting)
	if !slices.ContainsFunc(all, func(p *PeerPlan) bool { return p.Make != Libzmq }) {
		g.Connecting[0].Make = Local // libzmq is not to be tested
	}
	if pat.receives == "REP" {
		sparePeers(rng, all)
	}
	if pat.sends == pat.receives {
		g.Binding[0].Name, g.Connecting[0].Name = "pair-0", "pair-1"
	}
	for _, p := range all {
		if faulty {
			p.Steps = newPeerSteps(rng, p.Config.Type, p.Make, limits.Length)
		}
	}
	for range binding * connecting {
		g.Edges = append(g.Edges, newEdgePlan(rng, faulty && !g.Direct, limits.Length))
	}
	return g
}

// newFlags makes the flags of a socket.
func newFlags(rng *rand.Rand, kind string) (flags []peer.Flag) {
	for _, f := range map[string][]peer.Flag{
		"PUSH": {peer.Immediate}, "DEALER": {peer.Immediate}, "REQ": {peer.Immediate}, "ROUTER": {peer.Mandatory, peer.Handover},
		"XPUB": {peer.NoDrop}, "PUB": {peer.NoDrop}, "PULL": {peer.Proxy}, "SUB": {peer.Proxy}, "REP": {peer.Proxy},
	}[kind] {
		if oneIn(rng, 4) {
			flags = append(flags, f)
		}
	}
	return flags
}

// sparePeers keeps REQ and REP from what libzmq does not do right. A REP of libzmq that connects sends a reply that it still has to
// the next peer that it finds at the same endpoint, which a REQ notices only if it correlates; and it drops a reply without a
// word if its queue is full, which a queue of one or a few messages may still seem to be when the last reply has left.
func sparePeers(rng *rand.Rand, peers []*PeerPlan) {
	libzmq := slices.ContainsFunc(peers, func(p *PeerPlan) bool { return p.Make == Libzmq && p.Config.Type == "REP" })
	correlate := libzmq || oneIn(rng, 2)
	for _, p := range peers {
		switch {
		case p.Config.Type == "REQ":
			if correlate {
				p.Config.Flags = append(p.Config.Flags, peer.Correlate)
			}
		case p.Make == Libzmq:
			p.Config.SendHWM = 0
		}
	}
}

// newPeerSteps makes the plan of what happens to a peer, which is nothing half of the time.
func newPeerSteps(rng *rand.Rand, kind string, how Make, length time.Duration) (steps []PeerStep) {
	if oneIn(rng, 2) {
		return nil
	}
	actions := []Action{Close}
	if how != Local {
		actions = append(actions, Kill, Pause)
	}
	if how != Libzmq {
		actions = append(actions, Rejoin)
	}
	if how != Libzmq && (kind == "PULL" || kind == "SUB") {
		actions = append(actions, Drain, Drain)
	}
	for range 1 + rng.IntN(2) {
		s := PeerStep{Wait: upTo(rng, length/3), Action: pick(rng, actions...), For: upTo(rng, length/8)}
		switch s.Action {
		case Close:
			s.Limit = pick[time.Duration](rng, 0, 100, 1000) * time.Millisecond
		case Drain:
			s.Limit = pick[time.Duration](rng, 100, 10_000, 10_000) * time.Millisecond
		}
		steps = append(steps, s)
	}
	return steps
}

// newEdgePlan makes the plan of a relay, which is to do nothing a third of the time.
func newEdgePlan(rng *rand.Rand, faulty bool, length time.Duration) (e EdgePlan) {
	seed, n := rng.Uint64(), rng.IntN(6)
	cfg := relay.PlanConfig{MaxWait: length / 4, MaxFor: length / 8}
	if oneIn(rng, 4) {
		cfg.Faults = []relay.Fault{relay.FaultSlow}
	}
	if !faulty || n < 2 {
		return nil
	}
	e = EdgePlan{relay.NewPlan(seed, n, cfg)}
	if oneIn(rng, 3) { // faults that overlap
		e = append(e, relay.NewPlan(seed+1, n, cfg))
	}
	return e
}

// upTo returns a time of at least a millisecond, in whole milliseconds.
func upTo(rng *rand.Rand, limit time.Duration) time.Duration {
	return time.Duration(1+rng.Int64N(max(limit.Milliseconds(), 1))) * time.Millisecond
}
