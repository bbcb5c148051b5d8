package messaging_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/zmq"
)

// garbage is what a subscriber cannot read.
var garbage = [][]string{
	{""},
	{"topic"},
	{"topic "},
	{" {}"},
	{"{}"},
	{"topic nonsense"},
	{`topic {"n":NaN}`},
	{`topic {"n":Infinity}`},
	{`topic {"n":1`},
	{`topic [1]`},
	{`topic {"n":"text"}`},
	{`topic {"n":1,"n":2}`},
	{"topic {\"text\":\"\xff\"}"},
	{"to\xffpic {}"},
	{"topic {}", "another frame"},
}

func TestBadMessagesAreCountedAndDropped(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		peer := must[*zmq.Pub](t)(zmq.NewPub(zmq.Config{}))
		t.Cleanup(func() { check(t, peer.Close()) })
		address := must[string](t)(peer.Bind(strings.TrimPrefix(freeAddress(carrier), "@")))
		s := newSubscriber(t, messaging.SubscriberConfig{
			Address: address,
			Topics:  []string{""},
			Config:  messaging.Config{BadMessageInterval: time.Hour},
		})
		got := make(chan event, 1)
		check(t, messaging.Handle(s, "topic", func(_ context.Context, _ string, e event) error { got <- e; return nil }))
		run(t, s)
		check(t, peer.WaitSubscribers(testContext(t), "", 1))
		for _, frames := range garbage {
			var message [][]byte
			for _, f := range frames {
				message = append(message, []byte(f))
			}
			check(t, peer.Send(testContext(t), message...))
		}
		check(t, peer.Send(testContext(t), []byte(`topic {"n": 1, "unknown": {"x": [1]}, "text": "\u00e9\ud800"}`)))
		if e := receive(t, got); e != (event{N: 1, Text: "é\uFFFD"}) {
			t.Errorf("got %+v", e)
		}
		if st := s.SubStats(); st.Bad != uint64(len(garbage)) || st.Failed != 0 {
			t.Errorf("SubStats: %+v, want %d bad", st, len(garbage))
		}
		st := s.Stats()
		if st.Warnings != 1 || st.Errors != 0 || st.MessagesReceived != uint64(len(garbage))+1 {
			t.Errorf("Stats: %+v, want one warning for all", st)
		}
		var bad *messaging.BadMessageError
		if err := s.Errors()[0].Err; !errors.As(err, &bad) || bad.Size != len(garbage[0][0]) {
			t.Errorf("recorded %v", err)
		}
	})
}

func TestBadMessageWarningNamesTopicAndSize(t *testing.T) {
	t.Parallel()
	peer := must[*zmq.Pub](t)(zmq.NewPub(zmq.Config{}))
	t.Cleanup(func() { check(t, peer.Close()) })
	address := must[string](t)(peer.Bind("tcp://127.0.0.1:*"))
	s := newSubscriber(t, messaging.SubscriberConfig{Address: address, Config: messaging.Config{BadMessageInterval: time.Nanosecond}})
	check(t, messaging.Handle(s, "topic", func(context.Context, string, event) error { return nil }))
	run(t, s)
	check(t, peer.WaitSubscribers(testContext(t), "topic", 1))
	for i := range 3 {
		check(t, peer.Send(testContext(t), []byte(`topic {"n":true}`)))
		eventually(t, "a warning", func() bool { return s.Stats().Warnings == uint64(i+1) })
		awaitTick()
	}
	wantError(t, s.Errors()[2].Err, nil, `bad message of 10 bytes on topic "topic"`, "sub of sub")
}

// awaitTick returns when the clock has moved on. That of some systems does so less often than messages come.
func awaitTick() {
	for begun := time.Now(); time.Since(begun) <= 0; {
		runtime.Gosched()
	}
}

