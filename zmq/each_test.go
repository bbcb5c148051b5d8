package zmq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// eachSender is a socket that sends many messages with one call.
type eachSender interface {
	sender
	SendEach(ctx context.Context, bodies [][]byte) (int, error)
}

var (
	_ eachSender = (*zmq.Push)(nil)
	_ eachSender = (*zmq.Dealer)(nil)
	_ eachSender = (*zmq.Pair)(nil)
	_ eachSender = (*zmq.Pub)(nil)
)

// mixed returns n bodies of all kinds of size, each beginning with its number.
func mixed(n int) [][]byte {
	bodies := make([][]byte, n)
	for i := range bodies {
		size := i % 40
		switch i % 100 {
		case 50:
			size = 300
		case 60:
			size = 5_000
		case 70:
			size = 20_000
		case 80:
			size = 100_000
		}
		bodies[i] = append(fmt.Appendf(nil, "%d ", i), bytes.Repeat([]byte{byte(i)}, size)...)
	}
	return bodies
}

// sendEach sends in the background. It checks that everything was taken.
func sendEach(t *testing.T, s eachSender, bodies [][]byte) <-chan error {
	ctx := within(t)
	return inBackground(func() error {
		n, err := s.SendEach(ctx, bodies)
		if err == nil && n != len(bodies) {
			err = fmt.Errorf("%d of %d messages were taken", n, len(bodies))
		}
		return err
	})
}

// However many messages a call sends, and of whatever size, all arrive, in their order.
func TestSendEachInOrder(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (looping, sender, string){
		"PUSH":   func(t *testing.T) (looping, sender, string) { return opened(t, zmq.NewPull, zmq.NewPush, "") },
		"PAIR":   func(t *testing.T) (looping, sender, string) { return opened(t, zmq.NewPair, zmq.NewPair, "") },
		"DEALER": func(t *testing.T) (looping, sender, string) { return opened(t, zmq.NewDealer, zmq.NewDealer, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bodies := mixed(5000)
			r, s, _ := open(t)
			sent := sendEach(t, s.(eachSender), bodies)
			for _, want := range bodies {
				m, err := r.Recv(within(t))
				check(t, err)
				if m.Len() != 1 || !bytes.Equal(m.Bytes(), want) {
					t.Fatalf("received %d frames, %.20q, want %.20q", m.Len(), m.Bytes(), want)
				}
				m.Release()
			}
			check(t, await(t, "the end of sending", sent))
			if st := settled(t, s); st.MessagesSent != uint64(len(bodies)) || st.Dropped != 0 {
				t.Errorf("%d messages were sent, and then %+v", len(bodies), st)
			}
		})
	}
}

// Several peers get the messages in turn, as from Send.
func TestSendEachInTurn(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push := newPush(t, zmq.Config{})
		at := bind(t, push, endpoint)
		var pulls []*zmq.Pull
		for range 3 {
			pull := newPull(t, zmq.Config{})
			check(t, pull.Connect(at))
			pulls = append(pulls, pull)
		}
		check(t, push.WaitPeers(within(t), 3))
		var bodies [][]byte
		for i := range 300 {
			bodies = append(bodies, fmt.Append(nil, i))
		}
		check(t, await(t, "the end of sending", sendEach(t, push, bodies)))
		for i := range pulls {
			first := recv(t, pulls[i])
			for k := 1; k < 100; k++ {
				var n int
				must(fmt.Sscan(first, &n))(t)
				expect(t, pulls[i], fmt.Sprint(n+3*k))
			}
		}
	})
}

// A call that cannot send all says how many were sent, and why not the next.
func TestSendEachFails(t *testing.T) {
	t.Parallel()
	bodies := [][]byte{[]byte("one"), []byte("two"), make([]byte, 200), []byte("four")}
	pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{MaxMessageSize: 100})
	pair(t, pull, push, wildcard)
	n, err := push.SendEach(within(t), bodies)
	if n != 2 || !errors.Is(err, zmq.ErrMessageTooLarge) {
		t.Errorf("SendEach returned %d, %v", n, err)
	}
	expect(t, pull, "one", "two")
	if n, err := push.SendEach(ended(), bodies); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("SendEach returned %d, %v", n, err)
	}
	if n, err := push.SendEach(within(t), nil); n != 0 || err != nil {
		t.Errorf("SendEach of nothing returned %d, %v", n, err)
	}

	lonely := newPush(t, zmq.Config{SendHWM: 3})
	check(t, lonely.Connect("inproc://"+t.Name()))
	ctx, cancel := context.WithCancel(within(t))
	sent := inBackground(func() error {
		n, err := lonely.SendEach(ctx, make([][]byte, 10))
		return fmt.Errorf("%d: %w", n, err)
	})
	eventually(t, "the queue is full", func() bool { return lonely.Stats().Queued == 3 })
	cancel()
	if err := await(t, "the end of SendEach", sent); err.Error()[0] != '3' || !errors.Is(err, context.Canceled) {
		t.Errorf("SendEach returned %v", err)
	}
	check(t, lonely.Shutdown(ended()))
	n, err = lonely.SendEach(within(t), bodies)
	isClosed(t, err)
	if n != 0 {
		t.Errorf("%d messages were taken", n)
	}
	publisher := newPub(t, zmq.Config{MaxMessageSize: 100})
	if n, err := publisher.SendEach(within(t), bodies); n != 2 || !errors.Is(err, zmq.ErrMessageTooLarge) {
		t.Errorf("SendEach of a PUB returned %d, %v", n, err)
	}
	if n, err := publisher.SendEach(ended(), bodies); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("SendEach of a PUB returned %d, %v", n, err)
	}
}

