package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

func TestPushPullOrder(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		ctx := within(t)
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		check(t, push.Connect(bind(t, pull, endpoint)))
		const n = 20_000
		sent := inBackground(func() error {
			for i := range n {
				if err := push.Send(ctx, fmt.Appendf(nil, "%d", i), make([]byte, i%700)); err != nil {
					return err
				}
			}
			return nil
		})
		for i := range n {
			m, err := pull.Recv(ctx)
			check(t, err)
			if string(m.Bytes()) != fmt.Sprint(i) || m.Len() != 2 || len(m.Frame(1)) != i%700 {
				t.Fatalf("message %d: %q of %d frames", i, m.Bytes(), m.Len())
			}
			m.Release()
		}
		check(t, <-sent)
		if st := settled(t, push); st.MessagesSent != n || st.Dropped != 0 {
			t.Errorf("sender's statistics: %+v", st)
		}
		if st := pull.Stats(); st.MessagesReceived != n || st.BytesReceived != push.Stats().BytesSent {
			t.Errorf("receiver's statistics: %+v", st)
		}
	})
}

// The peers take turns, and no message goes to two of them (RFC 30; go-zeromq/zmq4 sent each to all).
func TestPushTakesTurns(t *testing.T) {
	t.Parallel()
	for _, binds := range []string{"PUSH", "PULL"} {
		t.Run(binds+" binds", func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				const each, peers = 100, 3
				push := newPush(t, zmq.Config{})
				var pulls []*zmq.Pull
				for i := range peers {
					pulls = append(pulls, newPull(t, zmq.Config{}))
					if binds == "PULL" {
						check(t, push.Connect(bind(t, pulls[i], numbered(endpoint, i))))
					}
				}
				if binds == "PUSH" {
					at := bind(t, push, endpoint)
					for _, pull := range pulls {
						check(t, pull.Connect(at))
					}
				}
				check(t, push.WaitPeers(within(t), peers))
				for i := range each * peers {
					send(t, push, fmt.Sprint(i))
				}
				seen := map[string]bool{}
				for _, pull := range pulls {
					for range each {
						m := recv(t, pull)
						if seen[m] {
							t.Errorf("message %s came twice", m)
						}
						seen[m] = true
					}
					if m, err := pull.Recv(ended()); err == nil {
						t.Errorf("a peer got more than its share: %q", text(m))
					}
				}
			})
		})
	}
}

// numbered is endpoint for the i-th of several sockets.
func numbered(endpoint string, i int) string {
	if strings.HasSuffix(endpoint, "*") {
		return endpoint
	}
	return fmt.Sprint(endpoint, "-", i)
}

// PULL takes one message from each peer in turn, however many one of them has sent before (RFC 30).
func TestPullQueuesFairly(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		const peers, each = 3, 50
		pull := newPull(t, zmq.Config{})
		at := bind(t, pull, endpoint)
		for i := range peers {
			push := newPush(t, zmq.Config{})
			check(t, push.Connect(at))
			for range each {
				send(t, push, fmt.Sprint(i))
			}
			check(t, push.Shutdown(within(t)))
		}
		// A connection that was read to its end has delivered everything.
		eventually(t, "the pushers are gone", func() bool { return pull.Stats().Peers == 0 })
		checkTurns(t, pull, peers, each)
	})
}

// checkTurns receives what each of some peers has sent, all of which must have arrived.
func checkTurns(t *testing.T, s receiver, peers, each int) {
	t.Helper()
	for round := range each {
		seen := map[string]bool{}
		for range peers {
			m := recv(t, s)
			if seen[m] {
				t.Fatalf("round %d: peer %s had two turns", round, m)
			}
			seen[m] = true
		}
	}
}

// Any number of goroutines may send and receive at once: nothing is lost or doubled.
func TestManyGoroutines(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		ctx := within(t)
		const goroutines, each = 8, 1000
		pull, push := newPull(t, zmq.Config{RecvHWM: 10}), newPush(t, zmq.Config{SendHWM: 10})
		check(t, push.Connect(bind(t, pull, endpoint)))
		var wg sync.WaitGroup
		var left atomic.Int64
		left.Store(goroutines * each)
		rctx, stop := context.WithCancel(ctx)
		defer stop()
		var seen sync.Map
		for g := range goroutines {
			wg.Go(func() {
				for i := range each {
					if err := push.Send(ctx, fmt.Appendf(nil, "%d", g*each+i)); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				last := map[int]int{}
				for {
					m, err := pull.Recv(rctx)
					if err != nil {
						if !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
						return
					}
					n, err := strconv.Atoi(text(m))
					if err != nil {
						t.Error(err)
					}
					if _, doubled := seen.LoadOrStore(n, true); doubled {
						t.Errorf("message %d came twice", n)
					}
					if before, ok := last[n/each]; ok && before > n {
						t.Errorf("message %d of a goroutine came after %d", n, before)
					}
					last[n/each] = n
					if left.Add(-1) == 0 {
						stop()
					}
				}
			})
		}
		wg.Wait()
		if n := left.Load(); n != 0 {
			t.Errorf("%d messages are missing", n)
		}
	})
}

func TestSendNothing(t *testing.T) {
	t.Parallel()
	for _, s := range []sender{newPush(t, zmq.Config{}), newPub(t, zmq.Config{})} {
		if err := s.Send(t.Context()); err == nil {
			t.Errorf("%T: a message without frames was accepted", s)
		}
	}
}

// The empty frame is a message like any other, alone, first or last.
func TestEmptyFrames(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		for _, frames := range [][]string{{""}, {"", ""}, {"", "x"}, {"x", ""}, {"", "x", ""}} {
			send(t, push, frames...)
			m, err := pull.Recv(within(t))
			check(t, err)
			if m.Len() != len(frames) {
				t.Errorf("%q arrived with %d frames", frames, m.Len())
			}
			for i, f := range frames {
				if got := m.Frame(i); string(got) != f || got == nil {
					t.Errorf("%q: frame %d is %q (nil: %v)", frames, i, got, got == nil)
				}
			}
		}
	})
}

// Send never keeps the caller's memory.
func TestSendCopies(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		check(t, push.Connect(bind(t, pull, endpoint)))
		for _, size := range []int{1, 1 << 10, 1 << 20} {
			b := make([]byte, size)
			check(t, push.Send(within(t), b))
			b[0] = 1
			m, err := pull.Recv(within(t))
			check(t, err)
			if m.Bytes()[0] != 0 || len(m.Bytes()) != size {
				t.Errorf("a message of %d bytes was changed after Send", size)
			}
			m.Release()
		}
	})
}
