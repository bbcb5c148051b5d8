package service

import (
	"context"
	"errors"
	"slices"
	"time"
)

// RunAll starts the services in the order given, each when the one before has started, and runs them. When ctx ends, or
// one of them fails, it stops all of them in reverse order, each within its stop timeout. A service that ends without an
// error leaves the others running. RunAll returns when all have stopped, with the errors joined. A stop because ctx has
// ended is not an error, also in the middle of a start.
func RunAll(ctx context.Context, services ...Lifecycle) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var runs []*runCall
	var errs []error
	for _, svc := range services {
		if ctx.Err() != nil {
			break
		}
		started, err := startUntil(ctx, svc)
		if !started {
			errs = append(errs, err)
			cancel()
			break
		}
		runs = append(runs, callRun(ctx, cancel, svc))
	}
	for _, r := range runs {
		select {
		case <-r.done:
		case <-ctx.Done():
		}
	}
	for _, r := range slices.Backward(runs) {
		errs = append(errs, r.stop())
	}
	return errors.Join(errs...)
}

// startUntil starts svc, unless ctx ends first: then it has svc stopped, and the error is one of the stop.
func startUntil(ctx context.Context, svc Lifecycle) (started bool, err error) {
	done := make(chan error, 1)
	go func() { done <- svc.Start(context.WithoutCancel(ctx)) }()
	select {
	case err := <-done:
		return err == nil, err
	case <-ctx.Done():
	}
	for {
		if _, err := svc.Stop(context.Background()); err != nil {
			return false, err
		}
		select {
		case err := <-done:
			started = err == nil                                        // it was faster than the stop
			if errors.Is(err, ErrStopped) || errors.Is(err, ErrState) { // it was stopped, or came while Stop was at work
				err = nil
			}
			return started, err
		case <-time.After(Tick): // the goroutine came to call Start only after this Stop
		}
	}
}

// runCall is a call of Run on a goroutine of its own.
type runCall struct {
	svc  Lifecycle
	done chan struct{}
	err  error // valid when done is closed
}

// callRun runs svc, and calls cancel if that fails.
func callRun(ctx context.Context, cancel context.CancelFunc, svc Lifecycle) *runCall {
	r := &runCall{svc: svc, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = svc.Run(context.WithoutCancel(ctx))
		if ctx.Err() != nil && errors.Is(r.err, ErrState) {
			r.err = nil // the stop came before the Run
		}
		if r.err != nil {
			cancel()
		}
	}()
	return r
}

// stop stops the service and returns the errors of its Run and of the stop. It does not wait for a Run that the stop
// has given up.
func (r *runCall) stop() error {
	_, err := r.svc.Stop(context.Background())
	if err == nil {
		<-r.done
	}
	select {
	case <-r.done:
		if err == nil || errors.Is(r.err, err) {
			return r.err
		}
		return errors.Join(r.err, err)
	default:
		return err
	}
}
