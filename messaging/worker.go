package messaging

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/experimance/experimance-go/service"
)

// WorkerConfig configures a Worker.
type WorkerConfig struct {
	// Name is the name of the service. Required.
	Name string

	// SubAddress is where to find publishers. Default: ConnectAddress("localhost", TypeCommand).
	SubAddress string

	// PullAddress is where to take tasks. Names (inproc, ipc) are connected to. Default:
	// ConnectAddress("localhost", TypeTask).
	PullAddress string

	// PushAddress is where to push results. Names are connected to. Default: ConnectAddress("localhost", TypeResult).
	PushAddress string

	// Topics are subscribed to, beside the topics that have handlers: see SubscriberConfig.Topics.
	Topics []string

	// Concurrency is how many tasks are handled at once: see PullerConfig.Concurrency.
	Concurrency int

	// ErrorResult makes the result of a task that failed: its handler returned an error or
	// panicked, or it could not be decoded. The task's Delivery is valid until it returns; nil
	// means no result. The error has been counted and recorded when it is called. A panic is
	// recorded as one more error. Default: no results of tasks that failed.
	ErrorResult func(task Delivery, err error) any

	Config
}

// Validate returns an error that names every field with a value that cannot be used.
func (cfg WorkerConfig) Validate() error {
	c := checker{config: "WorkerConfig"}
	c.common(cfg.Name, cfg.Config)
	c.subscriber("SubAddress", cfg.subscriber())
	c.puller("PullAddress", cfg.puller(), false)
	c.pusher("PushAddress", cfg.pusher(), false)
	return c.err()
}

func (cfg WorkerConfig) subscriber() SubscriberConfig {
	return SubscriberConfig{
		Name:    cfg.Name,
		Address: orDefault(cfg.SubAddress, ConnectAddress("localhost", TypeCommand)),
		Topics:  cfg.Topics,
		Config:  cfg.Config,
	}
}

func (cfg WorkerConfig) puller() PullerConfig {
	return PullerConfig{
		Name:        cfg.Name,
		Address:     cfg.PullAddress,
		Concurrency: cfg.Concurrency,
		Config:      cfg.Config,
	}
}

func (cfg WorkerConfig) pusher() PusherConfig {
	return PusherConfig{
		Name:    cfg.Name,
		Address: orDefault(cfg.PushAddress, ConnectAddress("localhost", TypeResult)),
		Config:  cfg.Config,
	}
}

// Worker is a service that pulls tasks, and pushes back as the result what the task handler returns. It subscribes to
// notifications, too. All its sockets connect. Push sends further messages along with the results.
type Worker struct {
	*service.Service
	*Subscriber
	*Pusher
	tasks       *Puller
	errorResult func(Delivery, error) any
}

// NewWorker makes a Worker. It opens no socket before Start.
func NewWorker(cfg WorkerConfig) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	svc, err := cfg.newService(cfg.Name, "worker")
	if err != nil {
		return nil, err
	}
	sub, errSub := newSubscriber(svc, cfg.subscriber())
	push, errPush := newPusher(svc, cfg.pusher(), false)
	pull, errPull := newPuller(svc, cfg.puller(), false)
	return &Worker{svc, sub, push, pull, cfg.ErrorResult}, errors.Join(errSub, errPush, errPull)
}

// TaskHandler handles one task and returns its result as a JSON object, or nil for no result. The task is valid until
// the result has been sent: the result may be a part of it.
type TaskHandler func(ctx context.Context, task Delivery) (result []byte, err error)

// HandleTaskRaw registers the handler of tasks. It is an error where there is one. The handler's error and its panic are
// recorded as an error of the service, which goes on; WorkerConfig.ErrorResult makes a result of it.
func (w *Worker) HandleTaskRaw(h TaskHandler) error {
	if h == nil {
		return fmt.Errorf("messaging: pull of %s: the handler is nil", w.Name())
	}
	return w.handleTask(func(ctx context.Context, task Delivery) (any, error) {
		result, err := h(ctx, task)
		return rawResult(result), err
	})
}

// HandleWork registers the handler of a Worker's tasks, decoded into T, whose value of type R is pushed back as the
// result; nil is no result. A task that cannot be decoded is counted as bad, and does not reach the handler. What happens
// to errors is told at HandleTaskRaw.
func HandleWork[T, R any](w *Worker, handle func(ctx context.Context, task T) (R, error)) error {
	var tasks decoder[T]
	return w.handleTask(func(ctx context.Context, task Delivery) (any, error) {
		msg, err := tasks.decode(task)
		if err != nil {
			return nil, err
		}
		return handle(ctx, msg)
	})
}

// rawResult is a result that is JSON already.
type rawResult []byte

// handleTask registers a handler whose result is pushed.
func (w *Worker) handleTask(h func(context.Context, Delivery) (any, error)) error {
	return w.tasks.HandleTaskRaw(func(ctx context.Context, task Delivery) error {
		var result any
		err := protect("task handler", func() (err error) {
			result, err = h(ctx, task)
			return err
		})
		if err == nil {
			return w.pushResult(ctx, result)
		}
		w.tasks.receiver.record(err) // before the result tells others of it
		w.RecordError(w.pushErrorResult(ctx, task, err))
		return nil
	})
}

// pushErrorResult pushes the result of a task that failed with err. A panic of
// WorkerConfig.ErrorResult is returned as an error.
func (w *Worker) pushErrorResult(ctx context.Context, task Delivery, err error) error {
	if w.errorResult == nil {
		return nil
	}
	return protect("ErrorResult", func() error { return w.pushResult(ctx, w.errorResult(task, err)) })
}

// pushResult pushes a result that is not nil. The end of ctx, which the stop of the service brings, does not keep a result
// from a peer that has room for it.
func (w *Worker) pushResult(ctx context.Context, result any) error {
	if isNil(result) {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if raw, ok := result.(rawResult); ok {
		return w.PushRaw(ctx, raw)
	}
	return w.Push(ctx, result)
}

func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return r.IsNil()
	default:
		return false
	}
}

// PullAddresses returns the addresses of the pulling socket in the order of the configuration, wildcards resolved; nil
// where the service is not started.
func (w *Worker) PullAddresses() []string { return w.tasks.PullAddresses() }

// PullStats returns what the pulling socket did so far.
func (w *Worker) PullStats() SocketStats { return w.tasks.PullStats() }
