package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/experimance/experimance-go/service"
)

func TestStopFromEveryState(t *testing.T) {
	t.Parallel()
	for _, state := range []service.State{
		service.Initialized, service.Starting, service.Started, service.Running, service.Stopping, service.Stopped,
	} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			svc, release := bring(t, state)
			done := make(chan error, 1)
			go func() {
				_, err := svc.Stop(context.Background())
				done <- err
			}()
			if state == service.Starting {
				_, err := svc.States().WaitForState(within(t), service.Stopping)
				must(t, err)
			}
			release()
			must(t, receive(t, done))
			wantState(t, svc, service.Stopped)
		})
	}
}

func TestConcurrentStopsAreOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t)
		var r recorder
		broken := errors.New("lens cap stuck")
		hold, stopping := make(chan struct{}), make(chan struct{})
		must(t, svc.AddHook(r.hook("a", 0)))
		must(t, svc.AddHook(service.Hook{Name: "b", Stop: func(context.Context) error {
			close(stopping)
			<-hold
			svc.AddReceipt(3, 1)
			return broken
		}}))
		must(t, svc.Go("task", blocked))
		run := startAndRun(t, svc)

		type result struct {
			receipt service.Receipt
			err     error
		}
		results := make(chan result)
		for range 8 {
			go func() {
				receipt, err := svc.Stop(context.Background())
				results <- result{receipt, err}
			}()
		}
		receive(t, stopping)
		time.Sleep(time.Second) // of the bubble's clock: when every Stop waits
		select {
		case r := <-results:
			t.Fatalf("a Stop returned before the stop was done: %+v", r)
		default:
		}
		close(hold)
		first := receive(t, results)
		if got := first.receipt; got.TasksFinished != 1 || got.MessagesFlushed != 3 || got.MessagesDropped != 1 || got.Duration != time.Second {
			t.Errorf("receipt: %v", got)
		}
		wantErr(t, first.err, broken)
		for range 7 {
			if next := receive(t, results); !cmp.Equal(next.receipt, first.receipt) || !errors.Is(next.err, broken) {
				t.Errorf("%+v after %+v", next, first)
			}
		}
		again, err := svc.Stop(within(t))
		if !cmp.Equal(again, first.receipt) || !errors.Is(err, broken) {
			t.Errorf("a later Stop returned %v, %v", again, err)
		}
		wantErr(t, receive(t, run), broken)
		r.want(t, "start a", "stop a")
	})
}

func TestStopDuringStartCancelsAndUndoesIt(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	var r recorder
	must(t, svc.AddHook(r.hook("a", 0)))
	slow := make(chan struct{})
	must(t, svc.AddHook(service.Hook{Name: "slow", Start: func(ctx context.Context) error {
		close(slow)
		return blocked(ctx)
	}}))
	must(t, svc.AddHook(r.hook("c", 0)))
	start := make(chan error, 1)
	go func() { start <- svc.Start(context.Background()) }()
	receive(t, slow)
	stop(t, svc)
	wantErr(t, receive(t, start), service.ErrStopped)
	wantState(t, svc, service.Stopped)
	r.want(t, "start a", "stop a")
	if svc.Status() != service.StatusHealthy {
		t.Errorf("a stop made the status %s", svc.Status())
	}
}

