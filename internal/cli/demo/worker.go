package demo

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/experimance/experimance-go/internal/cli/demo/survey"
	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

const (
	heartbeatInterval = time.Second

	// workerStopTimeout bounds a worker's stop: a file that cannot be read to its end must not keep the fleet.
	workerStopTimeout = 5 * time.Second
)

// WorkerConfig says who a worker is and where its controller is. All fields are required.
type WorkerConfig struct {
	Name       string
	Root       string // directory that the tasks' paths are relative to
	Tasks      string // address to pull tasks from
	Results    string // address to push results to
	Commands   string // address to subscribe to commands at
	Heartbeats string // address to publish heartbeats to
}

// Work is the life of a worker process: it surveys the files it is given until the controller publishes the command to
// stop, or ctx ends. The receipt is the worker's.
func Work(ctx context.Context, cfg WorkerConfig) (service.Receipt, error) {
	heart, err := messaging.NewPublisher(messaging.PublisherConfig{
		Name:              cfg.Name,
		Address:           ">" + cfg.Heartbeats,
		HeartbeatInterval: heartbeatInterval,
		Config:            messaging.Config{Service: service.Config{Type: "worker"}},
	})
	if err != nil {
		return service.Receipt{}, err
	}
	worker, err := newWorker(cfg)
	if err != nil {
		return service.Receipt{}, err
	}
	var c crew
	err = errors.Join(c.start(ctx, "heart", heart), worker.Start(ctx))
	if err == nil {
		err = worker.Run(ctx)
	}
	receipt, _ := worker.Stop(context.WithoutCancel(ctx)) // its error is Run's
	return receipt, errors.Join(err, c.stop(context.WithoutCancel(ctx)))
}

func newWorker(cfg WorkerConfig) (*messaging.Worker, error) {
	w, err := messaging.NewWorker(messaging.WorkerConfig{
		Name:        cfg.Name,
		SubAddress:  ">" + cfg.Commands,
		PullAddress: ">" + cfg.Tasks,
		PushAddress: ">" + cfg.Results,
		Config:      messaging.Config{Service: service.Config{StopTimeout: workerStopTimeout}},
	})
	if err != nil {
		return nil, err
	}
	return w, errors.Join(
		w.Go("hello", func(ctx context.Context) error {
			return w.Push(ctx, report{Type: typeHello, Worker: cfg.Name})
		}),
		messaging.HandleWork(w, func(_ context.Context, t task) (report, error) { return cfg.handle(t), nil }),
		messaging.Handle(w, topicFleet, func(ctx context.Context, _ string, c command) error {
			if !c.Stop {
				return nil
			}
			_, err := w.Stop(ctx) // from a handler it only begins the stop
			return err
		}),
	)
}

// handle does a task.
func (cfg WorkerConfig) handle(t task) report {
	if t.Type == typeRollCall {
		return report{Type: typeRollCall, Worker: cfg.Name, ID: t.ID}
	}
	facts := survey.Measure(filepath.Join(cfg.Root, t.path()))
	return report{Type: messaging.TypeResult, Worker: cfg.Name, ID: t.ID, Facts: facts}
}
