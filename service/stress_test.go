package service_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/experimance/experimance-go/service"
)

// TestStartAndStopFromManyGoroutines has ten goroutines start, run and stop one service as they like. Whatever the
// interleaving, hooks and tasks come in pairs and nothing is called twice.
func TestStartAndStopFromManyGoroutines(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	var open, tasks, lives atomic.Int32
	must(t, svc.AddHook(service.Hook{
		Name: "device",
		Start: func(context.Context) error {
			if open.Add(1) != 1 {
				t.Error("opened twice")
			}
			lives.Add(1)
			return nil
		},
		Stop: func(context.Context) error {
			if tasks.Load() != 0 {
				t.Error("closed under a running task")
			}
			if open.Add(-1) != 0 {
				t.Error("closed twice")
			}
			return nil
		},
	}))
	must(t, svc.Go("task", func(ctx context.Context) error {
		tasks.Add(1)
		defer tasks.Add(-1)
		return blocked(ctx)
	}))
	expected := func(err error) {
		if err != nil && !errors.Is(err, service.ErrState) && !errors.Is(err, service.ErrStopped) {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 50 {
				expected(svc.Start(context.Background()))
				wg.Go(func() { expected(svc.Run(context.Background())) })
				_, err := svc.Stop(context.Background())
				expected(err)
				svc.Stats()
			}
		})
	}
	wg.Wait()
	stop(t, svc)
	if open.Load() != 0 || tasks.Load() != 0 || lives.Load() == 0 {
		t.Errorf("%d hooks open, %d tasks alive after %d lives", open.Load(), tasks.Load(), lives.Load())
	}
	checkHistory(t, svc.States().History())
}

// checkHistory checks that each transition begins where the one before has ended, and is one that the lifecycle has.
func checkHistory(t interface{ Errorf(string, ...any) }, history []service.Transition) {
	next := map[service.State][]service.State{
		service.Initializing: {service.Initialized},
		service.Initialized:  {service.Starting, service.Stopping},
		service.Starting:     {service.Started, service.Stopping},
		service.Started:      {service.Running, service.Stopping},
		service.Running:      {service.Stopping},
		service.Stopping:     {service.Stopped},
		service.Stopped:      {service.Starting},
	}
	for i, tr := range history {
		if i > 0 && tr.From != history[i-1].To {
			t.Errorf("%v follows %v", tr, history[i-1])
		}
		if !slices.Contains(next[tr.From], tr.To) {
			t.Errorf("no such transition: %v", tr)
		}
	}
}

// TestAThousandLivesLeaveNothing counts goroutines. It does not run beside other tests.
func TestAThousandLivesLeaveNothing(t *testing.T) {
	svc := newService(t, func(cfg *service.Config) { cfg.StatsInterval = time.Hour })
	must(t, svc.AddHook(service.Hook{Name: "h", Start: func(context.Context) error { return nil }, Stop: func(context.Context) error { return nil }}))
	must(t, svc.Go("task", blocked))
	svc.States().OnState(service.Running, func(service.Transition) {})
	before := runtime.NumGoroutine()
	for range 1000 {
		run := startAndRun(t, svc)
		stop(t, svc)
		must(t, receive(t, run))
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d at first", runtime.NumGoroutine(), before)
		}
	}
}

// TestAnIdleServiceHasNoGoroutineOfItsOwn counts those of a service that runs: the caller of Run.
func TestAnIdleServiceHasNoGoroutineOfItsOwn(t *testing.T) {
	before := runtime.NumGoroutine()
	const n = 100
	runs := make([]<-chan error, n)
	services := make([]*service.Service, n)
	for i := range n {
		services[i] = newService(t)
		runs[i] = startAndRun(t, services[i])
	}
	if got := runtime.NumGoroutine() - before; got > n+1 {
		t.Errorf("%d running services have %d goroutines", n, got)
	}
	for i := range n {
		stop(t, services[i])
		must(t, receive(t, runs[i]))
	}
}
