package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// Run takes the service from started to running, begins the tasks, and returns when the service has stopped: after a
// Stop, a fatal error, or the end of ctx, which stops the service as Stop does. It returns nil after a clean stop,
// otherwise the first fatal error, such as that of a task, and the errors of the stop. From any other state it returns a
// *[StateError] and changes nothing. The tasks' contexts have the values of ctx.
func (s *Service) Run(ctx context.Context) error {
	m := s.membership(ctx)
	if m.joins != methodRun {
		return s.run(ctx, nil)
	}
	return s.runTasks(m.life)
}

// RunWith is the body of a Run that overrides the embedded one:
//
//	func (c *Camera) Run(ctx context.Context) error {
//		return c.RunWith(ctx, func(ctx context.Context) error {
//			if err := c.Go("frames", c.readFrames); err != nil {
//				return err
//			}
//			return c.Service.Run(ctx)
//		})
//	}
//
// A wrong state is refused before fn runs; the state is running when it does. fn calls the embedded Run with the context
// it is given. That call returns when the tasks are to end, so that fn can clean up; a stop waits for fn as it does for a
// task. An error of fn stops the service, and so does a fn that returns without that call: [ErrNotDelegated].
func (s *Service) RunWith(ctx context.Context, fn func(ctx context.Context) error) error {
	m := s.membership(ctx)
	if m.joins != methodRun {
		return s.run(ctx, fn)
	}
	return s.delegate(ctx, m, fn)
}

// run is the outermost Run. fn is the function of RunWith; nil where there is none.
func (s *Service) run(ctx context.Context, fn func(ctx context.Context) error) error {
	l, err := s.beginRun(ctx)
	if err != nil {
		return err
	}
	unwatch := context.AfterFunc(ctx, func() { s.stopSelf(l, methodRun, context.Cause(ctx)) })
	defer unwatch()
	if fn != nil {
		s.runOverriding(l, fn)
	} else if err := s.runTasks(l); err != nil {
		return err
	}
	<-l.stop.done
	return errors.Join(s.fatalOf(l), l.stop.err)
}

func (s *Service) beginRun(ctx context.Context) (*life, error) {
	s.mu.Lock()
	if s.phase != phaseStarted {
		defer s.mu.Unlock()
		return nil, s.notStartedLocked()
	}
	t, err := s.states.move(string(methodRun), []State{Started}, Running, nil)
	if err != nil {
		s.mu.Unlock()
		return nil, s.errorf("%w", err)
	}
	l := s.life
	s.phase = phaseRunning
	l.taskCtx, l.cancelTasks = context.WithCancelCause(context.WithoutCancel(ctx))
	s.mu.Unlock()
	s.states.log(t)
	return l, nil
}

// notStartedLocked returns the error of a Run in the wrong state, and the fatal error that is the reason, if any.
func (s *Service) notStartedLocked() error {
	err := s.stateErrorLocked(methodRun, Started)
	if s.life == nil || s.life.fatal == nil {
		return err
	}
	return errors.Join(err, s.life.fatal)
}

// runTasks is the work of Run itself.
func (s *Service) runTasks(l *life) error {
	s.mu.Lock()
	if l.hasCalled(methodRun) {
		defer s.mu.Unlock()
		return s.stateErrorLocked(methodRun, Started)
	}
	l.called = append(l.called, methodRun)
	if l == s.life && s.phase == phaseRunning {
		for _, task := range slices.Concat(s.tasks, l.pending) {
			s.spawnLocked(l, task)
		}
		l.pending = nil
	}
	s.mu.Unlock()
	<-l.taskCtx.Done()
	return nil
}

// runOverriding calls the function of RunWith.
func (s *Service) runOverriding(l *life, fn func(ctx context.Context) error) {
	st := s.enter(l, "Run", strandRun)
	defer s.leave(st)
	err := errGoexit // unless fn returns or panics
	defer func() { s.ended(l, err) }()
	m := membership{life: l, joins: methodRun}
	err = guard("Run", func() error { return s.delegate(s.withMembership(l.taskCtx, m), m, fn) })
}

// ended takes note of the error with which a task or an overriding Run has ended.
func (s *Service) ended(l *life, err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	stopping := l.stop != nil
	abandoned := stopping && (l != s.life || s.phase != phaseStopping)
	cancelled := errors.Is(err, context.Canceled) || errors.Is(err, ErrStopped)
	switch {
	case !stopping:
		l.fatal = cmp.Or(l.fatal, err)
	case !abandoned && !cancelled:
		l.stop.taskErrs = append(l.stop.taskErrs, err)
	}
	s.mu.Unlock()
	switch {
	case !stopping:
		s.record(StatusFatal, err)
		s.stopSelf(l, methodRun, err)
	case abandoned:
		s.logger.Warn("an abandoned task has ended", "error", err)
	case !cancelled:
		s.record(StatusError, err)
	}
}

func (s *Service) fatalOf(l *life) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.fatal
}
