package messaging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/experimance/experimance-go/service"
)

// Defaults of a publisher's heartbeat.
const (
	DefaultHeartbeatTopic    = "heartbeat"
	DefaultHeartbeatInterval = 5 * time.Second
)

// PublisherConfig configures a Publisher.
type PublisherConfig struct {
	// Name is the name of the service. Required.
	Name string

	// Address is where to publish: one address, or several separated by commas. Names (inproc, ipc) are bound.
	// Default: BindAddress(TypeStateUpdate).
	Address string

	// HeartbeatTopic is the topic of heartbeats. Default: DefaultHeartbeatTopic.
	HeartbeatTopic string

	// HeartbeatInterval is the time from one heartbeat to the next. 0 means DefaultHeartbeatInterval, a negative value no
	// heartbeats.
	HeartbeatInterval time.Duration

	// MinSubscribers makes the first Publish after each Start wait until so many peers have subscribed to its topic, so
	// that they do not miss it. Heartbeats do not wait. Default: 0, do not wait.
	MinSubscribers int

	Config
}

// Validate returns an error that names every field with a value that cannot be used.
func (cfg PublisherConfig) Validate() error {
	c := checker{config: "PublisherConfig"}
	c.common(cfg.Name, cfg.Config)
	c.publisher("Address", cfg)
	return c.err()
}

// publisher checks the fields of a publisher, whose address is called addressField.
func (c *checker) publisher(addressField string, cfg PublisherConfig) {
	cfg = cfg.withDefaults()
	c.addresses(addressField, cfg.Address, true)
	if err := checkTopic(cfg.HeartbeatTopic); err != nil {
		c.refuse("HeartbeatTopic", "%v", err)
	}
	c.notNegative("MinSubscribers", cfg.MinSubscribers)
}

func (cfg PublisherConfig) withDefaults() PublisherConfig {
	cfg.Address = orDefault(cfg.Address, BindAddress(TypeStateUpdate))
	cfg.HeartbeatTopic = orDefault(cfg.HeartbeatTopic, DefaultHeartbeatTopic)
	cfg.HeartbeatInterval = orDefault(cfg.HeartbeatInterval, DefaultHeartbeatInterval)
	return cfg
}

// Publisher is a service that publishes messages on topics, and a heartbeat. Its methods may be called by many
// goroutines at once; the messages of one goroutine arrive in order.
type Publisher struct {
	*service.Service

	link  *link[pubSocket]
	codec Codec

	heartbeatTopic    string
	heartbeatInterval time.Duration
	beating           atomic.Bool // a heartbeat was sent since Start

	minSubscribers int
	waiting        atomic.Bool // the next Publish has to wait for subscribers
}

// NewPublisher makes a Publisher. It opens no socket before Start.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc, err := cfg.newService(cfg.Name, "publisher")
	if err != nil {
		return nil, err
	}
	return newPublisher(svc, cfg)
}

// newPublisher makes a Publisher of a service that it may share. cfg has been validated.
func newPublisher(svc *service.Service, cfg PublisherConfig) (*Publisher, error) {
	cfg = cfg.withDefaults()
	addrs, err := parseAddresses(cfg.Address, true)
	if err != nil {
		return nil, err
	}
	p := &Publisher{
		Service:           svc,
		codec:             cfg.codec(),
		heartbeatTopic:    cfg.HeartbeatTopic,
		heartbeatInterval: cfg.HeartbeatInterval,
		minSubscribers:    cfg.MinSubscribers,
	}
	p.link = &link[pubSocket]{
		svc: svc, role: "pub", addrs: addrs, options: cfg.socketOptions(), interval: cfg.warningInterval(),
		make:    engine.newPub,
		opened:  p.opened,
		closing: p.lastHeartbeat,
	}
	if err := p.link.attach(); err != nil {
		return nil, err
	}
	if p.heartbeatInterval < 0 {
		return p, nil
	}
	return p, svc.Go("heartbeat", p.beat)
}

func (p *Publisher) opened(pubSocket) error {
	p.beating.Store(false)
	p.waiting.Store(p.minSubscribers > 0)
	return nil
}

// Publish sends msg, which must encode as a JSON object, to every subscriber of the topic. It does not wait: a subscriber
// that is too far behind loses the message (PubStats counts it). The one exception is PublisherConfig.MinSubscribers.
//
// It fails with service.ErrState before Start and after Stop. A topic is not empty and has no space.
func (p *Publisher) Publish(ctx context.Context, topic string, msg any) error {
	return p.publish(ctx, topic, func(buf *bytes.Buffer) error { return encodeObject(p.codec, buf, msg) })
}

// PublishRaw is Publish for a message that is JSON already. It is checked to be a JSON object, and not kept.
func (p *Publisher) PublishRaw(ctx context.Context, topic string, object []byte) error {
	return p.publish(ctx, topic, func(buf *bytes.Buffer) error { return appendObject(buf, object) })
}

func (p *Publisher) publish(ctx context.Context, topic string, appendTo func(*bytes.Buffer) error) error {
	s, err := p.link.get("Publish")
	if err != nil {
		return err
	}
	if p.waiting.Load() {
		if err := p.WaitForSubscribers(ctx, topic, p.minSubscribers); err != nil {
			return err
		}
		p.waiting.Store(false)
	}
	return p.send(ctx, s, topic, appendTo)
}

// send sends the topic and the JSON object as one frame.
func (p *Publisher) send(ctx context.Context, s pubSocket, topic string, appendTo func(*bytes.Buffer) error) error {
	if err := checkTopic(topic); err != nil {
		return fmt.Errorf("messaging: publish by %s: %w", p.Name(), err)
	}
	buf := getBuffer()
	defer putBuffer(buf)
	buf.WriteString(topic)
	buf.WriteByte(' ')
	if err := appendTo(buf); err != nil {
		return fmt.Errorf("messaging: publish by %s on topic %q: %w", p.Name(), topic, err)
	}
	if err := s.send(ctx, buf.Bytes()); err != nil {
		return p.link.failed(ctx, "Publish", err)
	}
	p.CountSent(1)
	return nil
}

// checkTopic refuses a topic that cannot be told from the message behind it.
func checkTopic(topic string) error {
	switch {
	case topic == "":
		return errors.New("the topic is empty")
	case strings.IndexByte(topic, ' ') >= 0:
		return fmt.Errorf("topic %q has a space, which ends a topic on the wire", topic)
	case !utf8.ValidString(topic):
		return fmt.Errorf("topic %q is not UTF-8", topic)
	}
	return nil
}

// WaitForSubscribers waits until n peers have subscribed to the topic, ctx ends, or the service stops. What is published
// on it afterwards, they get.
func (p *Publisher) WaitForSubscribers(ctx context.Context, topic string, n int) error {
	s, err := p.link.get("WaitForSubscribers")
	if err != nil {
		return err
	}
	ctx, done := p.link.waits.add(ctx)
	defer done()
	if err := s.waitSubscribers(ctx, topic, n); err != nil {
		return p.link.failed(ctx, fmt.Sprintf("wait for %d subscribers of %q", n, topic), err)
	}
	return nil
}

// PubAddresses returns the addresses of the publishing socket in the order of the configuration, wildcards resolved; nil
// where the service is not started.
func (p *Publisher) PubAddresses() []string { return p.link.addresses() }

// PubStats returns what the publishing socket did so far.
func (p *Publisher) PubStats() SocketStats { return p.link.stats() }
