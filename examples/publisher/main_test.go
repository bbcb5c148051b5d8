package main

import (
	"context"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

func TestPublisher(t *testing.T) {
	t.Parallel()
	const address = "inproc://examples-publisher"
	p, err := newPublisher(address, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	s, err := messaging.NewSubscriber(messaging.SubscriberConfig{Name: "test", Address: address})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	got := make(chan customEvent, 1)
	err = messaging.Handle(s, "mypub.event", func(_ context.Context, _ string, e customEvent) error {
		select {
		case got <- e:
		default:
		}
		stop()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if code := service.RunMain(ctx, service.MainConfig{}, s, p); code != service.ExitClean {
		t.Errorf("exit code %d", code)
	}
	select {
	case e := <-got:
		if e != (customEvent{"CUSTOM_EVENT", "hello world"}) {
			t.Errorf("got %+v", e)
		}
	default:
		t.Error("nothing was published")
	}
}
