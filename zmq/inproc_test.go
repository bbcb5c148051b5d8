package zmq_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// Connect may come before Bind: messages and subscriptions wait.
func TestInprocConnectBeforeBind(t *testing.T) {
	t.Parallel()
	t.Run("PUSH", func(t *testing.T) {
		t.Parallel()
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		check(t, push.Connect("inproc://"+t.Name()))
		send(t, push, "early")
		bind(t, pull, "inproc://"+t.Name())
		expect(t, pull, "early")
	})
	t.Run("PULL", func(t *testing.T) {
		t.Parallel()
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		check(t, pull.Connect("inproc://"+t.Name()))
		bind(t, push, "inproc://"+t.Name())
		send(t, push, "x")
		expect(t, pull, "x")
	})
	for _, kind := range []string{"PUB", "SUB"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "a")
			var first, second socket = pub, sub
			if kind == "SUB" {
				first, second = sub, pub
			}
			check(t, first.Connect("inproc://"+t.Name()))
			bind(t, second, "inproc://"+t.Name())
			check(t, pub.WaitSubscribers(ended(), "a", 1)) // there is no wire: it holds at once
			send(t, pub, "a")
			expect(t, sub, "a")
		})
	}
}

// Several sockets may wait for the same name; each is linked when it is bound, again and again.
func TestInprocRebind(t *testing.T) {
	t.Parallel()
	const peers = 3
	at := "inproc://" + t.Name()
	var pushes []*zmq.Push
	for range peers {
		push := newPush(t, zmq.Config{})
		check(t, push.Connect(at))
		pushes = append(pushes, push)
	}
	for round := range 20 {
		for _, push := range pushes {
			send(t, push, fmt.Sprint(round))
		}
		pull := newPull(t, zmq.Config{})
		bind(t, pull, at)
		for range peers {
			expect(t, pull, fmt.Sprint(round))
		}
		if round%2 == 0 {
			check(t, pull.Unbind(at))
		}
		check(t, pull.Close())
	}
}

// What was sent before the sender went away is received, beyond any bound of the receiver.
func TestInprocSenderGoes(t *testing.T) {
	t.Parallel()
	push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{RecvHWM: 1})
	pair(t, pull, push, "inproc://"+t.Name())
	for i := range 100 {
		send(t, push, fmt.Sprint(i))
	}
	check(t, push.Close())
	for i := range 100 {
		expect(t, pull, fmt.Sprint(i))
	}
}

// Sockets that do not suit each other are told once, and are linked to who suits them when that comes.
func TestInprocMismatch(t *testing.T) {
	t.Parallel()
	at := "inproc://" + t.Name()
	boundEvents, events := make(chan zmq.Event, 10), make(chan zmq.Event, 10)
	wrong, push := newPub(t, zmq.Config{Events: boundEvents}), newPush(t, zmq.Config{Events: events, Immediate: true})
	bind(t, wrong, at)
	check(t, push.Connect(at))
	expectEvent(t, boundEvents, zmq.EventListening)
	expectEvent(t, events, zmq.EventConnectDelayed)
	for _, e := range []zmq.Event{expectEvent(t, boundEvents, zmq.EventHandshakeFailed), expectEvent(t, events, zmq.EventHandshakeFailed)} {
		checkHandshakeError(t, e.Err, zmq.HandshakeProtocol, "a PUSH cannot talk to a PUB")
	}
	if wrong.Stats().Peers+push.Stats().Peers != 0 {
		t.Error("they are peers nevertheless")
	}
	check(t, wrong.Unbind(at))
	right := newPull(t, zmq.Config{})
	bind(t, right, at)
	send(t, push, "x")
	expect(t, right, "x")
	expectEvent(t, events, zmq.EventConnected)
	expectEvent(t, events, zmq.EventHandshakeSucceeded)
	if len(events) != 0 {
		t.Errorf("and then came %+v", <-events)
	}
}

// Links are made and parted from both sides at once: in the end nobody has a peer that is none, and nothing hangs.
func TestInprocLinkStress(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"PUSH", "PULL", "PUB", "SUB"} {
		t.Run("bound "+kind, func(t *testing.T) {
			t.Parallel()
			at := "inproc://" + t.Name()
			cfg := zmq.Config{Linger: time.Millisecond}
			bound, connected := newSocket(t, kind, cfg), newSocket(t, partner[kind], cfg)
			stop := make(chan struct{})
			var work, background sync.WaitGroup
			for _, s := range []socket{bound, connected} {
				background.Go(func() { traffic(s) })
				sub, ok := s.(*zmq.Sub)
				if !ok {
					continue
				}
				background.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						topic := fmt.Sprint(i % 10)
						if sub.Subscribe(topic) == nil {
							_ = sub.Unsubscribe(topic)
						}
					}
				})
			}
			work.Go(func() {
				for range 300 {
					if _, err := bound.Bind(at); err != nil {
						t.Error(err)
					}
					if err := bound.Unbind(at); err != nil {
						t.Error(err)
					}
				}
			})
			work.Go(func() {
				for range 300 {
					if err := connected.Connect(at); err != nil {
						t.Error(err)
					}
					if err := connected.Disconnect(at); err != nil {
						t.Error(err)
					}
				}
			})
			work.Wait()
			for _, s := range []socket{bound, connected} {
				if n := s.Stats().Peers; n != 0 {
					t.Errorf("%T: %d peers in the end", s, n)
				}
				if pub, ok := s.(*zmq.Pub); ok && pub.WaitSubscribers(ended(), "", 1) == nil {
					t.Error("a subscription of a lost peer has stayed")
				}
			}
			close(stop)
			check(t, bound.Close())
			check(t, connected.Close())
			background.Wait()
		})
	}
}

// A closing socket does not link itself anew.
func TestInprocCloseDoesNotLinkAgain(t *testing.T) {
	t.Parallel()
	for range 200 {
		push, pull := newPush(t, zmq.Config{Linger: time.Hour}), newPull(t, zmq.Config{})
		pair(t, pull, push, "inproc://"+t.Name())
		send(t, push, "x")
		check(t, push.Close())
		expect(t, pull, "x")
		check(t, pull.Close())
	}
}
