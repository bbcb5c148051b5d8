package messaging_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// reading is a message of the usual size: some 100 bytes of JSON.
type reading struct {
	Type      messaging.MessageType `json:"type"`
	Timestamp float64               `json:"timestamp"`
	Sensor    string                `json:"sensor"`
	Sequence  int                   `json:"sequence"`
	Value     float64               `json:"value"`
}

var sample = reading{messaging.TypeEvent, 1763870000.25, "depth-camera-1", 123456, 21.5}

// BenchmarkPublishToHandler measures messages from Publish to the end of their handler, both sides in this process. The
// publisher keeps within a window, so that no message is dropped.
func BenchmarkPublishToHandler(b *testing.B) {
	for _, carrier := range carriers {
		b.Run("typed/"+carrier, func(b *testing.B) {
			publishToHandler(b, carrier, func(s *messaging.Subscriber, handled func()) error {
				return messaging.Handle(s, "sensor.depth", func(context.Context, string, reading) error { handled(); return nil })
			}, func(p *messaging.Publisher) error {
				return p.Publish(context.Background(), "sensor.depth", &sample)
			})
		})
		b.Run("raw/"+carrier, func(b *testing.B) {
			raw := []byte(`{"type":"Event","timestamp":1763870000.25,"sensor":"depth-camera-1","sequence":123456,"value":21.5}`)
			publishToHandler(b, carrier, func(s *messaging.Subscriber, handled func()) error {
				return s.HandleRaw("sensor.depth", func(context.Context, messaging.Delivery) error { handled(); return nil })
			}, func(p *messaging.Publisher) error {
				return p.PublishRaw(context.Background(), "sensor.depth", raw)
			})
		})
	}
}

func publishToHandler(
	b *testing.B, carrier string,
	handle func(*messaging.Subscriber, func()) error, publish func(*messaging.Publisher) error,
) {
	const window = 20_000
	p, _ := startPublisher(b, carrier, messaging.PublisherConfig{Config: messaging.Config{SendHWM: 2 * window}})
	s := newSubscriber(b, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
	var handled atomic.Int64
	room, done := make(chan struct{}, 2), make(chan struct{})
	check(b, handle(s, func() {
		switch n := handled.Add(1); {
		case n == int64(b.N):
			close(done)
		case n%(window/2) == 0:
			room <- struct{}{}
		}
	}))
	run(b, s)
	subscribed(b, p, "sensor.depth", 1)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%(window/2) == 0 && i >= window {
			<-room
		}
		if err := publish(p); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	if st := p.PubStats(); st.Dropped != 0 {
		b.Errorf("%d messages dropped", st.Dropped)
	}
}

// BenchmarkPushToResult measures tasks from a controller's Push to its handler of the result, through one worker.
func BenchmarkPushToResult(b *testing.B) {
	for _, carrier := range carriers {
		b.Run(carrier, func(b *testing.B) {
			c := newController(b, carrier, freeAddress("inproc")[1:])
			handled := 0
			done := make(chan struct{})
			check(b, messaging.HandleResult(c, func(context.Context, result) error {
				if handled++; handled == b.N {
					close(done)
				}
				return nil
			}))
			run(b, c)
			w := newWorker(b, workerConfig(c))
			check(b, messaging.HandleWork(w, square))
			run(b, w)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if err := c.Push(context.Background(), task{messaging.TypeTask, i}); err != nil {
					b.Fatal(err)
				}
			}
			<-done
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "task/s")
		})
	}
}

// BenchmarkIdlePublisherMemory reports the memory that a running publisher without peers takes: heap and stacks.
func BenchmarkIdlePublisherMemory(b *testing.B) {
	for b.Loop() {
		const n = 200
		before := memoryInUse()
		all := make([]*running, n)
		for i := range all {
			p := newPublisher(b, messaging.PublisherConfig{Address: freeAddress("tcp")})
			check(b, p.Start(b.Context()))
			all[i] = &running{p, make(chan error, 1)}
			go func() { all[i].done <- p.Run(context.Background()) }()
			waitRunning(b, p)
		}
		b.ReportMetric(float64(memoryInUse()-before)/n, "B/publisher")
		for _, r := range all {
			r.stop(b)
			check(b, <-r.done)
		}
	}
}

// BenchmarkStartStop measures a start, a run and a stop of an idle publisher.
func BenchmarkStartStop(b *testing.B) {
	p := newPublisher(b, messaging.PublisherConfig{Address: freeAddress("tcp")})
	for b.Loop() {
		check(b, p.Start(b.Context()))
		ran := make(chan error, 1)
		go func() { ran <- p.Run(context.Background()) }()
		if _, err := p.States().WaitForState(b.Context(), service.Running); err != nil {
			b.Fatal(err)
		}
		_, err := p.Stop(b.Context())
		check(b, err)
		check(b, <-ran)
	}
}

func memoryInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
