package service

import (
	"fmt"
	"log/slog"
	"time"
)

// State is a point in a service's life. It travels in heartbeats, in lower case. The set is open: an application may
// define states of its own and move through them with a [StateManager].
type State string

// The states of the lifecycle, in the order in which a service passes through them.
const (
	Initializing State = "initializing" // being constructed
	Initialized  State = "initialized"  // constructed, never started
	Starting     State = "starting"     // Start is at work
	Started      State = "started"      // Start has succeeded, Run has not been called
	Running      State = "running"      // Run is at work
	Stopping     State = "stopping"     // Stop is at work, or a failed Start is being undone
	Stopped      State = "stopped"      // stopped; may be started again
)

// Transition is one change of state.
type Transition struct {
	From, To State
	Time     time.Time
	Method   string // the method that made the change, such as "Start"
	Cause    error  // why, where it was an error; else nil
}

// String returns the transition in one line, as in "running -> stopping by Stop: cause".
func (t Transition) String() string {
	s := fmt.Sprintf("%s -> %s by %s", t.From, t.To, t.Method)
	if t.Cause != nil {
		s += ": " + t.Cause.Error()
	}
	return s
}

// LogValue returns the transition as a group of attributes, for log/slog.
func (t Transition) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("from", string(t.From)),
		slog.String("to", string(t.To)),
		slog.String("method", t.Method),
	}
	if t.Cause != nil {
		attrs = append(attrs, slog.String("cause", t.Cause.Error()))
	}
	return slog.GroupValue(attrs...)
}
