// Command worker is a worker for the controller beside it: it takes tasks, and what its handler returns goes back as the
// result. Start as many as you like.
//
//	go run ./examples/controller
//	go run ./examples/worker
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"strings"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// task is what the controller pushes.
type task struct {
	Type    messaging.MessageType `json:"type"`
	TaskID  int                   `json:"task_id"`
	Payload string                `json:"payload"`
}

// result is what goes back.
type result struct {
	Type   messaging.MessageType `json:"type"`
	TaskID int                   `json:"task_id"`
	Worker string                `json:"worker"`
	Output string                `json:"output,omitzero"`
	Error  string                `json:"error,omitzero"`
}

// newWorker makes a worker of the controller on a host. configure may change where its sockets go; it may be nil.
func newWorker(host string, configure func(*messaging.WorkerConfig)) (*messaging.Worker, error) {
	cfg := messaging.WorkerConfig{
		Name:        "MyWorker",
		SubAddress:  messaging.ConnectAddress(host, messaging.TypeCommand),
		PullAddress: messaging.ConnectAddress(host, messaging.TypeTask),
		PushAddress: messaging.ConnectAddress(host, messaging.TypeResult),
		Concurrency: 2,
	}
	cfg.ErrorResult = func(d messaging.Delivery, err error) any {
		var t task
		_ = d.Decode(&t) // without an id where even that cannot be read
		return result{Type: messaging.TypeResult, TaskID: t.TaskID, Error: err.Error()}
	}
	if configure != nil {
		configure(&cfg)
	}
	w, err := messaging.NewWorker(cfg)
	if err != nil {
		return nil, err
	}
	err = messaging.HandleWork(w, func(_ context.Context, t task) (result, error) {
		if t.Payload == "" {
			return result{}, fmt.Errorf("task %d has no payload", t.TaskID)
		}
		return result{messaging.TypeResult, t.TaskID, w.Instance(), strings.ToUpper(t.Payload), ""}, nil
	})
	if err != nil {
		return nil, err
	}
	return w, w.HandleDefault(func(_ context.Context, d messaging.Delivery) error {
		w.Logger().Info("notified", "topic", d.Topic, "message", string(d.Payload))
		return nil
	})
}

func main() {
	host := flag.String("host", "localhost", "where the controller is")
	flag.Parse()
	w, err := newWorker(*host, nil)
	if err != nil {
		log.Fatal(err)
	}
	service.Main(w) // until Ctrl-C
}
