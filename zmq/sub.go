package zmq

import (
	"context"
	"iter"
)

// Sub is a SUB socket: it receives those messages of its PUB peers that it has subscribed to (RFC 29).
type Sub struct {
	*socket
	subscriber
}

// NewSub makes a SUB socket. Subscribe, and Bind or Connect it next, in any order, and Close it in the end.
func NewSub(cfg Config) (*Sub, error) {
	s, err := newSocket("SUB", cfg, true)
	if err != nil {
		return nil, err
	}
	s.sink, s.connectOnce = true, true
	sub := &Sub{socket: s}
	sub.subscriber.init(s)
	s.pat = &sub.subscriber
	return sub, nil
}

// Recv returns the next message with a matching subscription, and waits for one until ctx ends or the socket is closed.
// Any number of goroutines may receive at once; each message goes to one of them. Messages of one peer come in the order
// in which it sent them, those of several peers in turn.
func (s *Sub) Recv(ctx context.Context) (Message, error) { return s.receive(ctx) }

// Messages returns a loop over the messages that arrive: see Pull.Messages. An Unsubscribe does not hold for those that the
// loop has taken before.
func (s *Sub) Messages(ctx context.Context) iter.Seq2[Message, error] { return s.messages(ctx) }

// RecvEach receives as many messages as wait: see Pull.RecvEach. An Unsubscribe does not hold for those that it returned.
func (s *Sub) RecvEach(ctx context.Context, into []Message) (n int, err error) {
	return s.recvEach(ctx, into)
}

// Subscribe asks for all messages whose first frame begins with prefix; the empty prefix asks for all. It takes effect at
// each peer some time after it returns (Pub.WaitSubscribers tells a publisher when), and holds for peers to come. The
// same prefix may be subscribed to several times, and must then be unsubscribed from as often.
func (s *Sub) Subscribe(prefix string) error { return s.change(prefix, false) }

// Unsubscribe takes one Subscribe back. Messages that came before and were not received yet are not delivered any more.
func (s *Sub) Unsubscribe(prefix string) error { return s.change(prefix, true) }
