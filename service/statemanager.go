package service

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// historyLimit is how many transitions a StateManager remembers.
const historyLimit = 256

// StateManager keeps a state, moves it, and lets others watch it. Every [Service] has one; it works as well on its own,
// for anything with states. All methods are safe for concurrent use. Watching never delays a transition, however slow
// the watcher.
//
// Waiters, observations and callbacks all read the same history, each at a position of its own, so none of them can
// miss a state that was entered and left again. The history is bounded: one who falls more than 256 transitions behind
// loses the oldest, and is told.
type StateManager struct {
	logger *slog.Logger

	mu      sync.Mutex
	state   State
	count   uint64        // transitions so far; the next one's position in the history
	history []Transition  // the last historyLimit, a ring once it is full
	changed chan struct{} // closed by the next transition; nil while nobody waits

	callbacks   []*callback
	dispatching bool   // a goroutine is calling callbacks
	dispatched  uint64 // the position that it has reached
}

// NewStateManager returns a manager whose state is initial. It logs each transition at level debug; a nil logger means
// [slog.Default].
func NewStateManager(initial State, logger *slog.Logger) *StateManager {
	if logger == nil {
		logger = slog.Default()
	}
	return &StateManager{logger: logger, state: initial}
}

// State returns the current state.
func (m *StateManager) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// ValidateAndBeginTransition moves to the state progress on behalf of method, if the current state is one of valid; nil
// means any. Otherwise it changes nothing and returns a *[StateError]. Method code comes after it, never before.
func (m *StateManager) ValidateAndBeginTransition(method string, valid []State, progress State) error {
	t, err := m.move(method, valid, progress, nil)
	if err != nil {
		return err
	}
	m.log(t)
	return nil
}

// CompleteTransition ends what ValidateAndBeginTransition began: it moves from progress to completed, noting cause,
// which may be nil. If the state is no longer progress, because a stop came between, say, it changes nothing and
// returns a *[StateError].
func (m *StateManager) CompleteTransition(method string, progress, completed State, cause error) error {
	t, err := m.move(method, []State{progress}, completed, cause)
	if err != nil {
		return err
	}
	m.log(t)
	return nil
}

// move makes one transition. It does not log, so that callers may hold locks of their own.
func (m *StateManager) move(method string, valid []State, to State, cause error) (Transition, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if valid != nil && !slices.Contains(valid, m.state) {
		return Transition{}, &StateError{Method: method, State: m.state, Valid: slices.Clone(valid)}
	}
	t := Transition{From: m.state, To: to, Time: time.Now(), Method: method, Cause: cause}
	m.state = to
	if len(m.history) < historyLimit {
		m.history = append(m.history, t)
	} else {
		m.history[m.count%historyLimit] = t
	}
	m.count++
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
	m.dispatchLocked(to)
	return t, nil
}

func (m *StateManager) log(t Transition) {
	m.logger.LogAttrs(context.Background(), slog.LevelDebug, "state changed", slog.Any("transition", t))
}

// History returns the last 256 transitions, oldest first.
func (m *StateManager) History() []Transition {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.history) < historyLimit {
		return slices.Clone(m.history)
	}
	oldest := m.count % historyLimit
	return slices.Concat(m.history[oldest:], m.history[:oldest])
}

// oldestLocked returns the position of the oldest transition that is still remembered.
func (m *StateManager) oldestLocked() uint64 { return m.count - uint64(len(m.history)) }

// atLocked returns the transition at a position that is still remembered.
func (m *StateManager) atLocked(position uint64) Transition { return m.history[position%historyLimit] }
