package service

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// RestartMode says after which end a task begins again.
type RestartMode int

// The restart modes.
const (
	RestartNever     RestartMode = iota // an error stops the service; the default
	RestartOnFailure                    // again after an error or a panic
	RestartAlways                       // again after every return
)

// The defaults of a [RestartPolicy].
const (
	DefaultMinBackoff       = 100 * time.Millisecond
	DefaultMaxBackoff       = 30 * time.Second
	DefaultRestartIntensity = 5
	DefaultRestartWindow    = time.Minute
)

// RestartPolicy says when a task begins again, how soon, and how often before that counts as a failure of the task.
type RestartPolicy struct {
	Mode RestartMode

	// The wait before a restart: MinBackoff, doubled for each restart before it within the window, at most MaxBackoff,
	// and of that a random part between a half and the whole. Defaults 100 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration

	// Intensity restarts are allowed within the window. At the next one the task fails, which stops the service.
	// Default 5; a negative number means without limit.
	Intensity int

	// Window is the time in which restarts count. Default 1 minute.
	Window time.Duration
}

// WithRestart has a task begin again as policy says.
func WithRestart(policy RestartPolicy) TaskOption {
	return func(t *taskSpec) { t.restart = policy.withDefaults() }
}

func (p RestartPolicy) withDefaults() RestartPolicy {
	if p.MinBackoff == 0 {
		p.MinBackoff = DefaultMinBackoff
	}
	if p.MaxBackoff == 0 {
		p.MaxBackoff = max(DefaultMaxBackoff, p.MinBackoff)
	}
	if p.Intensity == 0 {
		p.Intensity = DefaultRestartIntensity
	}
	if p.Window == 0 {
		p.Window = DefaultRestartWindow
	}
	return p
}

func (p RestartPolicy) validate() error {
	switch {
	case p.Mode < RestartNever || p.Mode > RestartAlways:
		return &ConfigError{Field: "RestartPolicy.Mode", Value: p.Mode, Reason: "no such mode"}
	case p.MinBackoff < 0:
		return &ConfigError{Field: "RestartPolicy.MinBackoff", Value: p.MinBackoff, Reason: "must not be negative"}
	case p.MaxBackoff < p.MinBackoff:
		return &ConfigError{Field: "RestartPolicy.MaxBackoff", Value: p.MaxBackoff, Reason: "must not be less than MinBackoff"}
	case p.Window < 0:
		return &ConfigError{Field: "RestartPolicy.Window", Value: p.Window, Reason: "must not be negative"}
	}
	return nil
}

// wants reports whether a task that returned err is to begin again.
func (p RestartPolicy) wants(err error) bool {
	return p.Mode == RestartAlways || p.Mode == RestartOnFailure && err != nil
}

// restarts remembers when a task was restarted, as far back as that counts.
type restarts []time.Time

// maxRestarts bounds what is remembered for a policy without a limit. So many doublings exceed every MaxBackoff.
const maxRestarts = 64

// next returns the wait before a restart that is due now, and whether it is allowed at all.
func (r *restarts) next(p RestartPolicy, now time.Time) (wait time.Duration, allowed bool) {
	*r = slices.DeleteFunc(*r, func(t time.Time) bool { return now.Sub(t) > p.Window })
	if p.Intensity >= 0 && len(*r) >= p.Intensity {
		return 0, false
	}
	wait = p.MinBackoff
	for range *r {
		wait = min(wait*2, p.MaxBackoff)
	}
	if len(*r) == maxRestarts {
		*r = slices.Delete(*r, 0, 1)
	}
	*r = append(*r, now)
	return wait - rand.N(wait/2+1), true
}

// tooManyRestarts is the error of a task whose policy does not allow another restart.
func tooManyRestarts(p RestartPolicy, err error) error {
	if err == nil {
		return fmt.Errorf("ended more often than %d times within %v", p.Intensity, p.Window)
	}
	return fmt.Errorf("failed more often than %d times within %v: %w", p.Intensity, p.Window, err)
}
