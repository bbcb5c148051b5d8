package messaging_test

import (
	"context"
	"errors"
	"testing"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/zmq"
)

// A fleet with one key talks among itself, and neither lets in strangers nor those with another key.
func TestFleetIsClosedToStrangers(t *testing.T) {
	t.Parallel()
	secure := func() messaging.Config {
		return messaging.Config{Security: zmq.CurveFleet{Keys: must[zmq.KeyPair](t)(zmq.GenerateKeyPair())}}
	}
	cfg := secure()
	p, _ := startPusher(t, "tcp", cfg)
	got := make(chan event, 1)
	for _, other := range []messaging.Config{{}, secure()} {
		stranger := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0], Config: other})
		check(t, messaging.HandleTask(stranger, func(context.Context, event) error {
			t.Error("a stranger got a task")
			return nil
		}))
		run(t, stranger)
	}
	member := newPuller(t, messaging.PullerConfig{Address: p.PushAddresses()[0], Config: cfg})
	check(t, messaging.HandleTask(member, func(_ context.Context, e event) error { got <- e; return nil }))
	run(t, member)
	for n := range 10 {
		check(t, p.Push(testContext(t), event{Type: messaging.TypeTask, N: n}))
		if e := receive(t, got); e.N != n {
			t.Errorf("got %+v, want task %d", e, n)
		}
	}
}

func TestSecurityIsChecked(t *testing.T) {
	t.Parallel()
	err := messaging.PusherConfig{Name: "p", Config: messaging.Config{Security: zmq.CurveFleet{}}}.Validate()
	var refused *messaging.ConfigError
	if !errors.As(err, &refused) || refused.Field != "PusherConfig.Config.Security" {
		t.Errorf("error %v", err)
	}
}
