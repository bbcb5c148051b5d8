package zmq

import (
	"errors"
	"time"
)

// Config holds a socket's settings. The zero Config is ready for use; each field's comment states its default.
// A socket copies it: later changes have no effect.
type Config struct {
	// SendHWM is the high-water mark of sending: how many whole messages may wait for each peer, beside the batch that
	// is being written. 0 means 1000, a negative value no limit.
	SendHWM int

	// RecvHWM is the high-water mark of receiving: how many whole messages of each peer may wait for Recv, before no
	// more are read from that peer. 0 means 1000, a negative value no limit.
	RecvHWM int

	// SendHWMBytes bounds the bytes that wait for each peer; a message is taken as long as the bound is not reached.
	// 0 means 64 MiB, a negative value no limit.
	SendHWMBytes int

	// RecvHWMBytes bounds the bytes of each peer that wait for Recv, likewise. 0 means 64 MiB, a negative value no
	// limit.
	RecvHWMBytes int

	// MaxMessageSize is the largest message sent or accepted, in bytes, all frames and their headers together. A peer
	// that announces a larger one is disconnected before memory is taken for it. 0 means 256 MiB, a negative value no
	// limit.
	MaxMessageSize int64

	// MaxSubscriptionBytes bounds what a PUB socket keeps of each peer's subscriptions, and the size of what it and a PUSH
	// socket accept from a peer at all. Each subscription counts with twice its length and 256 bytes. A peer that goes
	// beyond is disconnected. 0 means 64 MiB, which is some 200 000 subscriptions; a negative value means no limit.
	MaxSubscriptionBytes int

	// HandshakeTimeout bounds the time from a connection to the end of its handshake. 0 means 30 s.
	HandshakeTimeout time.Duration

	// ReconnectInterval is the wait before an endpoint is connected again, give or take half of it at random. 0 means
	// 100 ms.
	ReconnectInterval time.Duration

	// ReconnectMax is the bound up to which that wait doubles with each failure. 0 means that it does not double.
	ReconnectMax time.Duration

	// Linger is how long Close tries to send what is queued. 0 means one second, a negative value not at all.
	Linger time.Duration

	// Immediate makes a connecting socket queue messages only for peers with which it has completed a handshake.
	// Without it messages are queued for an endpoint as soon as Connect was called, and wait there for the peer.
	Immediate bool

	// Events receives what happens to the socket's endpoints and connections. The socket never waits for the reader:
	// events that do not fit into the channel are counted in Stats.EventsDropped. nil means none.
	Events chan<- Event
}

const unlimited = int(^uint(0) >> 1)

// withDefaults returns c with each zero field replaced by its default and each "no limit" by the largest value.
func (c Config) withDefaults() Config {
	bound(&c.SendHWM, 1000, unlimited)
	bound(&c.RecvHWM, 1000, unlimited)
	bound(&c.SendHWMBytes, 64<<20, unlimited)
	bound(&c.RecvHWMBytes, 64<<20, unlimited)
	bound(&c.MaxMessageSize, 256<<20, int64(unlimited))
	bound(&c.MaxSubscriptionBytes, 64<<20, unlimited)
	bound(&c.HandshakeTimeout, 30*time.Second, 0)
	bound(&c.ReconnectInterval, 100*time.Millisecond, 0)
	bound(&c.Linger, time.Second, 0)
	return c
}

func bound[T int | int64 | time.Duration](field *T, zero, negative T) {
	switch {
	case *field == 0:
		*field = zero
	case *field < 0:
		*field = negative
	}
}

// validate returns an error that names every field with a value that cannot be used.
func (c Config) validate() error {
	var errs []error
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"HandshakeTimeout", c.HandshakeTimeout},
		{"ReconnectInterval", c.ReconnectInterval},
		{"ReconnectMax", c.ReconnectMax},
	} {
		if f.value < 0 {
			errs = append(errs, &ConfigError{f.name, "is negative (" + f.value.String() + "); use 0 for the default"})
		}
	}
	if c.ReconnectMax > 0 && c.ReconnectMax < c.withDefaults().ReconnectInterval {
		errs = append(errs, &ConfigError{"ReconnectMax", "is shorter than ReconnectInterval; use 0 for a steady interval"})
	}
	return errors.Join(errs...)
}
