package messaging_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

type task struct {
	Type messaging.MessageType `json:"type"`
	ID   int                   `json:"task_id"`
}

type result struct {
	Type   messaging.MessageType `json:"type"`
	ID     int                   `json:"task_id"`
	Square int                   `json:"square"`
	Error  string                `json:"error,omitzero"`
}

func newController(t testing.TB, carrier string, sub string) *messaging.Controller {
	t.Helper()
	return must[*messaging.Controller](t)(messaging.NewController(messaging.ControllerConfig{
		Name:              "controller",
		PubAddress:        freeAddress(carrier),
		SubAddress:        sub,
		PushAddress:       freeAddress(carrier),
		PullAddress:       freeAddress(carrier),
		HeartbeatInterval: -1,
		Config:            quiet,
	}))
}

// workerConfig is the configuration of a worker of a controller that has been started.
func workerConfig(c *messaging.Controller) messaging.WorkerConfig {
	return messaging.WorkerConfig{
		Name:        "worker",
		SubAddress:  c.PubAddresses()[0],
		PullAddress: c.PushAddresses()[0],
		PushAddress: c.PullAddresses()[0],
		Config:      quiet,
	}
}

func newWorker(t testing.TB, cfg messaging.WorkerConfig) *messaging.Worker {
	t.Helper()
	return must[*messaging.Worker](t)(messaging.NewWorker(cfg))
}

func square(_ context.Context, in task) (result, error) {
	return result{Type: messaging.TypeResult, ID: in.ID, Square: in.ID * in.ID}, nil
}

func TestControllerAndWorkers(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		const tasks, workers = 300, 3
		status, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		c := newController(t, carrier, status.PubAddresses()[0])
		results := make(chan result, tasks)
		check(t, messaging.HandleResult(c, func(_ context.Context, r result) error { results <- r; return nil }))
		sensed := make(chan int, 1)
		check(t, messaging.Handle(c, "sensor.data", func(_ context.Context, _ string, e event) error { sensed <- e.N; return nil }))
		run(t, c)

		commands := make(chan string, workers)
		for i := range workers {
			cfg := workerConfig(c)
			cfg.Concurrency = i + 1
			w := newWorker(t, cfg)
			check(t, messaging.HandleWork(w, square))
			check(t, messaging.Handle(w, "command", func(_ context.Context, topic string, _ event) error {
				commands <- topic
				return nil
			}))
			run(t, w)
		}

		subscribed(t, c.Publisher, "command", workers)
		check(t, c.Publish(t.Context(), "command", event{Type: messaging.TypeCommand}))
		for range workers {
			receive(t, commands)
		}
		subscribed(t, status, "sensor.data", 1)
		check(t, status.Publish(t.Context(), "sensor.data", event{N: 3}))
		receive(t, sensed)

		for i := range tasks {
			check(t, c.Push(testContext(t), task{messaging.TypeTask, i}))
		}
		seen := make(map[int]bool)
		for range tasks {
			r := receive(t, results)
			if r.Square != r.ID*r.ID || seen[r.ID] {
				t.Errorf("result %+v, seen before: %v", r, seen[r.ID])
			}
			seen[r.ID] = true
		}
		if st := c.Stats(); st.MessagesSent != tasks+1 || st.MessagesReceived != tasks+1 || st.Type != "controller" {
			t.Errorf("Stats %+v", st)
		}
	})
}

