package service_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/experimance/experimance-go/service"
)

// bring takes a new service to a state, and returns it with a function that lets it go on from there, so that it can
// be stopped.
func bring(t *testing.T, to service.State) (svc *service.Service, release func()) {
	t.Helper()
	svc = newService(t)
	hold := make(chan struct{})
	release = sync.OnceFunc(func() { close(hold) })
	wait := func(context.Context) error { <-hold; return nil }
	t.Cleanup(func() {
		release()
		stop(t, svc)
	})
	ctx := within(t)
	switch to {
	case service.Starting:
		must(t, svc.AddHook(service.Hook{Name: "slow", Start: wait}))
		go func() { _ = svc.Start(context.Background()) }()
	case service.Started:
		must(t, svc.Start(ctx))
	case service.Running:
		startAndRun(t, svc)
	case service.Stopping:
		must(t, svc.AddHook(service.Hook{Name: "slow", Stop: wait}))
		must(t, svc.Start(ctx))
		go func() { _, _ = svc.Stop(context.Background()) }()
	case service.Stopped:
		stop(t, svc)
	}
	_, err := svc.States().WaitForState(ctx, to)
	must(t, err)
	return svc, release
}

func TestWrongStateIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	states := []service.State{
		service.Initialized, service.Starting, service.Started, service.Running, service.Stopping, service.Stopped,
	}
	methods := map[string]struct {
		call  func(*service.Service) error
		valid []service.State
	}{
		"Start": {
			func(s *service.Service) error { return s.Start(context.Background()) },
			[]service.State{service.Initialized, service.Stopped},
		},
		"Run": {
			func(s *service.Service) error { return s.Run(context.Background()) },
			[]service.State{service.Started},
		},
		"AddHook": {
			func(s *service.Service) error { return s.AddHook(service.Hook{Name: "h", Stop: blocked}) },
			[]service.State{service.Initialized, service.Stopped},
		},
		"Go": {
			func(s *service.Service) error { return s.Go("t", blocked) },
			[]service.State{service.Initialized, service.Starting, service.Started, service.Running, service.Stopped},
		},
	}
	for name, method := range methods {
		for _, state := range states {
			if slices.Contains(method.valid, state) {
				continue
			}
			t.Run(name+"/"+string(state), func(t *testing.T) {
				t.Parallel()
				svc, _ := bring(t, state)
				before := svc.States().History()
				err := method.call(svc)
				wantStateError(t, err, name, state)
				if e, _ := errors.AsType[*service.StateError](err); !cmp.Equal(e.Valid, method.valid) {
					t.Errorf("valid states: %v, want %v", e.Valid, method.valid)
				}
				if after := svc.States().History(); len(after) != len(before) {
					t.Errorf("the state has changed: %v", after[len(before):])
				}
			})
		}
	}
}

func TestStatesOfAWholeLife(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	for range 2 { // the second one is a restart
		if svc.Running() {
			t.Error("running before Start")
		}
		run := startAndRun(t, svc)
		if !svc.Running() {
			t.Error("not running during Run")
		}
		stop(t, svc)
		must(t, receive(t, run))
	}
	var got []string
	for _, tr := range svc.States().History() {
		got = append(got, string(tr.From)+" "+tr.Method+" "+string(tr.To))
	}
	life := []string{"starting Start started", "started Run running", "running Stop stopping", "stopping Stop stopped"}
	want := slices.Concat(
		[]string{"initializing New initialized", "initialized Start starting"}, life,
		[]string{"stopped Start starting"}, life)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// recorder notes events in the order in which they come.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) note(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

func (r *recorder) want(t testing.TB, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.events); diff != "" {
		t.Error(diff)
	}
}

// hook returns a hook that notes its calls.
func (r *recorder) hook(name string, phase service.Phase) service.Hook {
	return service.Hook{
		Name:  name,
		Phase: phase,
		Start: func(context.Context) error { r.note("start " + name); return nil },
		Stop:  func(context.Context) error { r.note("stop " + name); return nil },
	}
}

func TestOrderOfStartAndStop(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	var r recorder
	must(t, svc.AddHook(r.hook("socket", service.PhaseSocket)))
	must(t, svc.AddHook(r.hook("disk", service.PhaseResource)))
	must(t, svc.AddHook(r.hook("camera", service.PhaseResource)))
	begun := make(chan struct{})
	must(t, svc.Go("task", func(ctx context.Context) error {
		r.note("task begins")
		close(begun)
		<-ctx.Done()
		r.note("task ends")
		return nil
	}))
	run := startAndRun(t, svc)
	receive(t, begun)
	stop(t, svc)
	must(t, receive(t, run))
	r.want(t, "start disk", "start camera", "start socket", "task begins",
		"task ends", "stop socket", "stop camera", "stop disk")
}

