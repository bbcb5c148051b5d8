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
	x.manual, x.asked = cfg.Manual || cfg.ManualLastValue, map[*pipe]*wishes{}
	s.pat = &x.xpublisher
	return x, nil
}

// Send sends one message to every peer with a matching subscription, as Pub.Send does.
func (x *XPub) Send(ctx context.Context, frames ...[]byte) error { return x.publish(ctx, frames) }

// Recv returns the next subscription or message, and waits for one until ctx ends or the socket is closed. Unless
// Config.Verbose is set, only the first subscription to each prefix is reported, and only the last end of one; the
// subscriptions of a peer that vanishes end then too. What is not received counts against the peer's
// Config.MaxSubscriptionBytes, as far as it goes beyond the high-water mark, and against Config.MemoryLimit, so that an XPUB of
// which nobody receives cannot be made to grow without bound. At that limit no more subscriptions are taken.
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

	// guarded by the distributor's mu
	asked map[*pipe]*wishes // with manual: what each peer has subscribed to itself
	heard bool              // a subscription was received
	last  *pipe             // whose subscription was received last; nil where it has gone
	only  *pipe             // with ManualLastValue: to whom alone the next message goes; nil for all
}

var errNotManual = errors.New("needs Config.Manual, and a subscription received before")

// obey gives the peer whose subscription was received last what it asked for, or something else.
func (x *xpublisher) obey(op, prefix string, cancel bool) error {
	defer x.s.changed.wakeAll()
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.s.closing.Load():
		return x.s.opError(op, "", ErrClosed)
	case !x.manual || !x.heard:
		return x.s.opError(op, "", errNotManual)
	}
	if !cancel && x.s.cfg.ManualLastValue {
		x.only = x.last
	}
	if x.last != nil {
		x.note(x.last, []byte(prefix), cancel)
	}
	return nil
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
		x.found = slices.DeleteFunc(x.found, func(p *pipe) bool { return p != x.only })
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
	m, p, err := x.s.in.recv(ctx)
	if err != nil {
		return Message{}, x.s.opError("receive", "", err)
	}
	if b := m.Bytes(); m.Len() == 1 && len(b) > 0 && b[0] <= 1 {
		x.hear(p)
	}
	return m, nil
}

// hear notes that a subscription of p was received.
func (x *xpublisher) hear(p *pipe) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.heard, x.last = true, p; x.wishes[p] == nil {
		x.last = nil
	}
}

// subscription reports a subscription or its end to the user, as far as the configuration asks for it.
func (x *xpublisher) subscription(p *pipe, topic []byte, cancel bool) (cost int) {
	defer x.s.changed.wakeAll()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.wishes[p] == nil { // nothing new for a peer that is about to be disconnected
		return 0
	}
	edge := true
	if x.manual {
		cost = x.ask(p, topic, cancel)
	} else {
		cost, edge = x.note(p, topic, cancel)
	}
	if edge || x.s.cfg.Verboser || (x.s.cfg.Verbose && !cancel) {
		x.report(p, string(topic), cancel)
	}
	n, size := p.in.excess()
	return cost + n*wishCost + size
}

// ask notes what a peer has subscribed to itself, whatever the user makes of it: it ends when the peer goes. mu is held.
func (x *xpublisher) ask(p *pipe, topic []byte, cancel bool) (cost int) {
	w := x.asked[p]
	if w == nil {
		w = newWishes()
		x.asked[p] = w
	}
	if cancel {
		w.remove(string(topic))
	} else {
		w.add(string(topic))
	}
	return w.cost
}

// report puts a subscription into the peer's inbox, in the form of a message.
func (x *xpublisher) report(p *pipe, topic string, cancel bool) {
	b := make([]byte, 0, wire.MaxHeader+1+len(topic))
	first := byte(1)
	if cancel {
		first = 0
	}
	b = append(wire.AppendHeader(b, 0, 1+len(topic)), first)
	b = append(b, topic...)
	s := &slab{b: b}
	s.refs.Store(1)
	p.in.push(segment{b: b, slab: s, n: 1})
}

// detach ends the subscriptions of a peer that is gone.
func (x *xpublisher) detach(p *pipe) {
	x.forget(p, func(topic string, last bool) {
		if !x.manual && (last || x.s.cfg.Verboser) {
			x.report(p, topic, true)
		}
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	if w := x.asked[p]; w != nil {
		delete(x.asked, p)
		for topic := range w.topics {
			x.report(p, topic, true)
		}
	}
	if x.last == p {
		x.last = nil
	}
	if x.only == p {
		x.only = nil
	}
}
