package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// TestBubbles uses sockets in bubbles of testing/synctest and outside, one after the other in every
// order of three, and all orders at once. A channel, timer or goroutine of a bubble must not get to
// sockets outside of it by a pool or a variable of the package, nor the other way round: the
// runtime ends the process then, or the bubble's time stands still.
//
// Each use calls rest when others should wait. In a bubble it is a second of the bubble's time,
// which passes only if all wait.
func TestBubbles(t *testing.T) {
	t.Parallel()
	uses := map[string]func(t *testing.T, endpoint string, rest func()){
		"receivers wait":    receiversWait,
		"a sender waits":    senderWaits,
		"requests":          requestsTurn,
		"publications":      publicationsArrive,
		"a route waits":     routeWaits,
		"a relay":           relayForwards,
		"connect then bind": connectThenBind,
		"waits end":         waitsEnd,
	}
	for name, use := range uses {
		for order := range 8 {
			t.Run(fmt.Sprintf("%s/%03b", name, order), func(t *testing.T) {
				t.Parallel()
				for step := range 6 {
					endpoint := numbered("inproc://"+t.Name(), step)
					if order>>(step%3)&1 == 1 {
						synctest.Test(t, func(t *testing.T) { use(t, endpoint, func() { time.Sleep(time.Second) }) })
					} else {
						t.Run("outside", func(t *testing.T) { use(t, endpoint, runtime.Gosched) })
					}
				}
			})
		}
	}
}

// receiversWait has several receivers wait before anything is sent.
func receiversWait(t *testing.T, endpoint string, rest func()) {
	pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
	pair(t, pull, push, endpoint)
	const receivers = 3
	got := make(chan string, receivers)
	ctx := within(t)
	for range receivers {
		go func() {
			m, err := pull.Recv(ctx)
			if err != nil {
				t.Error(err)
			}
			got <- text(m)
		}()
	}
	for range receivers {
		rest()
		send(t, push, "message")
	}
	for range receivers {
		await(t, "a message", got)
	}
}

// senderWaits has a sender wait for room.
func senderWaits(t *testing.T, endpoint string, rest func()) {
	pull, push := newPull(t, zmq.Config{RecvHWM: 1}), newPush(t, zmq.Config{SendHWM: 1})
	pair(t, pull, push, endpoint)
	const messages = 10
	ctx := within(t)
	sent := inBackground(func() (err error) {
		for i := 0; i < messages && err == nil; i++ {
			err = push.Send(ctx, fmt.Append(nil, i))
		}
		return err
	})
	rest()
	for i := range messages {
		expect(t, pull, fmt.Sprint(i))
	}
	check(t, await(t, "the end of sending", sent))
}

func requestsTurn(t *testing.T, endpoint string, rest func()) {
	rep, req := must(zmq.NewRep(zmq.Config{}))(t), must(zmq.NewReq(zmq.Config{}))(t)
	closing(t, rep)
	closing(t, req)
	pair(t, rep, req, endpoint)
	const requests = 5
	ctx := within(t)
	answered := inBackground(func() error {
		for range requests {
			m, err := rep.Recv(ctx)
			if err != nil {
				return err
			}
			if err := rep.Send(ctx, []byte(text(m))); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range requests {
		rest()
		send(t, req, fmt.Sprint(i))
		expect(t, req, fmt.Sprint(i))
	}
	check(t, await(t, "the end of answering", answered))
}

func publicationsArrive(t *testing.T, endpoint string, rest func()) {
	pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{})
	pair(t, pub, sub, endpoint)
	ctx := within(t)
	subscribed := inBackground(func() error { return pub.WaitSubscribers(ctx, "topic", 1) })
	rest()
	check(t, sub.Subscribe("topic"))
	check(t, await(t, "the subscription", subscribed))
	got := inBackground(func() string {
		for m, err := range sub.Messages(ctx) {
			if err != nil {
				return err.Error()
			}
			if s := text(m); s != "topic 1" {
				return s
			}
		}
		return "the socket is closed"
	})
	for _, s := range []string{"topic 1", "topic 1", "topic 2"} {
		send(t, pub, s)
		rest()
	}
	if s := await(t, "the last publication", got); s != "topic 2" {
		t.Errorf("received %q", s)
	}
}

// routeWaits has a ROUTER wait for room at its peer.
func routeWaits(t *testing.T, endpoint string, rest func()) {
	router, dealer := must(zmq.NewRouter(zmq.Config{Mandatory: true, SendHWM: 1}))(t),
		must(zmq.NewDealer(zmq.Config{Identity: []byte("peer"), RecvHWM: 1}))(t)
	closing(t, router)
	closing(t, dealer)
	pair(t, router, dealer, endpoint)
	const messages = 10
	ctx := within(t)
	sent := inBackground(func() (err error) {
		for i := 0; i < messages && err == nil; i++ {
			err = router.Send(ctx, []byte("peer"), fmt.Append(nil, i))
		}
		return err
	})
	rest()
	for i := range messages {
		expect(t, dealer, fmt.Sprint(i))
	}
	check(t, await(t, "the end of sending", sent))
}

func relayForwards(t *testing.T, endpoint string, rest func()) {
	front, back := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
	push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
	pair(t, front, push, endpoint+"/front")
	pair(t, back, pull, endpoint+"/back")
	ctx, cancel := context.WithCancel(within(t))
	proxy := must(zmq.NewProxy(front, back, nil))(t)
	ran := inBackground(func() error { return proxy.Run(ctx) })
	for i := range 3 {
		rest()
		send(t, push, fmt.Sprint(i))
		expect(t, pull, fmt.Sprint(i))
	}
	cancel()
	check(t, await(t, "the end of the proxy", ran))
}

// connectThenBind binds twice, with a connecting socket that waits for each.
func connectThenBind(t *testing.T, endpoint string, rest func()) {
	push := newPush(t, zmq.Config{ReconnectInterval: time.Millisecond, ReconnectMax: time.Millisecond})
	check(t, push.Connect(endpoint))
	for range 2 {
		pull := newPull(t, zmq.Config{})
		rest()
		bind(t, pull, endpoint)
		send(t, push, "message")
		expect(t, pull, "message")
		check(t, pull.Close())
	}
}

// waitsEnd ends calls by a deadline, and by Close.
func waitsEnd(t *testing.T, endpoint string, rest func()) {
	pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
	bind(t, pull, endpoint)
	brief, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := pull.Recv(brief)
	for _, err := range []error{err, push.Send(brief, nil), push.WaitPeers(brief, 1)} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
	ctx := within(t)
	received := inBackground(func() error { _, err := pull.Recv(ctx); return err })
	sent := inBackground(func() error { return push.Send(ctx, nil) })
	waited := inBackground(func() error { return push.WaitPeers(ctx, 1) })
	rest()
	check(t, pull.Close())
	check(t, push.Close())
	for what, err := range map[string]<-chan error{"Recv": received, "Send": sent, "WaitPeers": waited} {
		isClosed(t, await(t, strings.ToLower(what), err))
	}
}
