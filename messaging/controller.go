package messaging

import (
	"context"
	"errors"
	"time"

	"github.com/experimance/experimance-go/service"
)

// ControllerConfig configures a Controller.
type ControllerConfig struct {
	// Name is the name of the service. Required.
	Name string

	// PubAddress is where to publish commands. Default: BindAddress(TypeCommand).
	PubAddress string

	// SubAddress is where to find publishers. Default: ConnectAddress("localhost", TypeStateUpdate).
	SubAddress string

	// PushAddress is where to push tasks. Names (inproc, ipc) are bound. Default: BindAddress(TypeTask).
	PushAddress string

	// PullAddress is where to take results. Names are bound. Default: BindAddress(TypeResult).
	PullAddress string

	// Topics are subscribed to, beside the topics that have handlers: see SubscriberConfig.Topics.
	Topics []string

	// Concurrency is how many results are handled at once: see PullerConfig.Concurrency.
	Concurrency int

	// HeartbeatTopic, HeartbeatInterval and MinSubscribers are those of PublisherConfig.
	HeartbeatTopic    string
	HeartbeatInterval time.Duration
	MinSubscribers    int

	Config
}

// Validate returns an error that names every field with a value that cannot be used.
func (cfg ControllerConfig) Validate() error {
	c := checker{config: "ControllerConfig"}
	c.common(cfg.Name, cfg.Config)
	c.publisher("PubAddress", cfg.pubSub().publisher())
	c.subscriber("SubAddress", cfg.pubSub().subscriber())
	c.pusher("PushAddress", cfg.pusher(), true)
	c.puller("PullAddress", cfg.puller(), true)
	return c.err()
}

func (cfg ControllerConfig) pubSub() PublisherSubscriberConfig {
	return PublisherSubscriberConfig{
		Name:              cfg.Name,
		PubAddress:        orDefault(cfg.PubAddress, BindAddress(TypeCommand)),
		SubAddress:        orDefault(cfg.SubAddress, ConnectAddress("localhost", TypeStateUpdate)),
		Topics:            cfg.Topics,
		HeartbeatTopic:    cfg.HeartbeatTopic,
		HeartbeatInterval: cfg.HeartbeatInterval,
		MinSubscribers:    cfg.MinSubscribers,
		Config:            cfg.Config,
	}
}

func (cfg ControllerConfig) pusher() PusherConfig {
	return PusherConfig{Name: cfg.Name, Address: cfg.PushAddress, Config: cfg.Config}
}

func (cfg ControllerConfig) puller() PullerConfig {
	return PullerConfig{
		Name:        cfg.Name,
		Address:     orDefault(cfg.PullAddress, BindAddress(TypeResult)),
		Concurrency: cfg.Concurrency,
		Config:      cfg.Config,
	}
}

// Controller is a service that directs others: it publishes commands, subscribes to what others publish, pushes tasks to
// workers and pulls their results. Its publishing, pushing and pulling sockets bind, so that any number of workers can
// join.
type Controller struct {
	*service.Service
	*Publisher
	*Subscriber
	*Pusher
	results *Puller
}

// NewController makes a Controller. It opens no socket before Start.
func NewController(cfg ControllerConfig) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc, err := cfg.newService(cfg.Name, "controller")
	if err != nil {
		return nil, err
	}
	pub, errPub := newPublisher(svc, cfg.pubSub().publisher())
	sub, errSub := newSubscriber(svc, cfg.pubSub().subscriber())
	push, errPush := newPusher(svc, cfg.pusher(), true)
	pull, errPull := newPuller(svc, cfg.puller(), true)
	return &Controller{svc, pub, sub, push, pull}, errors.Join(errPub, errSub, errPush, errPull)
}

// HandleResultRaw registers the handler of workers' results. It is an error where there is one.
func (c *Controller) HandleResultRaw(h Handler) error { return c.results.HandleTaskRaw(h) }

// PullAddresses returns the addresses of the pulling socket in the order of the configuration, wildcards resolved; nil
// where the service is not started.
func (c *Controller) PullAddresses() []string { return c.results.PullAddresses() }

// PullStats returns what the pulling socket did so far.
func (c *Controller) PullStats() SocketStats { return c.results.PullStats() }

// HandleResult registers the handler of a Controller's results, decoded into T. A result that cannot be decoded is counted
// as bad and dropped.
func HandleResult[T any](c *Controller, handle func(ctx context.Context, result T) error) error {
	return HandleTask(c.results, handle)
}
