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

// Messages returns a loop over the messages that arrive, which is faster for small ones than a Recv for each. It goes on until
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
// A loop takes up to 64 messages (64 KiB) from the queue at a time, peers in turn. Those that it has not handed out yet are there
// for other loops and for Recv too, within the loop's body as well as when it has ended, ahead of what came later. Any number
// of loops may go on at once.
func (p *Pull) Messages(ctx context.Context) iter.Seq2[Message, error] { return p.messages(ctx) }

// RecvEach receives as many messages as wait, up to len(into), peers in turn, and returns how many it has put into into. It waits
// for the first until ctx ends or the socket is closed; an error means that it took none. With ReleaseEach it is the fastest way
// to receive many small messages:
//
//	into := make([]zmq.Message, 64)
//	for {
//		n, err := pull.RecvEach(ctx, into)
//		if err != nil {
//			return err
//		}
//		for _, m := range into[:n] {
//			handle(m.Bytes())
//		}
//		zmq.ReleaseEach(into[:n])
//	}
//
// What it returns is the caller's: other goroutines that receive do not get it.
func (p *Pull) RecvEach(ctx context.Context, into []Message) (n int, err error) {
	return p.recvEach(ctx, into)
}

// receive takes the next message off the socket's queue.
func (s *socket) receive(ctx context.Context) (Message, error) {
	m, _, err := s.in.recv(ctx)
	if err != nil {
		return Message{}, s.opError("receive", "", err)
	}
	return m, nil
}
