package zmq

import (
	"context"
	"iter"
)

// Dealer is a DEALER socket: it deals messages out to its peers in turn and receives theirs in turn, with no rule about
// which follows which (RFC 28). Its peers are REP, DEALER and ROUTER. To talk to a REP, send an empty frame first.
type Dealer struct {
	*socket
	dealer
}

// dealer is the pattern of a DEALER.
type dealer struct{ balancer }

// NewDealer makes a DEALER socket. Bind or Connect it next, and Close it in the end.
func NewDealer(cfg Config) (*Dealer, error) {
	s, err := newSocket("DEALER", cfg, true)
	if err != nil {
		return nil, err
	}
	s.connectOnce = true
	d := &Dealer{socket: s}
	d.balancer.s, d.balancer.moves = s, true
	s.pat = &d.dealer
	return d, nil
}

// Send sends one message of one or more frames to the next peer in turn that has room. It waits, copies and redirects as
// Push.Send does.
func (d *Dealer) Send(ctx context.Context, frames ...[]byte) error {
	return d.balancer.send(ctx, frames)
}

// SendEach sends each body as a message of one frame: see Push.SendEach.
func (d *Dealer) SendEach(ctx context.Context, bodies [][]byte) (n int, err error) {
	return d.balancer.sendEach(ctx, bodies)
}

// SendZeroCopy is Send without a copy of the last frame, where that is large: see Push.SendZeroCopy.
func (d *Dealer) SendZeroCopy(ctx context.Context, frames ...[]byte) error {
	return d.balancer.sendZeroCopy(ctx, frames)
}

// Recv returns the next message, as Pull.Recv does.
func (d *Dealer) Recv(ctx context.Context) (Message, error) { return d.receive(ctx) }

// Messages returns a loop over the messages that arrive: see Pull.Messages.
func (d *Dealer) Messages(ctx context.Context) iter.Seq2[Message, error] { return d.messages(ctx) }

// RecvEach receives as many messages as wait: see Pull.RecvEach.
func (d *Dealer) RecvEach(ctx context.Context, into []Message) (n int, err error) {
	return d.recvEach(ctx, into)
}

func (d *dealer) attach(p *pipe) {
	p.probe()
	d.balancer.attach(p)
}

// probe tells a new ROUTER peer of this socket, where that is asked for.
func (p *pipe) probe() {
	if p.s.cfg.ProbeRouter {
		empty := [][]byte{nil}
		p.out.put(empty, encodedSize(empty), false)
	}
}
