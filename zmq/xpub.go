package zmq

import (
	"context"
	"errors"
	"slices"

	"github.com/experimance/experimance-go/internal/wire"
)

// XPub is an XPUB socket: a PUB that also receives. Recv returns the peers' subscriptions, as messages of one frame: byte 1
// and the prefix for a subscription, byte 0 and the prefix for its end; and whatever XSUB peers send (RFC 29).
type XPub struct {
	*socket
	xpublisher
}

// NewXPub makes an XPUB socket. Bind or Connect it next, and Close it in the end.
func NewXPub(cfg Config) (*XPub, error) {
	s, err := newSocket("XPUB", cfg, true)
	if err != nil {
		return nil, err
	}
	s.connectOnce = true
	x := &XPub{socket: s}
	x.distributor.init(s)
	x.manual, x.asked = cfg.Manual || cfg.ManualLastValue, map[*pipe]*asked{}
	x.ended = func(s *subscriptions[*pipe], topic string) { x.report(s, topic, true) }
	s.in.pick = x.pick
	s.pat = &x.xpublisher
	return x, nil
}

// Send sends one message to every peer with a matching subscription, as Pub.Send does.
func (x *XPub) Send(ctx context.Context, frames ...[]byte) error { return x.publish(ctx, frames) }

// Recv returns the next subscription or message, and waits for one until ctx ends or the socket is
// closed. Unless Config.Verbose is set, only the first subscription to each prefix is reported, and
// only the last end of one; the subscriptions of a peer that vanishes end then too. Reports come in
// the order in which things happened, also those about different peers; messages of XSUB peers may
// come before or after reports. Until a report is received it counts for the peer that it is about:
// against Config.MaxSubscriptionBytes as far as the peer is beyond the high-water mark, and against
// Config.MemoryLimit. So a program that does not call Recv cannot be made to grow without bound. At
// that limit no more subscriptions are taken.
func (x *XPub) Recv(ctx context.Context) (Message, error) { return x.recv(ctx) }

// Subscribe subscribes the peer whose subscription, or end of one, was received last to a prefix, which need not be the one
// it asked for. It needs Config.Manual. For a peer that has gone it does nothing.
func (x *XPub) Subscribe(prefix string) error { return x.obey("subscribe", prefix, false) }

// Unsubscribe takes a prefix away from the peer whose subscription, or end of one, was received last. It needs
// Config.Manual. For a peer that has gone it does nothing.
func (x *XPub) Unsubscribe(prefix string) error { return x.obey("unsubscribe", prefix, true) }

// xpublisher is the pattern of an XPUB.
type xpublisher struct {
	distributor
	manual bool

	asked map[*pipe]*asked // with manual: the subscriptions that each peer has sent; guarded by the distributor's changing

	// guarded by the distributor's mu
	heard bool                  // a subscription was received
	last  *subscriptions[*pipe] // of which one was received last
	only  *subscriptions[*pipe] // with ManualLastValue: of the peer to which alone the next message goes; nil for all

	reports reports // guarded by the receive queue's mu
}

// asked holds the subscriptions that a peer of an XPUB with Manual has sent.
type asked struct {
	topics map[string]struct{}
	cost   int
}

// reports is the order of the reports that were not received yet: for each, the subscriptions that
// it is about. A connecting XPUB has the same pipe for the next connection, but not the same
// subscriptions. The report itself is in the inbox of the peer that it is about, which is charged
// for it; those inboxes alone do not keep the order between peers. The receive queue's mu guards it.
type reports struct {
	list []*subscriptions[*pipe]
	head int // of those that were not received
}

func (r *reports) push(s *subscriptions[*pipe]) {
	if r.head > len(r.list)/2 { // make the places of those that were received ready for use again
		left := copy(r.list, r.list[r.head:])
		clear(r.list[left:])
		r.list, r.head = r.list[:left], 0
	}
	r.list = append(r.list, s)
}

// first returns what the first report is about. There is one.
func (r *reports) first() *subscriptions[*pipe] { return r.list[r.head] }

// pop removes the first report. There is one.
func (r *reports) pop() {
	r.list[r.head] = nil
	if r.head++; r.head == len(r.list) {
		r.list, r.head = nil, 0
	}
}

var errNotManual = errors.New("needs Config.Manual, and a subscription received before")

// obey gives the peer whose subscription was received last what it asked for, or something else.
func (x *xpublisher) obey(op, prefix string, cancel bool) error {
	x.changing.Lock()
	defer x.changing.Unlock()
	last, heard := x.lastHeard()
	switch {
	case x.s.closing.Load():
		return x.s.opError(op, "", ErrClosed)
	case !x.manual || !heard:
		return x.s.opError(op, "", errNotManual)
	}
	if last != nil && x.peers[last.value] != last { // it has gone
		last = nil
	}
	if last != nil {
		x.note(last.value, []byte(prefix), cancel)
	}
	if !cancel && x.s.cfg.ManualLastValue {
		x.mu.Lock()
		x.only = last
		x.mu.Unlock()
	}
	x.noted()
	return nil
}

