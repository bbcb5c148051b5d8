package service

import (
	"context"
	"sync"
	"time"
)

// stop is the one stop of a life.
type stop struct {
	life  *life
	began time.Time
	tasks int // tasks alive when it began

	deadline time.Time // set by carryOut

	teardown sync.Once // of tasks and hooks
	stepErr  error     // set by the teardown: the errors of hooks and tasks, joined

	// Guarded by the service's mutex.
	missedStart      bool    // the stop has given up on a Start
	taskErrs         []error // of tasks that failed on the way down
	flushed, dropped uint64

	done    chan struct{} // closed at the end; the fields below are valid then
	receipt Receipt
	err     error
}

// Stop takes the service from any state through stopping to stopped. It cancels the tasks and waits for them, then
// stops the hooks in the reverse order of their start. Every step runs; the errors are joined. In stopped it changes
// nothing and returns what the stop that led there returned.
//
// Stop may be called from many goroutines: there is one stop, and all return when it is done, with its receipt. During
// Start it cancels the start and then undoes it. From inside the service, that is from a task, a goroutine that a task
// has started, a hook or an overriding method, or with a context that comes from one of these, a stop cannot wait for
// its own caller: there it begins the stop and returns at once, with a zero receipt.
//
// The context and Config.StopTimeout bound the stop, whichever ends first. Every step runs also after that, with a tenth
// of a second to return. What has not returned then is given up: the state is stopped all the same, and the error holds
// a *[StopError] that names the tasks and hooks that still run, with their stacks. Where there are hooks, they are
// stopped when three quarters of the time are over even if a task hangs, so that it does not cost what the sockets have
// queued.
func (s *Service) Stop(ctx context.Context) (Receipt, error) {
	m := s.membership(ctx)
	if m.joins != methodStop {
		return s.stop(ctx, nil)
	}
	return s.joinStop(ctx, m.life)
}

// StopWith is the body of a Stop that overrides the embedded one:
//
//	func (c *Camera) Stop(ctx context.Context) (service.Receipt, error) {
//		return c.StopWith(ctx, func(ctx context.Context) error {
//			_, err := c.Service.Stop(ctx)
//			return errors.Join(err, c.device.Close())
//		})
//	}
//
// fn runs once for each start that has succeeded, on a goroutine of its own, with Stop's time limit; it calls the
// embedded Stop with the context it is given. Where it does not, the stop is done all the same, and the error is
// [ErrNotDelegated]. The state becomes stopped when the outermost function has returned. The constructor calls
// [Service.EmbedIn], so that the service uses the overriding Stop when it stops itself.
func (s *Service) StopWith(ctx context.Context, fn func(ctx context.Context) error) (Receipt, error) {
	m := s.membership(ctx)
	if m.joins != methodStop {
		return s.stop(ctx, fn)
	}
	err := s.delegate(ctx, m, fn)
	return s.receiptSoFar(m.life.stop), err
}

// stop is the outermost Stop.
func (s *Service) stop(ctx context.Context, fn func(ctx context.Context) error) (Receipt, error) {
	caller := s.callerLife(ctx)
	s.mu.Lock()
	l := s.lifeLocked()
	if caller != nil && caller != l { // an earlier stop has given the caller up
		l = caller
	}
	owner := l.stop == nil
	var t Transition
	if owner {
		t = s.beginStopLocked(l, methodStop, nil)
	}
	op := l.stop
	s.mu.Unlock()
	if owner {
		s.states.log(t)
	}
	switch {
	case caller != nil && owner:
		go s.carryOutDetached(ctx, op, fn)
		return Receipt{}, nil
	case caller != nil:
		return op.result()
	case owner:
		s.carryOut(ctx, op, fn)
	case !await(ctx, op.done):
		return Receipt{}, s.stillRunning(l, ctx.Err())
	}
	return op.receipt, op.err
}

// result returns what Stop returns to a caller that cannot wait.
func (op *stop) result() (Receipt, error) {
	select {
	case <-op.done:
		return op.receipt, op.err
	default:
		return Receipt{}, nil
	}
}

// lifeLocked returns the current life, or the last; for a service that has never been started, an empty one.
func (s *Service) lifeLocked() *life {
	if s.life == nil {
		s.life = newLife()
		close(s.life.startDone)
	}
	return s.life
}

// beginStopLocked begins the stop of a life, on behalf of method. Whoever calls it sees to it that carryOut is called.
func (s *Service) beginStopLocked(l *life, m method, cause error) Transition {
	l.stop = &stop{life: l, began: time.Now(), tasks: l.tasks, done: make(chan struct{})}
	s.phase = phaseStopping
	close(l.stopping)
	l.cancelStart(ErrStopped)
	t, _ := s.states.move(string(m), nil, Stopping, cause)
	return t
}

// stopSelf has the service stop itself, if no stop has begun, without waiting for it.
func (s *Service) stopSelf(l *life, m method, cause error) {
	s.mu.Lock()
	if l != s.life || !s.aliveLocked() {
		s.mu.Unlock()
		return
	}
	t := s.beginStopLocked(l, m, cause)
	s.mu.Unlock()
	s.states.log(t)
	go s.carryOut(context.Background(), l.stop, s.stopOuter)
}

// stopOuter calls the Stop of the embedding type, or where there is none the service's own. The context says that it is
// to join the stop.
func (s *Service) stopOuter(ctx context.Context) error {
	s.mu.Lock()
	outer := s.outer
	s.mu.Unlock()
	if outer == nil {
		outer = s
	}
	_, err := outer.Stop(ctx)
	return err
}

// joinStop is the work of a Stop that an overriding one has called.
func (s *Service) joinStop(ctx context.Context, l *life) (Receipt, error) {
	s.mu.Lock()
	l.called = append(l.called, methodStop)
	s.mu.Unlock()
	s.tearDown(ctx, l.stop)
	return s.receiptSoFar(l.stop), l.stop.stepErr
}
