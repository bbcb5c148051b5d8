package service

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrState is matched by every *[StateError].
	ErrState = errors.New("wrong state")

	// ErrStopped is the cause of the contexts that a stop cancels, and the error of a Start that a stop interrupted.
	ErrStopped = errors.New("service stopped")

	// ErrNotDelegated is the error of a StartWith, RunWith or StopWith whose function returned without having called
	// the embedded method.
	ErrNotDelegated = errors.New("the embedded method was not called")
)

// StateError says that a method was called in a state in which it is not valid. The call has changed nothing.
type StateError struct {
	Method string
	State  State   // the state in which the call found the service
	Valid  []State // the states in which the method is valid
}

// Error names the method, the state, and the valid states.
func (e *StateError) Error() string {
	valid := make([]string, len(e.Valid))
	for i, s := range e.Valid {
		valid[i] = string(s)
	}
	return fmt.Sprintf("%s is not valid in state %s, only in %s", e.Method, e.State, strings.Join(valid, ", "))
}

// Is reports whether target is [ErrState].
func (e *StateError) Is(target error) bool { return target == ErrState }

// ConfigError says which field of a configuration is wrong, and why.
type ConfigError struct {
	Field  string
	Value  any
	Reason string
}

// Error names the field, its value, and the reason.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("%s %q: %s", e.Field, fmt.Sprint(e.Value), e.Reason)
}

// PanicError is a panic in a task, a hook or an overriding method, recovered and turned into an error.
type PanicError struct {
	Name  string // the task's or hook's name
	Value any    // what panic was called with
	Stack string // the stack of the goroutine that panicked
}

// Error names the task and the value. The stack is in the field and in the log.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in %s: %v", e.Name, e.Value) }

// Unwrap returns the panic's value where that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Hanging is a task or hook that did not return in the time a stop had.
type Hanging struct {
	Name  string
	Stack string // of its goroutine, at the deadline
}

// StopError says what was still running when the time for a stop was over. It wraps the context's error:
// [context.DeadlineExceeded], or [context.Canceled] where the context given to Stop was cancelled.
type StopError struct {
	Service string
	Tasks   []Hanging
	Hooks   []Hanging // hooks, and overriding Start and Stop methods
	Err     error
}

// Error names the tasks and hooks, without their stacks.
func (e *StopError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "service %s: stop: %v", e.Service, e.Err)
	writeNames(&b, "tasks", e.Tasks)
	writeNames(&b, "hooks", e.Hooks)
	return b.String()
}

// Unwrap returns the context's error.
func (e *StopError) Unwrap() error { return e.Err }

func writeNames(b *strings.Builder, kind string, hanging []Hanging) {
	for i, h := range hanging {
		if i == 0 {
			fmt.Fprintf(b, "; %s still running: ", kind)
		} else {
			b.WriteString(", ")
		}
		b.WriteString(h.Name)
	}
}

// stateErrorLocked returns the error of a method called in a state other than those given.
func (s *Service) stateErrorLocked(m method, valid ...State) error {
	return s.errorf("%w", &StateError{Method: string(m), State: s.states.State(), Valid: valid})
}
