package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/internal/relay"
	"github.com/experimance/experimance-go/internal/soak/ledger"
	"github.com/experimance/experimance-go/internal/soak/peer"
	"github.com/experimance/experimance-go/zmq"
)

// How long things may take before they count as hanging, and how long a group is left alone.
const (
	startTime  = 20 * time.Second
	stopTime   = 30 * time.Second
	rejoinTime = 20 * time.Second
	quietTime  = 2 * time.Minute
	sendLinger = 30 * time.Second       // of sockets that still have something to send at the end
	restLinger = time.Second            // of the others
	margin     = 10 * time.Second       // of a close beyond its linger time, on a busy machine
	calm       = 300 * time.Millisecond // without faults, before the senders stop
)

// group is a group of a plan that runs.
type group struct {
	plan  GroupPlan
	cfg   *Config
	dir   string // for sockets
	log   func(format string, args ...any)
	bases *atomic.Uint64
	books *books
	slots []*slot // those that bind first
	edges []*edge // for each connecting and each binding slot, as in the plan

	server, client zmq.KeyPair
}

// slot is a place for a peer in a group: it may live several times.
type slot struct {
	g       *group
	plan    *PeerPlan
	binds   bool
	at      string  // the endpoint at which the peer was bound at first
	current *life   // nil while the peer is away
	lives   []*life // guarded by the books' mu
}

// life is a peer from its start to its end. What has become of it is guarded by the books' mu.
type life struct {
	slot   *slot
	number int
	base   uint64
	handle handle

	killed   bool
	rejoined uint64 // how often
	early    bool   // closed before everybody else had received everything, and not drained
	told     bool   // it has told its counters
	counters peer.Counters
}

func (l *life) name() string { return fmt.Sprintf("%s (life %d)", l.slot.plan.Name, l.number) }

// edge is the way between two slots.
type edge struct {
	connecting, binding *slot
	plan                EdgePlan
	relay               *relay.Relay // nil if they are connected directly
}

// newGroup prepares a group. bases numbers the lives of the soak.
func newGroup(plan GroupPlan, cfg *Config, dir string, bases *atomic.Uint64, log func(string, ...any)) (*group, error) {
	g := &group{plan: plan, cfg: cfg, dir: dir, log: log, bases: bases}
	g.books = newBooks(g)
	for i, side := range [][]*PeerPlan{plan.Binding, plan.Connecting} {
		for _, p := range side {
			g.slots = append(g.slots, &slot{g: g, plan: p, binds: i == 0})
		}
	}
	if !plan.Curve {
		return g, nil
	}
	var serverErr, clientErr error
	g.server, serverErr = zmq.GenerateKeyPair()
	g.client, clientErr = zmq.GenerateKeyPair()
	return g, errors.Join(serverErr, clientErr)
}

// copies reports whether each receiver gets every message.
func (g *group) copies() bool { return isCopying(g.slots[0].plan.Config.Type) }

func isCopying(kind string) bool {
	return strings.HasSuffix(kind, "PUB") || strings.HasSuffix(kind, "SUB")
}

// sends reports whether a type of socket sends messages at all.
func sends(kind string) bool { return kind != "PULL" && !strings.HasSuffix(kind, "SUB") }

// slot returns the slot with a name.
func (g *group) slot(name string) *slot {
	for _, s := range g.slots {
		if s.plan.Name == name {
			return s
		}
	}
	return nil
}

// side returns the slots that bind, or those that connect.
func (g *group) side(binds bool) (side []*slot) {
	for _, s := range g.slots {
		if s.binds == binds {
			side = append(side, s)
		}
	}
	return side
}

// run plays the group's part of a round, from the start of its peers to their end.
func (g *group) run(ctx context.Context) error {
	defer g.abandon()
	if err := g.start(ctx); err != nil {
		return err
	}
	if err := g.trouble(ctx); err != nil {
		return err
	}
	return g.finish(ctx)
}

