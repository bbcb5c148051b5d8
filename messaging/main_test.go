package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests: it is reached only where something is broken.
const patience = 20 * time.Second

// carriers are the schemes that every kind of service is tested over.
var carriers = []string{"inproc", "tcp"}

var names atomic.Int64

// freeAddress returns an address to bind that nobody else has.
func freeAddress(carrier string) string {
	if carrier == "tcp" {
		return "tcp://127.0.0.1:*"
	}
	return fmt.Sprintf("@%s://test-%d", carrier, names.Add(1))
}

// overCarriers runs a test over each carrier.
func overCarriers(t *testing.T, test func(t *testing.T, carrier string)) {
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			test(t, carrier)
		})
	}
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// quiet is a configuration without log.
var quiet = messaging.Config{Service: service.Config{Logger: slog.New(slog.DiscardHandler)}}

// running is a service that is running in a test.
type running struct {
	service.Lifecycle
	done chan error // receives what Run returned
}

// run starts and runs a service, and stops it when the test ends.
func run(t testing.TB, s service.Lifecycle) *running {
	t.Helper()
	if err := s.Start(testContext(t)); err != nil {
		t.Fatalf("Start: %v", err)
	}
	r := &running{s, make(chan error, 1)}
	go func() { r.done <- s.Run(context.Background()) }()
	waitRunning(t, s)
	t.Cleanup(func() {
		if _, err := s.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if err := <-r.done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

func waitRunning(t testing.TB, s service.Lifecycle) {
	t.Helper()
	states := s.(interface{ States() *service.StateManager }).States()
	if _, err := states.WaitForState(testContext(t), service.Running); err != nil {
		t.Fatalf("wait for running: %v", err)
	}
}

// stop stops a service before the test ends, and returns its receipt.
func (r *running) stop(t testing.TB) service.Receipt {
	t.Helper()
	receipt, err := r.Stop(testContext(t))
	if err != nil {
		t.Fatalf("Stop: %v", err)
	}
	return receipt
}

// must returns the value, or ends the test.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// receive returns the next value of a channel.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came in %v", patience)
		panic("unreachable")
	}
}

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// wantError checks that an error is the target, and that its text has all of the words.
func wantError(t testing.TB, err, target error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if target != nil && !errors.Is(err, target) {
		t.Errorf("error %q is not %q", err, target)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// event is the message of most tests.
type event struct {
	Type messaging.MessageType `json:"type,omitzero"`
	N    int                   `json:"n"`
	Text string                `json:"text,omitzero"`
}

func newPublisher(t testing.TB, cfg messaging.PublisherConfig) *messaging.Publisher {
	t.Helper()
	cfg.Name = "pub"
	cfg.Service.Logger = quiet.Service.Logger
	return must[*messaging.Publisher](t)(messaging.NewPublisher(cfg))
}

func newSubscriber(t testing.TB, cfg messaging.SubscriberConfig) *messaging.Subscriber {
	t.Helper()
	cfg.Name = "sub"
	cfg.Service.Logger = quiet.Service.Logger
	return must[*messaging.Subscriber](t)(messaging.NewSubscriber(cfg))
}

func newPusher(t testing.TB, cfg messaging.PusherConfig) *messaging.Pusher {
	t.Helper()
	cfg.Name = "push"
	cfg.Service.Logger = quiet.Service.Logger
	return must[*messaging.Pusher](t)(messaging.NewPusher(cfg))
}

func newPuller(t testing.TB, cfg messaging.PullerConfig) *messaging.Puller {
	t.Helper()
	cfg.Name = "pull"
	cfg.Service.Logger = quiet.Service.Logger
	return must[*messaging.Puller](t)(messaging.NewPuller(cfg))
}
