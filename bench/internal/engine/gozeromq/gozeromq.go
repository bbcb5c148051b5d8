// Package gozeromq measures github.com/go-zeromq/zmq4, a ZeroMQ in pure Go.
package gozeromq

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-zeromq/zmq4"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// Engine is go-zeromq/zmq4.
type Engine struct{}

var _ engine.Engine = Engine{}

// Name returns "go-zeromq".
func (Engine) Name() string { return "go-zeromq" }

// Version returns the module's version.
func (Engine) Version() string { return engine.ModuleVersion("github.com/go-zeromq/zmq4") }

// Open opens a socket. Its publisher's queue has no limit in any case.
func (Engine) Open(kind engine.Kind, opt engine.Options) (engine.Socket, error) {
	if opt.Curve != nil {
		return nil, engine.Unsupported("no CURVE in this engine")
	}
	if opt.Refusing > 0 {
		return nil, engine.Unsupported("a socket connects only while its peer listens")
	}
	open, ok := map[engine.Kind]func(context.Context, ...zmq4.Option) zmq4.Socket{
		engine.Push: zmq4.NewPush, engine.Pull: zmq4.NewPull,
		engine.Pub: zmq4.NewPub, engine.Sub: zmq4.NewSub,
		engine.Req: zmq4.NewReq, engine.Rep: zmq4.NewRep,
	}[kind]
	if !ok {
		return nil, engine.NoKind(kind)
	}
	return &socket{s: open(context.Background())}, nil
}

type socket struct{ s zmq4.Socket }

// Bind listens, at a port of the system's choice for a wildcard.
func (s *socket) Bind(endpoint string) (string, error) {
	host, wildcard := strings.CutSuffix(endpoint, ":*")
	if !wildcard {
		return endpoint, s.s.Listen(endpoint)
	}
	if err := s.s.Listen(host + ":0"); err != nil {
		return "", err
	}
	return fmt.Sprintf("tcp://%s", s.s.Addr()), nil
}

// Connect dials, and returns when the connection stands.
func (s *socket) Connect(endpoint string) error { return s.s.Dial(endpoint) }

// Subscribe subscribes to a topic.
func (s *socket) Subscribe(topic string) error { return s.s.SetOption(zmq4.OptionSubscribe, topic) }

// Send sends each message with Send, or SendMulti where it has several frames.
func (s *socket) Send(batch []engine.Message) error {
	for _, m := range batch {
		send := s.s.Send
		if len(m) > 1 {
			send = s.s.SendMulti
		}
		if err := send(zmq4.NewMsgFrom(m...)); err != nil {
			return err
		}
	}
	return nil
}

// Recv receives each message with Recv.
func (s *socket) Recv(n int) ([]byte, error) {
	var last zmq4.Msg
	for range n {
		m, err := s.s.Recv()
		if err != nil {
			return nil, err
		}
		last = m
	}
	return last.Frames[0], nil
}