func TestWorkerErrors(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		c := newController(t, carrier, freeAddress("inproc")[1:])
		results := make(chan result, 10)
		check(t, messaging.HandleResult(c, func(_ context.Context, r result) error { results <- r; return nil }))
		run(t, c)
		cfg := workerConfig(c)
		cfg.ErrorResult = func(d messaging.Delivery, err error) any {
			var in task
			if d.Decode(&in) != nil {
				return map[string]any{"task_id": -1, "error": "bad"}
			}
			return result{ID: in.ID, Error: err.Error()}
		}
		w := newWorker(t, cfg)
		check(t, messaging.HandleWork(w, func(ctx context.Context, in task) (*result, error) {
			switch in.ID {
			case 1:
				return nil, errors.New("no paint")
			case 2:
				panic("spilled")
			case 3:
				return nil, nil
			}
			r, err := square(ctx, in)
			return &r, err
		}))
		run(t, w)
		for i := range 5 {
			check(t, c.Push(testContext(t), task{ID: i}))
		}
		check(t, c.PushRaw(testContext(t), []byte(`{"task_id":"five"}`)))
		for _, want := range []result{
			{Type: "Result"},
			{ID: 1, Error: "no paint"},
			{ID: 2, Error: "panic in task handler: spilled"},
			{Type: "Result", ID: 4, Square: 16},
			{ID: -1, Error: "bad"},
		} {
			if r := receive(t, results); r != want {
				t.Errorf("result %+v, want %+v", r, want)
			}
		}
		if st := w.PullStats(); st.Failed != 2 || st.Bad != 1 || st.Received != 6 {
			t.Errorf("PullStats %+v", st)
		}
		if w.State() != service.Running || w.Stats().Errors != 2 {
			t.Errorf("state %s, %d errors", w.State(), w.Stats().Errors)
		}
	})
}

// TestWorkerCountsErrorsBeforeItTells looks at the statistics when the result of a task that failed
// is made: whoever gets it must find the error counted.
func TestWorkerCountsErrorsBeforeItTells(t *testing.T) {
	t.Parallel()
	c := newController(t, "inproc", freeAddress("inproc")[1:])
	run(t, c)
	type counts struct{ failed, bad, errors uint64 }
	told := make(chan counts, 1)
	var w *messaging.Worker
	cfg := workerConfig(c)
	cfg.ErrorResult = func(messaging.Delivery, error) any {
		told <- counts{w.PullStats().Failed, w.PullStats().Bad, w.Stats().Errors}
		panic("no result")
	}
	w = newWorker(t, cfg)
	check(t, messaging.HandleWork(w, func(context.Context, task) (*result, error) { return nil, errors.New("no paint") }))
	run(t, w)
	for i, want := range []counts{{failed: 1, errors: 1}, {failed: 2, errors: 3}} { // each panic is an error, too
		check(t, c.Push(testContext(t), task{ID: i}))
		if got := receive(t, told); got != want {
			t.Errorf("task %d: counted %+v, want %+v", i, got, want)
		}
	}
	check(t, c.PushRaw(testContext(t), []byte(`{"task_id":"two"}`)))
	if got, want := receive(t, told), (counts{failed: 2, bad: 1, errors: 4}); got != want {
		t.Errorf("bad task: counted %+v, want %+v", got, want)
	}
}

func TestWorkerWithoutErrorResultPushesNone(t *testing.T) {
	t.Parallel()
	c := newController(t, "inproc", freeAddress("inproc")[1:])
	results := make(chan string, 10)
	check(t, c.HandleResultRaw(func(_ context.Context, d messaging.Delivery) error { results <- string(d.Payload); return nil }))
	run(t, c)
	w := newWorker(t, workerConfig(c))
	check(t, w.HandleTaskRaw(func(_ context.Context, d messaging.Delivery) ([]byte, error) {
		switch string(d.Payload) {
		case `{"n":0}`:
			return d.Payload, errors.New("no")
		case `{"n":1}`:
			return nil, nil
		case `{"n":2}`:
			return []byte("not JSON"), nil
		}
		return d.Payload, nil
	}))
	run(t, w)
	for i := range 4 {
		check(t, c.Push(testContext(t), event{N: i}))
	}
	if r := receive(t, results); r != `{"n":3}` {
		t.Errorf("result %s", r)
	}
	if st := w.PullStats(); st.Failed != 2 {
		t.Errorf("PullStats %+v", st)
	}
	wantError(t, w.HandleTaskRaw(nil), nil, "nil")
	wantError(t, w.HandleTaskRaw(func(context.Context, messaging.Delivery) ([]byte, error) { return nil, nil }), nil, "already")
}

