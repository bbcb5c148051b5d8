package service

import (
	"context"
	"fmt"
	"time"
)

// TaskOption changes how a task is run.
type TaskOption func(*taskSpec)

type taskSpec struct {
	name    string
	fn      func(ctx context.Context) error
	restart RestartPolicy
}

// Go makes fn a task of the service, under a name for logs and errors. When it begins depends on the state:
//
//   - initialized or stopped: with every Run that follows;
//   - starting or started: with the Run that follows, once;
//   - running: at once;
//   - stopping: never; Go returns a *[StateError].
//
// The context is cancelled when the service stops, and fn should return soon after. A task that returns nil is done; an
// error or a panic stops the service, unless [WithRestart] says otherwise, and Run returns it. Live tasks have different
// names: a second "poll" is called "poll#2".
func (s *Service) Go(name string, fn func(ctx context.Context) error, opts ...TaskOption) error {
	task := taskSpec{name: name, fn: fn}
	for _, opt := range opts {
		opt(&task)
	}
	if err := task.validate(); err != nil {
		return s.errorf("go: %w", err)
	}
	abandoned := s.abandonedCaller()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case abandoned || s.phase == phaseStopping:
		return s.stateErrorLocked("Go", Initialized, Starting, Started, Running, Stopped)
	case s.phase == phaseIdle:
		s.tasks = append(s.tasks, task)
	case s.phase == phaseRunning:
		s.spawnLocked(s.life, task)
	default:
		s.life.pending = append(s.life.pending, task)
	}
	return nil
}

func (t *taskSpec) validate() error {
	if t.name == "" {
		return &ConfigError{Field: "name", Value: t.name, Reason: "a task needs a name"}
	}
	if t.fn == nil {
		return &ConfigError{Field: "fn", Value: t.name, Reason: "a task needs a function"}
	}
	return t.restart.validate()
}

// spawnLocked begins a task.
func (s *Service) spawnLocked(l *life, task taskSpec) {
	use := l.names[task.name]
	if use == nil {
		use = new(nameUse)
		l.names[task.name] = use
	}
	use.alive++
	use.last++
	name := task.name
	if use.last > 1 {
		name = fmt.Sprintf("%s#%d", name, use.last)
	}
	go s.runTask(l, l.addLocked(name, strandTask), task)
}

// runTask is the goroutine of a task.
func (s *Service) runTask(l *life, st *strand, task taskSpec) {
	s.identify(st)
	err := errGoexit // unless fn returns or panics
	defer func() {
		if err != nil {
			err = s.errorf("task %s: %w", st.name, err)
		}
		s.ended(l, err)
		s.forgetName(l, task.name)
		s.leave(st)
	}()
	err = s.supervise(s.withMembership(l.taskCtx, membership{life: l}), st.name, task)
}

func (s *Service) forgetName(l *life, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	use := l.names[name]
	if use.alive--; use.alive == 0 {
		delete(l.names, name)
	}
}

// supervise runs a task, again and again where its policy wants it, and returns the error with which it has failed.
func (s *Service) supervise(ctx context.Context, name string, task taskSpec) error {
	var restarts restarts
	for {
		err := guard(name, func() error { return task.fn(ctx) })
		if ctx.Err() != nil || !task.restart.wants(err) {
			return err
		}
		wait, allowed := restarts.next(task.restart, time.Now())
		if !allowed {
			return tooManyRestarts(task.restart, err)
		}
		if err != nil {
			s.record(StatusError, s.errorf("task %s: restarts in %v: %w", name, wait, err))
		}
		if !s.Sleep(ctx, wait) {
			return nil
		}
	}
}
