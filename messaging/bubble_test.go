package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// TestBubbles uses services in bubbles of testing/synctest and outside, one after the other in
// every order of three, and all orders at once: what the engine or this package keeps from one must
// not get to another.
//
// Each use calls rest when others should wait. In a bubble it is a time of the bubble, which passes
// only if all wait.
func TestBubbles(t *testing.T) {
	t.Parallel()
	uses := map[string]func(t *testing.T, rest func()){
		"publications": publicationsAreHandled,
		"tasks":        tasksAreDone,
		"waits":        waitsEnd,
	}
	for name, use := range uses {
		for order := range 8 {
			t.Run(fmt.Sprintf("%s/%03b", name, order), func(t *testing.T) {
				t.Parallel()
				for step := range 6 {
					if order>>(step%3)&1 == 1 {
						synctest.Test(t, func(t *testing.T) { use(t, func() { time.Sleep(patience / 2) }) })
					} else {
						t.Run("outside", func(t *testing.T) { use(t, runtime.Gosched) })
					}
				}
			})
		}
	}
}

func publicationsAreHandled(t *testing.T, rest func()) {
	p, _ := startPublisher(t, "inproc", messaging.PublisherConfig{HeartbeatInterval: time.Second})
	s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
	got := make(chan int, 1)
	check(t, messaging.Handle(s, "topic", func(_ context.Context, _ string, e event) error { got <- e.N; return nil }))
	check(t, messaging.Handle(s, messaging.DefaultHeartbeatTopic, func(context.Context, string, messaging.Heartbeat) error { return nil }))
	run(t, s)
	subscribed(t, p, "topic", 1)
	for i := range 5 {
		check(t, p.Publish(testContext(t), "topic", event{N: i}))
		if n := receive(t, got); n != i {
			t.Errorf("got %d, want %d", n, i)
		}
		rest()
	}
}

// tasksAreDone pushes more tasks than may wait, with and without a worker that waits for them.
func tasksAreDone(t *testing.T, rest func()) {
	const tasks = 20
	bounded := quiet
	bounded.SendHWM, bounded.RecvHWM = 1, 1
	c := must[*messaging.Controller](t)(messaging.NewController(messaging.ControllerConfig{
		Name:        "controller",
		PubAddress:  freeAddress("inproc"),
		SubAddress:  freeAddress("inproc")[1:],
		PushAddress: freeAddress("inproc"),
		PullAddress: freeAddress("inproc"),
		Config:      bounded,
	}))
	results := make(chan result)
	check(t, messaging.HandleResult(c, func(_ context.Context, r result) error { results <- r; return nil }))
	run(t, c)
	pushed := make(chan error, 1)
	ctx := testContext(t)
	go func() {
		var err error
		for i := 0; i < tasks && err == nil; i++ {
			err = c.Push(ctx, task{ID: i})
		}
		pushed <- err
	}()
	runtime.Gosched()
	cfg := workerConfig(c)
	cfg.Concurrency = 2
	cfg.Config = bounded
	w := newWorker(t, cfg)
	check(t, messaging.HandleWork(w, square))
	run(t, w)
	for range tasks {
		receive(t, results)
	}
	check(t, receive(t, pushed))
	rest()
	check(t, c.Push(testContext(t), task{}))
	receive(t, results)
}

// waitsEnd ends calls that wait for peers: by their context, and by the stop of the service.
func waitsEnd(t *testing.T, rest func()) {
	pub, r := startPublisher(t, "inproc", messaging.PublisherConfig{MinSubscribers: 1})
	push := newPusher(t, messaging.PusherConfig{Address: freeAddress("inproc")})
	run(t, push)
	ctx, cancel := context.WithCancel(testContext(t))
	pushed, published, subscribed := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { pushed <- push.Push(ctx, event{}) }()
	go func() { published <- pub.Publish(context.Background(), "topic", event{}) }()
	go func() { subscribed <- pub.WaitForSubscribers(context.Background(), "topic", 1) }()
	rest()
	cancel()
	wantError(t, receive(t, pushed), context.Canceled)
	r.stop(t)
	for _, err := range []error{receive(t, published), receive(t, subscribed)} {
		if !errors.Is(err, service.ErrStopped) && !errors.Is(err, service.ErrState) { // the latter of a call that came late
			t.Errorf("after the stop: %v", err)
		}
	}
}
