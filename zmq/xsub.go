package zmq

import (
	"context"
	"errors"
	"iter"
)

// XSub is an XSUB socket: a SUB whose subscriptions can also be sent as messages, and which can send to its publishers. With
// an XPUB it makes the two ends of a forwarder (RFC 29).
type XSub struct {
	*socket
	subscriber
}

// NewXSub makes an XSUB socket. Bind or Connect it next, and Close it in the end.
func NewXSub(cfg Config) (*XSub, error) {
	s, err := newSocket("XSUB", cfg, true)
	if err != nil {
		return nil, err
	}
	s.connectOnce = true
	x := &XSub{socket: s}
	x.subscriber.init(s)
	s.in.accept = nil
	s.pat = &x.subscriber
	return x, nil
}

// Recv returns the next message, as Sub.Recv does, but does not look at the subscriptions again: what a publisher sends is
// received.
func (x *XSub) Recv(ctx context.Context) (Message, error) { return x.receive(ctx) }

// Messages returns a loop over the messages that arrive: see Pull.Messages.
func (x *XSub) Messages(ctx context.Context) iter.Seq2[Message, error] { return x.messages(ctx) }

// RecvEach receives as many messages as wait: see Pull.RecvEach.
func (x *XSub) RecvEach(ctx context.Context, into []Message) (n int, err error) {
	return x.recvEach(ctx, into)
}

// Subscribe asks for messages, as Sub.Subscribe does.
func (x *XSub) Subscribe(prefix string) error { return x.subscriber.change(prefix, false) }

// Unsubscribe takes one Subscribe back, as Sub.Unsubscribe does. Messages that came before are received still.
func (x *XSub) Unsubscribe(prefix string) error { return x.subscriber.change(prefix, true) }

// Send subscribes for a message of one frame that begins with byte 1, and unsubscribes for byte 0: the rest is the prefix.
// This is what XPub.Recv returns. An end without a subscription is ignored, unless Config.VerboseUnsubscribe is set. Any other message goes to every publisher,
// and is dropped and counted for one whose queue is full. A subscription may overtake it. The frames are copied.
func (x *XSub) Send(ctx context.Context, frames ...[]byte) error {
	size, err := x.checkSend(ctx, frames)
	if err != nil {
		return err
	}
	if len(frames) == 1 && len(frames[0]) > 0 && frames[0][0] <= 1 {
		err := x.subscriber.change(string(frames[0][1:]), frames[0][0] == 0)
		if errors.Is(err, errNotSubscribed) {
			return nil
		}
		return err
	}
	x.subscriber.mu.Lock()
	defer x.subscriber.mu.Unlock()
	for p := range x.subscriber.peers {
		if _, l := p.peer(); l != nil && l.other(p).in == nil {
			continue // a PUB takes no messages
		}
		if p.out.put(frames, size, false) == putFull {
			x.dropped.Add(1)
		}
	}
	return nil
}
