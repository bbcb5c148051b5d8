package service_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/experimance/experimance-go/service"
)

// childVariable, where it is set, makes the test binary the program below instead. Its value is the state in which the
// program lingers until it is stopped, and how: "running" lets go when it should, "running-stuck" never does, and
// "running-late" does not either, but has a short stop timeout.
const childVariable = "EXPERIMANCE_TEST_CHILD"

func childName() string { return os.Getenv(childVariable) }

// child is the program: a service that lingers.
type child struct {
	*service.Service
	state string
	stuck bool
	told  chan os.Signal
}

func runChild(name string) {
	slog.SetDefault(discard)
	state, how, stuck := strings.Cut(name, "-")
	timeout := time.Minute
	if how == "late" {
		timeout = time.Millisecond
	}
	svc, err := service.New(service.Config{Name: name, Logger: discard, StopTimeout: timeout})
	if err != nil {
		panic(err)
	}
	c := &child{Service: svc, state: state, stuck: stuck, told: make(chan os.Signal, 1)}
	signal.Notify(c.told, os.Interrupt, syscall.SIGTERM)
	hook := service.Hook{
		Name:  "hook",
		Start: func(ctx context.Context) error { return c.linger("starting", ctx.Done()) },
		Stop:  func(context.Context) error { return c.lingerUntilTold("stopping") },
	}
	if err := c.AddHook(hook); err != nil {
		panic(err)
	}
	if err := c.Go("task", c.task); err != nil {
		panic(err)
	}
	service.Main(c)
}

// Start and Run linger where the service itself does not.
func (c *child) Start(ctx context.Context) error {
	_ = c.lingerUntilTold("initialized")
	return c.Service.Start(ctx)
}

func (c *child) Run(ctx context.Context) error {
	_ = c.lingerUntilTold("started")
	return c.Service.Run(ctx)
}

func (c *child) task(ctx context.Context) error {
	if c.state == "stopping" {
		_, err := c.Stop(ctx)
		return err
	}
	return c.linger("running", ctx.Done())
}

// linger waits, if this is the state to linger in, having told the parent.
func (c *child) linger(state string, until <-chan struct{}) error {
	if c.state != state {
		return nil
	}
	fmt.Println(state)
	if c.stuck {
		<-c.told
		fmt.Println("told")
		select {}
	}
	<-until
	return nil
}

// lingerUntilTold lingers until the signal has come.
func (c *child) lingerUntilTold(state string) error {
	told := make(chan struct{})
	if c.state == state && !c.stuck {
		go func() {
			<-c.told
			close(told)
		}()
	}
	return c.linger(state, told)
}
