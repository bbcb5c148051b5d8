package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// stopGrace is the time that each step of a stop has after the deadline.
const stopGrace = 100 * time.Millisecond

// await waits until done is closed and reports whether it is: until ctx ends, and for the grace after that.
func await(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-done:
		return true
	case <-grace.C:
		return false
	}
}

// step is a part of a stop on a goroutine of its own, which can be given up.
type step struct {
	done chan struct{}
	err  error // valid when done is closed
}

// begin starts a step of a stop: fn under the given name.
func (s *Service) begin(op *stop, name string, fn func() error) *step {
	st := &step{done: make(chan struct{}), err: errGoexit}
	go func() {
		strand := s.enter(op.life, name, strandHook)
		defer close(st.done)
		defer s.leave(strand)
		st.err = guard(name, fn)
	}()
	return st
}

// result returns the error of a step that has ended, and nil for one that still runs: endStop names that.
func (st *step) result() error {
	select {
	case <-st.done:
		return st.err
	default:
		return nil
	}
}

// carryOut does a stop that has begun, within the limits of ctx and the stop timeout. fn is the function of StopWith,
// which has to call the embedded Stop; nil where there is none.
func (s *Service) carryOut(ctx context.Context, op *stop, fn func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StopTimeout)
	defer cancel()
	op.deadline, _ = ctx.Deadline()
	var overriding *step
	if s.undoesStart(ctx, op) && fn != nil {
		m := membership{life: op.life, joins: methodStop}
		stopCtx := s.withMembership(ctx, m)
		overriding = s.begin(op, "Stop", func() error { return s.delegate(stopCtx, m, fn) })
		await(ctx, overriding.done)
	}
	s.tearDown(ctx, op)
	var err error
	if overriding != nil {
		await(ctx, overriding.done) // it may have gone on after the teardown
		err = overriding.result()
	}
	s.endStop(ctx, op, err)
}

// carryOutDetached is carryOut for a caller that the stop is going to cancel: of its context only the deadline counts.
func (s *Service) carryOutDetached(ctx context.Context, op *stop, fn func(ctx context.Context) error) {
	deadline, bounded := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	s.carryOut(ctx, op, fn)
}

// undoesStart waits for the end of a Start that is at work and reports whether there is a successful one to undo. It
// gives up on a start that does not end; that one then cleans up itself.
func (s *Service) undoesStart(ctx context.Context, op *stop) bool {
	await(ctx, op.life.startDone)
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-op.life.startDone:
		return op.life.started
	default:
		op.missedStart = true
		return false
	}
}

// tearDown ends the tasks, then stops the hooks. However often it is called, it happens once, and all callers wait.
func (s *Service) tearDown(ctx context.Context, op *stop) {
	op.teardown.Do(func() {
		ctx, cancel := context.WithDeadline(ctx, op.deadline) // fn may have passed on a context of its own
		defer cancel()
		l := op.life
		s.mu.Lock()
		hooks := l.opened
		l.closed = true
		idle := make(chan struct{})
		l.idle = idle
		l.noteIdleLocked()
		s.mu.Unlock()
		l.cancelTasks(ErrStopped)

		if len(hooks) > 0 {
			awaitTasks(ctx, idle)
		}
		hookCtx := s.withMembership(ctx, membership{life: l})
		var errs []error
		for _, h := range slices.Backward(hooks) {
			st := s.begin(op, h.Name, func() error {
				h.busy <- struct{}{}
				defer func() { <-h.busy }()
				return h.close(hookCtx)
			})
			await(ctx, st.done)
			if err := st.result(); err != nil {
				err = s.errorf("stop hook %s: %w", h.Name, err)
				s.record(StatusError, err)
				errs = append(errs, err)
			}
		}
		await(ctx, idle)
		s.mu.Lock()
		defer s.mu.Unlock()
		op.stepErr = errors.Join(append(errs, op.taskErrs...)...)
	})
}

// awaitTasks waits for the tasks until three quarters of the time are over.
func awaitTasks(ctx context.Context, idle <-chan struct{}) {
	deadline, _ := ctx.Deadline()
	share, cancel := context.WithTimeout(ctx, time.Until(deadline)*3/4)
	defer cancel()
	select {
	case <-idle:
		return
	case <-share.Done():
	}
	if ctx.Err() != nil {
		await(ctx, idle)
	}
}

// endStop concludes a stop: the state, the receipt, the error. err is that of the overriding Stop.
func (s *Service) endStop(ctx context.Context, op *stop, err error) {
	l := op.life
	stacks := s.stacksOf(l)
	s.mu.Lock()
	hanging := s.hangingLocked(l, stacks, ctx.Err())
	for st := range l.strands {
		s.abandoned[st] = struct{}{}
	}
	op.receipt = op.receiptLocked()
	for _, h := range hanging.Tasks {
		op.receipt.TasksAbandoned = append(op.receipt.TasksAbandoned, h.Name)
	}
	op.err = err
	if !errors.Is(err, op.stepErr) { // it has not been passed on
		op.err = errors.Join(err, op.stepErr)
	}
	s.note(StatusError, err)
	hangs := len(l.strands) > 0
	if hangs {
		op.err = errors.Join(op.err, hanging)
		s.note(StatusError, hanging)
	}
	s.phase = phaseIdle
	s.stopTime = time.Now()
	t, _ := s.states.move(string(methodStop), nil, Stopped, nil)
	s.mu.Unlock()

	s.states.log(t)
	s.logRecorded(StatusError, err)
	if hangs {
		s.logRecorded(StatusError, hanging)
	}
	s.logger.Info("stopped", "receipt", op.receipt)
	close(op.done)
}

// stacksOf returns the stacks of all goroutines if any strand of l is alive.
func (s *Service) stacksOf(l *life) map[uint64]string {
	s.mu.Lock()
	n := len(l.strands)
	s.mu.Unlock()
	if n == 0 {
		return nil
	}
	return stacksByID()
}

// stillRunning returns the error of a caller of Stop whose time is over before the stop is done.
func (s *Service) stillRunning(l *life, cause error) error {
	stacks := s.stacksOf(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hangingLocked(l, stacks, cause)
}

// hangingLocked names the strands of l that are alive, sorted by name.
func (s *Service) hangingLocked(l *life, stacks map[uint64]string, cause error) *StopError {
	e := &StopError{Service: s.cfg.Name, Err: cmp.Or(cause, context.DeadlineExceeded)}
	for st := range l.strands {
		h := Hanging{Name: st.name, Stack: stacks[st.id]}
		if st.kind == strandTask {
			e.Tasks = append(e.Tasks, h)
		} else {
			e.Hooks = append(e.Hooks, h)
		}
	}
	byName := func(a, b Hanging) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(e.Tasks, byName)
	slices.SortFunc(e.Hooks, byName)
	return e
}

// receiptLocked returns the account of the stop so far.
func (op *stop) receiptLocked() Receipt {
	return Receipt{
		TasksFinished:   op.tasks - op.life.tasks,
		MessagesFlushed: op.flushed,
		MessagesDropped: op.dropped,
		Duration:        time.Since(op.began),
	}
}

func (s *Service) receiptSoFar(op *stop) Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return op.receiptLocked()
}

// AddReceipt adds to the messages flushed and dropped in the receipt of the stop that is going on. Socket hooks call it
// in their Stop; at other times it does nothing.
func (s *Service) AddReceipt(flushed, dropped uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseStopping {
		s.life.stop.flushed += flushed
		s.life.stop.dropped += dropped
	}
}
