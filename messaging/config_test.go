package messaging_test

import (
	"errors"
	"testing"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

type validator interface{ Validate() error }

func TestValidateTakesNameAlone(t *testing.T) {
	t.Parallel()
	for _, cfg := range []validator{
		messaging.PublisherConfig{Name: "a"},
		messaging.SubscriberConfig{Name: "a"},
		messaging.PusherConfig{Name: "a"},
		messaging.PullerConfig{Name: "a"},
		messaging.PublisherSubscriberConfig{Name: "a"},
		messaging.ControllerConfig{Name: "a"},
		messaging.WorkerConfig{Name: "a"},
	} {
		if err := cfg.Validate(); err != nil {
			t.Errorf("%T: %v", cfg, err)
		}
	}
}

func TestValidateNamesField(t *testing.T) {
	t.Parallel()
	const bad = "gopher://x"
	for _, test := range []struct {
		cfg   validator
		words []string
	}{
		{messaging.PublisherConfig{}, []string{"messaging: PublisherConfig.Name: is empty"}},
		{messaging.PublisherConfig{Address: bad, MinSubscribers: -1, HeartbeatTopic: "a b"}, []string{
			`PublisherConfig.Address: "gopher://x": unknown scheme "gopher"; known are tcp, ipc and inproc`,
			"PublisherConfig.MinSubscribers: is negative", "PublisherConfig.HeartbeatTopic: ", "PublisherConfig.Name: ",
		}},
		{messaging.SubscriberConfig{Address: bad, Topics: []string{"ok", "a b"}, Concurrency: -1}, []string{
			"SubscriberConfig.Address: ", `SubscriberConfig.Topics: topic "a b"`, "SubscriberConfig.Concurrency: ",
		}},
		{messaging.PusherConfig{Address: bad}, []string{"PusherConfig.Address: "}},
		{messaging.PullerConfig{Address: bad, Concurrency: -2}, []string{"PullerConfig.Address: ", "PullerConfig.Concurrency: is negative (-2)"}},
		{messaging.PublisherSubscriberConfig{PubAddress: bad, SubAddress: bad}, []string{
			"PublisherSubscriberConfig.PubAddress: ", "PublisherSubscriberConfig.SubAddress: ",
		}},
		{messaging.ControllerConfig{PubAddress: bad, SubAddress: bad, PushAddress: bad, PullAddress: bad, Concurrency: -1}, []string{
			"ControllerConfig.PubAddress: ", "ControllerConfig.SubAddress: ", "ControllerConfig.PushAddress: ",
			"ControllerConfig.PullAddress: ", "ControllerConfig.Concurrency: ",
		}},
		{messaging.WorkerConfig{SubAddress: bad, PushAddress: bad, PullAddress: bad}, []string{
			"WorkerConfig.SubAddress: ", "WorkerConfig.PushAddress: ", "WorkerConfig.PullAddress: ",
		}},
		{messaging.WorkerConfig{Name: "w", Config: messaging.Config{
			BadMessageInterval: -1, Service: service.Config{StopTimeout: -time.Second},
		}}, []string{"WorkerConfig.Config.BadMessageInterval: ", "WorkerConfig.Config.Service: StopTimeout"}},
	} {
		err := test.cfg.Validate()
		wantError(t, err, nil, test.words...)
		var field *messaging.ConfigError
		if !errors.As(err, &field) {
			t.Errorf("%T: error %v is no ConfigError", test.cfg, err)
		}
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func() error{
		"PublisherConfig":  func() error { _, err := messaging.NewPublisher(messaging.PublisherConfig{}); return err },
		"SubscriberConfig": func() error { _, err := messaging.NewSubscriber(messaging.SubscriberConfig{}); return err },
		"PusherConfig":     func() error { _, err := messaging.NewPusher(messaging.PusherConfig{}); return err },
		"PullerConfig":     func() error { _, err := messaging.NewPuller(messaging.PullerConfig{}); return err },
		"PublisherSubscriberConfig": func() error {
			_, err := messaging.NewPublisherSubscriber(messaging.PublisherSubscriberConfig{})
			return err
		},
		"ControllerConfig": func() error { _, err := messaging.NewController(messaging.ControllerConfig{}); return err },
		"WorkerConfig":     func() error { _, err := messaging.NewWorker(messaging.WorkerConfig{}); return err },
	} {
		wantError(t, build(), nil, name+".Name: ")
	}
}

func TestAddressIsRefused(t *testing.T) {
	t.Parallel()
	for address, word := range map[string]string{
		"localhost:5555":                 "no scheme",
		"nats://localhost:4222":          "unknown scheme",
		"tcp://localhost":                "missing port",
		"tcp://:5555":                    "no host",
		"tcp://localhost:web":            `port "web"`,
		"tcp://localhost:70000":          `port "70000"`,
		">tcp://*:5555":                  "a wildcard can be bound",
		">tcp://localhost:*":             "a wildcard can be bound",
		"inproc://":                      "no name",
		"@>tcp://localhost:5555":         "more than one prefix",
		"tcp://localhost:5555,":          "no scheme",
		"tcp://localhost:5555,tcp://foo": "missing port",
	} {
		err := messaging.PublisherConfig{Name: "a", Address: address}.Validate()
		wantError(t, err, nil, "messaging: PublisherConfig.Address: ", word)
	}
}

func TestDefaultAddresses(t *testing.T) {
	t.Parallel()
	if got, want := messaging.BindAddress(messaging.TypeStateUpdate), "tcp://*:5556"; got != want {
		t.Errorf("BindAddress: %s, want %s", got, want)
	}
	if got, want := messaging.ConnectAddress("localhost", messaging.TypeResult), "tcp://localhost:5559"; got != want {
		t.Errorf("ConnectAddress: %s, want %s", got, want)
	}
	if got, want := messaging.ConnectAddress("::1", messaging.TypeResult), "tcp://[::1]:5559"; got != want {
		t.Errorf("ConnectAddress: %s, want %s", got, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for a type without a port")
		}
	}()
	messaging.BindAddress("Unheard")
}
