package demo

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/experimance/experimance-go/internal/cli/demo/survey"
	"github.com/experimance/experimance-go/messaging"
)

// Config says what the demo does. All fields but Check are required.
type Config struct {
	Root    string // directory of the files to survey
	Workers int    // processes, at least 1
	Check   bool   // compare the totals with those of one process
	Display *Display

	// Command makes the command that runs a worker with the given configuration, see Work.
	Command func(WorkerConfig) *exec.Cmd
}

// Run runs the fleet to the end of the work, or until ctx ends: then it stops the fleet and says in the outcome that it was
// interrupted. An error is for what kept the work from beginning; the outcome is nil then.
func Run(ctx context.Context, cfg Config) (*Outcome, error) {
	root, err := filepath.Abs(cfg.Root)
	if err != nil {
		return nil, err
	}
	files, skipped, err := survey.Find(root)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no Go files under %s", root)
	}
	o := &Outcome{Directory: survey.Display(root), Skipped: []string{}}
	for _, err := range skipped {
		o.Skipped = append(o.Skipped, err.Error())
		cfg.Display.Line("skipped: %v", err)
	}
	cfg.Root = root
	if err := o.work(ctx, cfg, files); err != nil {
		return nil, err
	}
	if cfg.Check && ctx.Err() == nil {
		o.Check = check(ctx, root, files, o.Totals, cfg.Display)
	}
	complete := o.TasksUnsent == 0 && o.TasksLost == 0 && (o.Check != nil || !cfg.Check)
	o.Interrupted = ctx.Err() != nil && !complete
	return o, nil
}

// work has the fleet do the work, and stops it.
func (o *Outcome) work(ctx context.Context, cfg Config, files []survey.File) error {
	working, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	services := &crew{failed: fail}
	c, watch, err := assemble(working, services, cfg.Display, files)
	if err != nil {
		return errors.Join(err, services.stop(context.WithoutCancel(ctx)))
	}
	worker := WorkerConfig{Root: cfg.Root, Heartbeats: watch.SubAddresses()[0]}
	err = c.conduct(working, cfg.Workers, worker, cfg.Command)
	switch {
	case ctx.Err() != nil:
		cfg.Display.Line("interrupted: stopping the fleet; once more ends it at once")
	case err != nil:
		c.problem("%v", err)
	}
	c.dismiss()
	cfg.Display.clear()
	if err := services.stop(context.WithoutCancel(ctx)); err != nil {
		c.problem("%v", err)
	}
	watch.flush()
	o.account(c)
	o.reports(services, c.fleet, watch.heartbeats())
	return nil
}

// assemble starts the services of this process: the controller, its probe, and the observer, which stops last.
func assemble(ctx context.Context, services *crew, d *Display, files []survey.File) (*controller, *observer, error) {
	c, err := newController(files, d)
	if err != nil {
		return nil, nil, err
	}
	if err := services.start(ctx, "controller", c); err != nil {
		return nil, nil, err
	}
	c.probe, err = messaging.NewPusher(messaging.PusherConfig{Name: "probe", Address: ">" + c.PullAddresses()[0]})
	if err != nil {
		return nil, nil, err
	}
	if err := services.start(ctx, "probe", c.probe); err != nil {
		return nil, nil, err
	}
	watch, err := newObserver(c.PubAddresses()[0], func(line string) { d.Line("%s", line) })
	if err != nil {
		return nil, nil, err
	}
	return c, watch, services.start(ctx, "observer", watch)
}
