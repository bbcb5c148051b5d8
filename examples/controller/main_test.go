package main

import (
	"context"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

func TestController(t *testing.T) {
	t.Parallel()
	const commands, status = "inproc://examples-controller-commands", "inproc://examples-controller-status"
	const tasks, results = "inproc://examples-controller-tasks", "inproc://examples-controller-results"
	c, err := newController(time.Millisecond, func(cfg *messaging.ControllerConfig) {
		cfg.PubAddress, cfg.SubAddress, cfg.PushAddress, cfg.PullAddress = commands, status, tasks, results
		cfg.MinSubscribers = 1
	})
	if err != nil {
		t.Fatal(err)
	}
	w, err := messaging.NewWorker(messaging.WorkerConfig{
		Name: "test", SubAddress: commands, PullAddress: tasks, PushAddress: results,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	heard := make(chan command, 1)
	err = messaging.Handle(w, "command", func(_ context.Context, _ string, m command) error { heard <- m; return nil })
	if err != nil {
		t.Fatal(err)
	}
	err = messaging.HandleWork(w, func(_ context.Context, in task) (result, error) {
		if c.PullStats().Received >= 2 { // else results that wait when the controller stops are dropped
			stop()
		}
		return result{TaskID: in.TaskID, Output: in.Payload}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if code := service.RunMain(ctx, service.MainConfig{}, c, w); code != service.ExitClean {
		t.Errorf("exit code %d", code)
	}
	if st := c.PullStats(); st.Received < 2 || st.Bad+st.Failed != 0 {
		t.Errorf("results: %+v", st)
	}
	select {
	case m := <-heard:
		if m != (command{messaging.TypeCommand, "START_PROCESS", "X"}) {
			t.Errorf("command %+v", m)
		}
	default:
		t.Error("the worker heard no command")
	}
}
