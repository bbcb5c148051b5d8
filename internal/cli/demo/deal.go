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
	for c.next < len(c.files) || c.open > 0 {
		var err error
		switch living := len(c.fleet.living()); {
		case len(c.unburied) > 0:
			err = c.settle(ctx)
		case living == 0:
			return errNoWorkers
		case c.next < len(c.files) && c.open < inHand*living:
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
	err := c.push(ctx, newTask(c.next, c.files[c.next].Path))
	if c.pushed > before {
		c.state[c.next] = open
		c.open++
		c.next++
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
		c.probes = r.ID
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
		if r.ID == c.rollCalls {
			c.answers++
		}
	case messaging.TypeResult:
		c.result(p, r)
	}
}

// result takes a result in. One of a task that was given up would only correct the account.
func (c *controller) result(p *process, r report) {
	if r.ID < 0 || r.ID >= len(c.state) {
		return
	}
	switch c.state[r.ID] {
	case open:
		c.open--
	case lost:
		c.lost--
	default:
		return
	}
	c.state[r.ID] = done
	p.results++
	c.sum.Add(c.files[r.ID].Path, r.Facts)
	c.display.progress(c.meter.add(c.files[r.ID]))
}
