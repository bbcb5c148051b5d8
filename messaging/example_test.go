package messaging_test

import (
	"context"
	"fmt"
	"log"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// background starts and runs a service, and returns a function that stops it. A program of its own uses service.Main.
func background(s *service.Service) (stop func()) {
	if err := s.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	if _, err := s.States().WaitForState(context.Background(), service.Running); err != nil {
		log.Fatal(err)
	}
	return func() {
		if _, err := s.Stop(context.Background()); err != nil {
			log.Fatal(err)
		}
		if err := <-done; err != nil {
			log.Fatal(err)
		}
	}
}

// State is a message of the examples.
type State struct {
	Type messaging.MessageType `json:"type"`
	Lamp string                `json:"lamp"`
	On   bool                  `json:"on"`
}

func ExamplePublisher() {
	p, err := messaging.NewPublisher(messaging.PublisherConfig{
		Name:           "lamps",
		Address:        "inproc://example-publisher", // or messaging.BindAddress(messaging.TypeStateUpdate)
		MinSubscribers: 1,                            // the first message waits for somebody to hear it
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(p.Service)()

	s, err := messaging.NewSubscriber(messaging.SubscriberConfig{Name: "listener", Address: "inproc://example-publisher"})
	if err != nil {
		log.Fatal(err)
	}
	heard := make(chan State)
	err = messaging.Handle(s, "lamp.state", func(_ context.Context, _ string, m State) error {
		heard <- m
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(s.Service)()

	err = p.Publish(context.Background(), "lamp.state", State{messaging.TypeStateUpdate, "hall", true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", <-heard)
	// Output: {Type:StateUpdate Lamp:hall On:true}
}

func ExampleSubscriber() {
	s, err := messaging.NewSubscriber(messaging.SubscriberConfig{
		Name:    "listener",
		Address: "inproc://example-subscriber-a, inproc://example-subscriber-b", // of two publishers
	})
	if err != nil {
		log.Fatal(err)
	}
	lines := make(chan string)
	tell := func(handler string) messaging.Handler {
		return func(_ context.Context, d messaging.Delivery) error {
			lines <- fmt.Sprintf("%s: %s %s", handler, d.Topic, d.Payload)
			return nil
		}
	}
	// The topic itself goes before the longest prefix, and that before the default.
	for topic, handler := range map[string]string{"worker.status": "exact", "worker.*": "prefix"} {
		if err := s.HandleRaw(topic, tell(handler)); err != nil {
			log.Fatal(err)
		}
	}
	if err := s.HandleDefault(tell("default")); err != nil {
		log.Fatal(err)
	}
	defer background(s.Service)()

	p, err := messaging.NewPublisher(messaging.PublisherConfig{
		Name:              "worker",
		Address:           "inproc://example-subscriber-a",
		HeartbeatInterval: -1, // the default handler would hear heartbeats too
		MinSubscribers:    1,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(p.Service)()
	for _, topic := range []string{"worker.status", "worker.progress", "weather"} {
		if err := p.PublishRaw(context.Background(), topic, []byte(`{"ok":true}`)); err != nil {
			log.Fatal(err)
		}
		fmt.Println(<-lines)
	}
	// Output:
	// exact: worker.status {"ok":true}
	// prefix: worker.progress {"ok":true}
	// default: weather {"ok":true}
}

func ExamplePusher() {
	p, err := messaging.NewPusher(messaging.PusherConfig{Name: "chef", Address: "inproc://example-pusher"})
	if err != nil {
		log.Fatal(err)
	}
	defer background(p.Service)()

	w, err := messaging.NewPuller(messaging.PullerConfig{Name: "cook", Address: "inproc://example-pusher"})
	if err != nil {
		log.Fatal(err)
	}
	type dish struct {
		Name string `json:"name"`
	}
	cooked := make(chan string)
	err = messaging.HandleTask(w, func(_ context.Context, d dish) error {
		cooked <- d.Name
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(w.Service)()

	// Push waits until somebody is there to take the task, or its context ends.
	if err := p.Push(context.Background(), dish{"soup"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-cooked)
	// Output: soup
}

func ExamplePusher_WaitForPeers() {
	p, err := messaging.NewPusher(messaging.PusherConfig{Name: "chef", Address: "inproc://example-peers"})
	if err != nil {
		log.Fatal(err)
	}
	defer background(p.Service)()

	type dish struct {
		Name string `json:"name"`
	}
	cooked := make(chan string)
	for _, name := range []string{"Ann", "Bob"} {
		w, err := messaging.NewPuller(messaging.PullerConfig{Name: name, Address: "inproc://example-peers"})
		if err != nil {
			log.Fatal(err)
		}
		err = messaging.HandleTask(w, func(_ context.Context, d dish) error {
			cooked <- name + " cooks " + d.Name
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
		defer background(w.Service)()
	}

	// Without this wait the first cook to come could get both dishes.
	ctx := context.Background()
	if err := p.WaitForPeers(ctx, 2); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		if err := p.Push(ctx, dish{"soup"}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(<-cooked)
	fmt.Println(<-cooked)
	// Unordered output:
	// Ann cooks soup
	// Bob cooks soup
}

func ExamplePuller() {
	w, err := messaging.NewPuller(messaging.PullerConfig{
		Name:        "cooks",
		Address:     "@inproc://example-puller", // "@" forces binding: this time the one who pulls waits to be found
		Concurrency: 4,                          // four tasks at once
	})
	if err != nil {
		log.Fatal(err)
	}
	cooked := make(chan string)
	err = w.HandleTaskRaw(func(_ context.Context, d messaging.Delivery) error {
		cooked <- string(d.Payload)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(w.Service)()

	p, err := messaging.NewPusher(messaging.PusherConfig{Name: "chef", Address: ">inproc://example-puller"})
	if err != nil {
		log.Fatal(err)
	}
	defer background(p.Service)()
	if err := p.PushRaw(context.Background(), []byte(`{"name":"soup"}`)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-cooked)
	// Output: {"name":"soup"}
}

func ExamplePublisherSubscriber() {
	lamp, err := messaging.NewPublisherSubscriber(messaging.PublisherSubscriberConfig{
		Name:       "lamp",
		PubAddress: "inproc://example-both-state",
		SubAddress: "inproc://example-both-command",
	})
	if err != nil {
		log.Fatal(err)
	}
	err = messaging.Handle(lamp, "command", func(ctx context.Context, _ string, m State) error {
		return lamp.Publish(ctx, "lamp.state", State{messaging.TypeStateUpdate, m.Lamp, m.On})
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(lamp.Service)()

	room, err := messaging.NewPublisherSubscriber(messaging.PublisherSubscriberConfig{
		Name:       "room",
		PubAddress: "inproc://example-both-command",
		SubAddress: "inproc://example-both-state",
	})
	if err != nil {
		log.Fatal(err)
	}
	states := make(chan State)
	err = messaging.Handle(room, "lamp.state", func(_ context.Context, _ string, m State) error {
		states <- m
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(room.Service)()

	ctx := context.Background()
	if err := room.WaitForSubscribers(ctx, "command", 1); err != nil {
		log.Fatal(err)
	}
	if err := lamp.WaitForSubscribers(ctx, "lamp.state", 1); err != nil {
		log.Fatal(err)
	}
	if err := room.Publish(ctx, "command", State{messaging.TypeCommand, "desk", true}); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", <-states)
	// Output: {Type:StateUpdate Lamp:desk On:true}
}

func ExampleController() {
	type task struct {
		ID int `json:"task_id"`
	}
	type answer struct {
		ID     int `json:"task_id"`
		Square int `json:"square"`
	}
	c, err := messaging.NewController(messaging.ControllerConfig{
		Name:        "controller",
		PubAddress:  "inproc://example-fleet-commands",
		SubAddress:  "inproc://example-fleet-status",
		PushAddress: "inproc://example-fleet-tasks",
		PullAddress: "inproc://example-fleet-results",
	})
	if err != nil {
		log.Fatal(err)
	}
	answers := make(chan answer)
	err = messaging.HandleResult(c, func(_ context.Context, a answer) error {
		answers <- a
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(c.Service)()

	w, err := messaging.NewWorker(messaging.WorkerConfig{
		Name:        "worker",
		SubAddress:  "inproc://example-fleet-commands",
		PullAddress: "inproc://example-fleet-tasks",
		PushAddress: "inproc://example-fleet-results",
	})
	if err != nil {
		log.Fatal(err)
	}
	err = messaging.HandleWork(w, func(_ context.Context, t task) (answer, error) {
		return answer{t.ID, t.ID * t.ID}, nil // pushed back as the result
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(w.Service)()

	for id := range 3 {
		if err := c.Push(context.Background(), task{id}); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%+v\n", <-answers)
	}
	// Output:
	// {ID:0 Square:0}
	// {ID:1 Square:1}
	// {ID:2 Square:4}
}

func ExampleWorker() {
	w, err := messaging.NewWorker(messaging.WorkerConfig{
		Name:        "worker",
		SubAddress:  "inproc://example-worker-commands",
		PullAddress: "@inproc://example-worker-tasks",
		PushAddress: "inproc://example-worker-results",
		ErrorResult: func(task messaging.Delivery, err error) any {
			return map[string]string{"error": err.Error()}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	type job struct {
		File string `json:"file"`
	}
	err = messaging.HandleWork(w, func(_ context.Context, j job) (map[string]string, error) {
		if j.File == "" {
			return nil, fmt.Errorf("no file named")
		}
		return map[string]string{"parsed": j.File}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(w.Service)()

	results, err := messaging.NewPuller(messaging.PullerConfig{Name: "results", Address: "@inproc://example-worker-results"})
	if err != nil {
		log.Fatal(err)
	}
	lines := make(chan string)
	err = results.HandleTaskRaw(func(_ context.Context, d messaging.Delivery) error {
		lines <- string(d.Payload)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(results.Service)()

	tasks, err := messaging.NewPusher(messaging.PusherConfig{Name: "tasks", Address: ">inproc://example-worker-tasks"})
	if err != nil {
		log.Fatal(err)
	}
	defer background(tasks.Service)()
	for _, file := range []string{"main.go", ""} {
		if err := tasks.Push(context.Background(), job{file}); err != nil {
			log.Fatal(err)
		}
		fmt.Println(<-lines)
	}
	// Output:
	// {"parsed":"main.go"}
	// {"error":"no file named"}
}

func ExampleHeartbeat() {
	p, err := messaging.NewPublisher(messaging.PublisherConfig{Name: "camera", Address: "inproc://example-heartbeat"})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	observer, err := messaging.NewSubscriber(messaging.SubscriberConfig{Name: "observer", Address: "inproc://example-heartbeat"})
	if err != nil {
		log.Fatal(err)
	}
	beats := make(chan messaging.Heartbeat)
	err = messaging.Handle(observer, messaging.DefaultHeartbeatTopic, func(_ context.Context, _ string, h messaging.Heartbeat) error {
		beats <- h
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer background(observer.Service)()
	if err := p.WaitForSubscribers(context.Background(), messaging.DefaultHeartbeatTopic, 1); err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	first := <-beats
	fmt.Println(first.Service, first.State)
	cancel() // the same as Stop
	last := <-beats
	fmt.Println(last.Service, last.State)
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	// Output:
	// camera running
	// camera stopping
}
