package zmq

import (
	"context"
	"errors"
	"slices"
	"sync"

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
	x.manual = cfg.Manual || cfg.ManualLastValue
	s.pat = &x.xpublisher
	return x, nil
}

// Send sends one message to every peer with a matching subscription, as Pub.Send does.
func (x *XPub) Send(ctx context.Context, frames ...[]byte) error { return x.publish(ctx, frames) }

// Recv returns the next subscription or message, and waits for one until ctx ends or the socket is closed. Unless
// Config.Verbose is set, only the first subscription to each prefix is reported, and only the last end of one; the
// subscriptions of a peer that vanishes end then too.
func (x *XPub) Recv(ctx context.Context) (Message, error) { return x.recv(ctx) }

var errNotManual = errors.New("needs Config.Manual, and a subscription received before")

// Subscribe subscribes the peer whose subscription was received last to a prefix, which need not be the one it asked for.
// It needs Config.Manual.
func (x *XPub) Subscribe(prefix string) error {
	p := x.lastPeer()
	if p == nil {
		return x.opError("subscribe", "", errNotManual)
	}
	x.change(p, []byte(prefix), false)
	return nil
}

// Unsubscribe takes a prefix away from the peer whose subscription, or end of one, was received last. It needs
// Config.Manual.
func (x *XPub) Unsubscribe(prefix string) error {
	p := x.lastPeer()
	if p == nil {
		return x.opError("unsubscribe", "", errNotManual)
	}
	x.change(p, []byte(prefix), true)
	return nil
}

// xpublisher is the pattern of an XPUB.
type xpublisher struct {
	distributor
	manual bool

	lastMu  sync.Mutex
	last    *pipe // whose subscription was received last
	lastFor bool  // ManualLastValue: the next message goes to last alone
}

func (x *xpublisher) lastPeer() *pipe {
	x.lastMu.Lock()
	defer x.lastMu.Unlock()
	if !x.manual {
		return nil
	}
	x.lastFor = x.s.cfg.ManualLastValue
	return x.last
}

func (x *xpublisher) publish(ctx context.Context, frames [][]byte) error {
	x.lastMu.Lock()
	only := x.last
	if !x.lastFor {
		only = nil
	}
	x.lastFor = false
	x.lastMu.Unlock()
	if only == nil {
		return x.send(ctx, frames)
	}
	size, err := x.s.checkSend(ctx, frames)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.match(frames[0])
	x.found = slices.DeleteFunc(x.found, func(p *pipe) bool { return p != only })
	return x.distribute(frames, size)
}

func (x *xpublisher) recv(ctx context.Context) (Message, error) {
	var m Message
	p, err := x.s.in.recv(ctx, &m)
	if err != nil {
		return Message{}, x.s.opError("receive", "", err)
	}
	x.lastMu.Lock()
	x.last = p
	x.lastMu.Unlock()
	return m, nil
}

// subscription reports a subscription or its end to the user, as far as the configuration asks for it.
func (x *xpublisher) subscription(p *pipe, topic []byte, cancel bool) int {
	if x.manual {
		x.report(p, string(topic), cancel)
		return 0
	}
	cost, edge := x.change(p, topic, cancel)
	if edge || x.s.cfg.Verboser || (x.s.cfg.Verbose && !cancel) {
		x.report(p, string(topic), cancel)
	}
	return cost
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
	p.in.push(segment{b, s, 1})
}

// detach ends the subscriptions of a peer that is gone.
func (x *xpublisher) detach(p *pipe) {
	x.forget(p, func(topic string, last bool) {
		if last || x.s.cfg.Verboser || x.manual {
			x.report(p, topic, true)
		}
	})
	x.lastMu.Lock()
	defer x.lastMu.Unlock()
	if x.last == p {
		x.last, x.lastFor = nil, false
	}
}
