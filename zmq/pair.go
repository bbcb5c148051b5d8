package zmq

import (
	"context"
	"iter"
)

// Pair is a PAIR socket: it has one peer, another PAIR, and refuses a second one while the first is there (RFC 31). The second
// one keeps its messages and tries again.
type Pair struct {
	*socket
	balancer
}

// NewPair makes a PAIR socket. Bind or Connect it next, and Close it in the end.
func NewPair(cfg Config) (*Pair, error) {
	s, err := newSocket("PAIR", cfg, true)
	if err != nil {
		return nil, err
	}
	p := &Pair{socket: s}
	p.balancer.s, p.balancer.limit = s, 1
	s.pat = &p.balancer
	return p, nil
}

// Send sends one message of one or more frames to the peer. It waits for the peer, and for room, until ctx ends. The
// frames are copied: they may be used again when Send returns. Any number of goroutines may send at once.
func (p *Pair) Send(ctx context.Context, frames ...[]byte) error {
	return p.balancer.send(ctx, frames)
}

// SendEach sends each body as a message of one frame: see Push.SendEach.
func (p *Pair) SendEach(ctx context.Context, bodies [][]byte) (n int, err error) {
	return p.balancer.sendEach(ctx, bodies)
}

// SendZeroCopy is Send without a copy of the last frame, where that is large: see Push.SendZeroCopy.
func (p *Pair) SendZeroCopy(ctx context.Context, frames ...[]byte) error {
	return p.balancer.sendZeroCopy(ctx, frames)
}

// Recv returns the next message, as Pull.Recv does.
func (p *Pair) Recv(ctx context.Context) (Message, error) { return p.receive(ctx) }

// Messages returns a loop over the messages that arrive: see Pull.Messages.
func (p *Pair) Messages(ctx context.Context) iter.Seq2[Message, error] { return p.messages(ctx) }

// RecvEach receives as many messages as wait: see Pull.RecvEach.
func (p *Pair) RecvEach(ctx context.Context, into []Message) (n int, err error) {
	return p.recvEach(ctx, into)
}
