package service

import (
	"context"
	"log/slog"
	"slices"
)

type callback struct {
	state State
	fn    func(Transition)
	since uint64 // position of the first transition that concerns it
}

// OnState has fn called after every transition into state, until remove is called. Callbacks run one after another, in
// the order of the transitions and, for one transition, of their registration, on a goroutine that exists only while
// there is something to call. A slow callback delays the callbacks behind it, never a transition. By the time it runs
// the state may have moved on. A panic in it is logged.
func (m *StateManager) OnState(state State, fn func(Transition)) (remove func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &callback{state: state, fn: fn, since: m.count}
	m.callbacks = append(m.callbacks, c)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.callbacks = slices.DeleteFunc(m.callbacks, func(other *callback) bool { return other == c })
	}
}

// dispatchLocked sees to it that the callbacks for the transition just made, which led to state to, are called.
func (m *StateManager) dispatchLocked(to State) {
	if m.dispatching || !slices.ContainsFunc(m.callbacks, func(c *callback) bool { return c.state == to }) {
		return
	}
	m.dispatching = true
	m.dispatched = m.count - 1
	go m.dispatch()
}

// dispatch calls callbacks until it has caught up with the history.
func (m *StateManager) dispatch() {
	caughtUp := false
	defer func() {
		if !caughtUp { // a callback has ended the goroutine
			go m.dispatch()
		}
	}()
	for {
		t, due, lost := m.nextCallbacks()
		if lost > 0 {
			m.logger.Warn("state callbacks fell behind", "transitions_lost", lost)
		}
		if due == nil {
			caughtUp = true
			return
		}
		for _, c := range due {
			if m.registered(c) {
				m.call(c, t)
			}
		}
	}
}

// nextCallbacks returns the next transition that somebody waits for, the callbacks to call, and how many transitions
// were forgotten before it came to them. Without callbacks it has caught up, and the next transition starts a new
// dispatch.
func (m *StateManager) nextCallbacks() (t Transition, due []*callback, lost uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if oldest := m.oldestLocked(); m.dispatched < oldest {
		lost = oldest - m.dispatched
		m.dispatched = oldest
	}
	for m.dispatched < m.count {
		position := m.dispatched
		t = m.atLocked(position)
		m.dispatched++
		for _, c := range m.callbacks {
			if c.state == t.To && c.since <= position {
				due = append(due, c)
			}
		}
		if due != nil {
			return t, due, lost
		}
	}
	m.dispatching = false
	return t, nil, lost
}

func (m *StateManager) registered(c *callback) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.callbacks, c)
}

func (m *StateManager) call(c *callback, t Transition) {
	err := guard("callback for state "+string(t.To), func() error { c.fn(t); return nil })
	if err != nil {
		m.logger.LogAttrs(context.Background(), slog.LevelError, "state callback failed", errorAttrs(err)...)
	}
}
