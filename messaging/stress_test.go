package messaging_test

import (
	"context"
	"os"
	"runtime"
	"testing"

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
				goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
				for range rounds {
					cycle(t, s)
				}
				eventually(t, "no goroutine more than at first", func() bool { return runtime.NumGoroutine() <= goroutines })
				eventually(t, "no descriptor more than at first", func() bool { return openDescriptors(t) <= descriptors })
			})
		}
	}
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

// openDescriptors counts the process's open files and sockets, 0 where the system does not tell.
func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
