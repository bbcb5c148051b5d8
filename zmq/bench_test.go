package zmq_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

var benchSizes = []int{16, 64, 1 << 10, 64 << 10}

func BenchmarkPushPull(b *testing.B) {
	for carrier, endpoint := range map[string]string{"tcp": "tcp://127.0.0.1:*", "inproc": "inproc://bench"} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%s/%dB", carrier, size), func(b *testing.B) {
				ctx := context.Background()
				pull, push := newPull(b, zmq.Config{}), newPush(b, zmq.Config{})
				check(b, push.Connect(must(pull.Bind(endpoint))(b)))
				body := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				go func() {
					for range b.N {
						if push.Send(ctx, body) != nil {
							return
						}
					}
				}()
				for range b.N {
					m, err := pull.Recv(ctx)
					if err != nil {
						b.Fatal(err)
					}
					m.Release()
				}
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			})
		}
	}
}
