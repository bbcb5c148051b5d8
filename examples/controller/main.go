// Command controller is the guide's controller: it publishes a command, listens to the status of workers and to sensor
// data, pushes a task every second and takes the results.
//
//	go run ./examples/controller
//	go run ./examples/worker
package main

import (
	"context"
	"flag"
	"log"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

type command struct {
	Type   messaging.MessageType `json:"type"`
	Action string                `json:"action"`
	Param  string                `json:"param"`
}

type task struct {
	Type    messaging.MessageType `json:"type"`
	TaskID  int                   `json:"task_id"`
	Payload string                `json:"payload"`
}

type result struct {
	TaskID int    `json:"task_id"`
	Worker string `json:"worker"`
	Output string `json:"output"`
	Error  string `json:"error"`
}

// controller is a kind of service with handlers of its own.
type controller struct {
	*messaging.Controller
	every time.Duration
}

// newController makes the controller. configure may change where its sockets go; it may be nil.
func newController(every time.Duration, configure func(*messaging.ControllerConfig)) (*controller, error) {
	cfg := messaging.ControllerConfig{
		Name:           "MyController",
		PubAddress:     messaging.BindAddress(messaging.TypeCommand),
		SubAddress:     messaging.ConnectAddress("localhost", messaging.TypeStateUpdate),
		PushAddress:    messaging.BindAddress(messaging.TypeTask),
		PullAddress:    messaging.BindAddress(messaging.TypeResult),
		HeartbeatTopic: "controller.heartbeat",
	}
	if configure != nil {
		configure(&cfg)
	}
	base, err := messaging.NewController(cfg)
	if err != nil {
		return nil, err
	}
	c := &controller{base, every}
	for _, topic := range []string{"worker.status", "sensor.data"} {
		if err := messaging.Handle(c, topic, c.handleMessage); err != nil {
			return nil, err
		}
	}
	if err := messaging.HandleResult(c.Controller, c.handleWorkerResponse); err != nil {
		return nil, err
	}
	return c, c.Go("control", c.control)
}

// handleMessage handles what comes on the subscribed topics.
func (c *controller) handleMessage(_ context.Context, topic string, message map[string]any) error {
	c.Logger().Info("received", "topic", topic, "message", message)
	return nil
}

// handleWorkerResponse handles what workers push back.
func (c *controller) handleWorkerResponse(_ context.Context, r result) error {
	c.Logger().Info("result", "task", r.TaskID, "worker", r.Worker, "output", r.Output, "error", r.Error)
	return nil
}

// control publishes a command, and pushes tasks until the service stops.
func (c *controller) control(ctx context.Context) error {
	if err := c.Publish(ctx, "command", command{messaging.TypeCommand, "START_PROCESS", "X"}); err != nil {
		return err
	}
	for id := 1; ; id++ {
		if err := c.Push(ctx, task{messaging.TypeTask, id, "do_something"}); err != nil {
			return err // waits for a worker: so the reason is that the service stops
		}
		if !c.Sleep(ctx, c.every) {
			return nil
		}
	}
}

func main() {
	every := flag.Duration("every", time.Second, "time from one task to the next")
	flag.Parse()
	c, err := newController(*every, nil)
	if err != nil {
		log.Fatal(err)
	}
	service.Main(c) // until Ctrl-C
}
