package messaging

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/experimance/experimance-go/service"
	"github.com/experimance/experimance-go/zmq"
)

// Config holds what all kinds of service can be told. The zero Config is ready for use. The configuration of each kind
// embeds it.
type Config struct {
	// Service configures the lifecycle: logger, instance, stop timeout, statistics. Its Name is replaced by the Name of
	// the kind's configuration; its Type is the kind ("publisher", ...) where empty.
	Service service.Config

	// Codec turns messages into JSON and back. nil means JSON{}.
	Codec Codec

	// SendHWM and RecvHWM bound the messages that wait for each peer, and from each peer. 0 means 1000, a negative
	// value no bound. A publisher drops messages for a peer that is that far behind, and counts them; a pusher waits.
	// Tasks that take long are shared out more evenly, and fewer are lost with a worker that dies, where both are low:
	// what a worker's queue has taken, no other worker gets.
	SendHWM, RecvHWM int

	// MaxMessageSize is the largest message sent or accepted, in bytes. 0 means 256 MiB, a negative value no limit.
	MaxMessageSize int64

	// Security says how sockets and their peers trust each other over tcp and ipc. nil means not at all. To close a whole
	// fleet to strangers, give all its services the same key:
	//
	//	keys, err := zmq.LoadKeyPair("fleet.key_secret")
	//	cfg.Security = zmq.CurveFleet{Keys: keys}
	Security zmq.Security

	// BadMessageInterval is the least time between two warnings about messages that could not be
	// read, between two about failed handshakes of a socket, and between two about peers that went
	// beyond a limit; those between are counted and told with the next. 0 means 10 s.
	BadMessageInterval time.Duration
}

const defaultBadMessageInterval = 10 * time.Second

// newService makes the lifecycle of a service of the kind.
func (c Config) newService(name, kind string) (*service.Service, error) {
	return service.New(c.serviceConfig(name, kind))
}

func (c Config) serviceConfig(name, kind string) service.Config {
	sc := c.Service
	sc.Name = name
	if sc.Type == "" {
		sc.Type = kind
	}
	return sc
}

func (c Config) codec() Codec {
	if c.Codec == nil {
		return JSON{}
	}
	return c.Codec
}

func (c Config) socketOptions() socketOptions {
	return socketOptions{sendHWM: c.SendHWM, recvHWM: c.RecvHWM, maxMessageSize: c.MaxMessageSize, security: c.Security}
}

func (c Config) warningInterval() time.Duration {
	return orDefault(c.BadMessageInterval, defaultBadMessageInterval)
}

// ConfigError is a field of a configuration with a value that cannot be used.
type ConfigError struct {
	Field  string // the struct and its field: "PublisherConfig.Address"
	Reason string // what is wrong with its value, and what would be right
}

// Error names the field and says what would be right.
func (e *ConfigError) Error() string { return "messaging: " + e.Field + ": " + e.Reason }

// checker collects what is wrong with a configuration.
type checker struct {
	config string // name of the struct
	errs   []error
}

func (c *checker) refuse(field, format string, args ...any) {
	c.errs = append(c.errs, &ConfigError{c.config + "." + field, fmt.Sprintf(format, args...)})
}

func (c *checker) err() error { return errors.Join(c.errs...) }

// common checks the name and the embedded Config.
func (c *checker) common(name string, cfg Config) {
	if name == "" {
		c.refuse("Name", "is empty; give the service a name")
	} else if err := cfg.serviceConfig(name, c.config).Validate(); err != nil {
		c.refuse("Config.Service", "%v", err)
	}
	if cfg.Security != nil {
		if _, err := cfg.Security.Factory(); err != nil {
			c.refuse("Config.Security", "%v", err)
		}
	}
	if cfg.BadMessageInterval < 0 {
		c.refuse("Config.BadMessageInterval", "is negative (%v); use 0 for the default", cfg.BadMessageInterval)
	}
}

func (c *checker) addresses(field, list string, bindNames bool) {
	if _, err := parseAddresses(list, bindNames); err != nil {
		c.refuse(field, "%v", err)
	}
}

func (c *checker) notNegative(field string, n int) {
	if n < 0 {
		c.refuse(field, "is negative (%d)", n)
	}
}

func (c *checker) topics(field string, topics []string) {
	for _, t := range topics {
		if strings.ContainsRune(t, ' ') {
			c.refuse(field, "topic %q has a space", t)
		}
	}
}

// orDefault returns the value, or its default where it is the zero value.
func orDefault[T comparable](value, byDefault T) T {
	var zero T
	if value == zero {
		return byDefault
	}
	return value
}
