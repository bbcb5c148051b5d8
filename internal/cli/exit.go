package cli

import (
	"context"
	"errors"
	"fmt"
)

// Exit statuses, the same for all subcommands.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitTimeout     = 124 // as timeout(1)
	exitInterrupted = 130 // as shells do for SIGINT
)

const exitHelp = `Exit status:
  0    the work is done
  1    something failed; standard error says what
  2    the command line is wrong
  124  the time given by --timeout was over before the work was done
  130  interrupted before the work was done, or a second time while it stopped`

// Causes for which a context ends before the work is done.
var (
	errInterrupted = errors.New("interrupted")
	errTimeout     = errors.New("the time given by --timeout is over")
)

// statusError is how a command that has run ends with another status than exitOK. Errors of other types are about the
// command line.
type statusError struct {
	status int
	err    error // what to say; nil where all is said
}

// Error implements error.
func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

// Unwrap returns what to say.
func (e *statusError) Unwrap() error { return e.err }

// failure is err with exitFailure, nil where err is nil.
func failure(err error) error {
	if err == nil {
		return nil
	}
	return &statusError{exitFailure, err}
}

// unfinished is the error of work that ended before it was done because ctx did.
func unfinished(ctx context.Context, what string) error {
	cause := context.Cause(ctx)
	err := &statusError{exitFailure, fmt.Errorf("%w %s", cause, what)}
	switch {
	case errors.Is(cause, errTimeout):
		err.status = exitTimeout
	case errors.Is(cause, errInterrupted):
		err.status = exitInterrupted
	}
	return err
}
