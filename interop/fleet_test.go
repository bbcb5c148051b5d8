package interop_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
)

// task and result are what controllers and workers exchange.
type task struct {
	Type    string `json:"type"`
	TaskID  string `json:"task_id"`
	Payload string `json:"payload"`
	Seq     int    `json:"seq"`
}

type result struct {
	Type   string `json:"type"`
	TaskID string `json:"task_id"`
	Worker string `json:"worker"`
	Result string `json:"result"`
	Seq    int    `json:"seq"`
}

// newController makes a Go controller on free ports, which subscribes to all of the publisher, and whose results arrive
// at the channel.
func newController(t *testing.T, sub string, results chan<- result) *messaging.Controller {
	t.Helper()
	needPython(t) // before there is anything to stop
	c, err := messaging.NewController(messaging.ControllerConfig{
		Name: "go", HeartbeatInterval: -1, Config: quiet,
		PubAddress: "@" + wildcard(), PushAddress: "@" + wildcard(), PullAddress: "@" + wildcard(), SubAddress: sub,
	})
	check(t, err)
	check(t, messaging.HandleResult(c, func(ctx context.Context, r result) error {
		select {
		case results <- r:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
	return c
}

// pythonWorker starts a Python worker of a Go controller, and waits until commands reach it.
func pythonWorker(t *testing.T, c *messaging.Controller, name string) *peer {
	t.Helper()
	p := startPeer(t, "worker", "--name", name, "--topic", "command", "--topic", "to."+name,
		"--sub", ">"+c.PubAddresses()[0], "--pull", ">"+c.PushAddresses()[0], "--push", ">"+c.PullAddresses()[0])
	check(t, c.WaitForSubscribers(within(t), "to."+name, 1))
	return p
}

func TestController(t *testing.T) {
	t.Parallel()
	results, notes := make(chan result), make(chan published)
	sensor := startPeer(t, "publisher", "--pub", "@"+wildcard(), "--heartbeat", "0.05", "--name", "sensor")
	c := newController(t, sensor.endpoint("pub"), results)
	check(t, messaging.Handle(c, "*", keep("any", notes)))
	running(t, c)
	workers := []*peer{pythonWorker(t, c, "one"), pythonWorker(t, c, "two")}

	ctx := within(t)
	check(t, c.WaitForSubscribers(ctx, "command", len(workers)))
	check(t, c.Publish(ctx, "command", message{Type: "Command", Text: "start"}))
	for _, w := range workers {
		if e := w.expect("message"); e.Topic != "command" || e.Message["text"] != "start" {
			t.Errorf("%s got %+v", w.name, e)
		}
	}
	if n := next(t, notes); n.topic != "heartbeat" || n.msg.Type != "Heartbeat" {
		t.Errorf("the controller got %+v, want a heartbeat", n)
	}

	const count = 1000
	sent := make(chan error, 1)
	go func() {
		for seq := range count {
			if err := c.Push(ctx, task{Type: "Task", TaskID: fmt.Sprint("t", seq), Payload: "abc", Seq: seq}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	by, seen := map[string]int{}, map[int]bool{}
	for range count {
		r := next(t, results)
		if r.Type != "Result" || r.TaskID != fmt.Sprint("t", r.Seq) || r.Result != "ABC" || seen[r.Seq] {
			t.Fatalf("result %+v, seen before: %v", r, seen[r.Seq])
		}
		by[r.Worker]++
		seen[r.Seq] = true
	}
	check(t, next(t, sent))
	if len(by) != 2 || by["one"] == 0 || by["two"] == 0 {
		t.Errorf("tasks by worker: %v, want both at work", by)
	}
}

// goWorker starts a Go worker of a Python controller, which hears of notes in the channel.
func goWorker(t *testing.T, controller *peer, name string, notes chan<- published) *messaging.Worker {
	t.Helper()
	w, err := messaging.NewWorker(messaging.WorkerConfig{
		Name: name, Config: quiet,
		SubAddress:  ">" + controller.endpoint("pub"),
		PullAddress: ">" + controller.endpoint("push"),
		PushAddress: ">" + controller.endpoint("pull"),
	})
	check(t, err)
	check(t, messaging.Handle(w, "*", keep(name, notes)))
	check(t, messaging.HandleWork(w, func(_ context.Context, in task) (result, error) {
		return result{"Result", in.TaskID, name, strings.ToUpper(in.Payload), in.Seq}, nil
	}))
	return running(t, w)
}

func TestWorker(t *testing.T) {
	t.Parallel()
	controller := startController(t, "--heartbeat", "0.05", "--topic", "")
	notes := make(chan published, 10_000) // heartbeats go on coming
	goWorker(t, controller, "one", notes)
	goWorker(t, controller, "two", notes)
	for missing := map[string]bool{"one": true, "two": true}; len(missing) > 0; {
		delete(missing, next(t, notes).handler) // each has had a heartbeat
	}
	controller.tell("publish", command{"topic": "command", "message": message{Text: "start"}})
	for missing := map[string]bool{"one": true, "two": true}; len(missing) > 0; {
		if n := next(t, notes); n.topic == "command" && n.msg.Text == "start" {
			delete(missing, n.handler)
		}
	}
	const count = 1000
	controller.tell("push", command{"message": task{Type: "Task", TaskID: "t", Payload: "abc"}, "count": count})
	by, seen := map[any]int{}, map[any]bool{}
	for range count {
		r := controller.expect("result").Message
		if r["type"] != "Result" || r["task_id"] != "t" || r["result"] != "ABC" || seen[r["seq"]] {
			t.Fatalf("result %v, seen before: %v", r, seen[r["seq"]])
		}
		by[r["worker"]]++
		seen[r["seq"]] = true
	}
	if len(by) != 2 {
		t.Errorf("tasks by worker: %v, want both at work", by)
	}
}

// TestControllerLosesWorkers kills one worker after the other: the controller goes on with whoever comes next.
func TestControllerLosesWorkers(t *testing.T) {
	t.Parallel()
	results := make(chan result, 100)
	c := newController(t, ">"+strings.Replace(wildcard(), "*", "9", 1), results)
	running(t, c)
	for life := range lives {
		name := fmt.Sprint("life ", life)
		w := pythonWorker(t, c, strings.ReplaceAll(name, " ", "."))
		ctx, cancel := context.WithCancel(within(t))
		pushed := make(chan struct{})
		go func() {
			defer close(pushed)
			for c.Push(ctx, task{Type: "Task", TaskID: name}) == nil {
				continue
			}
		}()
		for n := 0; n < 100; {
			if r := next(t, results); r.TaskID == name {
				n++
			}
		}
		w.kill() // with tasks in its hands and more on the way
		cancel()
		<-pushed
	}
	if s := c.Stats(); s.Errors != 0 {
		t.Errorf("%+v, want no errors", s)
	}
}

// TestWorkerLosesController kills the controller and starts another at its addresses: the worker comes back.
func TestWorkerLosesController(t *testing.T) {
	t.Parallel()
	notes := make(chan published, 1000)
	first := startController(t, "--heartbeat", "0.05")
	w := goWorker(t, first, "w", notes)
	next(t, notes)
	first.tell("push", command{"message": task{TaskID: "1", Payload: "abc"}})
	first.expect("result")
	first.kill()
	second := startPeer(t, "controller", "--heartbeat", "0.05", "--heartbeat-topic", "second.heartbeat",
		"--pub", "@"+first.endpoint("pub"), "--push", "@"+first.endpoint("push"), "--pull", "@"+first.endpoint("pull"), "--sub", "")
	nextOf(t, notes, onTopic("second.heartbeat"))
	second.tell("push", command{"message": task{TaskID: "2", Payload: "def"}})
	if r := second.expect("result").Message; r["task_id"] != "2" || r["result"] != "DEF" {
		t.Errorf("result %v", r)
	}
	if s := w.Stats(); s.Errors != 0 {
		t.Errorf("%+v, want no errors", s)
	}
}

// TestWorkerStopsWithoutController stops a worker whose controller is gone, while it has a result to push.
func TestWorkerStopsWithoutController(t *testing.T) {
	t.Parallel()
	controller := startController(t, "--heartbeat", "0")
	took, gone := make(chan struct{}), make(chan struct{})
	w, err := messaging.NewWorker(messaging.WorkerConfig{
		Name: "w", Config: quiet,
		SubAddress:  ">" + controller.endpoint("pub"),
		PullAddress: ">" + controller.endpoint("push"),
		PushAddress: ">" + controller.endpoint("pull"),
	})
	check(t, err)
	check(t, messaging.HandleWork(w, func(_ context.Context, in task) (result, error) {
		close(took)
		<-gone
		return result{TaskID: in.TaskID}, nil
	}))
	check(t, w.Start(within(t)))
	ended := make(chan error, 1)
	go func() { ended <- w.Run(context.Background()) }()
	controller.tell("push", command{"message": task{TaskID: "1"}})
	next(t, took)
	controller.kill()
	close(gone)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := w.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
	check(t, next(t, ended))
}

// TestServicesReturn stops Go services and starts them again at the same addresses: Python workers come back.
func TestServicesReturn(t *testing.T) {
	t.Parallel()
	results := make(chan result, 100)
	first := newController(t, ">"+strings.Replace(wildcard(), "*", "9", 1), results)
	check(t, first.Start(within(t)))
	worker := pythonWorker(t, first, "w")
	pub, push, pull := first.PubAddresses()[0], first.PushAddresses()[0], first.PullAddresses()[0]
	if _, err := first.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	second, err := messaging.NewController(messaging.ControllerConfig{
		Name: "go", HeartbeatInterval: -1, Config: quiet,
		PubAddress: "@" + pub, PushAddress: "@" + push, PullAddress: "@" + pull, SubAddress: ">" + pub,
	})
	check(t, err)
	check(t, messaging.HandleResult(second, func(_ context.Context, r result) error {
		results <- r
		return nil
	}))
	running(t, second)
	ctx := within(t)
	check(t, second.WaitForSubscribers(ctx, "to.w", 1))
	check(t, second.Publish(ctx, "to.w", message{Text: "again"}))
	worker.expect("message")
	check(t, second.Push(ctx, task{TaskID: "again"}))
	if r := next(t, results); r.TaskID != "again" {
		t.Errorf("result %+v", r)
	}
}
