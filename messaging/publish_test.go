package messaging_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/zmq"
)

// startPublisher runs a publisher on a free address, without heartbeats unless cfg asks for them.
func startPublisher(t testing.TB, carrier string, cfg messaging.PublisherConfig) (*messaging.Publisher, *running) {
	t.Helper()
	if cfg.HeartbeatInterval == 0 {
		cfg.HeartbeatInterval = -1
	}
	cfg.Address = freeAddress(carrier)
	p := newPublisher(t, cfg)
	return p, run(t, p)
}

// subscribed waits until the topic has n subscribers.
func subscribed(t testing.TB, p *messaging.Publisher, topic string, n int) {
	t.Helper()
	check(t, p.WaitForSubscribers(testContext(t), topic, n))
}

func TestPublishReachesHandlersByTopic(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
		got := make(chan string, 100)
		handler := func(name string) messaging.Handler {
			return func(_ context.Context, d messaging.Delivery) error {
				got <- name + " " + d.Topic + " " + string(d.Payload)
				return nil
			}
		}
		check(t, s.HandleRaw("worker.status", handler("exact")))
		check(t, s.HandleRaw("worker.*", handler("prefix")))
		check(t, s.HandleRaw("worker.s*", handler("longer")))
		check(t, s.HandleDefault(handler("default")))
		run(t, s)
		subscribed(t, p, "worker.status", 1)

		for _, topic := range []string{"worker.status", "worker.status2", "worker.x", "else", "worker.status"} {
			check(t, p.Publish(t.Context(), topic, event{N: 1}))
		}
		for _, want := range []string{
			`exact worker.status {"n":1}`, `longer worker.status2 {"n":1}`, `prefix worker.x {"n":1}`,
			`default else {"n":1}`, `exact worker.status {"n":1}`,
		} {
			if line := receive(t, got); line != want {
				t.Errorf("handled %q, want %q", line, want)
			}
		}
		if st := s.SubStats(); st.Received != 5 || st.Bad+st.Unhandled+st.Failed != 0 {
			t.Errorf("SubStats: %+v", st)
		}
		if sent, received := p.Stats().MessagesSent, s.Stats().MessagesReceived; sent != 5 || received != 5 {
			t.Errorf("sent %d, received %d", sent, received)
		}
	})
}

func TestSubscriptionWithoutHandlerIsCounted(t *testing.T) {
	t.Parallel()
	p, _ := startPublisher(t, "inproc", messaging.PublisherConfig{})
	s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
	got := make(chan int, 1)
	check(t, messaging.Handle(s, "a", func(_ context.Context, _ string, e event) error { got <- e.N; return nil }))
	run(t, s)
	subscribed(t, p, "a", 1)
	check(t, p.Publish(t.Context(), "ab", event{N: 1})) // the subscription takes it, no handler does
	check(t, p.Publish(t.Context(), "b", event{N: 2}))
	check(t, p.Publish(t.Context(), "a", event{N: 3}))
	if n := receive(t, got); n != 3 {
		t.Errorf("handled %d, want 3", n)
	}
	if st := s.SubStats(); st.Unhandled != 1 || st.Received != 2 {
		t.Errorf("SubStats: %+v", st)
	}
}

func TestTopicsLimitDefaultHandler(t *testing.T) {
	t.Parallel()
	p, _ := startPublisher(t, "inproc", messaging.PublisherConfig{})
	s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0], Topics: []string{"sensor.", "worker.status"}})
	got := make(chan string, 10)
	check(t, s.HandleDefault(func(_ context.Context, d messaging.Delivery) error { got <- d.Topic; return nil }))
	run(t, s)
	subscribed(t, p, "sensor.", 1)
	subscribed(t, p, "worker.status", 1)
	for _, topic := range []string{"camera", "sensor.1", "worker.x", "worker.status"} {
		check(t, p.Publish(t.Context(), topic, event{}))
	}
	if a, b := receive(t, got), receive(t, got); a != "sensor.1" || b != "worker.status" {
		t.Errorf("handled %s and %s", a, b)
	}
}

func TestHandlerRegisteredWhileRunning(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
		run(t, s)
		got := make(chan event, 1)
		check(t, messaging.Handle(s, "late*", func(_ context.Context, _ string, e event) error { got <- e; return nil }))
		subscribed(t, p, "late.1", 1)
		check(t, p.Publish(t.Context(), "late.1", &event{N: 7, Text: "é"}))
		if e := receive(t, got); e != (event{N: 7, Text: "é"}) {
			t.Errorf("got %+v", e)
		}
	})
}

