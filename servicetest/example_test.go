package servicetest_test

import (
	"context"
	"testing"

	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/servicetest"
)

// TestLifecycle is the pattern for the test of a service.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	svc := newService(t, "test-service") // the service to test

	// Start it, and wait until it is running.
	run := servicetest.Start(t, svc)

	// Test what it does here.

	// Stop it, and see it stop.
	stopped := servicetest.Observe(t, svc, service.Stopped)
	servicetest.Stop(t, svc)
	stopped()
	if err := run.Wait(); err != nil {
		t.Error(err)
	}
}

// The pattern for the test of a service. NoLeaks comes first, so that it looks last; Start stops the service at the end
// of the test, and fails the test if that is not clean.
func Example() {
	_ = func(t *testing.T) {
		servicetest.NoLeaks(t)
		svc, err := service.New(service.Config{Name: "test-service"})
		if err != nil {
			t.Fatal(err)
		}
		servicetest.Start(t, svc)

		// Test what it does here.

		stopped := servicetest.Observe(t, svc, service.Stopped)
		servicetest.Stop(t, svc)
		stopped()
	}
}

// Several services in one process. Each test has a fleet with addresses of its own, so that tests can run in parallel.
func ExampleFleet() {
	_ = func(t *testing.T) {
		fleet := servicetest.NewFleet(t)
		tasks := fleet.Address("tasks") // for the configuration of both

		controller, err := service.New(service.Config{Name: "controller of " + tasks})
		if err != nil {
			t.Fatal(err)
		}
		worker, err := service.New(service.Config{Name: "worker of " + tasks})
		if err != nil {
			t.Fatal(err)
		}
		fleet.Start(controller, worker) // running now; stopped in reverse at the end of the test
	}
}

// A service that is expected to fail: its error is the test's business once the test has asked for it.
func ExampleRun_Wait() {
	_ = func(t *testing.T) {
		svc, err := service.New(service.Config{Name: "fuse"})
		if err != nil {
			t.Fatal(err)
		}
		run := servicetest.Start(t, svc)
		svc.RecordFatal(context.DeadlineExceeded)
		if run.Wait() == nil {
			t.Error("the fuse has not blown")
		}
	}
}
