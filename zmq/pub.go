package zmq

import "context"

// Pub is a PUB socket: it sends each message to every SUB peer that has a matching subscription (RFC 29).
type Pub struct {
	*socket
	distributor
}

// NewPub makes a PUB socket. Bind or Connect it next, and Close it in the end.
func NewPub(cfg Config) (*Pub, error) {
	s, err := newSocket("PUB", cfg, false)
	if err != nil {
		return nil, err
	}
	s.connectOnce = true
	p := &Pub{socket: s}
	p.distributor.init(s)
	s.pat = &p.distributor
	return p, nil
}

// Send sends one message of one or more frames to every peer with a subscription that the first frame begins with. It
// never waits: for a peer whose queue is full the message is dropped, and counted in Stats.Dropped. Where nobody has
// subscribed the message goes nowhere; WaitSubscribers avoids that. It fails where ctx has ended or the socket is closed.
//
// The frames are copied: they may be used again when Send returns. Any number of goroutines may send at once; the messages
// of one goroutine reach each peer in their order.
func (p *Pub) Send(ctx context.Context, frames ...[]byte) error {
	return p.send(ctx, frames)
}

// SendEach sends each body as a message of one frame, in their order, as Send does, with less effort: a lock for many messages
// to a peer instead of one for each. It returns how many were taken, which are all of them where err is nil; some may have been
// dropped for some peers.
func (p *Pub) SendEach(ctx context.Context, bodies [][]byte) (n int, err error) {
	return p.distributor.sendEach(ctx, bodies)
}

// SendZeroCopy is Send without a copy of the last frame, where that is large: see Push.SendZeroCopy.
func (p *Pub) SendZeroCopy(ctx context.Context, frames ...[]byte) error {
	return p.distributor.sendZeroCopy(ctx, frames)
}