// lastHeard returns of which subscriptions one was received last, and whether one was received at all.
func (x *xpublisher) lastHeard() (last *subscriptions[*pipe], heard bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.last, x.heard
}

func (x *xpublisher) publish(ctx context.Context, frames [][]byte) error {
	size, err := x.s.checkSend(ctx, frames)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.match(frames[0])
	if x.only != nil {
		x.found = slices.DeleteFunc(x.found, func(p *pipe) bool { return p != x.only.value })
	}
	if err := x.distribute(frames, size); err != nil {
		return err
	}
	x.only = nil
	return nil
}

func (x *xpublisher) sendPatiently(ctx context.Context, frames [][]byte) error {
	return x.patiently(ctx, func() error { return x.publish(ctx, frames) })
}

func (x *xpublisher) recv(ctx context.Context) (Message, error) {
	m, _, err := x.s.in.recv(ctx)
	if err != nil {
		return Message{}, x.s.opError("receive", "", err)
	}
	if about := m.slab.report; about != nil {
		x.hear(about)
	}
	return m, nil
}

// pick chooses the inbox to receive from. If a report is first in the inbox whose turn it is, the first
// report of all is received instead, from the inbox of its own peer. If a message of that peer comes
// before it, that message is received. The queue's mu is held.
func (x *xpublisher) pick(turn *inbox) *inbox {
	if turn.first().report == nil {
		return turn
	}
	in := x.reports.first().value.in
	if in.first().report != nil {
		x.reports.pop()
	}
	return in
}

// hear notes that a report about s was received.
func (x *xpublisher) hear(s *subscriptions[*pipe]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.heard, x.last = true, s
}

// subscription reports a subscription or its end to the user, as far as the configuration asks for it.
func (x *xpublisher) subscription(p *pipe, topic []byte, cancel bool) (cost, excess int) {
	x.changing.Lock()
	defer x.changing.Unlock()
	s := x.peers[p]
	if s == nil { // nothing new for a peer that is about to be disconnected
		return 0, 0
	}
	edge := true
	if x.manual {
		cost = x.ask(p, topic, cancel)
	} else {
		cost, edge = x.note(p, topic, cancel)
	}
	if edge || x.s.cfg.Verboser || (x.s.cfg.Verbose && !cancel) {
		x.report(s, string(topic), cancel)
	}
	x.noted()
	n, size := p.in.excess()
	return cost, n*subscriptionCost + size
}

// ask notes what a peer has subscribed to itself, whatever the user makes of it: it ends when the
// peer goes. changing is held.
func (x *xpublisher) ask(p *pipe, topic []byte, cancel bool) (cost int) {
	a := x.asked[p]
	if a == nil {
		a = &asked{topics: map[string]struct{}{}}
		x.asked[p] = a
	}
	switch _, ok := a.topics[string(topic)]; {
	case ok && cancel:
		delete(a.topics, string(topic))
		a.cost -= len(topic) + subscriptionCost
	case !ok && !cancel:
		a.topics[string(topic)] = struct{}{}
		a.cost += len(topic) + subscriptionCost
	}
	return a.cost
}

// report puts a subscription into the peer's inbox, in the form of a message. changing is held.
func (x *xpublisher) report(subs *subscriptions[*pipe], topic string, cancel bool) {
	b := make([]byte, 0, wire.MaxHeader+1+len(topic))
	first := byte(1)
	if cancel {
		first = 0
	}
	b = append(wire.AppendHeader(b, 0, 1+len(topic)), first)
	b = append(b, topic...)
	s := &slab{b: b, report: subs}
	s.refs.Store(1)
	x.enqueue(subs, segment{b: b, slab: s, n: 1})
}

// enqueue puts a report behind those that were not received yet.
func (x *xpublisher) enqueue(subs *subscriptions[*pipe], seg segment) {
	in, q := subs.value.in, x.s.in
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		q.discarded.Add(1)
		return
	}
	x.reports.push(subs)
	in.add(seg)
	q.join(in)
	q.mu.Unlock()
	q.arrived.wake(1)
}

// detach ends the subscriptions of a peer that is gone.
func (x *xpublisher) detach(p *pipe) {
	x.changing.Lock()
	defer x.changing.Unlock()
	x.mu.Lock()
	if x.only != nil && x.only.value == p {
		x.only = nil
	}
	x.mu.Unlock()
	var topics map[string]struct{}
	if x.manual {
		topics = map[string]struct{}{}
		if a := x.asked[p]; a != nil {
			topics = a.topics
			delete(x.asked, p)
		}
	}
	x.leave(p, topics)
}
