package service

import "time"

// RestartMode says after which end a task is begun again.
type RestartMode int

// The restart modes.
const (
	RestartNever     RestartMode = iota // an error stops the service; the default
	RestartOnFailure                    // begun again after an error or a panic
	RestartAlways                       // begun again after every return
)

// RestartPolicy says when a task is begun again, how soon, and how often before that counts as a failure. Each restart
// within the window doubles the wait, from MinBackoff up to MaxBackoff, with jitter.
type RestartPolicy struct {
	Mode RestartMode

	MinBackoff time.Duration // default 100 ms
	MaxBackoff time.Duration // default 30 s

	// Intensity is how many restarts are allowed within the window; one more, and the task fails, which stops the
	// service. Default 5; negative: without limit.
	Intensity int
	Window    time.Duration // default 1 minute
}

// TaskOption changes how a task is run.
type TaskOption func(*taskSpec)

// WithRestart has the task begun again as policy says.
func WithRestart(policy RestartPolicy) TaskOption { return func(t *taskSpec) { t.restart = policy } }
