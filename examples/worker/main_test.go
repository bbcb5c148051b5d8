package main

import (
	"context"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

func TestWorker(t *testing.T) {
	t.Parallel()
	const commands, tasks, results = "inproc://examples-worker-commands", "inproc://examples-worker-tasks", "inproc://examples-worker-results"
	w, err := newWorker("localhost", func(cfg *messaging.WorkerConfig) {
		cfg.SubAddress, cfg.PullAddress, cfg.PushAddress = commands, tasks, results
		cfg.Concurrency = 1
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := messaging.NewController(messaging.ControllerConfig{
		Name:        "test",
		PubAddress:  commands,
		SubAddress:  "inproc://examples-worker-nobody",
		PushAddress: tasks,
		PullAddress: results,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Go("tasks", func(ctx context.Context) error {
		for i, payload := range []string{"do_something", ""} {
			if err := c.Push(ctx, task{messaging.TypeTask, i, payload}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var got []result
	err = messaging.HandleResult(c, func(_ context.Context, r result) error {
		if got = append(got, r); len(got) == 2 {
			stop()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if code := service.RunMain(ctx, service.MainConfig{}, c, w); code != service.ExitClean {
		t.Errorf("exit code %d", code)
	}
	want := []result{
		{messaging.TypeResult, 0, w.Instance(), "DO_SOMETHING", ""},
		{messaging.TypeResult, 1, "", "", "task 1 has no payload"},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("results %+v, want %+v", got, want)
	}
}
