package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// Every call that waits ends with its context, also where it would not have to wait.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{})
		calls := map[string]func(context.Context) error{
			"send":                 func(ctx context.Context) error { return push.Send(ctx, nil) },
			"wait for peers":       func(ctx context.Context) error { return push.WaitPeers(ctx, 2) },
			"wait for subscribers": func(ctx context.Context) error { return pub.WaitSubscribers(ctx, "", 1) },
			"pull": func(ctx context.Context) error {
				_, err := pull.Recv(ctx)
				return err
			},
			"sub": func(ctx context.Context) error {
				_, err := sub.Recv(ctx)
				return err
			},
		}
		for name, call := range calls {
			if err := call(ended()); !errors.Is(err, context.Canceled) {
				t.Errorf("%s with a context that has ended: %v", name, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s with a deadline: %v", name, err)
			}
			cancel()
			ctx, cancel = context.WithCancel(t.Context())
			waiting := inBackground(func() error { return call(ctx) })
			cancel()
			if err := await(t, "the end of "+name, waiting); !errors.Is(err, context.Canceled) {
				t.Errorf("%s that was cancelled: %v", name, err)
			}
		}
		pair(t, pull, push, endpoint)
		for _, s := range []sender{push, pub} {
			if err := s.Send(ended(), []byte("x")); !errors.Is(err, context.Canceled) {
				t.Errorf("%T with room: %v", s, err)
			}
		}
		send(t, push, "y")
		if _, err := pull.Recv(ended()); !errors.Is(err, context.Canceled) {
			t.Errorf("a message is there: %v", err)
		}
		expect(t, pull, "y") // and x was not sent
	})
}

// Receivers that give up take no message along, and no other's turn.
func TestReceiversGiveUp(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		const n = 2000
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		var received atomic.Int64
		all, stop := context.WithCancel(within(t))
		defer stop()
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for all.Err() == nil {
					ctx, cancel := context.WithTimeout(all, time.Duration(g)*50*time.Microsecond)
					m, err := pull.Recv(ctx)
					cancel()
					if err != nil {
						continue
					}
					m.Release()
					if received.Add(1) == n {
						stop()
					}
				}
			})
		}
		for i := range n {
			send(t, push, fmt.Sprint(i))
		}
		wg.Wait()
		if got := received.Load(); got != n {
			t.Errorf("%d messages received, want %d", got, n)
		}
	})
}

// A receiver that is woken and gives up at the same moment leaves the message to another that waits.
func TestReceiverGivesUpWoken(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		receive := func(ctx context.Context) func() error {
			return func() error {
				m, err := pull.Recv(ctx)
				m.Release()
				return err
			}
		}
		for range 1000 {
			ctx, giveUp := context.WithCancel(within(t))
			one := inBackground(receive(ctx))
			other := inBackground(receive(within(t)))
			letThemWait()
			go giveUp()
			send(t, push, "x")
			if await(t, "the one", one) == nil {
				send(t, push, "y")
			}
			check(t, await(t, "the other", other))
		}
	})
}

// Every receiver that waits is woken when there is a message for each, though each takes only one.
func TestEveryReceiverIsWoken(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		for range 200 {
			var receivers []<-chan error
			for range 4 {
				receivers = append(receivers, inBackground(func() error {
					m, err := pull.Recv(within(t))
					m.Release()
					return err
				}))
			}
			letThemWait()
			for range receivers {
				send(t, push, "x")
			}
			for _, received := range receivers {
				check(t, await(t, "a receiver", received))
			}
		}
	})
}

// letThemWait gives goroutines that were just started the time to wait in their calls, most of the times.
func letThemWait() {
	for range 100 {
		runtime.Gosched()
	}
}

func TestWaitPeers(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push := newPush(t, zmq.Config{})
		at := bind(t, push, endpoint)
		check(t, push.WaitPeers(ended(), 0))
		pulls := []*zmq.Pull{newPull(t, zmq.Config{}), newPull(t, zmq.Config{})}
		for i, pull := range pulls {
			if err := push.WaitPeers(ended(), i+1); !errors.Is(err, context.Canceled) {
				t.Errorf("%d peers are not there yet: %v", i+1, err)
			}
			waiting := inBackground(func() error { return push.WaitPeers(within(t), i+1) })
			check(t, pull.Connect(at))
			check(t, await(t, "the end of the wait", waiting))
			check(t, push.WaitPeers(ended(), i+1))
		}
		check(t, pulls[0].Close())
		eventually(t, "one is gone", func() bool { return push.WaitPeers(ended(), 2) != nil })
		check(t, push.WaitPeers(ended(), 1))
	})
}
