package zmq

import "context"

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

// receive takes the next message off the socket's queue.
func (s *socket) receive(ctx context.Context) (Message, error) {
	m, _, err := s.in.recv(ctx)
	if err != nil {
		return Message{}, s.opError("receive", "", err)
	}
	return m, nil
}
