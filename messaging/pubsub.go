package messaging

import (
	"errors"
	"time"

	"github.com/experimance/experimance-go/service"
)

// PublisherSubscriberConfig configures a PublisherSubscriber. Its fields are those of PublisherConfig and
// SubscriberConfig.
type PublisherSubscriberConfig struct {
	// Name is the name of the service. Required.
	Name string

	// PubAddress is where to publish. Default: BindAddress(TypeStateUpdate).
	PubAddress string

	// SubAddress is where to find publishers. Default: ConnectAddress("localhost", TypeCommand).
	SubAddress string

	// Topics are subscribed to, beside the topics that have handlers: see SubscriberConfig.Topics.
	Topics []string

	// HeartbeatTopic, HeartbeatInterval and MinSubscribers are those of PublisherConfig.
	HeartbeatTopic    string
	HeartbeatInterval time.Duration
	MinSubscribers    int

	Config
}

// Validate returns an error that names every field with a value that cannot be used.
func (cfg PublisherSubscriberConfig) Validate() error {
	c := checker{config: "PublisherSubscriberConfig"}
	c.common(cfg.Name, cfg.Config)
	c.publisher("PubAddress", cfg.publisher())
	c.subscriber("SubAddress", cfg.subscriber())
	return c.err()
}

func (cfg PublisherSubscriberConfig) publisher() PublisherConfig {
	return PublisherConfig{
		Name:              cfg.Name,
		Address:           cfg.PubAddress,
		HeartbeatTopic:    cfg.HeartbeatTopic,
		HeartbeatInterval: cfg.HeartbeatInterval,
		MinSubscribers:    cfg.MinSubscribers,
		Config:            cfg.Config,
	}
}

func (cfg PublisherSubscriberConfig) subscriber() SubscriberConfig {
	return SubscriberConfig{
		Name:    cfg.Name,
		Address: orDefault(cfg.SubAddress, ConnectAddress("localhost", TypeCommand)),
		Topics:  cfg.Topics,
		Config:  cfg.Config,
	}
}

// PublisherSubscriber is a service that publishes and subscribes: one that tells its state and listens for commands, for
// example.
type PublisherSubscriber struct {
	*service.Service
	*Publisher
	*Subscriber
}

// NewPublisherSubscriber makes a PublisherSubscriber. It opens no socket before Start.
func NewPublisherSubscriber(cfg PublisherSubscriberConfig) (*PublisherSubscriber, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc, err := cfg.newService(cfg.Name, "publisher-subscriber")
	if err != nil {
		return nil, err
	}
	pub, errPub := newPublisher(svc, cfg.publisher())
	sub, errSub := newSubscriber(svc, cfg.subscriber())
	return &PublisherSubscriber{svc, pub, sub}, errors.Join(errPub, errSub)
}
