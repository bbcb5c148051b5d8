package service_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/service"
)

// base, device and camera embed each other, three levels deep.
type base struct {
	*service.Service
	recorder

	runs chan struct{} // closed when Run has begun, which is after the state has changed
	ran  func()
}

func newBase(t testing.TB, changes ...func(*service.Config)) *base {
	b := &base{Service: newService(t, changes...), runs: make(chan struct{})}
	b.ran = sync.OnceFunc(func() { close(b.runs) })
	b.EmbedIn(b)
	return b
}

func (b *base) Start(ctx context.Context) error {
	return b.StartWith(ctx, func(ctx context.Context) error {
		b.note("base starts")
		return b.Service.Start(ctx)
	})
}

func (b *base) Run(ctx context.Context) error {
	return b.RunWith(ctx, func(ctx context.Context) error {
		b.note("base runs")
		b.ran()
		return b.Service.Run(ctx)
	})
}

func (b *base) Stop(ctx context.Context) (service.Receipt, error) {
	return b.StopWith(ctx, func(ctx context.Context) error {
		_, err := b.Service.Stop(ctx)
		b.note("base stops")
		return err
	})
}

type device struct{ *base }

func newDevice(t testing.TB, changes ...func(*service.Config)) *device {
	d := &device{newBase(t, changes...)}
	d.EmbedIn(d)
	return d
}

func (d *device) Start(ctx context.Context) error {
	return d.StartWith(ctx, func(ctx context.Context) error {
		d.note("device starts")
		return d.base.Start(ctx)
	})
}

func (d *device) Stop(ctx context.Context) (service.Receipt, error) {
	return d.StopWith(ctx, func(ctx context.Context) error {
		_, err := d.base.Stop(ctx)
		d.note("device stops")
		return err
	})
}

// camera has functions in place of what a test wants to vary.
type camera struct {
	*device
	start, run, stop func(ctx context.Context) error
}

func newCamera(t testing.TB, changes ...func(*service.Config)) *camera {
	c := &camera{device: newDevice(t, changes...)}
	c.EmbedIn(c)
	c.start, c.run, c.stop = c.device.Start, c.device.Run, func(ctx context.Context) error {
		_, err := c.device.Stop(ctx)
		c.note("camera stops")
		return err
	}
	return c
}

func (c *camera) Start(ctx context.Context) error {
	return c.StartWith(ctx, func(ctx context.Context) error {
		c.note("camera starts")
		return c.start(ctx)
	})
}

func (c *camera) Run(ctx context.Context) error {
	return c.RunWith(ctx, func(ctx context.Context) error {
		c.note("camera runs")
		return c.run(ctx)
	})
}

func (c *camera) Stop(ctx context.Context) (service.Receipt, error) {
	return c.StopWith(ctx, c.stop)
}

func TestThreeLevelsOfEmbedding(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	c.start = func(ctx context.Context) error {
		err := c.device.Start(ctx)
		wantState(t, c.Service, service.Starting) // until the outermost function has returned
		return err
	}
	inner := c.stop
	c.stop = func(ctx context.Context) error {
		err := inner(ctx)
		wantState(t, c.Service, service.Stopping)
		return err
	}
	must(t, c.Start(within(t)))
	wantState(t, c.Service, service.Started)
	run := runInBackground(t, c, c.States())
	receive(t, c.runs)
	task := make(chan struct{})
	must(t, c.Go("task", func(ctx context.Context) error { close(task); return blocked(ctx) }))
	receive(t, task)
	if receipt := stop(t, c); receipt.TasksFinished != 1 {
		t.Errorf("receipt: %v", receipt)
	}
	must(t, receive(t, run))
	wantState(t, c.Service, service.Stopped)
	c.want(t, "camera starts", "device starts", "base starts", "camera runs", "base runs",
		"base stops", "device stops", "camera stops")
}

func TestWrongStateIsRefusedBeforeCodeOfAnEmbeddingType(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	wantStateError(t, c.Run(within(t)), "Run", service.Initialized)
	must(t, c.Start(within(t)))
	wantStateError(t, c.Start(within(t)), "Start", service.Started)
	run := runInBackground(t, c, c.States())
	receive(t, c.runs)
	wantStateError(t, c.Start(within(t)), "Start", service.Running)
	wantStateError(t, c.Run(within(t)), "Run", service.Running)
	stop(t, c)
	must(t, receive(t, run))
	stop(t, c)
	wantStateError(t, c.Run(within(t)), "Run", service.Stopped)
	c.want(t, "camera starts", "device starts", "base starts", "camera runs", "base runs",
		"base stops", "device stops", "camera stops")
}

