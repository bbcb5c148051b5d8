package messaging_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// kinds makes one service of each kind, with all its sockets on the carrier; those that connect find nobody.
var kinds = map[string]func(t testing.TB, carrier string) service.Lifecycle{
	"Publisher": func(t testing.TB, carrier string) service.Lifecycle {
		return newPublisher(t, messaging.PublisherConfig{Address: freeAddress(carrier)})
	},
	"Subscriber": func(t testing.TB, carrier string) service.Lifecycle {
		s := newSubscriber(t, messaging.SubscriberConfig{Address: freeAddress(carrier)})
		check(t, s.HandleDefault(func(context.Context, messaging.Delivery) error { return nil }))
		return s
	},
	"Pusher": func(t testing.TB, carrier string) service.Lifecycle {
		return newPusher(t, messaging.PusherConfig{Address: freeAddress(carrier)})
	},
	"Puller": func(t testing.TB, carrier string) service.Lifecycle {
		return newPuller(t, messaging.PullerConfig{Address: freeAddress(carrier)})
	},
	"PublisherSubscriber": func(t testing.TB, carrier string) service.Lifecycle {
		return must[*messaging.PublisherSubscriber](t)(messaging.NewPublisherSubscriber(messaging.PublisherSubscriberConfig{
			Name: "both", PubAddress: freeAddress(carrier), SubAddress: freeAddress(carrier), Config: quiet,
		}))
	},
	"Controller": func(t testing.TB, carrier string) service.Lifecycle {
		return newController(t, carrier, freeAddress(carrier))
	},
	"Worker": func(t testing.TB, carrier string) service.Lifecycle {
		return newWorker(t, messaging.WorkerConfig{
			Name: "worker", SubAddress: freeAddress(carrier), PullAddress: freeAddress(carrier), PushAddress: freeAddress(carrier),
			Config: quiet,
		})
	},
}

// TestManyStartsAndStopsLeaveNothing is not parallel: it counts what the whole process holds.
func TestManyStartsAndStopsLeaveNothing(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 50
	}
	for name, build := range kinds {
		for _, carrier := range carriers {
			t.Run(name+"/"+carrier, func(t *testing.T) {
				s := build(t, carrier)
				cycle(t, s) // what is made once is not a leak
				goroutines, sockets := runtime.NumGoroutine(), openSockets(t)
				for range rounds {
					cycle(t, s)
				}
				eventually(t, "no goroutine more than at first", func() bool { return runtime.NumGoroutine() <= goroutines })
				eventually(t, "no socket more than at first", func() bool { return openSockets(t) <= sockets })
			})
		}
	}
}

// TestWorkerComesAndGoesOften starts and stops a worker of a controller that goes on: what connections hold must end with
// them, on both sides.
func TestWorkerComesAndGoesOften(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 50
	}
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			c := newController(t, carrier, freeAddress("inproc")[1:])
			results := make(chan result, 1)
			check(t, messaging.HandleResult(c, func(_ context.Context, r result) error { results <- r; return nil }))
			run(t, c)
			w := newWorker(t, workerConfig(c))
			check(t, messaging.HandleWork(w, square))
			round := func(i int) {
				check(t, w.Start(t.Context()))
				ran := make(chan error, 1)
				go func() { ran <- w.Run(context.Background()) }()
				check(t, c.Push(testContext(t), task{ID: i}))
				receive(t, results)
				_, err := w.Stop(t.Context())
				check(t, err)
				check(t, <-ran)
				eventually(t, "worker gone", func() bool { return c.PushStats().Peers+c.PullStats().Peers+c.PubStats().Peers == 0 })
			}
			round(0)
			goroutines, sockets := runtime.NumGoroutine(), openSockets(t)
			for i := range rounds {
				round(i)
			}
			eventually(t, "no goroutine more than at first", func() bool { return runtime.NumGoroutine() <= goroutines })
			eventually(t, "no socket more than at first", func() bool { return openSockets(t) <= sockets })
		})
	}
}

// TestUseDuringStartsAndStops publishes, pushes and registers handlers from many goroutines while the services are started
// and stopped: each call succeeds, or says that the service is not open.
func TestUseDuringStartsAndStops(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		c := newController(t, carrier, freeAddress("inproc")[1:])
		check(t, messaging.HandleResult(c, func(context.Context, event) error { return nil }))
		done := make(chan struct{})
		var users sync.WaitGroup
		use := func(fn func(i int) error) {
			users.Go(func() {
				pace := time.NewTicker(50 * time.Microsecond) // leaves the services some time of the processors
				defer pace.Stop()
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					case <-pace.C:
					}
					err := fn(i)
					if err != nil && !errors.Is(err, service.ErrState) && !errors.Is(err, service.ErrStopped) &&
						!errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error %v", err)
						return
					}
				}
			})
		}
		for range 3 {
			use(func(i int) error { return c.Publish(t.Context(), "t", event{N: i}) })
			use(func(i int) error {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				return c.Push(ctx, event{N: i})
			})
			use(func(int) error { c.PubAddresses(); c.PushStats(); c.PullStats(); c.SubStats(); return nil })
		}
		use(func(i int) error {
			if i > 100 {
				return nil
			}
			return c.HandleRaw("t"+strconv.Itoa(i), func(context.Context, messaging.Delivery) error { return nil })
		})
		for range 50 {
			cycle(t, c)
		}
		close(done)
		users.Wait()
	})
}

func cycle(t *testing.T, s service.Lifecycle) {
	check(t, s.Start(t.Context()))
	ran := make(chan error, 1)
	go func() { ran <- s.Run(context.Background()) }()
	waitRunning(t, s)
	_, err := s.Stop(t.Context())
	check(t, err)
	check(t, <-ran)
}

// openSockets counts the process's connections and listeners; 0 if the system does not tell. Other descriptors come and go
// with the runtime, and with an emulator.
func openSockets(t *testing.T) (n int) {
	t.Helper()
	const all = "/proc/self/fd/"
	entries, err := os.ReadDir(all)
	if err != nil {
		return 0
	}
	for _, fd := range entries {
		if is, err := os.Readlink(all + fd.Name()); err == nil && strings.HasPrefix(is, "socket:") {
			n++
		}
	}
	return n
}
