package demo

import (
	"context"
	"errors"
	"time"

	"github.com/experimance/experimance-go/messaging"
)

// What the workers are given to end in: after the command to stop, after their standard input was closed, after the kill.
const (
	stopGrace = workerStopTimeout + time.Second
	endGrace  = time.Second
	killGrace = 5 * time.Second
)

// dismiss ends the workers, gently at first. No process is left when it returns, unless the system keeps it from dying.
// Results that come in meanwhile are still taken.
func (c *controller) dismiss() {
	c.dismissed = true
	if c.mustered { // otherwise some may not hear it, and nobody has begun to work
		c.endWithin(stopGrace, func(ctx context.Context) error {
			return c.Publish(ctx, topicFleet, command{Type: messaging.TypeCommand, Stop: true})
		})
	}
	c.endWithin(endGrace, func(context.Context) error { return each(c.fleet.living(), (*process).orphan) })
	c.endWithin(killGrace, func(context.Context) error { return each(c.fleet.living(), (*process).kill) })
	for _, p := range c.fleet.all {
		if c.mustered && !p.died && p.fate() != exitedWell {
			c.problem("%s (process %d) did not stop cleanly: %s", p.name, p.pid(), p.fate())
		}
	}
}

// endWithin does something to end the workers that live, and waits for their end.
func (c *controller) endWithin(grace time.Duration, do func(context.Context) error) {
	if len(c.fleet.living()) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := do(ctx); err != nil {
		c.problem("stopping the workers: %v", err)
	}
	_ = c.await(ctx, func() bool { return len(c.fleet.living()) == 0 }) // those that live on get the next treatment
}

// each does something with each process, and joins the errors.
func each(ps []*process, do func(*process) error) error {
	var errs []error
	for _, p := range ps {
		errs = append(errs, do(p))
	}
	return errors.Join(errs...)
}
