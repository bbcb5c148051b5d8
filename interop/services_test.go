package interop_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// message is what the Go services of these tests send and receive.
type message struct {
	Type string `json:"type"`
	Text string `json:"text,omitzero"`
	Seq  int    `json:"seq"`
}

// difficult is text that JSON libraries write in different ways.
const difficult = "één 日本 😀 \" \\ \u2028 </script> \x7f \t"

// tasks is how many are pushed: fewer than in the tests of bare sockets, since JSON and the race detector take their time.
const tasks = 20_000

// quiet is a configuration without log.
var quiet = messaging.Config{Service: service.Config{Logger: slog.New(slog.DiscardHandler)}}

// lifecycle is what all services have.
type lifecycle interface {
	service.Lifecycle
	States() *service.StateManager
}

// running starts and runs a service. At the end of the test it has to stop cleanly.
func running[S lifecycle](t *testing.T, s S) S {
	t.Helper()
	needPython(t) // before there is anything to stop
	again(t, func() error { return s.Start(within(t)) })
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		if _, err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	if _, err := s.States().WaitForState(within(t), service.Running); err != nil {
		t.Fatal(err)
	}
	return s
}

// check ends the test where there is an error.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// next takes one value from a channel that a handler fills.
func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	ctx := within(t)
	select {
	case v := <-c:
		return v
	case <-ctx.Done():
		t.Fatalf("nothing came: %v", ctx.Err())
		panic("unreachable")
	}
}

// nextOf takes values until one comes that the condition holds for.
func nextOf[T any](t *testing.T, c <-chan T, holds func(T) bool) {
	t.Helper()
	for !holds(next(t, c)) {
		continue
	}
}

// onTopic holds for what was published on the topic.
func onTopic(topic string) func(published) bool {
	return func(p published) bool { return p.topic == topic }
}

// bothWays runs a test with the Go service binding and with the Python service binding.
func bothWays(t *testing.T, test func(t *testing.T, goBinds bool)) {
	t.Helper()
	t.Parallel()
	for _, goBinds := range []bool{true, false} {
		name := "Python binds"
		if goBinds {
			name = "Go binds"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, goBinds)
		})
	}
}

// couple starts a Go service of one socket and its Python counterpart, connected: newGo makes and starts the Go service
// at an address and returns its resolved one. role is the name of the peer and of its socket's option.
func couple(t *testing.T, goBinds bool, newGo func(address string) []string, peerName, role string, args ...string) *peer {
	t.Helper()
	if goBinds {
		return startPeer(t, peerName, append(args, "--"+role, ">"+newGo("@" + wildcard())[0])...)
	}
	p := startPeer(t, peerName, append(args, "--"+role, "@"+wildcard())...)
	newGo(">" + p.endpoint(role))
	return p
}

func TestPublisher(t *testing.T) {
	bothWays(t, func(t *testing.T, goBinds bool) {
		var publisher *messaging.Publisher
		subscriber := couple(t, goBinds, func(address string) []string {
			p, err := messaging.NewPublisher(messaging.PublisherConfig{
				Name: "camera", Address: address, Config: quiet,
				HeartbeatTopic: "camera.heartbeat", HeartbeatInterval: service.Tick,
			})
			check(t, err)
			publisher = running(t, p)
			return publisher.PubAddresses()
		}, "subscriber", "sub", "--topic", "camera.heartbeat", "--topic", "state")

		beat := subscriber.expect("message", topic("camera.heartbeat"), func(e event) bool { return e.Message["state"] == "running" })
		at, _ := beat.Message["timestamp"].(float64)
		if age := time.Now().Unix() - int64(at); beat.Message["type"] != "Heartbeat" || beat.Message["service"] != "camera" || age < 0 || age > 60 {
			t.Errorf("heartbeat %v, %d s old", beat.Message, age)
		}
		ctx := within(t)
		check(t, publisher.WaitForSubscribers(ctx, "state", 1))
		check(t, publisher.Publish(ctx, "other", message{Text: "unwanted"}))
		check(t, publisher.Publish(ctx, "state", message{Type: "StateUpdate", Text: difficult, Seq: 1}))
		check(t, publisher.PublishRaw(ctx, "state2", []byte(`{"type": "CUSTOM", "data": {"pi": 3.25, "no": null}}`)))
		got := subscriber.expect("message", notTopic("camera.heartbeat"))
		if got.Topic != "state" || got.Parts != 1 || got.Message["text"] != difficult || got.Message["seq"] != 1.0 {
			t.Errorf("got %+v", got)
		}
		got = subscriber.expect("message", notTopic("camera.heartbeat"))
		if got.Topic != "state2" || fmt.Sprint(got.Message["data"]) != "map[no:<nil> pi:3.25]" {
			t.Errorf("got %+v", got)
		}
	})
}

// published is what a handler of publications was called with.
type published struct {
	handler, topic string
	msg            message
}

