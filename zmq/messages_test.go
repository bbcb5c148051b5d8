package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// looping is a socket whose messages can be received in a loop.
type looping interface {
	receiver
	Messages(ctx context.Context) iter.Seq2[zmq.Message, error]
}

var (
	_ looping = (*zmq.Pull)(nil)
	_ looping = (*zmq.Sub)(nil)
	_ looping = (*zmq.XSub)(nil)
	_ looping = (*zmq.Dealer)(nil)
	_ looping = (*zmq.Router)(nil)
	_ looping = (*zmq.Pair)(nil)
)

// some receives up to n messages in one loop.
func some(t testing.TB, s looping, n int) (got []string) {
	t.Helper()
	for m, err := range s.Messages(within(t)) {
		check(t, err)
		if got = append(got, text(m)); len(got) == n {
			break
		}
	}
	return got
}

// sendNumbers sends n messages in the background.
func sendNumbers(t *testing.T, push *zmq.Push, n int) <-chan error {
	ctx := within(t)
	return inBackground(func() error {
		for i := range n {
			if err := push.Send(ctx, fmt.Append(nil, i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Loops that end early, and calls of Recv between them, receive every message, in its order.
func TestMessagesInOrder(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		const messages = 5000
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		check(t, push.Connect(bind(t, pull, endpoint)))
		sent := sendNumbers(t, push, messages)
		for next := 0; next < messages; {
			got := []string{}
			if n := rand.IntN(200); n == 0 {
				got = append(got, recv(t, pull))
			} else {
				got = some(t, pull, min(n, messages-next))
			}
			for _, m := range got {
				if m != fmt.Sprint(next) {
					t.Fatalf("received %s, want %d", m, next)
				}
				next++
			}
			if st := pull.Stats(); st.MessagesReceived != uint64(next) {
				t.Fatalf("%d messages are counted, %d were received", st.MessagesReceived, next)
			}
		}
		check(t, await(t, "the end of sending", sent))
	})
}

// What a loop has taken, and not handed out, is received by others.
func TestMessagesLeft(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		check(t, await(t, "the end of sending", sendNumbers(t, push, 100)))
		expect(t, pull, "0")
		func() {
			defer func() {
				if recover() != "enough" {
					t.Error("no panic")
				}
			}()
			for m, err := range pull.Messages(within(t)) {
				check(t, err)
				if text(m) == "10" {
					panic("enough")
				}
			}
		}()
		waiting := receiving(within(t), pull)
		if got := await(t, "a message", waiting); got.text != "11" {
			t.Fatalf("received %q, %v", got.text, got.err)
		}
		ctx, cancel := context.WithCancel(within(t))
		defer cancel()
		for m, err := range pull.Messages(ctx) {
			if text(m); err == nil {
				cancel()
			} else if !errors.Is(err, context.Canceled) {
				t.Errorf("the loop ended with %v", err)
			}
		}
		expect(t, pull, "13")
		check(t, pull.Close())
		if st := pull.Stats(); st.MessagesReceived != 14 {
			t.Errorf("14 messages were received, and then %+v", st)
		}
	})
}

// A loop ends when the socket is closed, from within too; what it has taken is dropped, and counted.
func TestMessagesOfClosedSocket(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		ended := inBackground(func() (err error) {
			for _, err = range pull.Messages(within(t)) {
				if err == nil {
					check(t, pull.Close())
				}
			}
			return err
		})
		for i := range 64 {
			_ = push.Send(now(), fmt.Append(nil, i)) // as far as there is somebody
		}
		isClosed(t, await(t, "the end of the loop", ended))
		for _, err := range pull.Messages(within(t)) {
			isClosed(t, err)
		}
		if st := pull.Stats(); st.MessagesReceived != 1 {
			t.Errorf("1 message was received, and then %+v", st)
		}
	})
}

