package zmq_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

var benchSizes = []int{16, 64, 1 << 10, 64 << 10}

// overEachSize runs a benchmark over each carrier, with messages of each size.
func overEachSize(b *testing.B, bench func(b *testing.B, endpoint string, body []byte)) {
	for _, carrier := range []string{"tcp", "inproc"} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%s/%dB", carrier, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				bench(b, endpoints(b)[carrier], make([]byte, size))
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			})
		}
	}
}

// BenchmarkPushPull sends from one goroutine to another, which receives every message.
func BenchmarkPushPull(b *testing.B) {
	overEachSize(b, func(b *testing.B, endpoint string, body []byte) {
		ctx := context.Background()
		pull, push := newPull(b, zmq.Config{}), newPush(b, zmq.Config{})
		pair(b, pull, push, endpoint)
		b.ResetTimer()
		go func() {
			for range b.N {
				if push.Send(ctx, body) != nil {
					return
				}
			}
		}()
		receiveAll(b, pull)
	})
}

// BenchmarkRequestOneProcessor has one goroutine ask and another answer, which share a processor: whoever waits must not keep it.
func BenchmarkRequestOneProcessor(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	req, rep := must(zmq.NewReq(zmq.Config{}))(b), must(zmq.NewRep(zmq.Config{}))(b)
	pair(b, rep, req, wildcard)
	ctx := context.Background()
	answering := inBackground(func() error {
		for {
			m, err := rep.Recv(ctx)
			if err != nil {
				return err
			}
			m.Release()
			if err := rep.Send(ctx, []byte("answer")); err != nil {
				return err
			}
		}
	})
	for b.Loop() {
		check(b, req.Send(ctx, []byte("question")))
		m, err := req.Recv(ctx)
		check(b, err)
		m.Release()
	}
	check(b, req.Close())
	check(b, rep.Close())
	isClosed(b, await(b, "the end of answering", answering))
}

// BenchmarkPubSub publishes to one subscriber, which receives every message: it tells the publisher when it has received
// half of what may be under way, so that nothing is dropped.
func BenchmarkPubSub(b *testing.B) {
	overEachSize(b, func(b *testing.B, endpoint string, body []byte) {
		ctx := context.Background()
		const credit = 1000 // the high-water mark
		pub, sub := newPub(b, zmq.Config{}), newSub(b, zmq.Config{}, "")
		pair(b, pub, sub, endpoint)
		check(b, pub.WaitSubscribers(within(b), "", 1))
		paid := make(chan struct{}, b.N/(credit/2)+2)
		paid <- struct{}{}
		paid <- struct{}{}
		b.ResetTimer()
		go func() {
			for i := range b.N {
				if i%(credit/2) == 0 {
					<-paid
				}
				if pub.Send(ctx, body) != nil {
					return
				}
			}
		}()
		for i := range b.N {
			m, err := sub.Recv(ctx)
			if err != nil {
				b.Fatal(err)
			}
			m.Release()
			if (i+1)%(credit/2) == 0 {
				paid <- struct{}{}
			}
		}
		b.StopTimer()
		if dropped := pub.Stats().Dropped; dropped > 0 {
			b.Errorf("%d messages were dropped", dropped)
		}
	})
}

// receiveAll receives b.N messages, and stops the clock.
func receiveAll(b *testing.B, r receiver) {
	ctx := context.Background()
	for range b.N {
		m, err := r.Recv(ctx)
		if err != nil {
			b.Fatal(err)
		}
		m.Release()
	}
	b.StopTimer()
}

// BenchmarkOpenClose makes a connected pair of sockets, and closes it.
func BenchmarkOpenClose(b *testing.B) {
	for _, carrier := range []string{"tcp", "inproc"} {
		b.Run(carrier, func(b *testing.B) {
			for range b.N {
				pull, push := must(zmq.NewPull(zmq.Config{}))(b), must(zmq.NewPush(zmq.Config{}))(b)
				pair(b, pull, push, endpoints(b)[carrier])
				check(b, push.Close())
				check(b, pull.Close())
			}
		})
	}
}