func TestHandlerRegistrationRefused(t *testing.T) {
	t.Parallel()
	s := newSubscriber(t, messaging.SubscriberConfig{})
	nop := func(context.Context, messaging.Delivery) error { return nil }
	check(t, s.HandleRaw("a", nop))
	check(t, s.HandleRaw("a*", nop))
	check(t, s.HandleRaw("*", nop))
	check(t, s.HandleDefault(nop))
	wantError(t, s.HandleRaw("a", nop), nil, `topic "a" has a handler already`)
	wantError(t, s.HandleRaw("a*", nop), nil, `topic "a*" has a handler already`)
	wantError(t, s.HandleRaw("*", nop), nil, "already")
	wantError(t, s.HandleDefault(nop), nil, "already")
	wantError(t, s.HandleRaw("", nop), nil, "empty")
	wantError(t, s.HandleRaw("a b", nop), nil, "space")
	wantError(t, s.HandleRaw("a b*", nop), nil, "space")
	wantError(t, s.HandleRaw("b", nil), nil, "nil")
	wantError(t, s.HandleDefault(nil), nil, "nil")
}

func TestSubscriberOfSeveralPublishers(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		a, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		b, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		addresses := a.PubAddresses()[0] + "," + b.PubAddresses()[0]
		s := newSubscriber(t, messaging.SubscriberConfig{Address: addresses})
		got := make(chan int, 2)
		check(t, messaging.Handle(s, "t", func(_ context.Context, _ string, e event) error { got <- e.N; return nil }))
		run(t, s)
		if list := strings.Join(s.SubAddresses(), ","); list != addresses {
			t.Errorf("SubAddresses: %s, want %s", list, addresses)
		}
		subscribed(t, a, "t", 1)
		subscribed(t, b, "t", 1)
		check(t, a.Publish(t.Context(), "t", event{N: 1}))
		check(t, b.Publish(t.Context(), "t", event{N: 2}))
		if sum := receive(t, got) + receive(t, got); sum != 3 {
			t.Errorf("sum %d, want 3", sum)
		}
	})
}

func TestMessagesAreHandledInOrder(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		const n = 2000
		p, _ := startPublisher(t, carrier, messaging.PublisherConfig{Config: messaging.Config{SendHWM: -1}})
		s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
		var got []int
		done := make(chan struct{})
		check(t, messaging.Handle(s, "t", func(_ context.Context, _ string, e event) error {
			if got = append(got, e.N); len(got) == n {
				close(done)
			}
			return nil
		}))
		run(t, s)
		subscribed(t, p, "t", 1)
		for i := range n {
			check(t, p.Publish(t.Context(), "t", event{N: i}))
		}
		receive(t, done)
		if !slices.IsSorted(got) {
			t.Error("messages out of order")
		}
	})
}

// rawSub is a SUB socket that gets all that a publisher sends.
func rawSub(t *testing.T, p *messaging.Publisher) *zmq.Sub {
	s := must[*zmq.Sub](t)(zmq.NewSub(zmq.Config{}))
	t.Cleanup(func() { check(t, s.Close()) })
	check(t, s.Subscribe(""))
	check(t, s.Connect(p.PubAddresses()[0]))
	return s
}

func TestPublishOnTheWire(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		s := rawSub(t, p)
		subscribed(t, p, "any", 1)
		for _, test := range []struct {
			send func() error
			want string
		}{
			{func() error { return p.Publish(t.Context(), "worker.status", event{Type: "Event", N: 1}) }, `worker.status {"type":"Event","n":1}`},
			{func() error { return p.Publish(t.Context(), "t", map[string]any{"data": "hello world"}) }, `t {"data":"hello world"}`},
			{func() error { return p.PublishRaw(t.Context(), "t", []byte(`{ "a": [1, 2.50] }`)) }, `t { "a": [1, 2.50] }`},
			{func() error { return p.PublishRaw(t.Context(), "t", []byte(`{"lone":"\ud800"}`)) }, `t {"lone":"\ud800"}`},
			{func() error { return p.Publish(t.Context(), "é", struct{}{}) }, `é {}`},
		} {
			check(t, test.send())
			m := must[zmq.Message](t)(s.Recv(testContext(t)))
			if m.Len() != 1 || string(m.Bytes()) != test.want {
				t.Errorf("%d frames, first %q, want 1, %q", m.Len(), m.Bytes(), test.want)
			}
		}
	})
}

func TestPublishRefusesWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	p, _ := startPublisher(t, "inproc", messaging.PublisherConfig{})
	ctx := t.Context()
	for _, msg := range []any{nil, 1, "text", []int{1}, (*event)(nil), true} {
		wantError(t, p.Publish(ctx, "t", msg), messaging.ErrNotObject, `pub on topic "t"`)
	}
	for _, raw := range []string{"", "1", "[]", `"x"`, "null", "{", `{"a":NaN}`, "{} {}", `{"a":1,}`} {
		wantError(t, p.PublishRaw(ctx, "t", []byte(raw)), messaging.ErrNotObject)
	}
	wantError(t, p.PublishRaw(ctx, "t", []byte(`{"a":NaN}`)), nil, "after offset 5")
	wantError(t, p.PublishRaw(ctx, "t", []byte("{\"a\":\"\xff\"}")), nil, "not UTF-8")
	wantError(t, p.Publish(ctx, "t", map[string]any{"x": math.NaN()}), nil, `pub on topic "t"`, "NaN")
	wantError(t, p.Publish(ctx, "t", map[string]any{"x": make(chan int)}), nil, "chan int")
	wantError(t, p.Publish(ctx, "", event{}), nil, "topic is empty")
	wantError(t, p.Publish(ctx, "a b", event{}), nil, `topic "a b" has a space`)
	wantError(t, p.Publish(ctx, "a\xff", event{}), nil, "not UTF-8")
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	wantError(t, p.Publish(canceled, "t", event{}), context.Canceled)
	if n := p.PubStats().Sent; n != 0 {
		t.Errorf("%d messages sent", n)
	}
}

func TestPublishNeedsStartedService(t *testing.T) {
	t.Parallel()
	p := newPublisher(t, messaging.PublisherConfig{Address: freeAddress("inproc")})
	wantError(t, p.Publish(t.Context(), "t", event{}), service.ErrState, "Publish", "initialized", "started, running")
	wantError(t, p.WaitForSubscribers(t.Context(), "t", 1), service.ErrState)
	if p.PubAddresses() != nil {
		t.Error("addresses before Start")
	}
	r := run(t, p)
	check(t, p.Publish(t.Context(), "t", event{}))
	r.stop(t)
	wantError(t, p.Publish(t.Context(), "t", event{}), service.ErrState, "stopped")
	var state *service.StateError
	if err := p.Publish(t.Context(), "t", event{}); !errors.As(err, &state) || state.State != service.Stopped {
		t.Errorf("error %v", err)
	}
}

func TestStartFailsWhereAddressIsTaken(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		second := newPublisher(t, messaging.PublisherConfig{Address: "@" + p.PubAddresses()[0]})
		wantError(t, second.Start(t.Context()), nil, "pub of pub", "bind "+p.PubAddresses()[0])
		if s := second.State(); s != service.Stopped {
			t.Errorf("state %s", s)
		}
	})
}

func TestRestartHasFreshSockets(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
		got := make(chan int, 1)
		check(t, messaging.Handle(s, "t", func(_ context.Context, _ string, e event) error { got <- e.N; return nil }))
		for i := range 3 {
			r := run(t, s)
			subscribed(t, p, "t", 1)
			check(t, p.Publish(t.Context(), "t", event{N: i}))
			if n := receive(t, got); n != i {
				t.Errorf("got %d, want %d", n, i)
			}
			if n := s.SubStats().Received; n != 1 {
				t.Errorf("%d received since Start, want 1", n)
			}
			r.stop(t)
			eventually(t, "subscriber gone", func() bool { return p.PubStats().Peers == 0 })
		}
	})
}

func TestSubscriberFindsRestartedPublisher(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p, r := startPublisher(t, carrier, messaging.PublisherConfig{})
		address := p.PubAddresses()[0]
		s := newSubscriber(t, messaging.SubscriberConfig{Address: address})
		got := make(chan int, 1)
		check(t, messaging.Handle(s, "t", func(_ context.Context, _ string, e event) error { got <- e.N; return nil }))
		run(t, s)
		subscribed(t, p, "t", 1)
		r.stop(t)

		again := newPublisher(t, messaging.PublisherConfig{Address: "@" + address, HeartbeatInterval: -1})
		run(t, again)
		subscribed(t, again, "t", 1)
		check(t, again.Publish(t.Context(), "t", event{N: 5}))
		if n := receive(t, got); n != 5 {
			t.Errorf("got %d", n)
		}
	})
}