// While one of two loops is busy, the other receives everything else.
func TestMessagesInTwoLoops(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		const messages = 500
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		ctx, cancel := context.WithCancel(within(t))
		defer cancel()
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			seen = map[string]bool{}
		)
		loop := func(busy chan struct{}) {
			for m, err := range pull.Messages(ctx) {
				if err != nil {
					return
				}
				mu.Lock()
				if seen[text(m)] = true; len(seen) == messages+2 {
					cancel()
				}
				mu.Unlock()
				if busy != nil {
					close(busy)
					<-ctx.Done()
				}
			}
		}
		busy := make(chan struct{})
		wg.Go(func() { loop(busy) })
		send(t, push, "for the first")
		await(t, "the first loop", busy)
		wg.Go(func() { loop(nil) })
		send(t, push, "for the second")
		check(t, await(t, "the end of sending", sendNumbers(t, push, messages)))
		wg.Wait()
		if len(seen) != messages+2 {
			t.Errorf("%d messages were received, want %d", len(seen), messages+2)
		}
	})
}

// Within a loop and at its end, Recv goes on where the loop is, and what is counted is what was handed out.
func TestRecvWithinMessages(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		check(t, await(t, "the end of sending", sendNumbers(t, push, 100)))
		ctx, cancel := context.WithCancel(within(t))
		defer cancel()
		n := 0
		next := func(m string) {
			if m != fmt.Sprint(n) {
				t.Fatalf("received %s, want %d", m, n)
			}
			n++
			if st := pull.Stats(); st.MessagesReceived != uint64(n) {
				t.Fatalf("%d messages are counted, %d were received", st.MessagesReceived, n)
			}
		}
		for m, err := range pull.Messages(ctx) {
			if err == nil {
				next(text(m))
			}
			next(recv(t, pull))
			if n == 80 {
				cancel()
			}
		}
		if n != 81 {
			t.Errorf("%d messages were received, want 81", n)
		}
	})
}

// Every type of socket that has a loop receives by it what it receives by Recv.
func TestMessagesOfEachType(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (looping, sender, string){
		"PULL":   func(t *testing.T) (looping, sender, string) { return opened(t, zmq.NewPull, zmq.NewPush, "hello") },
		"PAIR":   func(t *testing.T) (looping, sender, string) { return opened(t, zmq.NewPair, zmq.NewPair, "hello") },
		"DEALER": func(t *testing.T) (looping, sender, string) { return opened(t, zmq.NewDealer, zmq.NewDealer, "hello") },
		"SUB": func(t *testing.T) (looping, sender, string) {
			s, p, want := opened(t, zmq.NewSub, zmq.NewPub, "hello")
			check(t, s.(*zmq.Sub).Subscribe("h"))
			check(t, p.(*zmq.Pub).WaitSubscribers(within(t), "hello", 1))
			send(t, p, "unwanted")
			return s, p, want
		},
		"XSUB": func(t *testing.T) (looping, sender, string) {
			s, p, want := opened(t, zmq.NewXSub, zmq.NewPub, "hello")
			check(t, s.(*zmq.XSub).Subscribe(""))
			check(t, p.(*zmq.Pub).WaitSubscribers(within(t), "hello", 1))
			return s, p, want
		},
		"ROUTER": func(t *testing.T) (looping, sender, string) {
			return openedWith(t, zmq.NewRouter, zmq.NewDealer, zmq.Config{Identity: []byte("me")}, "me|hello")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p, want := open(t)
			for range 10 {
				send(t, p, "hello")
			}
			for _, got := range some(t, s, 10) {
				if got != want {
					t.Errorf("received %q, want %q", got, want)
				}
			}
		})
	}
}

func opened[R looping, S sender](t *testing.T, newR func(zmq.Config) (R, error), newS func(zmq.Config) (S, error), want string) (looping, sender, string) {
	return openedWith(t, newR, newS, zmq.Config{}, want)
}

// openedWith makes a pair of sockets, and passes on what is to be received.
func openedWith[R looping, S sender](t *testing.T, newR func(zmq.Config) (R, error), newS func(zmq.Config) (S, error), cfg zmq.Config, want string) (looping, sender, string) {
	r, s := must(newR(zmq.Config{}))(t), must(newS(cfg))(t)
	closing(t, r)
	closing(t, s)
	pair(t, r, s, wildcard)
	return r, s, want
}
