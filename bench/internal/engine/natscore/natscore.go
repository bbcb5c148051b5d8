// Package natscore measures core NATS: subjects of a nats-server that runs in a process of its own.
package natscore

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// Engine is core NATS.
type Engine struct{}

var _ engine.Broker = Engine{}

// Name returns "nats".
func (Engine) Name() string { return "nats" }

// Version returns the versions of the server and of the client.
func (Engine) Version() string {
	return fmt.Sprintf("server %s, client %s", server.VERSION, nats.Version)
}

const startTimeout = 10 * time.Second

// Serve starts the server with its default options, at a free port of the loopback interface.
func (Engine) Serve() (string, error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		return "", fmt.Errorf("nats: make a server: %w", err)
	}
	go s.Start()
	if !s.ReadyForConnections(startTimeout) {
		return "", errors.New("nats: the server did not start in time")
	}
	return s.ClientURL(), nil
}

// Open makes a socket; each is a connection to the server.
func (Engine) Open(kind engine.Kind, opt engine.Options) (engine.Socket, error) {
	switch {
	case opt.Carrier == engine.IPC:
		return nil, engine.Unsupported("no ipc in this engine")
	case opt.Carrier == engine.Inproc:
		return nil, engine.Unsupported("not inproc: through its server")
	case opt.Curve != nil:
		return nil, engine.Unsupported("no CURVE in this engine")
	case opt.Prefixes > 0:
		return nil, engine.Unsupported("no prefixes: subjects are matched as a whole")
	case opt.Refusing > 0:
		return nil, engine.Unsupported("one connection, to its server")
	case opt.Frames > 1:
		return nil, engine.Unsupported("no multipart messages in this engine")
	case opt.Size > server.MAX_PAYLOAD_SIZE:
		return nil, engine.Unsupported(fmt.Sprintf("messages of %d bytes at most by default", server.MAX_PAYLOAD_SIZE))
	}
	s := &socket{kind: kind, subjects: map[string]string{}}
	for i := range opt.Topics {
		s.subjects[engine.Topic(i)] = engine.Topic(i)
	}
	return s, nil
}

// subject is that of messages without a topic.
const subject = "bench"

type socket struct {
	kind     engine.Kind
	conn     *nats.Conn
	subjects map[string]string // by topic; empty where messages have none
	inbox    string            // of Req: where replies arrive
	in       *nats.Subscription
	last     *nats.Msg
}

// Bind connects to the server: both sides do.
func (s *socket) Bind(endpoint string) (string, error) { return endpoint, s.Connect(endpoint) }

// Connect connects to the server and subscribes to what the kind of socket receives.
func (s *socket) Connect(endpoint string) error {
	conn, err := nats.Connect(endpoint)
	if err != nil {
		return fmt.Errorf("nats: connect to %s: %w", endpoint, err)
	}
	s.conn = conn
	switch s.kind {
	case engine.Pull, engine.Rep:
		return s.subscribe(subject)
	case engine.Req:
		s.inbox = conn.NewInbox()
		return s.subscribe(s.inbox)
	default:
		return nil
	}
}

// Subscribe subscribes to a topic, which is a subject of its own.
func (s *socket) Subscribe(topic string) error {
	if topic == "" {
		topic = subject
	}
	return s.subscribe(topic)
}

// subscribe lifts the client's limit of pending messages, as NATS' own bench does: at the default a flooded subscriber
// loses messages.
func (s *socket) subscribe(subject string) error {
	in, err := s.conn.SubscribeSync(subject)
	if err != nil {
		return err
	}
	s.in = in
	return errors.Join(in.SetPendingLimits(-1, -1), s.conn.Flush())
}

// Send publishes each message; the client gathers and writes them by itself.
func (s *socket) Send(batch []engine.Message) error {
	for _, m := range batch {
		if err := s.send(m[0]); err != nil {
			return err
		}
	}
	return nil
}

func (s *socket) send(body []byte) error {
	switch {
	case s.kind == engine.Req:
		return s.conn.PublishRequest(subject, s.inbox, body)
	case s.kind == engine.Rep:
		return s.last.Respond(body)
	case len(s.subjects) > 0:
		return s.conn.Publish(s.subjects[string(body[:engine.TopicLen])], body)
	default:
		return s.conn.Publish(subject, body)
	}
}

// forever is longer than any measurement.
const forever = 24 * time.Hour

// Recv receives each message with NextMsg.
func (s *socket) Recv(n int) ([]byte, error) {
	for range n {
		m, err := s.in.NextMsg(forever)
		if err != nil {
			return nil, err
		}
		s.last = m
	}
	return s.last.Data, nil
}
