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

// Make is the implementation of a peer.
type Make string

// The implementations.
const (
	Local   Make = "local"   // a socket of this project in this process
	Process Make = "process" // the same in a process of its own
	Libzmq  Make = "libzmq"  // a socket of libzmq, in a process of its own
)

// Action is an action on a peer.
type Action string

// The actions. After Kill, Close and Drain, the peer is started again.
const (
	Kill   Action = "kill"   // SIGKILL
	Pause  Action = "pause"  // SIGSTOP, and SIGCONT after a time
	Close  Action = "close"  // in good order
	Drain  Action = "drain"  // drain, and then close
	Rejoin Action = "rejoin" // leave all endpoints and join them again
)

// PeerStep is one action of a plan.
type PeerStep struct {
	Wait   time.Duration // before the action
	Action Action
	For    time.Duration // duration of a pause, or time until the peer is started again
	Limit  time.Duration // time limit of Drain, or linger time of Close
}

// String describes the step.
func (s PeerStep) String() string {
	text := fmt.Sprintf("after %v %s for %v", s.Wait, s.Action, s.For)
	if s.Limit > 0 {
		text += fmt.Sprintf(", limit %v", s.Limit)
	}
	return text
}

// PeerPlan is the plan of a peer.
type PeerPlan struct {
	Name   string
	Make   Make
	Config peer.Config // without endpoints, keys and number
	Steps  []PeerStep
}

// GroupPlan is the plan of a group of peers. Each of Connecting connects to each of Binding.
type GroupPlan struct {
	Name                string
	Transport           string // "tcp", "ipc" or "inproc"
	Curve               bool
	Binding, Connecting []*PeerPlan
	SocketBuffer        int        // of the relays
	Direct              bool       // without relays
	Edges               []EdgePlan // for each of Connecting and each of Binding, in this order
}

// EdgePlan has the plans of the relay between two peers, which are played concurrently.
type EdgePlan [][]relay.Step

// Harmless reports whether no fault of the plan ends connections.
func (e EdgePlan) Harmless() bool {
	for _, steps := range e {
		if slices.ContainsFunc(steps, func(s relay.Step) bool { return s.Fault != relay.FaultSlow }) {
			return false
		}
	}
	return true
}

// RoundPlan is the plan of a round.
type RoundPlan struct {
	Seed   uint64
	Number int
	Length time.Duration // of the phase with faults
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

// Limits are the settings of NewPlan.
type Limits struct {
	Length time.Duration // of the phase with faults, approximately
	Groups int           // number of groups in a round
	Makes  []Make        // implementations of peers; one that occurs twice is twice as likely
}

// pattern is a pair of socket types.
type pattern struct {
	sends, receives string
	several         bool // each side may have several peers
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

func pickMillis(rng *rand.Rand, all ...int) time.Duration {
	return time.Duration(pick(rng, all...)) * time.Millisecond
}

// oneIn returns true with probability 1/n.
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
	if pat.sends == "XPUB" && oneIn(rng, 2) { // or PUB to XSUB, or XPUB to SUB
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
	faulty := !oneIn(rng, 4) // otherwise no message may be lost
	shared := peer.Config{
		Shape: pick(rng, peer.Small, peer.Small, peer.Mixed, peer.Large, peer.Parts),
		Rate:  pick(rng, 100, 1000, 1000, 5000, 20_000), SendHWM: pick(rng, 0, 0, 1, 10, 100), RecvHWM: pick(rng, 0, 0, 1, 10, 100),
	}
	if shared.Shape == peer.Large {
		shared.Rate = pick(rng, 100, 1000)
	}
	if oneIn(rng, 2) {
		shared.Heartbeat = pickMillis(rng, 50, 200, 500)
		shared.HeartbeatTimeout = pickMillis(rng, 100, 200, 600)
	}
	slow := time.Duration(0)
	if oneIn(rng, 2) {
		slow = pickMillis(rng, 5, 10, 20)
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
		g.Connecting[0].Make = Local // at least one peer must be of this project
	}
	if pat.receives == "REP" {
		avoidMixups(rng, all)
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

// newFlags returns random flags for a type of socket.
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

// avoidMixups keeps REQ sockets from replies that they cannot tell from the right one, or that never come. Behind a proxy, a
// reply is routed by the identity, also to a later connection of the same REQ. For a REP of libzmq, see docs/soak.md.
func avoidMixups(rng *rand.Rand, peers []*PeerPlan) {
	isLibzmq := func(p *PeerPlan) bool { return p.Make == Libzmq && p.Config.Type == "REP" }
	libzmq := slices.ContainsFunc(peers, isLibzmq)
	proxy := slices.ContainsFunc(peers, func(p *PeerPlan) bool { return slices.Contains(p.Config.Flags, peer.Proxy) })
	correlate := libzmq || proxy || oneIn(rng, 2)
	for _, p := range peers {
		if p.Config.Type == "REQ" && correlate {
			p.Config.Flags = append(p.Config.Flags, peer.Correlate)
		}
		if p.Config.Type == "REQ" && libzmq {
			p.Config.Identity = ""
		}
		if isLibzmq(p) {
			p.Config.SendHWM = 0
		}
	}
}

// newPeerSteps returns random actions on a peer: none with probability 1/2.
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
			s.Limit = pickMillis(rng, 0, 100, 1000)
		case Drain:
			s.Limit = pickMillis(rng, 100, 10_000, 10_000)
		}
		steps = append(steps, s)
	}
	return steps
}

// newEdgePlan returns random faults of a relay: none with probability 1/3 or more.
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
	if oneIn(rng, 3) { // overlapping faults
		e = append(e, relay.NewPlan(seed+1, n, cfg))
	}
	return e
}

// upTo returns a random time between 1 ms and limit, in whole milliseconds.
func upTo(rng *rand.Rand, limit time.Duration) time.Duration {
	return time.Duration(1+rng.Int64N(max(limit.Milliseconds(), 1))) * time.Millisecond
}
