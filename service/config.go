package service

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultStopTimeout bounds a stop where [Config.StopTimeout] is zero.
const DefaultStopTimeout = 10 * time.Second

// Config says what a service is called and how it behaves. Only Name is required.
type Config struct {
	// Name is the service's name in logs, statistics and heartbeats. Required.
	Name string

	// Type is the kind of service, such as "publisher". Default "service".
	Type string

	// Instance tells services of one name apart. Default host-pid-n, n counting the services of the process.
	Instance string

	// Logger takes the service's log; the attributes service, type and instance are added. Default [slog.Default].
	Logger *slog.Logger

	// StopTimeout bounds a stop whose context has no sooner deadline. Default [DefaultStopTimeout].
	StopTimeout time.Duration

	// StatsInterval is the time between two logged statistics while the service runs. Default 0: none are logged.
	StatsInterval time.Duration
}

// Validate returns a *[ConfigError] naming the first field that is wrong.
func (c Config) Validate() error {
	switch {
	case c.Name == "":
		return &ConfigError{Field: "Name", Value: c.Name, Reason: "a service needs a name"}
	case c.StopTimeout < 0:
		return &ConfigError{Field: "StopTimeout", Value: c.StopTimeout, Reason: "must not be negative"}
	case c.StatsInterval < 0:
		return &ConfigError{Field: "StatsInterval", Value: c.StatsInterval, Reason: "must not be negative"}
	}
	return nil
}

// withDefaults returns c with every zero field set to its default.
func (c Config) withDefaults() Config {
	if c.Type == "" {
		c.Type = "service"
	}
	if c.Instance == "" {
		c.Instance = nextInstance()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = DefaultStopTimeout
	}
	return c
}

var instances atomic.Uint64

var processID = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
})

func nextInstance() string { return fmt.Sprintf("%s-%d", processID(), instances.Add(1)) }
