package service

import (
	"context"
	"errors"
	"time"
)

// Start takes the service from initialized or stopped through starting to started: it starts the hooks, in order. The
// context governs the start only, not the service's life after it.
//
// When a hook fails, those before it are stopped in reverse, the state ends at stopped, and the error is recorded and
// returned. A Stop or a fatal error during Start cancels the context and undoes the start; the error is then
// [ErrStopped] or the fatal one. From any other state Start returns a *[StateError] and changes nothing.
func (s *Service) Start(ctx context.Context) error {
	m := s.membership(ctx)
	if m.joins != methodStart {
		return s.start(ctx, s.Start)
	}
	return s.startHooks(ctx, m.life)
}

// StartWith is the body of a Start that overrides the embedded one:
//
//	func (c *Camera) Start(ctx context.Context) error {
//		return c.StartWith(ctx, func(ctx context.Context) error {
//			device, err := open(ctx)
//			if err != nil {
//				return err
//			}
//			if err := c.Service.Start(ctx); err != nil {
//				device.Close()
//				return err
//			}
//			c.device = device
//			return nil
//		})
//	}
//
// A wrong state is refused before fn runs. fn calls the embedded Start with the context it is given, which carries the
// transition; a fn that does not gets [ErrNotDelegated]. The state becomes started when the outermost function has
// returned. A fn that fails cleans up after itself: the function of StopWith runs only after a start that succeeded.
func (s *Service) StartWith(ctx context.Context, fn func(ctx context.Context) error) error {
	m := s.membership(ctx)
	if m.joins != methodStart {
		return s.start(ctx, fn)
	}
	return s.delegate(ctx, m, fn)
}

// delegate calls the function of an overriding method and checks that it has called the embedded one.
func (s *Service) delegate(ctx context.Context, m membership, fn func(ctx context.Context) error) error {
	if err := fn(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !m.life.hasCalled(m.joins) {
		return s.errorf("%s: %w", m.joins, ErrNotDelegated)
	}
	return nil
}

// start is the outermost Start.
func (s *Service) start(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l, err := s.beginStart(cancel)
	if err != nil {
		return err
	}
	err = errGoexit // unless fn returns or panics
	defer func() { err = s.endStart(ctx, l, err) }()
	l.starter = s.enter(l, "Start", strandHook)
	defer s.leave(l.starter)
	m := membership{life: l, joins: methodStart}
	return guard("Start", func() error { return s.delegate(s.withMembership(ctx, m), m, fn) })
}

func (s *Service) beginStart(cancel context.CancelCauseFunc) (*life, error) {
	s.mu.Lock()
	if s.phase != phaseIdle {
		defer s.mu.Unlock()
		return nil, s.stateErrorLocked(methodStart, Initialized, Stopped)
	}
	t, err := s.states.move(string(methodStart), []State{Initialized, Stopped}, Starting, nil)
	if err != nil {
		s.mu.Unlock()
		return nil, s.errorf("%w", err)
	}
	l := newLife()
	l.cancelStart = cancel
	s.life, s.phase = l, phaseStarting
	s.startTime, s.stopTime = time.Now(), time.Time{}
	s.sent.Store(0)
	s.received.Store(0)
	s.rates.reset(s.startTime)
	s.health.reset()
	s.mu.Unlock()
	s.states.log(t)
	return l, nil
}

// startHooks is the work of Start itself.
func (s *Service) startHooks(ctx context.Context, l *life) error {
	s.mu.Lock()
	if l != s.life || s.phase != phaseStarting {
		s.mu.Unlock()
		return s.errorf("start: %w", ErrStopped)
	}
	if l.hasCalled(methodStart) {
		defer s.mu.Unlock()
		return s.stateErrorLocked(methodStart, Initialized, Stopped)
	}
	l.called = append(l.called, methodStart)
	hooks := s.hooks // AddHook changes them only while no start is at work
	s.mu.Unlock()
	ctx = s.withMembership(ctx, membership{life: l})
	for _, h := range hooks {
		if err := s.open(ctx, l, h); err != nil {
			return err
		}
	}
	return nil
}

// endStart concludes the outermost Start, whose function has returned err, and returns what Start returns.
func (s *Service) endStart(ctx context.Context, l *life, err error) error {
	s.mu.Lock()
	l.started = err == nil
	close(l.startDone)
	if l.stop != nil {
		missed := l.stop.missedStart
		s.mu.Unlock()
		return s.interrupted(ctx, l, missed, err)
	}
	if err == nil {
		s.phase = phaseStarted
		t, _ := s.states.move(string(methodStart), nil, Started, nil)
		s.mu.Unlock()
		s.states.log(t)
		s.logger.Info("started")
		return nil
	}
	s.note(StatusFatal, err)
	t := s.beginStopLocked(l, methodStart, err)
	s.mu.Unlock()
	s.states.log(t)
	s.logRecorded(StatusFatal, err)
	s.carryOut(context.WithoutCancel(ctx), l.stop, nil)
	return errors.Join(err, l.stop.err)
}

// interrupted waits for the stop that came during the start, and returns the error of that start.
func (s *Service) interrupted(ctx context.Context, l *life, missed bool, err error) error {
	<-l.stop.done
	if missed && err == nil { // the stop has given up on the start, which has succeeded after all
		ctx = s.withMembership(context.WithoutCancel(ctx), membership{life: l, joins: methodStop})
		err = s.stopOuter(ctx)
	}
	if fatal := s.fatalOf(l); fatal != nil {
		return errors.Join(fatal, err)
	}
	if errors.Is(err, ErrStopped) {
		return err
	}
	return errors.Join(s.errorf("start: %w", ErrStopped), err)
}
