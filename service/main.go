package service

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes of [Main].
const (
	ExitClean  = 0   // all services ended, or were stopped by a signal, without an error
	ExitFailed = 1   // a service could not be started, failed, or could not be stopped in time
	ExitForced = 130 // a second signal came during the stop
)

// Main is the main function of a program that consists of services. It starts them in order, runs them, and exits the
// process with [ExitClean], [ExitFailed] or [ExitForced].
//
// The first SIGINT (Ctrl-C) or SIGTERM stops the services in reverse order, whether they are starting, running or
// stopping already. The second one exits at once. Nothing else in this package touches signals.
func Main(services ...Lifecycle) {
	os.Exit(RunMain(context.Background(), MainConfig{}, services...))
}

// MainConfig changes how [RunMain] goes about it. The zero value is what [Main] uses.
type MainConfig struct {
	// Signals is where signals come from. Default: SIGINT and SIGTERM, as the operating system
	// delivers them. In a bubble of testing/synctest a channel that was made in it is required,
	// since package os/signal does not work there.
	Signals <-chan os.Signal

	// Logger takes the signals received and the error at the end. Default [slog.Default].
	Logger *slog.Logger
}

// RunMain is [Main] without the exit: it returns the exit code. The end of ctx counts as a first signal. After
// ExitForced, the services may still be running.
func RunMain(ctx context.Context, cfg MainConfig, services ...Lifecycle) int {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Signals == nil {
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(signals)
		cfg.Signals = signals
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- RunAll(ctx, services...) }()
	for {
		select {
		case err := <-done:
			return exitCode(cfg.Logger, err)
		case sig := <-cfg.Signals:
			if ctx.Err() != nil {
				cfg.Logger.Error("second signal: exit without waiting", "signal", sig)
				return ExitForced
			}
			cfg.Logger.Info("signal received: stopping; a second one exits at once", "signal", sig)
			cancel()
		}
	}
}

func exitCode(logger *slog.Logger, err error) int {
	if err == nil {
		return ExitClean
	}
	logger.LogAttrs(context.Background(), slog.LevelError, "failed", errorAttrs(err)...)
	return ExitFailed
}
