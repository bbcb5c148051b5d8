package demo

import (
	"context"
	"errors"

	"github.com/experimance/experimance-go/service"
)

// crew is the services of one process, which run at the same time. The zero crew is empty.
type crew struct {
	failed  func(error) // told why a service has stopped of itself; may be nil
	members []*member
}

type member struct {
	name string
	service.Lifecycle
	ended   chan error // what Run returned
	receipt service.Receipt
}

// start starts a service and has it run until stop, whatever becomes of ctx.
func (c *crew) start(ctx context.Context, name string, l service.Lifecycle) error {
	if err := l.Start(ctx); err != nil {
		return err
	}
	m := &member{name: name, Lifecycle: l, ended: make(chan error, 1)}
	c.members = append(c.members, m)
	go func() {
		err := l.Run(context.WithoutCancel(ctx))
		if errors.Is(err, service.ErrState) { // stopped before it ran
			err = nil
		}
		if err != nil && c.failed != nil {
			c.failed(err)
		}
		m.ended <- err
	}()
	return nil
}

// stop stops the services in the order of their start: the later ones observe the earlier.
func (c *crew) stop(ctx context.Context) error {
	var errs []error
	for _, m := range c.members {
		var err error
		m.receipt, err = m.Stop(ctx)
		errs = append(errs, errors.Join(err, <-m.ended))
	}
	return errors.Join(errs...)
}
