package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// within returns a context that fails the test's calls, instead of hanging them, when something is wrong.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// endpoints are the carriers that each behaviour is tested over: an endpoint to bind for each.
func endpoints(t testing.TB) map[string]string {
	return map[string]string{"tcp": "tcp://127.0.0.1:*", "inproc": "inproc://" + t.Name()}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
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

type closer interface{ Close() error }

func closing(t testing.TB, c closer) {
	t.Cleanup(func() { check(t, c.Close()) })
}

func newPush(t testing.TB, cfg zmq.Config) *zmq.Push {
	s := must(zmq.NewPush(cfg))(t)
	closing(t, s)
	return s
}

func newPull(t testing.TB, cfg zmq.Config) *zmq.Pull {
	s := must(zmq.NewPull(cfg))(t)
	closing(t, s)
	return s
}

func TestPushPullOrder(t *testing.T) {
	t.Parallel()
	for carrier, endpoint := range endpoints(t) {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
			at := must(pull.Bind(endpoint))(t)
			check(t, push.Connect(at))
			const n = 50_000
			sent := make(chan error, 1)
			go func() {
				for i := range n {
					if err := push.Send(ctx, fmt.Appendf(nil, "%d", i), make([]byte, i%700)); err != nil {
						sent <- err
						return
					}
				}
				sent <- nil
			}()
			for i := range n {
				m, err := pull.Recv(ctx)
				check(t, err)
				if string(m.Bytes()) != fmt.Sprint(i) || m.Len() != 2 || len(m.Frame(1)) != i%700 {
					t.Fatalf("message %d: %q of %d frames", i, m.Bytes(), m.Len())
				}
				m.Release()
			}
			check(t, <-sent)
		})
	}
}

func TestRecvContextAndClose(t *testing.T) {
	t.Parallel()
	pull := newPull(t, zmq.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pull.Recv(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := pull.Recv(context.Background())
		got <- err
	}()
	check(t, pull.Close())
	if err := <-got; !errors.Is(err, zmq.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Fatalf("closed: %v", err)
	}
}
