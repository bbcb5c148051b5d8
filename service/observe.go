package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

var (
	// ErrObservationClosed is returned by [Observation.Wait] after Close.
	ErrObservationClosed = errors.New("observation closed")

	// ErrObservationBehind is returned by [Observation.Wait], once, when transitions were forgotten before they were
	// waited for.
	ErrObservationBehind = errors.New("observation fell behind the history")
)

// WaitForState returns at once if the current state is one of states, and otherwise as soon as one of them has been
// entered, even if it has been left again since. Without states it waits for the next transition, whichever it is. It
// returns the state found; when ctx ends first, it returns the current state and an error that names it.
func (m *StateManager) WaitForState(ctx context.Context, states ...State) (State, error) {
	m.mu.Lock()
	current, position := m.state, m.count
	m.mu.Unlock()
	if slices.Contains(states, current) {
		return current, nil
	}
	t, err := m.await(ctx, &position, states, nil)
	if err != nil {
		current = m.State()
		return current, fmt.Errorf("wait for state %v: the state is %s: %w", states, current, err)
	}
	return t.To, nil
}

// Observation sees every transition into the states it was made for, from the moment it was made. It holds no
// resources: one that is forgotten is simply collected. Its methods are safe for concurrent use; each transition goes
// to one Wait.
type Observation struct {
	manager *StateManager
	states  []State
	closed  chan struct{}
	once    sync.Once

	position uint64 // guarded by manager.mu
}

// ObserveStateChange begins to observe transitions into states, or into any state where none is named. Make the
// observation first, then do what causes the transition, then call [Observation.Wait].
func (m *StateManager) ObserveStateChange(states ...State) *Observation {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Observation{manager: m, states: slices.Clone(states), closed: make(chan struct{}), position: m.count}
}

// Wait returns the next transition that has not been returned yet, waiting for one if need be. Its errors are ctx's,
// [ErrObservationClosed] and [ErrObservationBehind]; after the latter, Wait goes on with the oldest transition known.
func (o *Observation) Wait(ctx context.Context) (Transition, error) {
	select {
	case <-o.closed:
		return Transition{}, ErrObservationClosed
	default:
	}
	t, err := o.manager.await(ctx, &o.position, o.states, o.closed)
	if err != nil {
		return Transition{}, fmt.Errorf("observe state %v: %w", o.states, err)
	}
	return t, nil
}

// Close ends the observation and frees whoever waits. It may be called more than once.
func (o *Observation) Close() { o.once.Do(func() { close(o.closed) }) }

// await returns the first transition into one of states at or after *position, and moves the position behind it.
func (m *StateManager) await(ctx context.Context, position *uint64, states []State, closed <-chan struct{}) (Transition, error) {
	for {
		t, found, changed, err := m.scan(position, states)
		if found || err != nil {
			return t, err
		}
		select {
		case <-changed:
		case <-closed:
			return Transition{}, ErrObservationClosed
		case <-ctx.Done():
			if t, found, _, err := m.scan(position, states); found || err != nil {
				return t, err
			}
			return Transition{}, ctx.Err()
		}
	}
}

// scan looks for a transition into one of states from *position on. Where there is none it returns the channel that the
// next transition closes.
func (m *StateManager) scan(position *uint64, states []State) (t Transition, found bool, changed <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if oldest := m.oldestLocked(); *position < oldest {
		*position = oldest
		return t, false, nil, ErrObservationBehind
	}
	for *position < m.count {
		t = m.atLocked(*position)
		*position++
		if len(states) == 0 || slices.Contains(states, t.To) {
			return t, true, nil, nil
		}
	}
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return Transition{}, false, m.changed, nil
}