func TestHandlerErrorAndPanicAreRecorded(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
		failure := errors.New("no more film")
		got := make(chan int, 1)
		check(t, messaging.Handle(s, "t", func(_ context.Context, _ string, e event) error {
			switch e.N {
			case 0:
				return failure
			case 1:
				panic("light in the box")
			}
			got <- e.N
			return nil
		}))
		run(t, s)
		subscribed(t, p, "t", 1)
		for i := range 3 {
			check(t, p.Publish(t.Context(), "t", event{N: i}))
		}
		receive(t, got)
		if st := s.SubStats(); st.Failed != 2 || st.Bad != 0 {
			t.Errorf("SubStats: %+v", st)
		}
		if s.Status() != service.StatusError || s.State() != service.Running {
			t.Errorf("status %s, state %s", s.Status(), s.State())
		}
		errs := s.Errors()
		wantError(t, errs[0].Err, failure, "sub handler of sub")
		wantError(t, errs[1].Err, nil, "light in the box")
		var panicked *service.PanicError
		if !errors.As(errs[1].Err, &panicked) || !strings.Contains(panicked.Stack, "faults_test.go") {
			t.Errorf("recorded %v", errs[1].Err)
		}
	})
}

func TestStopInHandler(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
		check(t, messaging.Handle(s, "t", func(ctx context.Context, _ string, e event) error {
			_, err := s.Stop(context.Background())
			return err
		}))
		r := run(t, s)
		subscribed(t, p, "t", 1)
		check(t, p.Publish(t.Context(), "t", event{}))
		check(t, receive(t, r.done))
		r.done <- nil // for the end of the test
		if s.State() != service.Stopped {
			t.Errorf("state %s", s.State())
		}
	})
}

func TestSlowHandlerIsNamedByStop(t *testing.T) {
	t.Parallel()
	p, _ := startPublisher(t, "inproc", messaging.PublisherConfig{})
	s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
	entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	check(t, messaging.Handle(s, "t", func(context.Context, string, event) error {
		defer close(left)
		close(entered)
		<-leave
		return nil
	}))
	check(t, s.Start(t.Context()))
	ran := make(chan error, 1)
	go func() { ran <- s.Run(context.Background()) }()
	subscribed(t, p, "t", 1)
	check(t, p.Publish(t.Context(), "t", event{}))
	receive(t, entered)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	receipt, err := s.Stop(ctx)
	wantError(t, err, context.DeadlineExceeded, "sub")
	if !slices.Contains(receipt.TasksAbandoned, "sub") {
		t.Errorf("receipt %+v", receipt)
	}
	close(leave)
	receive(t, left)
	wantError(t, receive(t, ran), context.DeadlineExceeded)
}

func TestHandlerContextEndsWithService(t *testing.T) {
	t.Parallel()
	p, _ := startPublisher(t, "inproc", messaging.PublisherConfig{})
	s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
	entered := make(chan struct{})
	check(t, messaging.Handle(s, "t", func(ctx context.Context, _ string, _ event) error {
		close(entered)
		<-ctx.Done()
		return nil
	}))
	r := run(t, s)
	subscribed(t, p, "t", 1)
	check(t, p.Publish(t.Context(), "t", event{}))
	receive(t, entered)
	if receipt := r.stop(t); len(receipt.TasksAbandoned) != 0 {
		t.Errorf("receipt %+v", receipt)
	}
}

func TestSlowSubscriberLosesAndPublisherCounts(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPublisher(t, carrier, messaging.PublisherConfig{Config: messaging.Config{SendHWM: 10}})
		s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0], Config: messaging.Config{RecvHWM: 10}})
		leave := make(chan struct{})
		var handled atomic.Uint64
		check(t, messaging.Handle(s, "t", func(context.Context, string, event) error {
			<-leave
			handled.Add(1)
			return nil
		}))
		run(t, s)
		subscribed(t, p, "t", 1)
		big := event{Text: strings.Repeat("x", 64<<10)}
		var sent uint64
		eventually(t, "a message dropped", func() bool {
			for range 100 {
				check(t, p.Publish(t.Context(), "t", big))
				sent++
			}
			return p.PubStats().Dropped > 0
		})
		close(leave)
		eventually(t, "every message handled or counted as dropped", func() bool {
			return handled.Load()+p.PubStats().Dropped == sent
		})
	})
}
