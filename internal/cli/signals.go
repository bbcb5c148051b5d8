package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that ends with the first of the signals, because of errInterrupted. The second ends the
// program at once.
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
