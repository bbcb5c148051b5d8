package messaging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/experimance/experimance-go/service"
)

// PusherConfig configures a Pusher.
type PusherConfig struct {
	// Name is the name of the service. Required.
	Name string

	// Address is where to find those that pull: one address, or several separated by commas. Names (inproc, ipc) are
	// bound. Default: BindAddress(TypeTask).
	Address string

	Config
}

// Validate returns an error that names every field with a value that cannot be used.
func (cfg PusherConfig) Validate() error {
	c := checker{config: "PusherConfig"}
	c.common(cfg.Name, cfg.Config)
	c.pusher("Address", cfg, true)
	return c.err()
}

func (c *checker) pusher(addressField string, cfg PusherConfig, bindNames bool) {
	c.addresses(addressField, cfg.withDefaults().Address, bindNames)
}

func (cfg PusherConfig) withDefaults() PusherConfig {
	cfg.Address = orDefault(cfg.Address, BindAddress(TypeTask))
	return cfg
}

// pushGrace is how long a Push may go on waiting while the service stops, for the results of tasks in hand.
const pushGrace = time.Second

// Pusher is a service that shares tasks out among those that pull them: each task goes to one of them, in turn. Its
// methods may be called by many goroutines at once.
type Pusher struct {
	*service.Service

	link  *link[pushSocket]
	codec Codec
}

// NewPusher makes a Pusher. It opens no socket before Start.
func NewPusher(cfg PusherConfig) (*Pusher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc, err := cfg.newService(cfg.Name, "pusher")
	if err != nil {
		return nil, err
	}
	return newPusher(svc, cfg, true)
}

// newPusher makes a Pusher of a service that it may share. cfg has been validated; bindNames says what an address without
// a host does.
func newPusher(svc *service.Service, cfg PusherConfig, bindNames bool) (*Pusher, error) {
	addrs, err := parseAddresses(cfg.withDefaults().Address, bindNames)
	if err != nil {
		return nil, err
	}
	p := &Pusher{Service: svc, codec: cfg.codec()}
	p.link = &link[pushSocket]{
		svc: svc, role: "push", addrs: addrs, options: cfg.socketOptions(), interval: cfg.warningInterval(),
		make:  engine.newPush,
		grace: pushGrace,
	}
	return p, p.link.attach()
}

// Push sends msg, which must encode as a JSON object, to one of the peers. It waits until a peer has room for it, ctx
// ends, or the service has been stopping for a second; nil means that it was handed to the connection of a peer. It never
// drops silently: a message that was not taken is an error, which is service.ErrStopped where the service's stop is the
// reason, and service.ErrState before Start and after Stop. What a peer has been sent and did not handle is lost where
// that peer dies.
func (p *Pusher) Push(ctx context.Context, msg any) error {
	return p.push(ctx, func(buf *bytes.Buffer) error { return encodeObject(p.codec, buf, msg) })
}

// PushRaw is Push for a message that is JSON already. It is checked to be a JSON object, and not kept.
func (p *Pusher) PushRaw(ctx context.Context, object []byte) error {
	return p.push(ctx, func(buf *bytes.Buffer) error { return appendObject(buf, object) })
}

func (p *Pusher) push(ctx context.Context, appendTo func(*bytes.Buffer) error) error {
	s, err := p.link.get("Push")
	if err != nil {
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	if err := appendTo(buf); err != nil {
		return fmt.Errorf("messaging: push by %s: %w", p.Name(), err)
	}
	if err := p.send(ctx, s, buf.Bytes()); err != nil {
		return err
	}
	p.CountSent(1)
	return nil
}

// send hands the payload to a peer with room. Only where it has to wait for one does it pay for a wait that both ctx and
// the service's stop can end.
func (p *Pusher) send(ctx context.Context, s pushSocket, payload []byte) error {
	err := s.send(new(impatient), payload)
	if errors.Is(err, errWouldWait) {
		wait, done := p.link.waits.add(ctx)
		defer done()
		err, ctx = s.send(wait, payload), wait
	}
	if err != nil {
		return p.link.failed(ctx, "Push", err)
	}
	return nil
}

// WaitForPeers waits until n peers are connected to take what is pushed, ctx ends, or the service stops. Push does not need
// it: it waits for a peer by itself. But what is pushed before the others have come, the first one gets.
func (p *Pusher) WaitForPeers(ctx context.Context, n int) error {
	s, err := p.link.get("WaitForPeers")
	if err != nil {
		return err
	}
	ctx, done := p.link.waits.add(ctx)
	defer done()
	if err := s.waitPeers(ctx, n); err != nil {
		return p.link.failed(ctx, fmt.Sprintf("wait for %d peers", n), err)
	}
	return nil
}

// PushAddresses returns the addresses of the pushing socket in the order of the configuration, wildcards resolved; nil
// where the service is not started.
func (p *Pusher) PushAddresses() []string { return p.link.addresses() }

// PushStats returns what the pushing socket did so far.
func (p *Pusher) PushStats() SocketStats { return p.link.stats() }