// Each subscriber gets what it wants, in its order, whether its neighbours want the same or not.
func TestSendEachToSubscribers(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		for name, cfg := range map[string]zmq.Config{
			"": {SendHWM: -1}, "NoDrop": {SendHWM: -1, NoDrop: true},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				endpoint := endpoint
				if endpoint != wildcard && endpoint != "ipc://*" {
					endpoint += name
				}
				pub := newPub(t, cfg)
				at := bind(t, pub, endpoint)
				wishes := [][]string{{""}, {"a", "b"}, {"b", "c1"}, {"nothing"}}
				var subs []*zmq.Sub
				for _, wish := range wishes {
					sub := newSub(t, zmq.Config{RecvHWM: -1}, wish...)
					check(t, sub.Connect(at))
					subs = append(subs, sub)
				}
				check(t, pub.WaitPeers(within(t), len(subs)))
				check(t, pub.WaitSubscribers(within(t), "a", 2))
				check(t, pub.WaitSubscribers(within(t), "b", 3))
				check(t, pub.WaitSubscribers(within(t), "c1", 2))
				check(t, pub.WaitSubscribers(within(t), "nothing", 2))
				var bodies [][]byte
				for i := range 1000 {
					topic := []string{"a", "b", "c", "c1", "x"}[i/7%5]
					size := 10
					if i%97 == 0 {
						size = 20_000
					}
					bodies = append(bodies, fmt.Appendf(nil, "%s %d %s", topic, i, bytes.Repeat([]byte{'.'}, size)))
				}
				bodies = append(bodies, []byte("nothing more"), []byte("a end"), []byte("b end"), []byte("x end"))
				check(t, await(t, "the end of sending", sendEach(t, pub, bodies)))
				for i, wish := range wishes {
					for _, want := range bodies {
						wanted := false
						for _, prefix := range wish {
							wanted = wanted || bytes.HasPrefix(want, []byte(prefix))
						}
						if wanted {
							if got := recv(t, subs[i]); got != string(want) {
								t.Fatalf("subscriber %d received %.20q, want %.20q", i, got, want)
							}
						}
					}
				}
			})
		}
	})
}

// A publisher that sends many messages at a time lets its writers run when queues are full, as one that sends them one by one.
// The test runs alone, on one processor: so it does not depend on other tests or programs when the writers run.
func TestSendEachDropsNoMoreThanSend(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const messages, batch = 10_000, 250
	dropped := func(send func(pub *zmq.Pub, bodies [][]byte) error) uint64 {
		pub, sub := newPub(t, zmq.Config{SendHWM: 10}), newSub(t, zmq.Config{}, "")
		check(t, sub.Connect(bind(t, pub, wildcard)))
		check(t, pub.WaitSubscribers(within(t), "", 1))
		ctx, cancel := context.WithCancel(within(t))
		received := inBackground(func() error {
			for m, err := range sub.Messages(ctx) {
				if err != nil {
					return err
				}
				m.Release()
			}
			return nil
		})
		for range messages / batch {
			check(t, send(pub, make([][]byte, batch)))
		}
		st := settled(t, pub)
		eventually(t, "all is received", func() bool { return sub.Stats().MessagesReceived == st.MessagesSent })
		cancel()
		if err := await(t, "the end of receiving", received); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if st.MessagesSent+st.Dropped != messages {
			t.Errorf("%d messages, and then %+v", messages, st)
		}
		return st.Dropped
	}
	ctx := within(t)
	one := dropped(func(pub *zmq.Pub, bodies [][]byte) error {
		for _, b := range bodies {
			if err := pub.Send(ctx, b); err != nil {
				return err
			}
		}
		return nil
	})
	many := dropped(func(pub *zmq.Pub, bodies [][]byte) error {
		_, err := pub.SendEach(ctx, bodies)
		return err
	})
	if messages-many < (messages-one)/4 {
		t.Errorf("of %d messages, Send drops %d, SendEach %d", messages, one, many)
	}
}

// What a full subscriber does not take is counted, and the others get all.
func TestSendEachDrops(t *testing.T) {
	t.Parallel()
	const messages = 500
	pub := newPub(t, zmq.Config{SendHWM: 10})
	at := bind(t, pub, "inproc://"+t.Name())
	slow := newSub(t, zmq.Config{RecvHWM: 10}, "")
	check(t, slow.Connect(at))
	check(t, pub.WaitSubscribers(within(t), "", 1))
	bodies := make([][]byte, messages)
	for i := range bodies {
		bodies[i] = fmt.Append(nil, i)
	}
	n, err := pub.SendEach(within(t), bodies)
	check(t, err)
	dropped := pub.Stats().Dropped
	if n != messages || dropped == 0 || dropped >= messages {
		t.Fatalf("%d were taken, %d dropped", n, dropped)
	}
	for i := range messages - int(dropped) {
		expect(t, slow, fmt.Sprint(i))
	}
	send(t, pub, "end")
	expect(t, slow, "end")
}
