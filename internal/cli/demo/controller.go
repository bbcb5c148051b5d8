package demo

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/experimance/experimance-go/internal/cli/demo/survey"
	"github.com/experimance/experimance-go/messaging"
)

// anyPort is the address at which the fleet's services bind.
const anyPort = "tcp://127.0.0.1:*"

// inHand is how many tasks, for each worker, may be on their way or in work at a time. High-water marks do not bound that:
// the system's buffers between two processes hold thousands of small tasks. Many in hand make up for the files that take
// long; few are lost with a worker that dies.
const inHand = 16

// taskState is what the controller knows of a task.
type taskState uint8

const (
	unsent taskState = iota
	open             // pushed, and no result yet
	lost             // given up as lost with a worker
	done
)

// controller conducts the fleet: it starts the workers, deals out the tasks, takes the results in, and stops the workers.
// All that happens comes to one goroutine, that calls its methods; none of them may be called by others.
type controller struct {
	*messaging.Controller
	probe    *messaging.Pusher // to the controller's own address of results: see settle
	reports  chan report
	fleet    *processes
	display  *Display
	sum      survey.Sum
	problems []string // what went wrong, in sentences for people

	files []survey.File
	state []taskState
	next  int // the first task that is unsent
	open  int // tasks in that state
	lost  int // tasks in that state

	pushed    uint64 // messages pushed: tasks and roll calls
	probes    int    // number of the last probe that came back
	rollCalls int    // number of the last roll call
	answers   int    // reports that answered it

	dismissed bool
	deaths    int        // processes that have ended without having been dismissed
	unburied  []*process // those of them whose cost is not known

	meter meter
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
		display:    display,
		files:      files,
		state:      make([]taskState, len(files)),
		meter:      newMeter("survey", files),
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
	c.display.Line("%d workers, %d files", n, len(c.files))
	return c.deal(ctx)
}

// muster waits until every worker can be reached on every way: otherwise the first to come would get all the tasks.
func (c *controller) muster(ctx context.Context) error {
	n := len(c.fleet.all)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listening := make(chan error, 1)
	go func() { listening <- c.WaitForSubscribers(ctx, topicFleet, n) }()
	err := c.await(ctx, func() bool {
		present := 0
		for _, p := range c.fleet.all {
			if p.present {
				present++
			}
		}
		connected := c.PushStats().Peers >= n && c.PullStats().Peers >= n+1 // the probe is a peer, too
		return c.deaths > 0 || present == n && connected && len(listening) > 0
	})
	if err == nil && c.deaths > 0 {
		p := c.unburied[0]
		err = fmt.Errorf("%s (process %d) ended before the work began: %s", p.name, p.pid(), p.fate())
	}
	return err
}

// problem takes note of something that went wrong, and shows it.
func (c *controller) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.problems = append(c.problems, text)
	c.display.Line("%s", text)
}