// keep is a handler that sends on what it gets, under its name.
func keep(name string, to chan<- published) func(context.Context, string, message) error {
	return func(ctx context.Context, topic string, msg message) error {
		select {
		case to <- published{name, topic, msg}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestSubscriber(t *testing.T) {
	bothWays(t, func(t *testing.T, goBinds bool) {
		got := make(chan published)
		beats := make(chan messaging.Heartbeat, 1000)
		publisher := couple(t, goBinds, func(address string) []string {
			s, err := messaging.NewSubscriber(messaging.SubscriberConfig{Name: "display", Address: address, Config: quiet})
			check(t, err)
			check(t, messaging.Handle(s, "worker.status", keep("exact", got)))
			check(t, messaging.Handle(s, "worker.*", keep("prefix", got)))
			check(t, messaging.Handle(s, "worker.status.*", keep("longer prefix", got)))
			check(t, messaging.Handle(s, "heartbeat", func(_ context.Context, _ string, h messaging.Heartbeat) error {
				beats <- h
				return nil
			}))
			// It makes the subscriber ask for all with one subscription, so that whoever gets heartbeats gets the rest too.
			check(t, s.HandleDefault(func(ctx context.Context, d messaging.Delivery) error {
				var m message
				return errors.Join(d.Decode(&m), keep("default", got)(ctx, d.Topic, m))
			}))
			return running(t, s).SubAddresses()
		}, "publisher", "pub", "--heartbeat", "0.05", "--name", "camera")

		beat := next(t, beats)
		if age := time.Since(beat.Time()); beat.Type != "Heartbeat" || beat.Service != "camera" || beat.State != "running" || age.Abs() > time.Minute {
			t.Errorf("heartbeat %+v, %v old", beat, age)
		}
		for i, want := range []published{
			{handler: "exact", topic: "worker.status"},
			{handler: "prefix", topic: "worker.status2"},
			{handler: "longer prefix", topic: "worker.status.x"},
			{handler: "prefix", topic: "worker."},
			{handler: "default", topic: "worker"},
			{handler: "default", topic: "sensor/日本"},
		} {
			want.msg = message{Type: "Event", Text: difficult, Seq: i}
			publisher.tell("publish", command{"topic": want.topic, "message": want.msg})
			if got := next(t, got); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
}

func TestPusher(t *testing.T) {
	bothWays(t, func(t *testing.T, goBinds bool) {
		var pusher *messaging.Pusher
		puller := couple(t, goBinds, func(address string) []string {
			p, err := messaging.NewPusher(messaging.PusherConfig{Name: "source", Address: address, Config: quiet})
			check(t, err)
			pusher = running(t, p)
			return pusher.PushAddresses()
		}, "puller", "pull", "--tally", fmt.Sprint(tasks))

		ctx := within(t)
		check(t, pusher.PushRaw(ctx, []byte(`{"type": "Task", "nested": {"list": [1, "two", null]}}`)))
		got := puller.expect("task")
		if got.Parts != 1 || fmt.Sprint(got.Message) != "map[nested:map[list:[1 two <nil>]] type:Task]" {
			t.Errorf("got %+v", got)
		}
		for seq := range tasks {
			check(t, pusher.Push(ctx, message{Type: "Task", Text: difficult, Seq: seq}))
		}
		if e := puller.expect("tally"); e.First != 0 || e.Last != tasks-1 || !e.Ordered {
			t.Errorf("Python got %+v, want %d in order", e, tasks)
		}
	})
}

func TestPuller(t *testing.T) {
	bothWays(t, func(t *testing.T, goBinds bool) {
		done := make(chan error, 1)
		pusher := couple(t, goBinds, func(address string) []string {
			p, err := messaging.NewPuller(messaging.PullerConfig{Name: "sink", Address: address, Config: quiet})
			check(t, err)
			expected := 0
			check(t, messaging.HandleTask(p, func(_ context.Context, got message) error {
				if want := (message{Type: "Task", Text: difficult, Seq: expected}); got != want {
					done <- fmt.Errorf("got %+v, want %+v", got, want)
				}
				if expected++; expected == tasks {
					done <- nil
				}
				return nil
			}))
			return running(t, p).PullAddresses()
		}, "pusher", "push")
		pusher.tell("push", command{"message": message{Type: "Task", Text: difficult}, "count": tasks})
		check(t, next(t, done))
	})
}

func TestPublisherSubscriber(t *testing.T) {
	bothWays(t, func(t *testing.T, goBinds bool) {
		got, beats := make(chan published), make(chan published, 1000)
		start := func(pub, sub string) *messaging.PublisherSubscriber {
			ps, err := messaging.NewPublisherSubscriber(messaging.PublisherSubscriberConfig{
				Name: "go", PubAddress: pub, SubAddress: sub, HeartbeatInterval: -1, Config: quiet,
			})
			check(t, err)
			check(t, messaging.Handle(ps, "command", keep("command", got)))
			check(t, messaging.Handle(ps, "*", keep("any", beats)))
			return running(t, ps)
		}
		var g *messaging.PublisherSubscriber
		var p *peer
		args := []string{"--topic", "state", "--heartbeat", "0.05"}
		if goBinds {
			g = start("@"+wildcard(), "@"+wildcard())
			p = startPeer(t, "publisher_subscriber", append(args, "--pub", ">"+g.SubAddresses()[0], "--sub", ">"+g.PubAddresses()[0])...)
		} else {
			p = startPeer(t, "publisher_subscriber", append(args, "--pub", "@"+wildcard(), "--sub", "@"+wildcard())...)
			g = start(">"+p.endpoint("sub"), ">"+p.endpoint("pub"))
		}
		ctx := within(t)
		check(t, g.WaitForSubscribers(ctx, "state", 1))
		check(t, g.Publish(ctx, "state", message{Text: "from Go"}))
		if e := p.expect("message"); e.Topic != "state" || e.Message["text"] != "from Go" {
			t.Errorf("Python got %+v", e)
		}
		next(t, beats)
		p.tell("publish", command{"topic": "command", "message": message{Text: "from Python"}})
		if got := next(t, got); got.msg.Text != "from Python" {
			t.Errorf("Go got %+v", got)
		}
	})
}
