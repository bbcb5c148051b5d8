package servicetest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/servicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newService(t testing.TB, name string) *service.Service {
	t.Helper()
	svc, err := service.New(service.Config{Name: name, Logger: slog.New(slog.DiscardHandler), StopTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

func task(t testing.TB, svc *service.Service, fn func(ctx context.Context) error) {
	t.Helper()
	if err := svc.Go("task", fn); err != nil {
		t.Fatal(err)
	}
}

// fakeTest is a test that may fail without failing the one that it is a part of.
type fakeTest struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (f *fakeTest) Helper()           {}
func (f *fakeTest) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }

func (f *fakeTest) Errorf(format string, args ...any) {
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}

func (f *fakeTest) Error(args ...any) { f.Errorf("%s", fmt.Sprint(args...)) }

func (f *fakeTest) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(f)
}

// run runs body as a test of its own, cleanups included, and returns its failures, one a line.
func run(t testing.TB, body func(t testing.TB)) string {
	f := &fakeTest{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != any(f) {
				panic(r)
			}
		}()
		body(f)
	}()
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
	return strings.Join(f.failures, "\n")
}

func TestStartRunsAndStops(t *testing.T) {
	t.Parallel()
	svc := newService(t, "good")
	failures := run(t, func(t testing.TB) {
		servicetest.Start(t, svc)
		if svc.State() != service.Running {
			t.Errorf("state is %s", svc.State())
		}
	})
	if failures != "" || svc.State() != service.Stopped {
		t.Errorf("%s, failures: %s", svc.State(), failures)
	}
	servicetest.AssertClean(t, svc)
}

// TestWhatIsNotCleanFails has a test do what each function is to find.
func TestWhatIsNotCleanFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken lens")
	hang := func(hold chan struct{}) func(context.Context) error {
		return func(context.Context) error { <-hold; return nil }
	}
	cases := map[string]struct {
		body func(t testing.TB, svc *service.Service, hold chan struct{})
		want string
	}{
		"failing start": {func(t testing.TB, svc *service.Service, _ chan struct{}) {
			_ = svc.AddHook(service.Hook{Name: "h", Start: func(context.Context) error { return broken }})
			servicetest.Start(t, svc)
		}, "start svc: service svc: start hook h: broken lens"},
		"failing run": {func(t testing.TB, svc *service.Service, _ chan struct{}) {
			task(t, svc, func(context.Context) error { return broken })
			<-servicetest.Start(t, svc).Done()
		}, "run svc: service svc: task task: broken lens"},
		"failing stop": {func(t testing.TB, svc *service.Service, _ chan struct{}) {
			_ = svc.AddHook(service.Hook{Name: "h", Stop: func(context.Context) error { return broken }})
			servicetest.Start(t, svc)
		}, "stop svc: service svc: stop hook h: broken lens"},
		"hanging task": {func(t testing.TB, svc *service.Service, hold chan struct{}) {
			task(t, svc, hang(hold))
			servicetest.Start(t, svc)
		}, "stop svc: service svc: stop: context deadline exceeded; tasks still running: task"},
		"stop": {func(t testing.TB, svc *service.Service, hold chan struct{}) {
			task(t, svc, hang(hold))
			run := servicetest.Start(t, svc)
			servicetest.Stop(t, svc)
			_ = run.Wait()
		}, "stop svc: service svc: stop: context deadline exceeded; tasks still running: task"},
		"not stopped": {func(t testing.TB, svc *service.Service, _ chan struct{}) {
			servicetest.Start(t, svc)
			servicetest.AssertClean(t, svc)
		}, "svc: the state is running, want stopped"},
		"endless run": {func(t testing.TB, svc *service.Service, _ chan struct{}) {
			_ = servicetest.Start(t, svc).Wait()
		}, "svc: Run has not returned; the state is running"},
		"state that does not come": {func(t testing.TB, svc *service.Service, _ chan struct{}) {
			servicetest.WaitState(t, svc, service.Running)
		}, "svc: wait for state [running]: the state is initialized: context deadline exceeded"},
		"transition that does not come": {func(t testing.TB, svc *service.Service, _ chan struct{}) {
			servicetest.Observe(t, svc, service.Running)()
		}, "svc is initialized: observe state [running]: context deadline exceeded"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hold := make(chan struct{})
				defer close(hold)
				svc := newService(t, "svc")
				got := run(t, func(t testing.TB) { tc.body(t, svc, hold) })
				if first, _, _ := strings.Cut(got, "\n"); first != tc.want {
					t.Errorf("failures:\n%s\nwant:\n%s", got, tc.want)
				}
			})
		})
	}
}

func TestAnExpectedEndIsNoFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken lens")
	svc := newService(t, "svc")
	begin := make(chan struct{})
	task(t, svc, func(context.Context) error { <-begin; return broken })
	run := servicetest.Start(t, svc)
	next := servicetest.Observe(t, svc)
	close(begin)
	if err := run.Wait(); !errors.Is(err, broken) {
		t.Errorf("Run returned %v", err)
	}
	<-run.Done()
	if a, b := next(), next(); a.To != service.Stopping || !errors.Is(a.Cause, broken) || b.To != service.Stopped {
		t.Errorf("observed %v, %v", a, b)
	}
}

func TestInsideABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, "svc")
		slept := false
		task(t, svc, func(ctx context.Context) error { slept = svc.Sleep(ctx, time.Hour); return nil })
		run := servicetest.Start(t, svc)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		servicetest.Stop(t, svc)
		if err := run.Wait(); err != nil || !slept {
			t.Errorf("Run returned %v, slept: %v", err, slept)
		}
	})
}

func TestNoLeaks(t *testing.T) {
	hold := make(chan struct{})
	begun := make(chan struct{})
	leak := func() { close(begun); <-hold }
	go leak() // before: does not count
	<-begun
	if failures := run(t, func(t testing.TB) { servicetest.NoLeaks(t) }); failures != "" {
		t.Errorf("failures: %s", failures)
	}
	begun = make(chan struct{})
	failures := run(t, func(t testing.TB) {
		servicetest.NoLeaks(t)
		go leak()
		<-begun
	})
	if !strings.Contains(failures, "TestNoLeaks") {
		t.Errorf("failures: %q", failures)
	}
	close(hold)
}

func TestFleet(t *testing.T) {
	t.Parallel()
	var stops []string
	failures := run(t, func(t testing.TB) {
		fleet, other := servicetest.NewFleet(t), servicetest.NewFleet(t)
		if a := fleet.Address("tasks"); a != fleet.Address("tasks") || a == fleet.Address("results") || a == other.Address("tasks") ||
			!strings.HasPrefix(a, "inproc://") || !strings.HasSuffix(a, "/tasks") {
			t.Errorf("addresses: %s, %s", a, other.Address("tasks"))
		}
		member := func(name string) *service.Service {
			svc := newService(t, name)
			_ = svc.AddHook(service.Hook{Name: "h", Stop: func(context.Context) error {
				stops = append(stops, name)
				return nil
			}})
			return svc
		}
		fleet.Start(member("a"), member("b"))
		fleet.Stop()
		fleet.Start(member("c"))
		fleet.Start(member("d"))
	})
	if failures != "" {
		t.Error(failures)
	}
	if got := strings.Join(stops, ""); got != "badc" {
		t.Errorf("stopped in the order %s", got)
	}
}
