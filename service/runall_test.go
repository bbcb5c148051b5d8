package service_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/service"
)

// group is three services that note when they start and stop.
type group struct {
	recorder
	a, b, c *service.Service
}

func newGroup(t testing.TB) *group {
	g := &group{a: newService(t), b: newService(t), c: newService(t)}
	for name, svc := range map[string]*service.Service{"a": g.a, "b": g.b, "c": g.c} {
		must(t, svc.AddHook(g.hook(name, 0)))
	}
	return g
}

func (g *group) all() []service.Lifecycle { return []service.Lifecycle{g.a, g.b, g.c} }

func TestRunAllStartsInOrderAndStopsInReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- service.RunAll(ctx, g.all()...) }()
		synctest.Wait()
		wantState(t, g.c, service.Running)
		cancel()
		must(t, <-done)
		g.want(t, "start a", "start b", "start c", "stop c", "stop b", "stop a")
	})
}

func TestRunAllStopsAllWhenOneFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	g := newGroup(t)
	must(t, g.b.Go("bad", func(context.Context) error {
		_, err := g.c.States().WaitForState(context.Background(), service.Running)
		must(t, err)
		return broken
	}))
	wantErr(t, service.RunAll(within(t), g.all()...), broken)
	g.want(t, "start a", "start b", "start c", "stop b", "stop c", "stop a")
}

func TestRunAllUndoesWhatHasStartedWhenAStartFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	g := newGroup(t)
	must(t, g.b.AddHook(service.Hook{Name: "bad", Start: func(context.Context) error { return broken }}))
	wantErr(t, service.RunAll(within(t), g.all()...), broken)
	g.want(t, "start a", "start b", "stop b", "stop a")
	wantState(t, g.c, service.Initialized)
}

func TestRunAllGoesOnWhenOneEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		done := make(chan error)
		go func() { done <- service.RunAll(context.Background(), g.all()...) }()
		synctest.Wait()
		stop(t, g.b)
		synctest.Wait()
		wantState(t, g.a, service.Running)
		stop(t, g.a)
		stop(t, g.c)
		must(t, <-done)
		g.want(t, "start a", "start b", "start c", "stop b", "stop a", "stop c")
	})
}

func TestRunAllEndsDuringAStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		must(t, g.b.AddHook(service.Hook{Name: "slow", Start: blocked}))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- service.RunAll(ctx, g.all()...) }()
		synctest.Wait()
		wantState(t, g.b, service.Starting)
		cancel()
		must(t, <-done)
		g.want(t, "start a", "start b", "stop b", "stop a")
	})
}

func TestRunAllDoesNotWaitForWhatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		defer close(hold)
		hang := func(context.Context) error { return hangsInATest(hold) }
		starting, running := newService(t, stopTimeout(time.Second)), newCamera(t, stopTimeout(time.Second))
		must(t, starting.AddHook(service.Hook{Name: "stuck start", Start: hang}))
		running.run = hang
		for name, svc := range map[string]service.Lifecycle{"stuck start": starting, "Run": running} {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- service.RunAll(ctx, svc) }()
			synctest.Wait()
			cancel()
			err := <-done
			if e, ok := errors.AsType[*service.StopError](err); !ok || len(e.Hooks) != 1 || e.Hooks[0].Name != name {
				t.Errorf("error is %v, want that %s hangs", err, name)
			}
		}
	})
}

// slow is a Lifecycle whose Start or Run meets a Stop: it comes to nothing, with the error of a wrong state.
type slow struct {
	inStart bool
	entered context.CancelFunc
	stopped chan struct{}
	once    sync.Once
}

func (s *slow) Start(context.Context) error { return s.meet(s.inStart) }
func (s *slow) Run(context.Context) error   { return s.meet(!s.inStart) }

func (s *slow) meet(here bool) error {
	if !here {
		return nil
	}
	s.entered()
	<-s.stopped
	return &service.StateError{Method: "Start or Run", State: service.Stopping}
}

func (s *slow) Stop(context.Context) (service.Receipt, error) {
	s.once.Do(func() { close(s.stopped) })
	return service.Receipt{}, nil
}

func TestRunAllCausesWrongStatesWithoutComplaint(t *testing.T) {
	t.Parallel()
	for _, inStart := range []bool{true, false} {
		ctx, cancel := context.WithCancel(within(t))
		must(t, service.RunAll(ctx, &slow{inStart: inStart, entered: cancel, stopped: make(chan struct{})}))
	}
}

func TestRunMainExitCodes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		set     func(svc *service.Service)
		signals int
		want    int
	}{
		"ends":         {func(svc *service.Service) { _ = svc.Go("job", stopsItself(svc)) }, 0, service.ExitClean},
		"signal":       {func(*service.Service) {}, 1, service.ExitClean},
		"failing task": {func(svc *service.Service) { _ = svc.Go("bad", func(context.Context) error { return panics() }) }, 0, service.ExitFailed},
		"failing start": {func(svc *service.Service) {
			_ = svc.AddHook(service.Hook{Name: "h", Start: func(context.Context) error { return panics() }})
		}, 0, service.ExitFailed},
		"hanging stop":   {func(svc *service.Service) { _ = svc.Go("stuck", hangsForAMinute) }, 1, service.ExitFailed},
		"second signal":  {func(svc *service.Service) { _ = svc.Go("stuck", hangsForAMinute) }, 2, service.ExitForced},
		"end of context": {func(*service.Service) {}, 0, service.ExitClean},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				svc := newService(t)
				tc.set(svc)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				signals := make(chan os.Signal)
				code := make(chan int, 1)
				go func() { code <- service.RunMain(ctx, service.MainConfig{Signals: signals, Logger: discard}, svc) }()
				synctest.Wait()
				for range tc.signals {
					signals <- syscall.SIGTERM
				}
				if name == "end of context" {
					cancel()
				}
				if got := <-code; got != tc.want {
					t.Errorf("exit code %d, want %d", got, tc.want)
				}
				advance(time.Minute)
			})
		})
	}
}

func hangsForAMinute(context.Context) error {
	time.Sleep(time.Minute)
	return nil
}
