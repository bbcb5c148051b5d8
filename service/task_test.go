package service_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/service"
)

// TestWhenATaskBegins registers a task in each state and counts how often it begins in three runs.
func TestWhenATaskBegins(t *testing.T) {
	t.Parallel()
	cases := map[service.State]int{
		service.Initialized: 3, // with every run
		service.Starting:    1, // with the run that follows
		service.Started:     1,
		service.Running:     1, // at once
		service.Stopped:     2, // with every run that follows; the first is over
	}
	for state, want := range cases {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				svc := newService(t)
				begun, registered := 0, false
				register := func(at service.State) {
					if at == state && !registered {
						registered = true
						must(t, svc.Go("task", func(ctx context.Context) error { begun++; return blocked(ctx) }))
					}
				}
				must(t, svc.AddHook(service.Hook{Name: "h", Start: func(context.Context) error {
					register(service.Starting)
					return nil
				}}))
				register(service.Initialized)
				for range 3 {
					must(t, svc.Start(context.Background()))
					register(service.Started)
					run := runInBackground(t, svc, svc.States())
					synctest.Wait()
					register(service.Running)
					synctest.Wait()
					stop(t, svc)
					must(t, <-run)
					register(service.Stopped)
				}
				if begun != want {
					t.Errorf("the task has begun %d times, want %d", begun, want)
				}
			})
		})
	}
}

func TestAFinishedTaskLeavesTheServiceRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t)
		must(t, svc.Go("once", func(context.Context) error { return nil }))
		run := startAndRun(t, svc)
		synctest.Wait()
		wantState(t, svc, service.Running)
		if st := svc.Stats(); st.Tasks != 0 {
			t.Errorf("%d tasks", st.Tasks)
		}
		if receipt := stop(t, svc); receipt.TasksFinished != 0 {
			t.Errorf("receipt: %v", receipt) // it had finished before the stop
		}
		must(t, <-run)
	})
}

func TestAFailingTaskStopsTheService(t *testing.T) {
	t.Parallel()
	broken := errors.New("no signal")
	ways := map[string]struct {
		fail func() error
		want error
	}{
		"error":   {func() error { return broken }, broken},
		"panic":   {panics, errPanic},
		"goexit":  {func() error { runtime.Goexit(); return nil }, nil},
		"context": {func() error { return context.Canceled }, context.Canceled}, // of its own, not the service's
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc := newService(t)
			var r recorder
			must(t, svc.AddHook(r.hook("hook", 0)))
			must(t, svc.Go("bad", func(context.Context) error { return way.fail() }))
			must(t, svc.Go("good", blocked))
			must(t, svc.Start(within(t)))
			err := svc.Run(within(t))
			if err == nil || way.want != nil && !errors.Is(err, way.want) {
				t.Errorf("Run returned %v, want %v", err, way.want)
			}
			if name == "panic" {
				wantPanic(t, err, "bad")
			}
			wantState(t, svc, service.Stopped)
			if svc.Status() != service.StatusFatal {
				t.Errorf("status is %s", svc.Status())
			}
			var cause error
			for _, tr := range svc.States().History() {
				if tr.To == service.Stopping {
					cause = tr.Cause
				}
			}
			wantErr(t, err, cause)
			r.want(t, "start hook", "stop hook")
		})
	}
}

func TestTasksAreValidated(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	bad := []error{
		svc.Go("", blocked),
		svc.Go("nothing", nil),
		svc.Go("mode", blocked, service.WithRestart(service.RestartPolicy{Mode: 9})),
		svc.Go("min", blocked, service.WithRestart(service.RestartPolicy{MinBackoff: -1})),
		svc.Go("max", blocked, service.WithRestart(service.RestartPolicy{MinBackoff: 2, MaxBackoff: 1})),
		svc.Go("window", blocked, service.WithRestart(service.RestartPolicy{Window: -1})),
	}
	for i, err := range bad {
		if _, ok := errors.AsType[*service.ConfigError](err); !ok {
			t.Errorf("task %d: error is %v", i, err)
		}
	}
}

func TestRestartOnFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t)
		var begun []time.Time
		policy := service.RestartPolicy{
			Mode: service.RestartOnFailure, MinBackoff: time.Second, MaxBackoff: 3 * time.Second, Intensity: 4,
		}
		must(t, svc.Go("flaky", func(context.Context) error {
			begun = append(begun, time.Now())
			switch len(begun) {
			case 2:
				return panics()
			case 5:
				return nil // done
			}
			return errors.New("lost")
		}, service.WithRestart(policy)))
		run := startAndRun(t, svc)
		advance(time.Minute)
		wantState(t, svc, service.Running)
		if len(begun) != 5 {
			t.Fatalf("the task has begun %d times", len(begun))
		}
		longest := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} // doubled, up to the maximum
		for i, longest := range longest {
			if wait := begun[i+1].Sub(begun[i]); wait < longest/2 || wait > longest {
				t.Errorf("restart %d came after %v, want up to %v", i+1, wait, longest)
			}
		}
		if st := svc.Stats(); st.Errors != 4 || st.Status != service.StatusError {
			t.Errorf("%d errors, status %s", st.Errors, st.Status)
		}
		stop(t, svc)
		must(t, <-run)
	})
}

func TestRestartIntensity(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	cases := map[string]struct {
		mode      service.RestartMode
		intensity int
		lasts     time.Duration // how long the task runs each time
		err       error
		want      int // how often it begins within the time of the test; fewer means that it has failed
	}{
		"exceeded":            {service.RestartOnFailure, 3, 0, lost, 4},
		"default":             {service.RestartOnFailure, 0, 0, lost, 6},
		"exceeded by returns": {service.RestartAlways, 3, 0, nil, 4},
		"spread out":          {service.RestartOnFailure, 3, 20 * time.Second, lost, 100},
		"without limit":       {service.RestartAlways, -1, 0, nil, 100},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				svc := newService(t)
				begun := 0
				must(t, svc.Go("task", func(ctx context.Context) error {
					if begun++; begun == 100 {
						return blocked(ctx)
					}
					svc.Sleep(ctx, tc.lasts)
					return tc.err
				}, service.WithRestart(service.RestartPolicy{
					Mode: tc.mode, Intensity: tc.intensity, MaxBackoff: time.Second, Window: time.Minute,
				})))
				run := startAndRun(t, svc)
				advance(time.Hour)
				if begun != tc.want {
					t.Errorf("the task has begun %d times, want %d", begun, tc.want)
				}
				if tc.want < 100 {
					wantState(t, svc, service.Stopped)
					if err := <-run; err == nil || !errors.Is(err, tc.err) && tc.err != nil {
						t.Errorf("Run returned %v", err)
					}
					return
				}
				wantState(t, svc, service.Running)
				stop(t, svc)
				must(t, <-run)
			})
		})
	}
}

func TestStopEndsTheWaitForARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t)
		begun := 0
		must(t, svc.Go("flaky", func(context.Context) error {
			begun++
			return errors.New("lost")
		}, service.WithRestart(service.RestartPolicy{Mode: service.RestartOnFailure, MinBackoff: time.Hour, MaxBackoff: time.Hour})))
		run := startAndRun(t, svc)
		synctest.Wait()
		began := time.Now()
		stop(t, svc)
		must(t, <-run)
		if took := time.Since(began); took != 0 || begun != 1 {
			t.Errorf("the stop took %v, the task began %d times", took, begun)
		}
	})
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t)
		if svc.Sleep(context.Background(), time.Hour) {
			t.Error("a service that was never started still runs")
		}
		results, woke := make([]bool, 0, 2), make(chan time.Time, 1)
		must(t, svc.Go("sleeper", func(ctx context.Context) error {
			results = append(results, svc.Sleep(ctx, time.Minute), svc.Sleep(ctx, time.Hour))
			woke <- time.Now()
			return nil
		}))
		run := startAndRun(t, svc)
		began := time.Now()
		advance(2 * time.Minute)
		stop(t, svc)
		if took := (<-woke).Sub(began); took != 2*time.Minute {
			t.Errorf("the stop woke the sleeper after %v", took)
		}
		if !results[0] || results[1] {
			t.Errorf("Sleep returned %v, want that the service runs, then that it does not", results)
		}
		if svc.Sleep(context.Background(), 0) {
			t.Error("a stopped service still runs")
		}
		must(t, <-run)

		must(t, svc.Start(context.Background()))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if svc.Sleep(ctx, time.Hour) {
			t.Error("the end of the context did not end Sleep")
		}
		if !svc.Sleep(context.Background(), 0) {
			t.Error("a started service does not run")
		}
		stop(t, svc)
	})
}
