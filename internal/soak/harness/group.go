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

// The deadlines of the phases, and other times.
const (
	startTime  = 20 * time.Second
	stopTime   = 30 * time.Second
	rejoinTime = 20 * time.Second
	idleTime   = 2 * time.Minute
	sendLinger = 30 * time.Second       // at the end, for PUSH, PUB and XPUB
	restLinger = time.Second            // at the end, for all others, whose queues are empty
	margin     = 10 * time.Second       // added to time limits, for busy machines
	settleTime = 300 * time.Millisecond // without faults, before the senders stop
)

// group is a running group.
type group struct {
	plan  GroupPlan
	cfg   *Config
	dir   string // of the ipc sockets
	log   func(format string, args ...any)
	bases *atomic.Uint64
	books *books
	slots []*slot // the binding ones first
	edges []*edge // for each connecting and each binding slot, as in the plan

	server, client zmq.KeyPair
}

// slot holds the instances of a peer, one after the other.
type slot struct {
	g         *group
	plan      *PeerPlan
	binds     bool
	at        string      // endpoint of the first instance
	current   *instance   // nil if there is none at present
	instances []*instance // guarded by the books' mu
}

// instance is one instance of a peer. The fields from killed on are guarded by the books' mu.
type instance struct {
	slot   *slot
	number int
	base   uint64
	handle handle

	killed   bool
	rejoined uint64 // number of times
	early    bool   // closed before the end of the round without being drained
	reported bool   // counters are known
	counters peer.Counters
}

func (l *instance) name() string { return fmt.Sprintf("%s (instance %d)", l.slot.plan.Name, l.number) }

// edge connects two slots.
type edge struct {
	connecting, binding *slot
	plan                EdgePlan
	relay               *relay.Relay // nil for a direct connection
}

// newGroup prepares a group. bases numbers the instances of all groups.
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

// sends reports whether a type of socket sends messages.
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

// run runs the group from the start of its peers to their end.
func (g *group) run(ctx context.Context) error {
	defer g.cleanUp()
	if err := g.start(ctx); err != nil {
		return err
	}
	if err := g.injectFaults(ctx); err != nil {
		return err
	}
	return g.shutDown(ctx)
}

// start starts all peers and relays.
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

// injectFaults plays the plans of all relays and peers.
func (g *group) injectFaults(ctx context.Context) error {
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
	if pause(ctx, settleTime) {
		return nil
	}
	return ctx.Err()
}

// shutDown closes all peers in good order.
func (g *group) shutDown(ctx context.Context) error {
	if err := g.each(g.slots, func(s *slot) error { return s.stop(ctx) }); err != nil {
		return err
	}
	var first, last []*slot
	for _, s := range g.slots {
		if kind := s.plan.Config.Type; kind == "PUSH" || strings.HasSuffix(kind, "PUB") { // these receive no messages
			first = append(first, s)
		} else {
			last = append(last, s)
		}
	}
	if err := g.each(first, func(s *slot) error { return s.close(ctx, sendLinger) }); err != nil {
		return err
	}
	if err := g.awaitIdle(ctx); err != nil {
		return err
	}
	if err := g.each(last, func(s *slot) error { return s.close(ctx, restLinger) }); err != nil {
		return err
	}
	return g.closeRelays(ctx)
}

