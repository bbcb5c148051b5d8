package zmq_test

import (
	"errors"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// A configuration that cannot be used is refused, with the names of all fields concerned.
func TestConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg    zmq.Config
		fields []string
	}{
		"zero":      {zmq.Config{}, nil},
		"no limits": {zmq.Config{SendHWM: -1, RecvHWM: -1, SendHWMBytes: -1, RecvHWMBytes: -1, MaxMessageSize: -1, MaxSubscriptionBytes: -1, MaxHandshakes: -1, Linger: -1}, nil},
		"times": {
			zmq.Config{HandshakeTimeout: -1, ReconnectInterval: -1, ReconnectMax: -1, HeartbeatInterval: -1},
			[]string{"HandshakeTimeout", "ReconnectMax", "HeartbeatInterval"},
		},
		"reconnect": {zmq.Config{ReconnectInterval: 2, ReconnectMax: 1}, []string{"ReconnectMax"}},
		"default":   {zmq.Config{ReconnectMax: 1}, []string{"ReconnectMax"}},
		"steady":    {zmq.Config{ReconnectInterval: 2, ReconnectMax: 2}, nil},
		"slow":      {zmq.Config{ReconnectInterval: time.Hour}, nil},
	} {
		for _, make := range []func(zmq.Config) error{
			func(c zmq.Config) error { s, err := zmq.NewPub(c); return closed(s, err) },
			func(c zmq.Config) error { s, err := zmq.NewSub(c); return closed(s, err) },
			func(c zmq.Config) error { s, err := zmq.NewPush(c); return closed(s, err) },
			func(c zmq.Config) error { s, err := zmq.NewPull(c); return closed(s, err) },
		} {
			var got []string
			if err := make(c.cfg); err != nil {
				for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
					var field *zmq.ConfigError
					if errors.As(err, &field) {
						got = append(got, field.Field)
					}
				}
			}
			if len(got) != len(c.fields) {
				t.Errorf("%s: refused because of %q, want %q", name, got, c.fields)
				continue
			}
			for i := range got {
				if got[i] != c.fields[i] {
					t.Errorf("%s: refused because of %q, want %q", name, got, c.fields)
				}
			}
		}
	}
}

// closed closes a socket that was made, and returns the error of one that was not.
func closed(s socket, err error) error {
	if err != nil {
		return err
	}
	return s.Close()
}