func TestMinSubscribersHoldsFirstPublish(t *testing.T) {
	t.Parallel()
	p, _ := startPublisher(t, "tcp", messaging.PublisherConfig{MinSubscribers: 2})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, p.Publish(ctx, "t", event{}), context.Canceled, `2 subscribers of "t"`)

	got := make(chan int, 2)
	for range 2 {
		s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
		check(t, messaging.Handle(s, "t", func(_ context.Context, _ string, e event) error { got <- e.N; return nil }))
		run(t, s)
	}
	check(t, p.Publish(testContext(t), "t", event{N: 1}))
	if sum := receive(t, got) + receive(t, got); sum != 2 {
		t.Errorf("sum %d", sum)
	}
	check(t, p.Publish(t.Context(), "other", event{})) // nobody subscribed: it waits no more
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		p := newPublisher(t, messaging.PublisherConfig{
			Address:           freeAddress(carrier),
			HeartbeatTopic:    "pub.heartbeat",
			HeartbeatInterval: time.Millisecond,
		})
		check(t, p.Start(t.Context()))
		s := newSubscriber(t, messaging.SubscriberConfig{Address: p.PubAddresses()[0]})
		beats := make(chan messaging.Heartbeat, 1000)
		check(t, messaging.Handle(s, "pub.heartbeat", func(_ context.Context, _ string, h messaging.Heartbeat) error {
			beats <- h
			return nil
		}))
		run(t, s)
		subscribed(t, p, "pub.heartbeat", 1)
		before := time.Now()
		ran := make(chan error, 1)
		go func() { ran <- p.Run(context.Background()) }()

		first, second := receive(t, beats), receive(t, beats)
		if first.Type != messaging.TypeHeartbeat || first.Service != "pub" || first.State != service.Running ||
			first.ServiceType != "publisher" || first.Instance != p.Instance() || first.Status != service.StatusHealthy {
			t.Errorf("heartbeat %+v", first)
		}
		if age := first.Time().Sub(before); age < -time.Millisecond || age > patience {
			t.Errorf("the first heartbeat is %v late", age)
		}
		if second.Timestamp < first.Timestamp {
			t.Errorf("timestamps %f, %f", first.Timestamp, second.Timestamp)
		}
		if _, err := p.Stop(testContext(t)); err != nil {
			t.Fatal(err)
		}
		check(t, receive(t, ran))
		for h := receive(t, beats); h.State != service.Stopping; h = receive(t, beats) {
			if h.State != service.Running {
				t.Fatalf("heartbeat %+v", h)
			}
		}
	})
}

func TestHeartbeatOnTheWire(t *testing.T) {
	t.Parallel()
	p := newPublisher(t, messaging.PublisherConfig{Address: freeAddress("tcp")})
	check(t, p.Start(t.Context()))
	s := rawSub(t, p)
	subscribed(t, p, messaging.DefaultHeartbeatTopic, 1)
	ran := make(chan error, 1)
	go func() { ran <- p.Run(context.Background()) }()
	m := must[zmq.Message](t)(s.Recv(testContext(t)))
	text := string(m.Bytes())
	for _, want := range []string{`heartbeat {"type":"Heartbeat","timestamp":1`, `,"service":"pub","state":"running",`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not have %s", text, want)
		}
	}
	if _, err := p.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	check(t, receive(t, ran))
}

func TestWaitForSubscribersEndsWithService(t *testing.T) {
	t.Parallel()
	p, r := startPublisher(t, "inproc", messaging.PublisherConfig{})
	waited := make(chan error, 1)
	entered := make(chan struct{})
	check(t, p.Go("task", func(context.Context) error {
		close(entered)
		waited <- p.WaitForSubscribers(context.Background(), "t", 1)
		return nil
	}))
	receive(t, entered)
	if receipt := r.stop(t); len(receipt.TasksAbandoned) != 0 {
		t.Errorf("receipt %+v", receipt)
	}
	wantError(t, receive(t, waited), service.ErrStopped, `1 subscribers of "t"`)
}

func TestHandlerAfterFailedStart(t *testing.T) {
	t.Parallel()
	p, _ := startPublisher(t, "tcp", messaging.PublisherConfig{})
	taken := p.PubAddresses()[0]
	s := newSubscriber(t, messaging.SubscriberConfig{Address: "@" + taken})
	wantError(t, s.Start(t.Context()), nil, "bind "+taken)
	check(t, s.HandleRaw("t", func(context.Context, messaging.Delivery) error { return nil }))
}