// TestWorkerStopPushesResultsInHand stops a worker whose handlers are at work.
func TestWorkerStopPushesResultsInHand(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		const n = 4
		c := newController(t, carrier, freeAddress("inproc")[1:])
		results := make(chan result, n)
		check(t, messaging.HandleResult(c, func(_ context.Context, r result) error { results <- r; return nil }))
		run(t, c)
		cfg := workerConfig(c)
		cfg.Concurrency = n
		w := newWorker(t, cfg)
		var entered sync.WaitGroup
		entered.Add(n)
		check(t, messaging.HandleWork(w, func(ctx context.Context, in task) (result, error) {
			entered.Done()
			<-ctx.Done()
			return square(ctx, in)
		}))
		r := run(t, w)
		for i := range n {
			check(t, c.Push(testContext(t), task{ID: i}))
		}
		entered.Wait()
		if receipt := r.stop(t); receipt.MessagesDropped != 0 || len(receipt.TasksAbandoned) != 0 {
			t.Errorf("receipt %+v", receipt)
		}
		for range n {
			receive(t, results)
		}
	})
}

func TestWorkersComeAndGo(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		c := newController(t, carrier, freeAddress("inproc")[1:])
		results := make(chan result, 1)
		check(t, messaging.HandleResult(c, func(_ context.Context, r result) error { results <- r; return nil }))
		run(t, c)
		for i := range 5 {
			w := newWorker(t, workerConfig(c))
			check(t, messaging.HandleWork(w, square))
			r := run(t, w)
			check(t, c.Push(testContext(t), task{ID: i}))
			if res := receive(t, results); res.ID != i {
				t.Errorf("result %+v, want %d", res, i)
			}
			r.stop(t)
			eventually(t, "worker gone", func() bool { return c.PushStats().Peers == 0 })
		}
	})
}

func TestPublisherSubscriber(t *testing.T) {
	t.Parallel()
	overCarriers(t, func(t *testing.T, carrier string) {
		commander, _ := startPublisher(t, carrier, messaging.PublisherConfig{})
		ps := must[*messaging.PublisherSubscriber](t)(messaging.NewPublisherSubscriber(messaging.PublisherSubscriberConfig{
			Name:              "lamp",
			PubAddress:        freeAddress(carrier),
			SubAddress:        commander.PubAddresses()[0],
			HeartbeatInterval: -1,
			Config:            quiet,
		}))
		check(t, messaging.Handle(ps, "command", func(ctx context.Context, _ string, e event) error {
			return ps.Publish(ctx, "state", event{Type: messaging.TypeStateUpdate, N: e.N + 1})
		}))
		run(t, ps)
		s := newSubscriber(t, messaging.SubscriberConfig{Address: ps.PubAddresses()[0]})
		got := make(chan int, 1)
		check(t, messaging.Handle(s, "state", func(_ context.Context, _ string, e event) error { got <- e.N; return nil }))
		run(t, s)
		subscribed(t, commander, "command", 1)
		subscribed(t, ps.Publisher, "state", 1)
		check(t, commander.Publish(t.Context(), "command", event{N: 41}))
		if n := receive(t, got); n != 42 {
			t.Errorf("got %d", n)
		}
		if ps.Type() != "publisher-subscriber" || ps.PubStats().Peers != 1 || ps.SubStats().Received != 1 {
			t.Errorf("%s, %+v, %+v", ps.Type(), ps.PubStats(), ps.SubStats())
		}
	})
}

// camera embeds a kind of service and has a Start of its own.
type camera struct {
	*messaging.Publisher
	open bool
}

func (c *camera) Start(ctx context.Context) error {
	return c.StartWith(ctx, func(ctx context.Context) error {
		c.open = true
		return c.Publisher.Start(ctx)
	})
}

func TestEmbeddedKind(t *testing.T) {
	t.Parallel()
	c := &camera{Publisher: newPublisher(t, messaging.PublisherConfig{Address: freeAddress("inproc")})}
	run(t, c)
	if !c.open {
		t.Error("Start of the outer type was not called")
	}
	check(t, c.Publish(t.Context(), "t", event{}))
	c.open = false
	wantError(t, c.Start(t.Context()), service.ErrState, fmt.Sprint(service.Running))
	if c.open {
		t.Error("user code ran in a wrong state")
	}
}