func TestAnEmbeddingTypeIsStoppedByWhatTheServiceDecides(t *testing.T) {
	t.Parallel()
	broken := errors.New("shutter broken")
	causes := map[string]func(c *camera, cancel context.CancelFunc){
		"fatal error":     func(c *camera, _ context.CancelFunc) { c.RecordFatal(broken) },
		"end of context":  func(_ *camera, cancel context.CancelFunc) { cancel() },
		"failing task":    func(c *camera, _ context.CancelFunc) { _ = c.Go("t", func(context.Context) error { return broken }) },
		"stop in a task":  func(c *camera, _ context.CancelFunc) { _ = c.Go("t", stopsItself(c)) },
		"stop from a run": func(c *camera, _ context.CancelFunc) { _, _ = c.Stop(context.Background()) },
	}
	for name, act := range causes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCamera(t)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			c.run = func(ctx context.Context) error {
				act(c, cancel)
				return c.device.Run(ctx)
			}
			must(t, c.Start(within(t)))
			err := c.Run(ctx)
			if failing := name == "fatal error" || name == "failing task"; failing != errors.Is(err, broken) {
				t.Errorf("Run returned %v", err)
			}
			wantState(t, c.Service, service.Stopped)
			c.want(t, "camera starts", "device starts", "base starts", "camera runs", "base runs",
				"base stops", "device stops", "camera stops")
		})
	}
}

func stopsItself(svc service.Lifecycle) func(context.Context) error {
	return func(context.Context) error {
		_, err := svc.Stop(context.Background())
		return err
	}
}

func TestFailedStartOfAnEmbeddingType(t *testing.T) {
	t.Parallel()
	broken := errors.New("no light")
	c := newCamera(t)
	must(t, c.AddHook(c.hook("hook", 0)))
	c.start = func(ctx context.Context) error {
		return errors.Join(c.device.Start(ctx), broken)
	}
	wantErr(t, c.Start(within(t)), broken)
	wantState(t, c.Service, service.Stopped)
	stop(t, c)
	// The hook is closed again; the functions of Stop belong to starts that have succeeded.
	c.want(t, "camera starts", "device starts", "base starts", "start hook", "stop hook")
}

func TestPanicInAnEmbeddingType(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	start := c.start
	c.start = func(context.Context) error { return panics() }
	wantPanic(t, c.Start(within(t)), "Start")
	wantState(t, c.Service, service.Stopped)

	c.start = start
	c.run = func(context.Context) error { return panics() }
	must(t, c.Start(within(t)))
	wantPanic(t, c.Run(within(t)), "Run")
	wantState(t, c.Service, service.Stopped)

	c.stop = func(context.Context) error { return panics() }
	must(t, c.Start(within(t)))
	_, err := c.Stop(within(t))
	wantPanic(t, err, "Stop")
	wantState(t, c.Service, service.Stopped)
}

func TestTheEmbeddedMethodMustBeCalled(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context) error { return nil }
	c := newCamera(t)
	start := c.start
	c.start = nothing
	wantErr(t, c.Start(within(t)), service.ErrNotDelegated)
	wantState(t, c.Service, service.Stopped)

	c.start = start
	run := c.run
	c.run = nothing
	must(t, c.Start(within(t)))
	wantErr(t, c.Run(within(t)), service.ErrNotDelegated)
	wantState(t, c.Service, service.Stopped)

	c.run = run
	c.stop = nothing
	must(t, c.AddHook(service.Hook{Name: "h", Stop: func(context.Context) error { c.note("closed"); return nil }}))
	must(t, c.Start(within(t)))
	_, err := c.Stop(within(t))
	wantErr(t, err, service.ErrNotDelegated)
	wantState(t, c.Service, service.Stopped)
	if c.events[len(c.events)-1] != "closed" {
		t.Error("the hook is still open")
	}
}

func TestTheEmbeddedMethodIsCalledOnce(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	c.start = func(ctx context.Context) error {
		must(t, c.device.Start(ctx))
		wantStateError(t, c.Service.Start(ctx), "Start", service.Starting)
		return nil
	}
	must(t, c.Start(within(t)))
	c.run = func(ctx context.Context) error {
		must(t, c.device.Run(ctx))
		wantErr(t, c.Service.Run(ctx), service.ErrState)
		return nil
	}
	run := runInBackground(t, c, c.States())
	receive(t, c.runs)
	stop(t, c)
	must(t, receive(t, run))
}

func TestAContextOfAnEarlierTransitionJoinsNothing(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	var old context.Context
	c.start = func(ctx context.Context) error {
		old = ctx
		return c.device.Start(ctx)
	}
	must(t, c.Start(within(t)))
	stop(t, c)
	wantErr(t, c.Service.Start(old), service.ErrStopped)
	wantState(t, c.Service, service.Stopped)
}

