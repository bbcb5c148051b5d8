package demo

import (
	"context"
	"errors"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// deal pushes every task, takes in every result, and returns when there is none left to come. Its error is that of ctx, or
// errNoWorkers.
func (c *controller) deal(ctx context.Context) error {
	c.meter.start()
	defer c.meter.stop()
	for c.tasks.unsent() > 0 || c.tasks.open > 0 || len(c.unburied) > 0 {
		var err error
		switch living := len(c.fleet.living()); {
		case len(c.unburied) > 0:
			err = c.settle(ctx)
		case living == 0: // and something left to do
			return errNoWorkers
		case c.tasks.unsent() > 0 && c.tasks.open < inHand*living:
			err = c.pushNext(ctx)
		default:
			err = c.event(ctx, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pushNext pushes the next task.
func (c *controller) pushNext(ctx context.Context) error {
	before := c.pushed
	err := c.push(ctx, newTask(c.tasks.next, c.tasks.files[c.tasks.next].Path))
	if c.pushed > before {
		c.tasks.send()
	}
	return err
}

// push pushes a task or a roll call to some worker. Where the last worker has ended it waits to hear of that instead.
func (c *controller) push(ctx context.Context, t task) error {
	err := c.Push(c.fleet.some, t)
	switch {
	case err == nil:
		c.pushed++
	case errors.Is(context.Cause(c.fleet.some), errNoWorkers):
		err = c.event(ctx, nil)
	}
	return err
}

// await takes note of what happens until the condition holds, which is looked at after each event and each tick.
func (c *controller) await(ctx context.Context, condition func() bool) error {
	ticks := time.NewTicker(service.Tick)
	defer ticks.Stop()
	for !condition() {
		if err := c.event(ctx, ticks.C); err != nil {
			return err
		}
	}
	return nil
}

// event waits for one thing to happen and takes note of it. ticks may be nil.
func (c *controller) event(ctx context.Context, ticks <-chan time.Time) error {
	select {
	case r := <-c.reports:
		c.note(r)
	case p := <-c.fleet.ended:
		p.ended = true
		if !c.dismissed {
			p.died = true
			c.deaths++
			c.unburied = append(c.unburied, p)
		}
	case <-ticks:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// note takes note of a report.
func (c *controller) note(r report) {
	if r.Type == typeProbe {
		c.probed = r.ID
		return
	}
	p := c.fleet.named(r.Worker)
	if p == nil {
		return // nobody of ours
	}
	switch r.Type {
	case typeHello:
		p.present = true
	case typeRollCall:
		p.answered = r.ID
		if r.ID == c.rollCall {
			c.answers++
		}
	case messaging.TypeResult:
		if c.tasks.receive(r.ID, r.Facts) {
			p.results++
			c.display.progress(c.meter.add(c.tasks.files[r.ID]))
		}
	}
}
