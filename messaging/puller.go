package messaging

import (
	"context"
	"fmt"
	"sync"

	"github.com/experimance/experimance-go/service"
)

// PullerConfig configures a Puller.
type PullerConfig struct {
	// Name is the name of the service. Required.
	Name string

	// Address is where to find those that push: one address, or several separated by commas. Names (inproc, ipc) are
	// connected to. Default: ConnectAddress("localhost", TypeTask).
	Address string

	// Concurrency is how many tasks are handled at once. 0 means 1: tasks are handled one after the other, in the order in
	// which they came. With more, the order is lost.
	Concurrency int

	Config
}

// Validate returns an error that names every field with a value that cannot be used.
func (cfg PullerConfig) Validate() error {
	c := checker{config: "PullerConfig"}
	c.common(cfg.Name, cfg.Config)
	c.puller("Address", cfg, false)
	return c.err()
}

func (c *checker) puller(addressField string, cfg PullerConfig, bindNames bool) {
	c.addresses(addressField, cfg.withDefaults().Address, bindNames)
	c.notNegative("Concurrency", cfg.Concurrency)
}

func (cfg PullerConfig) withDefaults() PullerConfig {
	cfg.Address = orDefault(cfg.Address, ConnectAddress("localhost", TypeTask))
	cfg.Concurrency = orDefault(cfg.Concurrency, 1)
	return cfg
}

// Puller is a service that hands the tasks which others push to its handler. While there is no handler, none are taken.
type Puller struct {
	*service.Service

	receiver receiver[receiveSocket]
	register sync.Once
	handler  Handler
}

// NewPuller makes a Puller. It opens no socket before Start.
func NewPuller(cfg PullerConfig) (*Puller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc, err := cfg.newService(cfg.Name, "puller")
	if err != nil {
		return nil, err
	}
	return newPuller(svc, cfg, false)
}

// newPuller makes a Puller of a service that it may share. cfg has been validated; bindNames says what an address without
// a host does.
func newPuller(svc *service.Service, cfg PullerConfig, bindNames bool) (*Puller, error) {
	cfg = cfg.withDefaults()
	addrs, err := parseAddresses(cfg.Address, bindNames)
	if err != nil {
		return nil, err
	}
	p := &Puller{Service: svc}
	p.receiver.ready = make(chan struct{})
	p.receiver.init(cfg.Config, &link[receiveSocket]{
		svc: svc, role: "pull", addrs: addrs, options: cfg.socketOptions(), interval: cfg.warningInterval(),
		make:   engine.newPull,
		opened: func(receiveSocket) error { p.receiver.reset(); return nil },
	})
	if err := p.receiver.link.attach(); err != nil {
		return nil, err
	}
	return p, p.receiver.run(cfg.Concurrency, func() dispatch { return p.dispatch })
}

func (p *Puller) dispatch(payload []byte) (Handler, Delivery, error) {
	if err := checkObject(payload); err != nil {
		return nil, Delivery{}, &BadMessageError{Size: len(payload), Err: err}
	}
	return p.handler, Delivery{Payload: payload}, nil
}

// HandleTaskRaw registers the handler of tasks. It is an error where there is one.
func (p *Puller) HandleTaskRaw(h Handler) error {
	if h == nil {
		return fmt.Errorf("messaging: pull of %s: the handler is nil", p.Name())
	}
	err := fmt.Errorf("messaging: pull of %s: there is a handler already", p.Name())
	p.register.Do(func() {
		p.handler, err = h, nil
		close(p.receiver.ready)
	})
	return err
}

// PullAddresses returns the addresses of the pulling socket in the order of the configuration, wildcards resolved; nil
// where the service is not started.
func (p *Puller) PullAddresses() []string { return p.receiver.link.addresses() }

// PullStats returns what the pulling socket did so far.
func (p *Puller) PullStats() SocketStats { return p.receiver.stats() }

// HandleTask registers the handler of a Puller's tasks, decoded into T. A task that cannot be decoded is counted as bad and
// dropped.
func HandleTask[T any](p *Puller, handle func(ctx context.Context, task T) error) error {
	return p.HandleTaskRaw(typed(func(ctx context.Context, _ string, task T) error { return handle(ctx, task) }))
}