// start starts all peers and relays, and has the peers send.
func (g *group) start(ctx context.Context) error {
	for _, s := range g.side(true) {
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	if err := g.startRelays(); err != nil {
		return err
	}
	for _, s := range g.side(false) {
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	for _, s := range g.slots {
		if err := s.current.handle.begin(); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) startRelays() error {
	for _, connecting := range g.side(false) {
		for _, binding := range g.side(true) {
			e := &edge{connecting: connecting, binding: binding, plan: g.plan.Edges[len(g.edges)]}
			g.edges = append(g.edges, e)
			if g.plan.Direct {
				continue
			}
			var err error
			e.relay, err = relay.New(relay.Config{Target: binding.current.handle.endpoint(), SocketBuffer: g.plan.SocketBuffer})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// trouble plays the plans of all relays and peers.
func (g *group) trouble(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make(chan error, 2*len(g.edges)+len(g.slots))
	for i, e := range g.edges {
		for j, steps := range e.plan {
			wg.Go(func() {
				errs <- e.relay.Play(ctx, steps, func(s relay.Step) { g.log("relay %d, plan %d: %v", i, j, s) })
			})
		}
	}
	for _, s := range g.slots {
		wg.Go(func() { errs <- s.play(ctx) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	if pause(ctx, calm) {
		return nil
	}
	return ctx.Err()
}

// finish ends all peers in good order, when everything that can arrive has arrived.
func (g *group) finish(ctx context.Context) error {
	if err := g.each(g.slots, func(s *slot) error { return s.stop(ctx) }); err != nil {
		return err
	}
	var first, last []*slot // to be closed
	for _, s := range g.slots {
		if kind := s.plan.Config.Type; kind == "PUSH" || strings.HasSuffix(kind, "PUB") { // nothing comes to them
			first = append(first, s)
		} else {
			last = append(last, s)
		}
	}
	if err := g.each(first, func(s *slot) error { return s.close(ctx, sendLinger) }); err != nil {
		return err
	}
	if err := g.quiet(ctx); err != nil {
		return err
	}
	if err := g.each(last, func(s *slot) error { return s.close(ctx, restLinger) }); err != nil {
		return err
	}
	return g.endRelays(ctx)
}

// each does something for each of several slots at once.
func (g *group) each(slots []*slot, do func(*slot) error) error {
	errs := make([]error, len(slots))
	var wg sync.WaitGroup
	for i, s := range slots {
		wg.Go(func() { errs[i] = do(s) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// quiet waits until nothing comes any more.
func (g *group) quiet(ctx context.Context) error {
	enough := 400 * time.Millisecond
	for _, e := range g.plan.Edges {
		for _, s := range slices.Concat(e...) {
			if s.Fault == relay.FaultPartition { // systems send again what got lost, but not at once
				enough = max(enough, 4*s.For)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, quietTime)
	defer cancel()
	for g.books.since() < enough {
		if !pause(ctx, enough/10) {
			return fmt.Errorf("messages came for longer than %v: %w", quietTime, ctx.Err())
		}
	}
	return nil
}

// endRelays waits until the connections have ended, and closes the relays.
func (g *group) endRelays(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, margin)
	defer cancel()
	for _, e := range g.edges {
		if e.relay == nil {
			continue
		}
		for stands(e.relay) {
			if !pause(ctx, 10*time.Millisecond) {
				return fmt.Errorf("a connection from %s to %s stands when both are closed", e.connecting.plan.Name, e.binding.plan.Name)
			}
		}
		_ = e.relay.Close() // always nil
	}
	return nil
}

// stands reports whether a relay has a connection that has not ended.
func stands(r *relay.Relay) bool {
	for _, c := range r.Stats() {
		if c.End == "" {
			return true
		}
	}
	return false
}

// abandon ends what a group has left behind, which is nothing if all went well.
func (g *group) abandon() {
	for _, e := range g.edges {
		if e.relay != nil {
			_ = e.relay.Close() // always nil
		}
	}
	for _, s := range g.slots {
		if s.current == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), margin)
		if s.plan.Make == Local {
			_ = s.current.handle.close(ctx, 0) // the group has failed already
		} else {
			_ = s.current.handle.kill()
		}
		cancel()
	}
}

// start begins a new life.
func (s *slot) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	l := &life{slot: s, base: s.g.bases.Add(1)}
	s.g.books.add(l)
	cfg := s.plan.Config
	cfg.Base = l.base
	s.g.join(&cfg, l)
	tell := func(e peer.Event) { s.g.books.tell(l, e) }
	var err error
	switch s.plan.Make {
	case Local:
		var p *peer.Peer
		p, err = peer.Open(cfg, tell)
		l.handle = local{p}
	case Process:
		l.handle, err = startProcess(ctx, s.g.cfg.PeerCommand, cfg, tell)
	case Libzmq:
		l.handle, err = startProcess(ctx, s.g.cfg.LibzmqCommand, cfg, tell)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.name(), err)
	}
	s.current = l
	if s.at == "" {
		s.at = l.handle.endpoint()
	}
	for _, e := range s.g.edges {
		if e.binding == s && e.relay != nil {
			if err := e.relay.SetTarget(l.handle.endpoint()); err != nil {
				return err
			}
		}
	}
	return nil
}

// join gives a peer its endpoints and keys.
func (g *group) join(cfg *peer.Config, l *life) {
	if l.slot.binds {
		cfg.Bind = g.bindAt(l)
	}
	for _, e := range g.edges {
		switch {
		case e.connecting != l.slot:
		case e.relay != nil:
			cfg.Connect = append(cfg.Connect, e.relay.Endpoint())
		default:
			cfg.Connect = append(cfg.Connect, e.binding.at)
		}
	}
	switch {
	case !g.plan.Curve:
	case l.slot.binds:
		cfg.SecretKey, cfg.PublicKey = g.server.Secret(), g.server.Public().String()
	default:
		cfg.SecretKey, cfg.PublicKey = g.client.Secret(), g.client.Public().String()
		cfg.ServerKey = g.server.Public().String()
	}
}

// bindAt returns where a peer binds: always at the same endpoint if its peers connect to it directly.
func (g *group) bindAt(l *life) string {
	switch {
	case g.plan.Direct && l.slot.at != "":
		return l.slot.at
	case g.plan.Transport == "ipc":
		return "ipc://" + filepath.Join(g.dir, fmt.Sprint(l.base))
	case g.plan.Transport == "inproc":
		return "inproc://" + filepath.Join(g.dir, l.slot.plan.Name)
	case runtime.GOOS == "linux": // a host of its own, on which nobody takes the port meanwhile
		return fmt.Sprintf("tcp://127.%d.%d.%d:*", 1+os.Getpid()%250, l.base/250%250, 1+l.base%250)
	}
	return "tcp://127.0.0.1:*"
}

// play plays the plan of a peer.
func (s *slot) play(ctx context.Context) error {
	for _, step := range s.plan.Steps {
		if !pause(ctx, step.Wait) {
			return ctx.Err()
		}
		s.g.log("%s: %v", s.current.name(), step)
		if err := s.do(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

func (s *slot) do(ctx context.Context, step PeerStep) error {
	l := s.current
	if step.Action == Pause {
		if err := l.handle.pause(); err != nil {
			return fmt.Errorf("%s: %w", l.name(), err)
		}
		pause(ctx, step.For)
		return l.handle.resume()
	}
	switch step.Action {
	case Rejoin:
		s.g.books.mark(func() { l.early, l.rejoined = true, l.rejoined+1 }) // what was on its way to it is lost
		ctx, cancel := context.WithTimeout(ctx, rejoinTime)
		defer cancel()
		if err := l.handle.rejoin(ctx); err != nil {
			return fmt.Errorf("%s: %w", l.name(), err)
		}
		return nil
	case Kill:
		s.g.books.mark(func() { l.killed = true })
		s.current = nil
		if err := l.handle.kill(); err != nil {
			return fmt.Errorf("%s: %w", l.name(), err)
		}
	case Drain:
		if err := s.drain(ctx, step.Limit); err != nil {
			return err
		}
		if err := s.close(ctx, 0); err != nil {
			return err
		}
	case Close:
		s.g.books.mark(func() { l.early = true })
		if err := s.close(ctx, step.Limit); err != nil {
			return err
		}
	}
	if !pause(ctx, step.For) {
		return ctx.Err()
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	return s.current.handle.begin()
}

// stop has the peer send no more of its own accord.
func (s *slot) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	if err := s.current.handle.stop(ctx); err != nil {
		return fmt.Errorf("%s: stop: %w", s.current.name(), err)
	}
	return nil
}

// drain has the peer receive what is on its way, and nothing new.
func (s *slot) drain(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit+margin)
	defer cancel()
	if err := s.current.handle.drain(ctx, limit); err != nil {
		return fmt.Errorf("%s: drain: %w", s.current.name(), err)
	}
	return nil
}

// close ends the peer's life in good order.
func (s *slot) close(ctx context.Context, linger time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, linger+margin)
	defer cancel()
	if err := s.current.handle.close(ctx, linger); err != nil {
		return fmt.Errorf("%s: close with a linger time of %v: %w", s.current.name(), linger, err)
	}
	s.current = nil
	return nil
}

// traffic is what passed between two slots, one way.
type traffic struct {
	known       bool   // there is a relay that knows
	connections uint64 // that may have been used for messages
	broken      uint64 // of these
	destroyed   uint64 // bytes
	destructive uint64 // connections that broke with bytes destroyed
	passed      uint64 // bytes
}

// traffic returns what passed from one slot to another. The relays are closed, and the books' mu is held.
func (g *group) traffic(from, to *slot) (t traffic) {
	for _, e := range g.edges {
		if (e.connecting != from || e.binding != to) && (e.connecting != to || e.binding != from) {
			continue
		}
		if e.relay == nil {
			return g.directTraffic(from, to)
		}
		t.known = true
		for _, c := range e.relay.Stats() {
			if c.Target == "" {
				continue // no message has come so far
			}
			way := c.ToTarget
			if e.binding == from {
				way = c.ToClient
			}
			t.connections++
			if c.End != "closed" {
				t.broken++
			}
			if way.Destroyed > 0 {
				t.destructive++
			}
			t.destroyed += way.Destroyed
			t.passed += way.Passed
		}
	}
	return t
}

// directTraffic is traffic as far as it can be known without a relay.
func (g *group) directTraffic(from, to *slot) (t traffic) {
	slots := []*slot{from, to}
	for _, l := range slices.Concat(from.lives, to.lives) {
		t.connections += 1 + l.rejoined
		if l.killed {
			t.broken++
		}
	}
	t.connections--
	paused := func(s *slot) bool {
		return slices.ContainsFunc(s.plan.Steps, func(s PeerStep) bool { return s.Action == Pause })
	}
	libzmq := func(s *slot) bool { return s.plan.Make == Libzmq }
	if from.plan.Config.Heartbeat > 0 && (slices.ContainsFunc(slots, paused) || slices.ContainsFunc(slots, libzmq)) {
		t.connections++ // heartbeats may have ended one; libzmq's do that to a peer that is slow, too
		t.broken++
	}
	return t
}

// logTraffic logs what the relays have counted.
func (g *group) logTraffic() {
	for i, e := range g.edges {
		if e.relay == nil {
			continue
		}
		for _, c := range e.relay.Stats() {
			g.log("relay %d, %s to %s: %+v", i, e.connecting.plan.Name, e.binding.plan.Name, c)
		}
	}
}

// needless returns what has ended connections in a group that nothing has befallen, unless this machine was too busy for
// heartbeats to come in time. What libzmq ends is its own business.
func (g *group) needless(busy time.Duration) (faults []string) {
	for _, s := range g.slots {
		if len(s.plan.Steps) > 0 || s.plan.Config.Heartbeat > 0 && busy > s.plan.Config.HeartbeatTimeout/4 {
			return nil
		}
	}
	for _, e := range g.edges {
		if !e.plan.Harmless() {
			return nil
		}
	}
	for _, s := range g.slots {
		for _, l := range s.lives {
			if l.counters.Silent > 0 {
				faults = append(faults, fmt.Sprintf("%s has given up a peer that was there: %v", l.name(), l.counters))
			}
		}
	}
	for _, e := range g.edges {
		ours := e.connecting.plan.Make != Libzmq && e.binding.plan.Make != Libzmq
		if n := g.traffic(e.connecting, e.binding).connections; ours && n != 1 {
			faults = append(faults, fmt.Sprintf("%d connections from %s to %s, want 1", n, e.connecting.plan.Name, e.binding.plan.Name))
		}
	}
	return faults
}

// pairs settles the accounts of all that send, with what is wrong.
func (g *group) pairs() []Pair {
	var pairs []Pair
	for _, s := range g.slots {
		if !sends(s.plan.Config.Type) {
			continue
		}
		receivers := g.side(!s.binds)
		account, faults := g.books.account(s, receivers)
		p := Pair{
			Group: g.plan.Name, Sender: s.plan.Name, Transport: g.plan.Transport, Curve: g.plan.Curve,
			From: kindOf(s), To: kindOf(receivers...), Direct: g.plan.Direct, Account: account, Balance: account.Settle(), Faults: faults,
		}
		pairs = append(pairs, p)
	}
	return pairs
}

// kindOf describes slots of one type: "PULL (local)", "PULL (local, libzmq)".
func kindOf(slots ...*slot) string {
	makes := map[Make]bool{}
	for _, s := range slots {
		makes[s.plan.Make] = true
	}
	text := slots[0].plan.Config.Type + " ("
	for i, m := range []Make{Local, Process, Libzmq} {
		if makes[m] {
			if i > 0 && text[len(text)-1] != '(' {
				text += ", "
			}
			text += string(m)
		}
	}
	return text + ")"
}

// Pair is the balance of what one peer has sent to the peers on the other side.
type Pair struct {
	Group, Sender string
	From, To      string // types and makes
	Transport     string
	Curve, Direct bool
	Account       ledger.Account
	Balance       ledger.Balance
	Faults        []string // what is wrong in any case
}
