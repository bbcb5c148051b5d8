// Package experimance measures this project's own engine, package zmq.
package experimance

import (
	"context"
	"fmt"
	"iter"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/zmq"
)

// Engine is package zmq of this project.
type Engine struct{}

var _ engine.Engine = Engine{}

// Name returns "experimance".
func (Engine) Name() string { return "experimance" }

// Version says that the code beside this module is measured.
func (Engine) Version() string { return "working tree" }

// Open opens a socket with the zero zmq.Config, apart from what opt asks for.
func (Engine) Open(kind engine.Kind, opt engine.Options) (engine.Socket, error) {
	var cfg zmq.Config
	if opt.Unbounded {
		cfg.SendHWM, cfg.SendHWMBytes, cfg.RecvHWM, cfg.RecvHWMBytes = -1, -1, -1, -1
	}
	if opt.Curve != nil {
		security, err := curve(opt.Curve)
		if err != nil {
			return nil, err
		}
		cfg.Security = security
	}
	s, err := openKind(kind, cfg)
	if err != nil {
		return nil, err
	}
	if opt.Single {
		s.each, s.zero, s.many = nil, nil, nil
	}
	return s, nil
}

func openKind(kind engine.Kind, cfg zmq.Config) (*socket, error) {
	switch kind {
	case engine.Push:
		return open(zmq.NewPush(cfg))
	case engine.Pull:
		return open(zmq.NewPull(cfg))
	case engine.Pub:
		return open(zmq.NewPub(cfg))
	case engine.Sub:
		return open(zmq.NewSub(cfg))
	case engine.Req:
		return open(zmq.NewReq(cfg))
	case engine.Rep:
		return open(zmq.NewRep(cfg))
	default:
		return nil, engine.NoKind(kind)
	}
}

// curve turns the keys of both sides into one side's settings.
func curve(keys *engine.Curve) (zmq.Security, error) {
	if keys.Server {
		pair, err := zmq.ParseSecretKey(keys.ServerSecret)
		return zmq.CurveServer{Keys: pair, Authenticator: zmq.AllowAny}, err
	}
	server, err := zmq.ParsePublicKey(keys.ServerPublic)
	if err != nil {
		return nil, err
	}
	pair, err := zmq.ParseSecretKey(keys.ClientSecret)
	return zmq.CurveClient{Keys: pair, ServerKey: server}, err
}

// What the sockets of package zmq have, each as far as its type goes.
type (
	endpoints interface {
		Bind(endpoint string) (string, error)
		Connect(endpoint string) error
	}
	sender interface {
		Send(ctx context.Context, frames ...[]byte) error
	}
	eachSender interface {
		SendEach(ctx context.Context, bodies [][]byte) (int, error)
	}
	zeroCopySender interface {
		SendZeroCopy(ctx context.Context, frames ...[]byte) error
	}
	receiver interface {
		Recv(ctx context.Context) (zmq.Message, error)
	}
	looper interface {
		Messages(ctx context.Context) iter.Seq2[zmq.Message, error]
	}
	eachReceiver interface {
		RecvEach(ctx context.Context, into []zmq.Message) (int, error)
	}
	subscriber interface {
		Subscribe(prefix string) error
	}
)

type socket struct {
	endpoints
	out  sender         // nil where the type does not send
	each eachSender     // nil where the type does not send many messages with a call, or is not to
	zero zeroCopySender // nil where the type always copies
	in   receiver       // nil where the type does not receive
	loop looper         // nil where the type does not receive in a loop
	many eachReceiver   // nil where the type does not receive many messages with a call, or is not to
	held zmq.Message    // the last that was received

	bodies [][]byte        // for SendEach
	into   [64]zmq.Message // for RecvEach
}

func open(s endpoints, err error) (*socket, error) {
	if err != nil {
		return nil, err
	}
	out, _ := s.(sender)
	each, _ := s.(eachSender)
	zero, _ := s.(zeroCopySender)
	in, _ := s.(receiver)
	loop, _ := s.(looper)
	many, _ := s.(eachReceiver)
	return &socket{endpoints: s, out: out, each: each, zero: zero, in: in, loop: loop, many: many}, nil
}

// Subscribe subscribes to a topic.
func (s *socket) Subscribe(topic string) error {
	sub, ok := s.endpoints.(subscriber)
	if !ok {
		return fmt.Errorf("experimance: subscribe on %T", s.endpoints)
	}
	return sub.Subscribe(topic)
}

// Send sends messages of one frame all with one call, others with one call each, large ones without a copy.
func (s *socket) Send(batch []engine.Message) error {
	ctx := context.Background()
	if s.each != nil && len(batch) > 1 && len(batch[0]) == 1 {
		s.bodies = s.bodies[:0]
		for _, m := range batch {
			s.bodies = append(s.bodies, m[0])
		}
		_, err := s.each.SendEach(ctx, s.bodies)
		return err
	}
	send := s.out.Send
	if s.zero != nil && len(batch[0][0]) >= large {
		send = s.zero.SendZeroCopy
	}
	for _, m := range batch {
		if err := send(ctx, m...); err != nil {
			return err
		}
	}
	return nil
}

// large is from which size on a message is not copied: shorter ones are as fast by Send.
const large = 1 << 20

// Recv receives one message with a call, several with as few calls as come, and releases them; the last one is kept until the
// next call.
func (s *socket) Recv(n int) ([]byte, error) {
	ctx := context.Background()
	s.held.Release()
	if n > 1 && s.many != nil {
		return s.receive(ctx, n)
	}
	if n > 1 && s.loop != nil {
		return s.iterate(ctx, n)
	}
	for ; ; n-- {
		m, err := s.in.Recv(ctx)
		if err != nil {
			return nil, err
		}
		if n <= 1 {
			s.held = m
			return m.Bytes(), nil
		}
		m.Release()
	}
}

func (s *socket) receive(ctx context.Context, n int) ([]byte, error) {
	for {
		got, err := s.many.RecvEach(ctx, s.into[:min(n, len(s.into))])
		if err != nil {
			return nil, err
		}
		n -= got
		if n == 0 {
			got--
			s.held, s.into[got] = s.into[got], zmq.Message{}
		}
		zmq.ReleaseEach(s.into[:got])
		if n == 0 {
			return s.held.Bytes(), nil
		}
	}
}

func (s *socket) iterate(ctx context.Context, n int) ([]byte, error) {
	for m, err := range s.loop.Messages(ctx) {
		if err != nil {
			return nil, err
		}
		if n <= 1 {
			s.held = m
			break
		}
		m.Release()
		n--
	}
	return s.held.Bytes(), nil
}
