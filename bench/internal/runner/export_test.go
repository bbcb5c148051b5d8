package runner

import "time"

// NewTarget makes a target of a program.
func NewTarget(name, program string) Target { return Target{Name: name, program: program} }

// WithLimit returns the work with another bound of its runs.
func WithLimit(w Work, limit time.Duration) Work {
	w.limit = limit
	return w
}

// These are the functions of the same names.
var (
	Fresh      = fresh
	FreshCurve = freshCurve

	Subscriptions = subscriptions
	Refused       = refused
)

// Z85 is z85.
var Z85 = z85
