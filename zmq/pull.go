package zmq

import (
	"context"
	"iter"
)

// Pull is a PULL socket: it receives the messages of its PUSH peers, one from each in turn (RFC 30).
type Pull struct{ *socket }

// puller is the pattern of a socket that only receives.
type puller struct{ noPattern }

func (puller) orphaned([]segment) {}

// NewPull makes a PULL socket. Bind or Connect it next, and Close it in the end.
func NewPull(cfg Config) (*Pull, error) {
	s, err := newSocket("PULL", cfg, true)
	if err != nil {
		return nil, err
	}
	s.sink = true
	s.pat = puller{}
	return &Pull{socket: s}, nil
}

// Recv returns the next message, and waits for one until ctx ends or the socket is closed. Any number of goroutines may
// receive at once; each message goes to one of them. Messages of one peer come in the order in which it sent them.
func (p *Pull) Recv(ctx context.Context) (Message, error) { return p.receive(ctx) }

// Messages returns a loop over the messages that arrive, which is the fastest way to receive many small ones. It goes on until
// ctx ends or the socket is closed: the reason comes last, as the error that Recv would return.
//
//	for m, err := range pull.Messages(ctx) {
//		if err != nil {
//			return err
//		}
//		handle(m.Bytes())
//		m.Release()
//	}
//
// While it is the only one that receives, a loop takes up to 64 messages (64 KiB) from the queue at a time, peers in turn. Those
// that it has not handed out when it ends are received by others, or by the next loop. Where several goroutines receive, in
// loops or by Recv, each takes one message at a time.
func (p *Pull) Messages(ctx context.Context) iter.Seq2[Message, error] { return p.messages(ctx) }

// receive takes the next message off the socket's queue.
func (s *socket) receive(ctx context.Context) (Message, error) {
	m, _, err := s.in.recv(ctx)
	if err != nil {
		return Message{}, s.opError("receive", "", err)
	}
	return m, nil
}
