package service_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/service"
)

func TestMain(m *testing.M) {
	if name := childName(); name != "" {
		runChild(name)
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds what a test waits for. Nothing that works comes near it.
const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

var discard = slog.New(slog.DiscardHandler)

// newService returns a service that logs nowhere. The changes apply to its configuration.
func newService(t testing.TB, changes ...func(*service.Config)) *service.Service {
	t.Helper()
	cfg := service.Config{Name: "test", Logger: discard}
	for _, change := range changes {
		change(&cfg)
	}
	svc, err := service.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

func stopTimeout(d time.Duration) func(*service.Config) {
	return func(cfg *service.Config) { cfg.StopTimeout = d }
}

// runInBackground calls Run on a goroutine, waits until the service runs, and returns the channel of Run's error.
func runInBackground(t testing.TB, svc service.Lifecycle, states *service.StateManager) <-chan error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- svc.Run(context.Background()) }()
	if _, err := states.WaitForState(within(t), service.Running); err != nil {
		t.Fatal(err)
	}
	return result
}

// startAndRun starts svc and runs it in the background.
func startAndRun(t testing.TB, svc *service.Service) <-chan error {
	t.Helper()
	must(t, svc.Start(within(t)))
	return runInBackground(t, svc, svc.States())
}

func stop(t testing.TB, svc service.Lifecycle) service.Receipt {
	t.Helper()
	receipt, err := svc.Stop(within(t))
	must(t, err)
	return receipt
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantState(t testing.TB, svc *service.Service, want service.State) {
	t.Helper()
	if got := svc.State(); got != want {
		t.Fatalf("state is %s, want %s", got, want)
	}
}

// wantErr checks that err is target.
func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error is %v, want %v", err, target)
	}
}

// wantStateError checks that err says that method was called in state.
func wantStateError(t testing.TB, err error, method string, state service.State) {
	t.Helper()
	wantErr(t, err, service.ErrState)
	e, ok := errors.AsType[*service.StateError](err)
	if !ok || e.Method != method || e.State != state {
		t.Fatalf("error is %v, want %s refused in state %s", err, method, state)
	}
}

// receive returns what comes from a channel, or fails the test when nothing does.
func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-within(t).Done():
		t.Fatal("nothing came from the channel")
		panic("unreachable")
	}
}

// blocked returns a function that waits for its context, as a well-behaved task does.
func blocked(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// advance moves the clock of a synctest bubble and lets everything happen that is due.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
