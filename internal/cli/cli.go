// Package cli is the command experimance: its subcommands, one in a file, and their exit statuses.
package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
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

// Main runs the command line and returns the exit status.
func Main(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	var status *statusError
	switch {
	case err == nil:
		return exitOK
	case !errors.As(err, &status):
		fmt.Fprintf(os.Stderr, "%s: %v\nTry \"%s --help\".\n", cmd.CommandPath(), err, cmd.CommandPath())
		return exitUsage
	case status.err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", cmd.CommandPath(), status.err)
	}
	return status.status
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "experimance",
		Short:         "Services that run: a fleet at work, and messages from and to the shell",
		Long:          "Experimance shows services at work, and talks to them from a shell.\n\n" + exitHelp,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newDemo(), newWorker(), newVersion())
	return root
}

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
