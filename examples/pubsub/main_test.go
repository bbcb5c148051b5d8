package main

import (
	"context"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

func TestLamp(t *testing.T) {
	t.Parallel()
	const states, commands = "inproc://examples-lamp-states", "inproc://examples-lamp-commands"
	l, err := newLamp(states, commands)
	if err != nil {
		t.Fatal(err)
	}
	room, err := messaging.NewPublisherSubscriber(messaging.PublisherSubscriberConfig{
		Name: "test", PubAddress: commands, SubAddress: states,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = room.Go("switch", func(ctx context.Context) error {
		if err := l.WaitForSubscribers(ctx, "lamp.state", 1); err != nil {
			return err
		}
		if err := room.WaitForSubscribers(ctx, "command", 1); err != nil {
			return err
		}
		return room.Publish(ctx, "command", command{"START_PROCESS"})
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	got := make(chan lampState, 1)
	err = messaging.Handle(room, "lamp.state", func(_ context.Context, _ string, s lampState) error {
		got <- s
		stop()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if code := service.RunMain(ctx, service.MainConfig{}, l, room); code != service.ExitClean {
		t.Errorf("exit code %d", code)
	}
	select {
	case s := <-got:
		if s != (lampState{messaging.TypeStateUpdate, true}) {
			t.Errorf("state %+v", s)
		}
	default:
		t.Error("the lamp told nothing")
	}
}
