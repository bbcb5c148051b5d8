package service

import "context"

// Phase orders hooks: a lower phase starts earlier and stops later.
type Phase int

// The phases in use. Values between and around them are free for other layers.
const (
	PhaseResource Phase = 0   // the user's resources: devices, files, databases
	PhaseSocket   Phase = 100 // sockets, opened on top of the resources and flushed before these are closed
)

// Hook is something that is opened by Start and closed by Stop. Hooks start by phase, then in the order in which they
// were added, and stop in reverse. Only a hook whose Start succeeded is stopped, and exactly once. Either function may
// be nil, not both.
type Hook struct {
	Name  string
	Phase Phase

	// Start opens it. Its context ends with the service's Start: what lives longer must not depend on it.
	Start func(ctx context.Context) error

	// Stop closes it. All tasks have ended by then, unless one hangs. The context carries the deadline.
	Stop func(ctx context.Context) error
}

// AddHook adds a hook to every start that follows. It returns a *[StateError] once a start has begun, until the
// service has stopped.
func (s *Service) AddHook(h Hook) error { panic("not yet") }
