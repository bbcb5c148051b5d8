package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/experimance/experimance-go/internal/cli/demo"
)

func newDemo() *cobra.Command {
	var workers int
	var asJSON, check bool
	cmd := &cobra.Command{
		Use:   "demo [flags] [DIR]",
		Short: "See a fleet of services survey Go files",
		Long: `A controller, workers that are processes of their own, and an observer of heartbeats survey every Go file under DIR, by
default the source tree of the installed Go. The controller pushes each file as a task, and adds up what the workers push
back. The progress goes to standard error, the tables or the JSON document to standard output.

Interrupt it once, and the fleet stops in order; twice, and it ends at once. Kill a worker in the middle of the work, and
the demo says what it has cost.

` + exitHelp + `
       The demo fails where a task was lost, a worker ended before its time, or --check found a difference.`,
		Args: cobra.MaximumNArgs(1),
		PreRunE: func(*cobra.Command, []string) error {
			if workers < 1 {
				return fmt.Errorf("--workers is %d; a fleet has at least 1", workers)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, err := sourceTree(args)
			if err != nil {
				return failure(err)
			}
			return runDemo(cmd.OutOrStdout(), asJSON, demo.Config{Root: root, Workers: workers, Check: check})
		},
	}
	cmd.Flags().IntVarP(&workers, "workers", "w", runtime.NumCPU(), "number of worker processes")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document instead of tables")
	cmd.Flags().BoolVar(&check, "check", false, "compute the same in one process, too, and compare")
	return cmd
}

func runDemo(out io.Writer, asJSON bool, cfg demo.Config) error {
	self, err := os.Executable()
	if err != nil {
		return failure(err)
	}
	cfg.Command = commandOfWorker(self)
	cfg.Display = demo.NewDisplay(os.Stderr, terminalWidth(os.Stderr))
	logTo(cfg.Display.Lines(""))
	outcome, err := demo.Run(interruptible(stopSignals...), cfg)
	if err != nil {
		return failure(err)
	}
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(outcome)
	} else {
		_, err = outcome.WriteTo(out)
	}
	switch {
	case err != nil:
		return failure(err)
	case outcome.Interrupted:
		return &statusError{exitInterrupted, nil}
	case !outcome.OK():
		return &statusError{exitFailure, nil}
	}
	return nil
}

// terminalWidth returns what asks for the width of the terminal that f is, nil where it is none.
func terminalWidth(f *os.File) func() int {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(fd)
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}
}

// sourceTree is the directory in args, or where there is none, the source tree of the installed Go.
func sourceTree(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	goroot := os.Getenv("GOROOT")
	if goroot == "" {
		out, err := exec.CommandContext(context.Background(), "go", "env", "GOROOT").Output()
		if err != nil {
			return "", fmt.Errorf("find the installed Go: %w; name a directory instead", err)
		}
		goroot = strings.TrimSpace(string(out))
	}
	src, err := filepath.EvalSymlinks(filepath.Join(goroot, "src")) // a link in Debian's package, and what is beside it, too
	if err != nil {
		return "", fmt.Errorf("find the source tree of the installed Go: %w; name a directory instead", err)
	}
	return filepath.Dir(src), nil
}
