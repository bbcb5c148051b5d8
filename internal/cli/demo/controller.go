package demo

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/experimance/experimance-go/internal/cli/demo/survey"
	"github.com/experimance/experimance-go/messaging"
)

// anyPort is the address at which the fleet's services bind.
const anyPort = "tcp://127.0.0.1:*"

// inHand is how many tasks, for each worker, may be on their way or in work at a time. High-water marks do not bound that:
// the system's buffers between two processes hold thousands of small tasks. Enough that no worker waits for its next task; few,
// because they are lost with a worker that dies.
const inHand = 8

// musterTimeout bounds the time in which the workers start.
const musterTimeout = time.Minute

var errLate = fmt.Errorf("not every worker was there after %v", musterTimeout)

// controller conducts the fleet: it starts the workers, deals out the tasks, takes the results in, and stops the workers.
// All that happens comes to one goroutine, which calls its methods; none of them may be called by others.
type controller struct {
	*messaging.Controller
	probe   *messaging.Pusher // to the controller's own address of results: see settle
	reports chan report
	fleet   *processes

	tasks    *ledger
	meter    meter
	display  *Display
	problems []string // what went wrong, in sentences for people

	pushed    uint64     // messages pushed: tasks and roll calls
	rollCall  int        // number of the last roll call
	answers   int        // reports that answered it
	probed    int        // number of the last probe that came back
	deaths    int        // workers that have ended before they were told to
	unburied  []*process // those of them whose cost is not known
	mustered  bool       // every worker can be reached
	dismissed bool       // the workers have been told to end
}

// newController makes the controller's services; the probe needs an address that is known only after the start.
func newController(files []survey.File, display *Display) (*controller, error) {
	base, err := messaging.NewController(messaging.ControllerConfig{
		Name:              "controller",
		PubAddress:        anyPort,
		SubAddress:        "inproc://demo-nobody", // the workers publish to the observer only
		PushAddress:       anyPort,
		PullAddress:       anyPort,
		HeartbeatInterval: heartbeatInterval,
	})
	if err != nil {
		return nil, err
	}
	c := &controller{
		Controller: base,
		reports:    make(chan report),
		tasks:      newLedger(files),
		meter:      newMeter("survey", files),
		display:    display,
	}
	return c, messaging.HandleResult(base, func(ctx context.Context, r report) error {
		select {
		case c.reports <- r:
		case <-ctx.Done():
		}
		return nil
	})
}

// conduct has n workers do all the work. Its error is why it ended early.
func (c *controller) conduct(ctx context.Context, n int, cfg WorkerConfig, command func(WorkerConfig) *exec.Cmd) error {
	c.fleet = newProcesses(ctx, n)
	cfg.Tasks, cfg.Results, cfg.Commands = c.PushAddresses()[0], c.PullAddresses()[0], c.PubAddresses()[0]
	for i := range n {
		cfg.Name = fmt.Sprintf("worker-%d", i+1)
		p, err := c.fleet.start(cfg.Name, command(cfg), c.display.Lines(cfg.Name+": "))
		if err != nil {
			return err
		}
		c.display.Line("%s is process %d", p.name, p.pid())
	}
	if err := c.muster(ctx); err != nil {
		return err
	}
	c.display.Line("%d workers, %d files", n, len(c.tasks.files))
	return c.deal(ctx)
}

// muster waits until every worker can be reached on every way: otherwise the first to come would get all the tasks.
func (c *controller) muster(ctx context.Context) error {
	n := len(c.fleet.all)
	ctx, cancel := context.WithTimeoutCause(ctx, musterTimeout, errLate)
	defer cancel()
	listening := make(chan error, 1)
	go func() { listening <- errors.Join(c.WaitForSubscribers(ctx, topicFleet, n), c.WaitForPeers(ctx, n)) }()
	err := c.await(ctx, func() bool {
		present := 0
		for _, p := range c.fleet.all {
			if p.present {
				present++
			}
		}
		reporting := c.PullStats().Peers > n // the probe is a peer, too
		return c.deaths > 0 || present == n && reporting && len(listening) > 0
	})
	if err == nil && c.deaths > 0 {
		p := c.unburied[0]
		err = fmt.Errorf("%s (process %d) ended before the work began: %s", p.name, p.pid(), p.fate())
	}
	c.mustered = err == nil
	return err
}

// problem takes note of something that went wrong, and shows it.
func (c *controller) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.problems = append(c.problems, text)
	c.display.Line("%s", text)
}
