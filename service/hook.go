package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// Phase orders hooks: a lower phase starts earlier and stops later.
type Phase int

// The phases in use. The values around and between them are free for other layers.
const (
	PhaseResource Phase = 0   // the user's resources: devices, files, databases
	PhaseSocket   Phase = 100 // sockets: opened on top of the resources, and flushed before these are closed
)

// Hook is something that Start opens and Stop closes. Hooks start by phase, within a phase in the order in which they
// were added, and stop in reverse. Only a hook whose Start succeeded is stopped, and just once. Either function may be
// nil, not both.
type Hook struct {
	Name  string
	Phase Phase

	// Start opens it. The context ends with the service's Start: nothing that lives longer may depend on it.
	Start func(ctx context.Context) error

	// Stop closes it. All tasks have ended by then, unless one hangs. The context carries the deadline of the stop,
	// which may have passed.
	Stop func(ctx context.Context) error
}

// hook is a Hook and the right to call it: one call at a time, also where a stop has given up on one.
type hook struct {
	Hook
	busy chan struct{}
}

// AddHook adds a hook, for every start that follows. It is valid in initialized and stopped: in other states it
// returns a *[StateError]. A hook without a name or without functions is refused with a *[ConfigError].
func (s *Service) AddHook(h Hook) error {
	if h.Name == "" {
		return s.errorf("add hook: %w", &ConfigError{Field: "Name", Value: h.Name, Reason: "a hook needs a name"})
	}
	if h.Start == nil && h.Stop == nil {
		return s.errorf("add hook: %w", &ConfigError{Field: "Start", Value: h.Name, Reason: "a hook needs a Start or a Stop"})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseIdle {
		return s.stateErrorLocked("AddHook", Initialized, Stopped)
	}
	s.hooks = append(s.hooks, &hook{Hook: h, busy: make(chan struct{}, 1)})
	slices.SortStableFunc(s.hooks, func(a, b *hook) int { return cmp.Compare(a.Phase, b.Phase) })
	return nil
}

// open starts a hook on behalf of l and enters it among the opened. Should the stop have given up on this start in the
// meantime, it closes the hook again.
func (s *Service) open(ctx context.Context, l *life, h *hook) error {
	if err := ctx.Err(); err != nil {
		return s.errorf("start hook %s: %w", h.Name, err)
	}
	select {
	case h.busy <- struct{}{}:
	case <-ctx.Done():
		return s.errorf("start hook %s: a call to it from an earlier run has not returned: %w", h.Name, ctx.Err())
	}
	defer func() { <-h.busy }()
	defer s.rename(l.starter, s.rename(l.starter, h.Name))
	if h.Start != nil {
		if err := guard(h.Name, func() error { return h.Start(ctx) }); err != nil {
			return s.errorf("start hook %s: %w", h.Name, err)
		}
	}
	s.mu.Lock()
	late := l.closed
	if !late {
		l.opened = append(l.opened, h)
	}
	s.mu.Unlock()
	if !late {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.StopTimeout)
	defer cancel()
	return errors.Join(ErrStopped, h.close(ctx))
}

// close stops a hook whose Start has succeeded.
func (h *hook) close(ctx context.Context) error {
	if h.Stop == nil {
		return nil
	}
	return guard(h.Name, func() error { return h.Stop(ctx) })
}