func TestFailedStartIsUndone(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	var r recorder
	broken := errors.New("no such device")
	fail := true
	must(t, svc.AddHook(r.hook("a", 0)))
	must(t, svc.AddHook(r.hook("b", 0)))
	must(t, svc.AddHook(service.Hook{Name: "c", Start: func(context.Context) error {
		if fail {
			return broken
		}
		return nil
	}}))
	must(t, svc.AddHook(r.hook("d", 0)))

	wantErr(t, svc.Start(within(t)), broken)
	wantState(t, svc, service.Stopped)
	r.want(t, "start a", "start b", "stop b", "stop a")
	if svc.Status() != service.StatusFatal {
		t.Errorf("status is %s", svc.Status())
	}
	recorded := svc.Errors()
	if len(recorded) != 1 || !errors.Is(recorded[0].Err, broken) {
		t.Errorf("recorded: %v", recorded)
	}
	stop(t, svc) // nothing more to do
	r.want(t, "start a", "start b", "stop b", "stop a")

	fail = false // a service that failed to start can be started again
	must(t, svc.Start(within(t)))
	if svc.Status() != service.StatusHealthy {
		t.Errorf("status after the restart is %s", svc.Status())
	}
	stop(t, svc)
}

func TestCancelledStartIsUndone(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	var r recorder
	ctx, cancel := context.WithCancel(within(t))
	must(t, svc.AddHook(r.hook("a", 0)))
	must(t, svc.AddHook(service.Hook{Name: "b", Start: func(context.Context) error { cancel(); return nil }}))
	must(t, svc.AddHook(r.hook("c", 0)))
	wantErr(t, svc.Start(ctx), context.Canceled)
	wantState(t, svc, service.Stopped)
	r.want(t, "start a", "stop a")
}

func TestContextOfStartDoesNotGovernTheLife(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	type key struct{}
	values := make(chan any, 1)
	must(t, svc.Go("task", func(ctx context.Context) error {
		values <- ctx.Value(key{})
		return blocked(ctx)
	}))
	ctx, cancel := context.WithCancel(context.Background())
	must(t, svc.Start(ctx))
	cancel()
	wantState(t, svc, service.Started)
	run := make(chan error, 1)
	go func() { run <- svc.Run(context.WithValue(context.Background(), key{}, "of run")) }()
	if got := receive(t, values); got != "of run" {
		t.Errorf("the task's context has %v", got)
	}
	wantState(t, svc, service.Running)
	stop(t, svc)
	must(t, receive(t, run))
}

func TestEndOfRunsContextIsAStop(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	var r recorder
	must(t, svc.AddHook(r.hook("a", 0)))
	must(t, svc.Go("task", blocked))
	must(t, svc.Start(within(t)))
	ctx, cancel := context.WithCancel(context.Background())
	run := make(chan error, 1)
	go func() { run <- svc.Run(ctx) }()
	_, err := svc.States().WaitForState(within(t), service.Running)
	must(t, err)
	cancel()
	must(t, receive(t, run))
	wantState(t, svc, service.Stopped)
	r.want(t, "start a", "stop a")
}

func TestPanicInAHookIsAnErrorWithItsStack(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	must(t, svc.AddHook(service.Hook{Name: "bad", Start: func(context.Context) error { return panics() }}))
	wantPanic(t, svc.Start(within(t)), "bad")
	wantState(t, svc, service.Stopped)

	svc = newService(t)
	var r recorder
	must(t, svc.AddHook(r.hook("good", 0)))
	must(t, svc.AddHook(service.Hook{Name: "bad", Stop: func(context.Context) error { return panics() }}))
	must(t, svc.Start(within(t)))
	_, err := svc.Stop(within(t))
	wantPanic(t, err, "bad")
	wantState(t, svc, service.Stopped)
	r.want(t, "start good", "stop good")
}

func TestGoexitInAHookIsAFailedStart(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	var r recorder
	must(t, svc.AddHook(r.hook("good", 0)))
	must(t, svc.AddHook(service.Hook{Name: "bad", Start: func(context.Context) error { runtime.Goexit(); return nil }}))
	go func() { _ = svc.Start(context.Background()) }()
	_, err := svc.States().WaitForState(within(t), service.Stopped)
	must(t, err)
	r.want(t, "start good", "stop good")
	if svc.Status() != service.StatusFatal {
		t.Errorf("status is %s", svc.Status())
	}
}

func TestErrorsOfAllHooksAreJoined(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	one, two := errors.New("one"), errors.New("two")
	must(t, svc.AddHook(service.Hook{Name: "1", Stop: func(context.Context) error { return one }}))
	must(t, svc.AddHook(service.Hook{Name: "2", Stop: func(context.Context) error { return two }}))
	must(t, svc.Start(within(t)))
	_, err := svc.Stop(within(t))
	wantErr(t, err, one)
	wantErr(t, err, two)
	if st := svc.Stats(); st.Errors != 2 || st.Status != service.StatusError {
		t.Errorf("%d errors, status %s", st.Errors, st.Status)
	}
}

func TestHooksAreValidated(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	for _, h := range []service.Hook{{Stop: blocked}, {Name: "empty"}} {
		if _, ok := errors.AsType[*service.ConfigError](svc.AddHook(h)); !ok {
			t.Errorf("hook %+v was accepted", h)
		}
	}
}