func TestOverridingStopThatHangsIsNamed(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"before", "after"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCamera(t, stopTimeout(time.Second))
				hold := make(chan struct{})
				must(t, c.AddHook(c.hook("hook", 0)))
				inner := c.stop
				c.stop = func(ctx context.Context) error {
					if where == "before" {
						_ = hangsInATest(hold)
					}
					err := inner(ctx)
					_ = hangsInATest(hold)
					return err
				}
				must(t, c.Start(context.Background()))
				_, err := c.Stop(context.Background())
				wantErr(t, err, context.DeadlineExceeded)
				if e, ok := errors.AsType[*service.StopError](err); !ok || len(e.Hooks) != 1 || e.Hooks[0].Name != "Stop" {
					t.Errorf("error is %v", err)
				}
				wantState(t, c.Service, service.Stopped)
				close(hold)
				synctest.Wait()
				stops := 0
				for _, event := range c.events {
					if event == "stop hook" {
						stops++
					}
				}
				if stops != 1 {
					t.Errorf("the hook was stopped %d times: %v", stops, c.events)
				}
			})
		})
	}
}

// stopMoment is less than what a step of a stop may take after the deadline.
const stopMoment = 50 * time.Millisecond

// TestOverridingStopThatWaitsForATask waits for the end of a task before it calls the embedded Stop, which would end it.
// At the deadline the stop goes on without it, and with that it can return.
func TestOverridingStopThatWaitsForATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(t, stopTimeout(time.Second))
		ended := make(chan struct{})
		must(t, c.Go("task", func(ctx context.Context) error { defer close(ended); return blocked(ctx) }))
		inner := c.stop
		c.stop = func(ctx context.Context) error {
			<-ended
			err := inner(ctx)
			<-time.After(stopMoment)
			return err
		}
		must(t, c.Start(context.Background()))
		run := runInBackground(t, c, c.States())
		receive(t, c.runs)
		if receipt := stop(t, c); receipt.TasksFinished != 1 || receipt.Duration < time.Second {
			t.Errorf("receipt: %v", receipt)
		}
		must(t, <-run)
	})
}

// TestTheStopsDeadlineHoldsWhateverContextIsPassedOn has an overriding Stop drop the deadline.
func TestTheStopsDeadlineHoldsWhateverContextIsPassedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(t, stopTimeout(time.Second))
		hold := make(chan struct{})
		defer close(hold)
		must(t, c.Go("stuck", func(context.Context) error { return hangsInATest(hold) }))
		inner := c.stop
		c.stop = func(ctx context.Context) error { return inner(context.WithoutCancel(ctx)) }
		must(t, c.Start(context.Background()))
		run := runInBackground(t, c, c.States())
		receive(t, c.runs)
		_, err := c.Stop(context.Background())
		wantErr(t, err, context.DeadlineExceeded)
		wantErr(t, <-run, context.DeadlineExceeded)
	})
}

func TestOverridingStartThatHangsIsUndoneLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(t, stopTimeout(time.Second))
		hold := make(chan struct{})
		c.start = func(ctx context.Context) error {
			err := c.device.Start(ctx)
			_ = hangsInATest(hold)
			return err
		}
		start := make(chan error, 1)
		go func() { start <- c.Start(context.Background()) }()
		synctest.Wait()
		_, err := c.Stop(context.Background())
		if e, ok := errors.AsType[*service.StopError](err); !ok || len(e.Hooks) != 1 || e.Hooks[0].Name != "Start" {
			t.Errorf("error is %v", err)
		}
		close(hold)
		wantErr(t, <-start, service.ErrStopped)
		c.want(t, "camera starts", "device starts", "base starts", "base stops", "device stops", "camera stops")
	})
}

func TestStopWaitsForAnOverridingRun(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	must(t, c.AddHook(c.hook("hook", 0)))
	c.run = func(ctx context.Context) error {
		err := c.device.Run(ctx)
		c.note("run cleans up")
		return err
	}
	must(t, c.Start(within(t)))
	run := runInBackground(t, c, c.States())
	receive(t, c.runs)
	if receipt := stop(t, c); receipt.TasksFinished != 0 {
		t.Errorf("Run counts as a task: %v", receipt)
	}
	must(t, receive(t, run))
	c.want(t, "camera starts", "device starts", "base starts", "start hook", "camera runs", "base runs",
		"run cleans up", "stop hook", "base stops", "device stops", "camera stops")
}

func TestGoexitInAnOverridingRunStopsTheService(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	c.run = func(context.Context) error { runtime.Goexit(); return nil }
	must(t, c.Start(within(t)))
	go func() { _ = c.Run(context.Background()) }()
	_, err := c.States().WaitForState(within(t), service.Stopped)
	must(t, err)
	if c.Status() != service.StatusFatal {
		t.Errorf("status is %s", c.Status())
	}
}

func TestErrorOfAnOverridingRunStopsTheService(t *testing.T) {
	t.Parallel()
	broken := errors.New("no frames")
	c := newCamera(t)
	c.run = func(context.Context) error { return broken }
	must(t, c.Start(within(t)))
	wantErr(t, c.Run(within(t)), broken)
	wantState(t, c.Service, service.Stopped)
	if c.Status() != service.StatusFatal {
		t.Errorf("status is %s", c.Status())
	}
}
