package demo

import (
	"context"
	"fmt"
	"strings"
)

// settle finds out what the deaths of workers have cost: every task that is open when it has looked everywhere a result
// could still come from. Messages between two peers keep their order, so it looks in the order of a task's way:
//
//  1. The dead are gone from the sockets, and everything pushed so far is written: what waited for a dead worker has been
//     handed to a living one.
//  2. Every living worker has answered a roll call. It came to the worker behind all its tasks, and the answer came back
//     behind all their results.
//  3. What the dead had sent is read. The results socket takes one message from each peer in turn, and a dead worker can have
//     sent no more results than tasks were open. So when one more probe than that has come back, they all have.
//
// Another death on the way begins it anew.
func (c *controller) settle(ctx context.Context) error {
	for {
		deaths := c.deaths
		died := func() bool { return c.deaths > deaths }
		err := c.await(ctx, func() bool { return died() || c.quiet() })
		if err == nil {
			err = c.callRoll(ctx, died)
		}
		if err == nil {
			err = c.sendProbes(ctx)
		}
		if err != nil {
			return err
		}
		if !died() {
			c.bury()
			return nil
		}
	}
}

// quiet is step 1: whether the dead are gone from the sockets, and nothing waits to be sent.
func (c *controller) quiet() bool {
	living := len(c.fleet.living())
	push, pull := c.PushStats(), c.PullStats()
	if push.Peers > living || pull.Peers > living+1 { // the probe is a peer, too
		return false
	}
	return living == 0 || push.Queued == 0 && push.Sent+push.Dropped >= c.pushed
}

// callRoll is step 2. It ends early when a worker dies. PUSH deals the calls out in turn; should one worker get two, another
// call goes out for the one that got none.
func (c *controller) callRoll(ctx context.Context, died func() bool) error {
	c.rollCall++
	c.answers = 0
	for asked := 0; !died(); {
		missing := 0
		for _, p := range c.fleet.living() {
			if p.answered < c.rollCall {
				missing++
			}
		}
		var err error
		switch {
		case missing == 0:
			return nil
		case asked-c.answers < missing:
			asked++
			err = c.push(ctx, task{Type: typeRollCall, ID: c.rollCall})
		default:
			err = c.event(ctx, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sendProbes is step 3.
func (c *controller) sendProbes(ctx context.Context) error {
	for n := c.tasks.open + 1; n > 0 && c.tasks.open > 0; n-- {
		sent := c.probed + 1
		if err := c.probe.Push(ctx, report{Type: typeProbe, ID: sent}); err != nil {
			return err
		}
		for c.probed < sent {
			if err := c.event(ctx, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// bury gives all open tasks up as lost with the workers that have died, and says so.
func (c *controller) bury() {
	var names []string
	for _, p := range c.unburied {
		names = append(names, fmt.Sprintf("%s (process %d, %s)", p.name, p.pid(), p.fate()))
	}
	c.problem("%s ended in the middle of the work; tasks lost in hand: %d", strings.Join(names, ", "), c.tasks.giveUp())
	c.unburied = nil
}
