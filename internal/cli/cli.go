// Package cli is the command experimance: its subcommands, one in a file, and their exit statuses.
package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// Main runs the command line and returns the exit status.
func Main(args []string) int {
	logTo(os.Stderr)
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
		RunE:          func(cmd *cobra.Command, _ []string) error { return failure(cmd.Help()) },
	}
	root.AddCommand(newDemo(), newWorker(), newPub(), newSub(), newPush(), newPull(), newBench(), newVersion())
	return root
}