// TestStopFromInside calls Stop from each place inside a service, with a context that says nothing.
func TestStopFromInside(t *testing.T) {
	t.Parallel()
	places := map[string]func(svc *service.Service, stop func()) error{
		"task": func(svc *service.Service, stop func()) error {
			return svc.Go("task", func(context.Context) error { stop(); return nil })
		},
		"goroutine of a task": func(svc *service.Service, stop func()) error {
			return svc.Go("task", func(context.Context) error {
				var wg sync.WaitGroup
				wg.Go(stop)
				wg.Wait()
				return nil
			})
		},
		"two tasks": func(svc *service.Service, stop func()) error {
			return errors.Join(
				svc.Go("one", func(context.Context) error { stop(); return nil }),
				svc.Go("two", func(context.Context) error { stop(); return nil }))
		},
		"start of a hook": func(svc *service.Service, stop func()) error {
			return svc.AddHook(service.Hook{Name: "h", Start: func(context.Context) error { stop(); return nil }})
		},
		"stop of a hook": func(svc *service.Service, stop func()) error {
			return errors.Join(
				svc.AddHook(service.Hook{Name: "h", Stop: func(context.Context) error { stop(); return nil }}),
				svc.Go("task", func(context.Context) error { stop(); return nil }))
		},
	}
	for place, set := range places {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			svc := newService(t)
			must(t, set(svc, func() {
				if receipt, err := svc.Stop(context.Background()); err != nil || receipt.Duration != 0 {
					t.Errorf("Stop returned %v, %v", receipt, err)
				}
			}))
			err := svc.Start(within(t))
			if place == "start of a hook" {
				wantErr(t, err, service.ErrStopped)
			} else {
				must(t, err)
				must(t, svc.Run(within(t)))
			}
			wantState(t, svc, service.Stopped)
		})
	}
}

// TestStopFromInsideByItsContext calls Stop two goroutines away from a task, where only the context can tell.
func TestStopFromInsideByItsContext(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	must(t, svc.Go("task", func(ctx context.Context) error {
		var wg sync.WaitGroup
		wg.Go(func() {
			wg.Go(func() {
				if _, err := svc.Stop(ctx); err != nil {
					t.Error(err)
				}
			})
		})
		wg.Wait()
		return nil
	}))
	must(t, svc.Start(within(t)))
	must(t, svc.Run(within(t)))
	if _, err := svc.Stop(within(t)); err != nil {
		t.Errorf("the stop was not clean: %v", err)
	}
}

// TestStopByAGoroutineOfTheCallerIsFromOutside stops a service from a goroutine that was started where Start and Run were
// called, as one that waits for signals would be.
func TestStopByAGoroutineOfTheCallerIsFromOutside(t *testing.T) {
	t.Parallel()
	c := newCamera(t)
	var r recorder
	slow := make(chan struct{})
	must(t, c.AddHook(service.Hook{Name: "slow", Start: func(ctx context.Context) error {
		close(slow)
		<-ctx.Done()
		r.note("start ends")
		return nil
	}}))
	done := make(chan error, 1)
	go func() {
		<-slow
		_, err := c.Stop(context.Background())
		r.note("stopped")
		done <- err
	}()
	wantErr(t, c.Start(within(t)), service.ErrStopped)
	must(t, receive(t, done))
	r.want(t, "start ends", "stopped")
}

// TestStopFromInsideKeepsItsDeadline has a task stop the service, with less time than the stop timeout.
func TestStopFromInsideKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t)
		hold := make(chan struct{})
		defer close(hold)
		must(t, svc.Go("stuck", func(context.Context) error { return hangsInATest(hold) }))
		must(t, svc.Go("decides", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := svc.Stop(ctx)
			return err
		}))
		must(t, svc.Start(context.Background()))
		began := time.Now()
		wantErr(t, svc.Run(context.Background()), context.DeadlineExceeded)
		if took := time.Since(began); took < time.Second || took > 2*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

func hangsInATest(hold <-chan struct{}) error { <-hold; return nil }

func TestStopNamesWhatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, stopTimeout(time.Minute))
		hold := make(chan struct{})
		hang := func(context.Context) error { return hangsInATest(hold) }
		var r recorder
		must(t, svc.AddHook(r.hook("good", 0)))
		must(t, svc.AddHook(service.Hook{Name: "stuck hook", Stop: hang}))
		must(t, svc.AddHook(r.hook("sockets", service.PhaseSocket)))
		must(t, svc.Go("stuck task", hang))
		must(t, svc.Go("stuck task", hang))
		must(t, svc.Go("fine", blocked))
		run := startAndRun(t, svc)

		began := time.Now()
		receipt, err := svc.Stop(context.Background())
		if took := time.Since(began); took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("the stop took %v", took)
		}
		wantErr(t, err, context.DeadlineExceeded)
		e, ok := errors.AsType[*service.StopError](err)
		if !ok {
			t.Fatalf("error is %v", err)
		}
		names := func(hanging []service.Hanging) (names []string) {
			for _, h := range hanging {
				names = append(names, h.Name)
				if !strings.Contains(h.Stack, "hangsInATest") {
					t.Errorf("%s has the stack %s", h.Name, h.Stack)
				}
			}
			return names
		}
		if diff := cmp.Diff([]string{"stuck task", "stuck task#2"}, names(e.Tasks)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"stuck hook"}, names(e.Hooks)); diff != "" {
			t.Error(diff)
		}
		if msg := err.Error(); !strings.Contains(msg, "stuck task#2") || !strings.Contains(msg, "stuck hook") {
			t.Errorf("message: %s", msg)
		}
		if receipt.TasksFinished != 1 || len(receipt.TasksAbandoned) != 2 {
			t.Errorf("receipt: %v", receipt)
		}
		wantState(t, svc, service.Stopped)
		wantErr(t, <-run, context.DeadlineExceeded)
		r.want(t, "start good", "start sockets", "stop sockets", "stop good") // every step has run
		close(hold)
	})
}

func TestHangingTaskLeavesTheHooksTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t)
		hold := make(chan struct{})
		must(t, svc.AddHook(service.Hook{Name: "socket", Phase: service.PhaseSocket, Stop: func(ctx context.Context) error {
			deadline, _ := ctx.Deadline()
			if left := time.Until(deadline); left != time.Second {
				t.Errorf("the socket has %v to flush", left)
			}
			close(hold) // the task ends after all
			return nil
		}}))
		must(t, svc.Go("slow", func(context.Context) error { return hangsInATest(hold) }))
		run := startAndRun(t, svc)
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		defer cancel()
		receipt, err := svc.Stop(ctx)
		must(t, err)
		if receipt.TasksFinished != 1 {
			t.Errorf("receipt: %v", receipt)
		}
		must(t, <-run)
	})
}

func TestStopWithAnEndedContextIsStillOrderly(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	var r recorder
	must(t, svc.AddHook(r.hook("a", 0)))
	must(t, svc.AddHook(r.hook("b", 0)))
	must(t, svc.Go("task", blocked))
	run := startAndRun(t, svc)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	receipt, err := svc.Stop(ctx)
	must(t, err)
	if receipt.TasksFinished != 1 {
		t.Errorf("receipt: %v", receipt)
	}
	must(t, receive(t, run))
	r.want(t, "start a", "start b", "stop b", "stop a")
}

func TestASecondStopHasItsOwnDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t)
		hold := make(chan struct{})
		must(t, svc.Go("slow", func(context.Context) error { return hangsInATest(hold) }))
		run := startAndRun(t, svc)
		first := make(chan error, 1)
		go func() {
			_, err := svc.Stop(context.Background())
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := svc.Stop(ctx)
		wantErr(t, err, context.DeadlineExceeded)
		if e, ok := errors.AsType[*service.StopError](err); !ok || len(e.Tasks) != 1 || e.Tasks[0].Name != "slow" {
			t.Errorf("error is %v", err)
		}
		wantState(t, svc, service.Stopping)
		close(hold)
		must(t, <-first)
		must(t, <-run)
	})
}

func TestStopGivesUpOnAStartThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, stopTimeout(time.Second))
		hold := make(chan struct{})
		var r recorder
		late := r.hook("late", 0)
		late.Start = func(context.Context) error { return hangsInATest(hold) }
		must(t, svc.AddHook(r.hook("a", 0)))
		must(t, svc.AddHook(late))
		start := make(chan error, 1)
		go func() { start <- svc.Start(context.Background()) }()
		synctest.Wait()
		_, err := svc.Stop(context.Background())
		e, ok := errors.AsType[*service.StopError](err)
		if !ok || len(e.Hooks) != 1 || e.Hooks[0].Name != "late" || !strings.Contains(e.Hooks[0].Stack, "hangsInATest") {
			t.Fatalf("error is %v", err)
		}
		wantState(t, svc, service.Stopped)
		r.want(t, "start a", "stop a")

		close(hold) // the hook opens after all, and is closed again
		wantErr(t, <-start, service.ErrStopped)
		wantState(t, svc, service.Stopped)
		r.want(t, "start a", "stop a", "stop late")
	})
}

func TestStartAfterAnAbandonedTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, stopTimeout(time.Second))
		hold, zombie := make(chan struct{}), make(chan error, 1)
		first := true
		must(t, svc.Go("task", func(ctx context.Context) error {
			if !first {
				return blocked(ctx)
			}
			first = false
			<-hold
			// None of this may touch the life that has begun since.
			if svc.Sleep(ctx, 0) {
				t.Error("Sleep says that the abandoned task's service still runs")
			}
			svc.RecordFatal(errors.New("from the grave"))
			if _, err := svc.Stop(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Stop returned %v, want the error of the stop that has given the task up", err)
			}
			zombie <- svc.Go("child", blocked)
			return errors.New("too late")
		}))
		run := startAndRun(t, svc)
		synctest.Wait()
		_, err := svc.Stop(context.Background())
		wantErr(t, err, context.DeadlineExceeded)
		wantErr(t, <-run, context.DeadlineExceeded)

		run = startAndRun(t, svc)
		synctest.Wait()
		close(hold)
		wantErr(t, <-zombie, service.ErrState)
		synctest.Wait()
		wantState(t, svc, service.Running)
		if st := svc.Stats(); st.Tasks != 1 {
			t.Errorf("%d tasks", st.Tasks)
		}
		receipt := stop(t, svc)
		if receipt.TasksFinished != 1 || receipt.TasksAbandoned != nil {
			t.Errorf("receipt: %v", receipt)
		}
		must(t, <-run)
	})
}

func TestAHookIsNeverCalledTwiceAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, stopTimeout(time.Second))
		hold := make(chan struct{})
		var r recorder
		must(t, svc.AddHook(service.Hook{
			Name:  "h",
			Start: func(context.Context) error { r.note("start"); return nil },
			Stop:  func(context.Context) error { <-hold; r.note("stop"); return nil },
		}))
		must(t, svc.Start(context.Background()))
		_, err := svc.Stop(context.Background())
		wantErr(t, err, context.DeadlineExceeded)

		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantErr(t, svc.Start(ctx), context.DeadlineExceeded) // the hook's Stop is still at work
		wantState(t, svc, service.Stopped)
		close(hold)
		must(t, svc.Start(context.Background()))
		r.want(t, "start", "stop", "start")
		stop(t, svc)
	})
}

func TestErrorOfATaskOnTheWayDown(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	unsaved := errors.New("frames not saved")
	must(t, svc.Go("saver", func(ctx context.Context) error { <-ctx.Done(); return unsaved }))
	run := startAndRun(t, svc)
	_, err := svc.Stop(within(t))
	wantErr(t, err, unsaved)
	wantErr(t, receive(t, run), unsaved)
	if svc.Status() != service.StatusError {
		t.Errorf("status is %s", svc.Status())
	}
}

func TestReceiptForms(t *testing.T) {
	t.Parallel()
	r := service.Receipt{
		TasksFinished: 2, TasksAbandoned: []string{"poll"}, MessagesFlushed: 3, MessagesDropped: 4, Duration: 5 * time.Millisecond,
	}
	const text = "stopped in 5ms: 2 tasks finished, 3 messages flushed, 4 dropped, abandoned: poll"
	if got := r.String(); got != text {
		t.Errorf("%q, want %q", got, text)
	}
	encoded, err := json.Marshal(r)
	must(t, err)
	const object = `{"tasks_finished":2,"tasks_abandoned":["poll"],"messages_flushed":3,"messages_dropped":4,"duration_ns":5000000}`
	if string(encoded) != object {
		t.Errorf("%s, want %s", encoded, object)
	}
	if got := r.LogValue().String(); !strings.Contains(got, "tasks_abandoned=[poll]") {
		t.Errorf("for the log: %s", got)
	}
}
