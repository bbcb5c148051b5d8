//go:build cgo

// Package pebbe measures github.com/pebbe/zmq4: libzmq called from Go by cgo.
package pebbe

import (
	"errors"
	"fmt"

	zmq "github.com/pebbe/zmq4"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// Engine is pebbe/zmq4.
type Engine struct{}

var _ engine.Engine = Engine{}

// Name returns "pebbe".
func (Engine) Name() string { return "pebbe" }

// Version returns the versions of the binding and of libzmq.
func (Engine) Version() string {
	major, minor, patch := zmq.Version()
	return fmt.Sprintf("%s, libzmq %d.%d.%d", engine.ModuleVersion("github.com/pebbe/zmq4"), major, minor, patch)
}

var kinds = map[engine.Kind]zmq.Type{
	engine.Push: zmq.PUSH, engine.Pull: zmq.PULL,
	engine.Pub: zmq.PUB, engine.Sub: zmq.SUB,
	engine.Req: zmq.REQ, engine.Rep: zmq.REP,
}

// Open opens a socket of the default context.
func (Engine) Open(kind engine.Kind, opt engine.Options) (engine.Socket, error) {
	typ, ok := kinds[kind]
	if !ok {
		return nil, engine.NoKind(kind)
	}
	s, err := zmq.NewSocket(typ)
	if err != nil {
		return nil, err
	}
	if opt.Curve != nil {
		if !zmq.HasCurve() {
			return nil, engine.Unsupported("this libzmq was built without CURVE")
		}
		if err := secure(s, opt.Curve); err != nil {
			return nil, fmt.Errorf("pebbe: set keys: %w", err)
		}
	}
	if opt.Unbounded {
		if err := errors.Join(s.SetSndhwm(0), s.SetRcvhwm(0)); err != nil {
			return nil, fmt.Errorf("pebbe: lift the limits: %w", err)
		}
	}
	return &socket{s: s}, nil
}

func secure(s *zmq.Socket, c *engine.Curve) error {
	if c.Server {
		return errors.Join(s.SetCurveServer(1), s.SetCurveSecretkey(c.ServerSecret))
	}
	return errors.Join(s.SetCurveServerkey(c.ServerPublic),
		s.SetCurvePublickey(c.ClientPublic), s.SetCurveSecretkey(c.ClientSecret))
}

type socket struct{ s *zmq.Socket }

// Bind binds, and asks for the endpoint that was chosen.
func (s *socket) Bind(endpoint string) (string, error) {
	if err := s.s.Bind(endpoint); err != nil {
		return "", fmt.Errorf("pebbe: bind %s: %w", endpoint, err)
	}
	return s.s.GetLastEndpoint()
}

// Connect connects.
func (s *socket) Connect(endpoint string) error { return s.s.Connect(endpoint) }

// Subscribe subscribes to a topic.
func (s *socket) Subscribe(topic string) error { return s.s.SetSubscribe(topic) }

// Send sends each frame with SendBytes.
func (s *socket) Send(batch []engine.Message) error {
	for _, m := range batch {
		last := len(m) - 1
		for _, frame := range m[:last] {
			if _, err := s.s.SendBytes(frame, zmq.SNDMORE); err != nil {
				return err
			}
		}
		if _, err := s.s.SendBytes(m[last], 0); err != nil {
			return err
		}
	}
	return nil
}

// Recv receives each frame with RecvBytes.
func (s *socket) Recv(n int) (first []byte, err error) {
	for range n {
		if first, err = s.s.RecvBytes(0); err != nil {
			return nil, err
		}
		for {
			more, err := s.s.GetRcvmore()
			if err != nil {
				return nil, err
			}
			if !more {
				break
			}
			if _, err := s.s.RecvBytes(0); err != nil {
				return nil, err
			}
		}
	}
	return first, nil
}
