package messaging

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/experimance/experimance-go/service"
)

// SubscriberConfig configures a Subscriber.
type SubscriberConfig struct {
	// Name is the name of the service. Required.
	Name string

	// Address is where to find publishers: one address, or several separated by commas. Names (inproc, ipc) are connected
	// to. Default: ConnectAddress("localhost", TypeStateUpdate).
	Address string

	// Topics are subscribed to, beside the topics that have handlers. A topic stands for all that begin with it, as
	// subscriptions do in ZeroMQ; the empty topic for all. Default: none, and a default handler subscribes to all.
	Topics []string

	// Concurrency is how many messages are handled at once. 0 means 1: messages are handled one after the other, in the
	// order in which they came. With more, the order is lost.
	Concurrency int

	Config
}

// Validate returns an error that names every field with a value that cannot be used.
func (cfg SubscriberConfig) Validate() error {
	c := checker{config: "SubscriberConfig"}
	c.common(cfg.Name, cfg.Config)
	c.subscriber("Address", cfg)
	c.notNegative("Concurrency", cfg.Concurrency)
	return c.err()
}

func (c *checker) subscriber(addressField string, cfg SubscriberConfig) {
	cfg = cfg.withDefaults()
	c.addresses(addressField, cfg.Address, false)
	c.topics("Topics", cfg.Topics)
}

func (cfg SubscriberConfig) withDefaults() SubscriberConfig {
	cfg.Address = orDefault(cfg.Address, ConnectAddress("localhost", TypeStateUpdate))
	cfg.Concurrency = orDefault(cfg.Concurrency, 1)
	return cfg
}

// Subscriber is a service that hands messages of publishers to its handlers: to the handler of the topic, else to that of
// the longest matching prefix, else to the default handler. Messages without a handler are counted and dropped. Handlers
// may be registered at any time, by any goroutine.
type Subscriber struct {
	*service.Service

	receiver receiver[subSocket]
	topics   []string
	routes   atomic.Pointer[routes]

	mu     sync.Mutex // held while routes or subscriptions change
	socket subSocket  // the open socket, or nil
}

// NewSubscriber makes a Subscriber. It opens no socket before Start.
func NewSubscriber(cfg SubscriberConfig) (*Subscriber, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc, err := cfg.newService(cfg.Name, "subscriber")
	if err != nil {
		return nil, err
	}
	return newSubscriber(svc, cfg)
}

// newSubscriber makes a Subscriber of a service that it may share. cfg has been validated.
func newSubscriber(svc *service.Service, cfg SubscriberConfig) (*Subscriber, error) {
	cfg = cfg.withDefaults()
	addrs, err := parseAddresses(cfg.Address, false)
	if err != nil {
		return nil, err
	}
	s := &Subscriber{Service: svc, topics: cfg.Topics}
	s.routes.Store(&routes{})
	s.receiver.init(cfg.Config, &link[subSocket]{
		svc: svc, role: "sub", addrs: addrs, options: cfg.socketOptions(), interval: cfg.warningInterval(),
		make:    engine.newSub,
		opened:  s.opened,
		closing: s.closing,
	})
	if err := s.receiver.link.attach(); err != nil {
		return nil, err
	}
	return s, s.receiver.run(cfg.Concurrency, s.newDispatch)
}

// opened subscribes a fresh socket to all that was asked for so far.
func (s *Subscriber) opened(socket subSocket) error {
	s.receiver.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socket = socket
	return subscribe(socket, s.prefixes(s.routes.Load()))
}

func (s *Subscriber) closing(context.Context, subSocket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socket = nil
}

// prefixes returns what to subscribe to for the routes.
func (s *Subscriber) prefixes(r *routes) []string {
	if len(s.topics) > 0 {
		r = &routes{exact: r.exact, prefixes: r.prefixes} // Topics say what the default handler gets
	}
	return append(r.subscriptions(), s.topics...)
}

func subscribe(socket subSocket, prefixes []string) error {
	for _, prefix := range prefixes {
		if err := socket.subscribe(prefix); err != nil {
			return fmt.Errorf("messaging: subscribe to %q: %w", prefix, err)
		}
	}
	return nil
}

// newDispatch returns the dispatch of one receive loop.
func (s *Subscriber) newDispatch() dispatch {
	var cache routeCache
	return func(frame []byte) (Handler, Delivery, error) {
		topic, object, err := splitFrame(frame)
		if err != nil {
			return nil, Delivery{}, &BadMessageError{Topic: string(topic), Size: len(frame), Err: err}
		}
		name, h := cache.find(s.routes.Load(), topic)
		return h, Delivery{Topic: name, Payload: object}, nil
	}
}

// HandleRaw registers the handler of a topic, and subscribes to it. A topic that ends in "*" is a prefix: "worker.*" takes
// "worker.status". It is an error where the topic has a handler.
func (s *Subscriber) HandleRaw(topic string, h Handler) error {
	return s.change(func(r *routes) (*routes, error) { return r.with(topic, h) })
}

// HandleDefault registers the handler of messages that no other handler takes. It subscribes to every topic, unless
// SubscriberConfig.Topics names some. It is an error where there is a default handler.
func (s *Subscriber) HandleDefault(h Handler) error {
	return s.change(func(r *routes) (*routes, error) { return r.withDefault(h) })
}

// change replaces the routes, and subscribes an open socket to what is new.
func (s *Subscriber) change(to func(*routes) (*routes, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.routes.Load()
	after, err := to(before)
	if err != nil {
		return fmt.Errorf("messaging: sub of %s: %w", s.Name(), err)
	}
	s.routes.Store(after)
	if s.socket == nil {
		return nil
	}
	return subscribe(s.socket, missing(s.prefixes(before), s.prefixes(after)))
}

// missing returns what is in after and not in before.
func missing(before, after []string) []string {
	known := make(map[string]bool, len(before))
	for _, p := range before {
		known[p] = true
	}
	var fresh []string
	for _, p := range after {
		if !known[p] {
			fresh = append(fresh, p)
		}
	}
	return fresh
}

// SubAddresses returns the addresses of the subscribing socket in the order of the configuration, wildcards resolved; nil
// where the service is not started.
func (s *Subscriber) SubAddresses() []string { return s.receiver.link.addresses() }

// SubStats returns what the subscribing socket did so far.
func (s *Subscriber) SubStats() SocketStats { return s.receiver.stats() }

// Router is what handlers of topics are registered with: a Subscriber, and all that embed one.
type Router interface {
	HandleRaw(topic string, h Handler) error
}

// Handle registers a handler for the messages of a topic, decoded into T. A topic that ends in "*" is a prefix. A message
// that cannot be decoded is counted as bad and dropped.
func Handle[T any](r Router, topic string, handle func(ctx context.Context, topic string, msg T) error) error {
	return r.HandleRaw(topic, typed(handle))
}
