package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted is the cause of a context that a signal has ended.
var errInterrupted = errors.New("interrupted")

// interruptible returns a context that ends with the first of the signals. The second ends the program at once.
func interruptible(signals ...os.Signal) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	arrived := make(chan os.Signal, 2)
	signal.Notify(arrived, signals...)
	go func() {
		<-arrived
		cancel(errInterrupted)
		<-arrived
		os.Exit(exitInterrupted)
	}()
	return ctx
}

// stopSignals are the signals that ask the program to end.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}
