package servicetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/service"
)

// Patience is how long the functions wait for what should happen soon.
const Patience = 30 * time.Second

// Service is what the functions need: a *service.Service, or a type that embeds one.
type Service interface {
	service.Lifecycle
	Name() string
	States() *service.StateManager
}

var _ Service = (*service.Service)(nil)

// Run is a call of a service's Run on a goroutine of its own.
type Run struct {
	t    testing.TB
	svc  Service
	done chan struct{}
	err  error // valid when done is closed
	seen bool  // the test has taken err
}

// Start starts svc, calls its Run on a goroutine, and waits until it is running. When the test ends, svc is stopped and
// the stop must be clean, as [Stop] has it, and Run must have returned nil; unless the test has called [Run.Wait].
func Start(t testing.TB, svc Service) *Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := svc.Start(ctx); err != nil {
		t.Fatalf("start %s: %v", svc.Name(), err)
	}
	r := &Run{t: t, svc: svc, done: make(chan struct{})}
	running := svc.States().ObserveStateChange(service.Running)
	defer running.Close()
	go func() {
		defer close(r.done)
		r.err = svc.Run(context.WithoutCancel(ctx))
	}()
	t.Cleanup(r.finish)
	if _, err := running.Wait(ctx); err != nil {
		t.Fatalf("run %s: %v", svc.Name(), err)
	}
	return r
}

// Done returns a channel that is closed when Run has returned.
func (r *Run) Done() <-chan struct{} { return r.done }

// Wait waits until Run returns, without stopping the service, and returns its error. It is for tests that expect the
// service to end: the error is the test's business then.
func (r *Run) Wait() error {
	r.t.Helper()
	r.seen = true
	r.await()
	return r.err
}

func (r *Run) await() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	select {
	case <-r.done:
	case <-ctx.Done():
		r.t.Fatalf("%s: Run has not returned; the state is %s", r.svc.Name(), r.svc.States().State())
	}
}

// finish is the end of the test.
func (r *Run) finish() {
	r.t.Helper()
	_, err := stop(r.svc)
	if err != nil {
		r.t.Errorf("stop %s: %v", r.svc.Name(), err)
	}
	r.await()
	if !r.seen && r.err != nil && (err == nil || !errors.Is(r.err, err)) {
		r.t.Errorf("run %s: %v", r.svc.Name(), r.err)
	}
}

// Stop stops svc and returns the receipt. The stop must be clean: without an error, and with no task left behind.
func Stop(t testing.TB, svc Service) service.Receipt {
	t.Helper()
	receipt, err := stop(svc)
	if err != nil {
		t.Errorf("stop %s: %v", svc.Name(), err)
	}
	return receipt
}

// AssertClean checks that svc has been stopped, and cleanly, without stopping it.
func AssertClean(t testing.TB, svc Service) {
	t.Helper()
	if state := svc.States().State(); state != service.Stopped {
		t.Errorf("%s: the state is %s, want stopped", svc.Name(), state)
		return
	}
	Stop(t, svc) // returns what the stop returned
}

func stop(svc Service) (service.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return svc.Stop(ctx)
}

// WaitState waits until svc is in one of states, or has been since the call, and returns which.
func WaitState(t testing.TB, svc Service, states ...service.State) service.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	state, err := svc.States().WaitForState(ctx, states...)
	if err != nil {
		t.Fatalf("%s: %v", svc.Name(), err)
	}
	return state
}

// Observe begins to observe transitions of svc into states, or into any. The function it returns waits for the next one
// that has come since, however long ago.
func Observe(t testing.TB, svc Service, states ...service.State) (next func() service.Transition) {
	t.Helper()
	observation := svc.States().ObserveStateChange(states...)
	return func() service.Transition {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		transition, err := observation.Wait(ctx)
		if err != nil {
			t.Fatalf("%s is %s: %v", svc.Name(), svc.States().State(), err)
		}
		return transition
	}
}

// NoLeaks fails the test if, at its end, a goroutine is alive that was not when NoLeaks was called. Call it first, so
// that it looks last. It cannot tell whose a goroutine is: a test that runs in parallel with others cannot use it.
func NoLeaks(t testing.TB) {
	t.Helper()
	current := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, current) })
}