// each calls do for several slots concurrently.
func (g *group) each(slots []*slot, do func(*slot) error) error {
	errs := make([]error, len(slots))
	var wg sync.WaitGroup
	for i, s := range slots {
		wg.Go(func() { errs[i] = do(s) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// awaitIdle waits until no more messages arrive. It counts ticks instead of time, because the peers on a
// busy machine do not run all the time.
func (g *group) awaitIdle(ctx context.Context) error {
	const tick, briefly = 50 * time.Millisecond, 4
	enough := 40
	for _, e := range g.plan.Edges {
		for _, s := range slices.Concat(e...) {
			if s.Fault == relay.FaultPartition { // the systems retransmit with a delay
				enough = max(enough, int(4*s.For/tick))
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, idleTime)
	defer cancel()
	last, _ := g.books.progress()
	for idle := 0; idle < enough; idle++ {
		if !pause(ctx, tick) {
			return fmt.Errorf("messages came for longer than %v: %w", idleTime, ctx.Err())
		}
		switch changes, complete := g.books.progress(); {
		case changes != last:
			last, idle = changes, 0
		case complete && idle >= briefly:
			return nil
		}
	}
	return nil
}

// closeRelays waits for the end of all connections, and closes the relays.
func (g *group) closeRelays(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, margin)
	defer cancel()
	for _, e := range g.edges {
		if e.relay == nil {
			continue
		}
		for hasOpen(e.relay) {
			if !pause(ctx, 10*time.Millisecond) {
				return fmt.Errorf("a connection from %s to %s stands when both are closed", e.connecting.plan.Name, e.binding.plan.Name)
			}
		}
		_ = e.relay.Close() // always nil
	}
	return nil
}

// hasOpen reports whether a relay has an open connection.
func hasOpen(r *relay.Relay) bool {
	for _, c := range r.Stats() {
		if c.End == relay.Open {
			return true
		}
	}
	return false
}

// cleanUp ends the relays and peers that are left after a failure.
func (g *group) cleanUp() {
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
			_ = s.current.handle.close(ctx, 0) // best effort
		} else {
			_ = s.current.handle.kill()
		}
		cancel()
	}
}

// start starts a new instance.
func (s *slot) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	l := &instance{slot: s, base: s.g.bases.Add(1)}
	s.g.books.add(l)
	cfg := s.plan.Config
	cfg.Base = l.base
	s.g.join(&cfg, l)
	record := func(e peer.Event) { s.g.books.record(l, e) }
	var err error
	switch s.plan.Make {
	case Local:
		var p *peer.Peer
		p, err = peer.Open(cfg, record)
		l.handle = local{p}
	case Process:
		l.handle, err = startProcess(ctx, s.g.cfg.PeerCommand, cfg, record)
	case Libzmq:
		l.handle, err = startProcess(ctx, s.g.cfg.LibzmqCommand, cfg, record)
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

// join sets the endpoints and keys of a peer.
func (g *group) join(cfg *peer.Config, l *instance) {
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

// bindAt returns the endpoint for an instance to bind: always the same one if its peers connect to it directly.
func (g *group) bindAt(l *instance) string {
	switch {
	case g.plan.Direct && l.slot.at != "":
		return l.slot.at
	case g.plan.Transport == "ipc":
		return "ipc://" + filepath.Join(g.dir, fmt.Sprint(l.base))
	case g.plan.Transport == "inproc":
		return "inproc://" + filepath.Join(g.dir, l.slot.plan.Name)
	case runtime.GOOS == "linux": // on a separate address, so that the port is still free at the next bind
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
		s.g.books.update(func() { l.early, l.rejoined = true, l.rejoined+1 }) // messages on their way to it are lost
		ctx, cancel := context.WithTimeout(ctx, rejoinTime)
		defer cancel()
		if err := l.handle.rejoin(ctx); err != nil {
			return fmt.Errorf("%s: %w", l.name(), err)
		}
		return nil
	case Kill:
		s.g.books.update(func() { l.killed = true })
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
		s.g.books.update(func() { l.early = true })
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

// stop ends the peer's own stream.
func (s *slot) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	if err := s.current.handle.stop(ctx); err != nil {
		return fmt.Errorf("%s: stop: %w", s.current.name(), err)
	}
	return nil
}

// drain drains the peer.
func (s *slot) drain(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit+margin)
	defer cancel()
	if err := s.current.handle.drain(ctx, limit); err != nil {
		return fmt.Errorf("%s: drain: %w", s.current.name(), err)
	}
	return nil
}

// close closes the peer in good order.
func (s *slot) close(ctx context.Context, linger time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, linger+margin)
	defer cancel()
	if err := s.current.handle.close(ctx, linger); err != nil {
		return fmt.Errorf("%s: close with a linger time of %v: %w", s.current.name(), linger, err)
	}
	s.current = nil
	return nil
}

// traffic is the traffic between two slots in one direction.
type traffic struct {
	known       bool   // by a relay
	connections uint64 // those that may have carried messages
	broken      uint64 // those that did not end in good order
	lost        uint64 // bytes
	lossy       uint64 // number of connections with lost bytes
	forwarded   uint64 // bytes
}

// traffic returns the traffic from one slot to another. The relays are closed, and the books' mu is held.
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
				continue // it never reached the peer
			}
			way := c.ToTarget
			if e.binding == from {
				way = c.ToClient
			}
			t.connections++
			if c.End != relay.Closed {
				t.broken++
			}
			if way.Lost > 0 {
				t.lossy++
			}
			t.lost += way.Lost
			t.forwarded += way.Forwarded
		}
	}
	return t
}

// directTraffic is traffic without a relay: an estimate of the number of connections.
func (g *group) directTraffic(from, to *slot) (t traffic) {
	slots := []*slot{from, to}
	for _, l := range slices.Concat(from.instances, to.instances) {
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
		t.connections++ // a heartbeat may have ended one; those of libzmq also give up slow peers
		t.broken++
	}
	return t
}

// logTraffic logs the counters of the relays.
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

// unexplained describes connections that have ended although the group has had no faults. It returns
// nothing if this machine was too busy for the heartbeats. Disconnections by libzmq do not count.
func (g *group) unexplained(busy time.Duration) (faults []string) {
	const slack = 500 * time.Millisecond // a peer in another process may have to wait for the processor as well
	for _, s := range g.slots {
		cfg := s.plan.Config
		if len(s.plan.Steps) > 0 || cfg.Heartbeat > 0 && (cfg.HeartbeatTimeout < slack || busy > cfg.HeartbeatTimeout/4) {
			return nil
		}
	}
	for _, e := range g.edges {
		if !e.plan.Harmless() {
			return nil
		}
	}
	for _, s := range g.slots {
		for _, l := range s.instances {
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

// pairs settles the accounts of all senders.
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

// Pair is the result of one sender and its receivers.
type Pair struct {
	Group, Sender string
	From, To      string // types and implementations
	Transport     string
	Curve, Direct bool
	Account       ledger.Account
	Balance       ledger.Balance
	Faults        []string // errors that no loss explains
}
