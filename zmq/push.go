package zmq

import "context"

// Push is a PUSH socket: it deals messages out to its PULL peers, each message to one of them (RFC 30).
type Push struct {
	*socket
	balancer
}

// NewPush makes a PUSH socket. Bind or Connect it next, and Close it in the end.
func NewPush(cfg Config) (*Push, error) {
	s, err := newSocket("PUSH", cfg, false)
	if err != nil {
		return nil, err
	}
	p := &Push{socket: s}
	p.balancer.s, p.balancer.moves = s, true
	s.pat = &p.balancer
	return p, nil
}

// Send sends one message of one or more frames to the next peer in turn that has room. Where none has, it waits until one
// has, or ctx ends: the error then holds the context's error and ErrNoPeer, and nothing was sent. A message that was
// accepted is never given to two peers, and is given to another one if its peer goes away before it was written. What was
// written to a peer that dies is lost with it, since PUSH and PULL have no acknowledgement: Stats.Unconfirmed counts what had
// not reached the peer's system. A Pull that stops in good order (see Pull.Drain) loses nothing.
//
// The frames are copied: they may be used again when Send returns. Any number of goroutines may send at once; the messages
// of one goroutine reach one peer in their order.
func (p *Push) Send(ctx context.Context, frames ...[]byte) error {
	return p.send(ctx, frames)
}

// SendEach sends each body as a message of one frame, in their order, as Send does, with less effort where there is one peer: a
// lock for many messages instead of one for each. It returns how many were accepted, which are all of them where err is nil.
func (p *Push) SendEach(ctx context.Context, bodies [][]byte) (n int, err error) {
	return p.balancer.sendEach(ctx, bodies)
}

// SendZeroCopy is Send without a copy of the last frame, where that has 16 KiB or more: the frame is shared with the engine, which
// may read it at any time from now on. So nobody may change it any more; it may be read, and sent again. Where it is of a Message that
// was received, that may not be released. After an error it is the caller's again. The other frames are copied, and so is the last one
// on its way to peers over inproc or with CURVE.
func (p *Push) SendZeroCopy(ctx context.Context, frames ...[]byte) error {
	return p.balancer.sendZeroCopy(ctx, frames)
}
