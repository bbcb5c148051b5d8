package cli

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/experimance/experimance-go/internal/cli/demo"
)

// workerCommand is the hidden subcommand that a worker process of the demo runs.
const workerCommand = "demo-worker"

// commandOfWorker returns what starts this program as a worker. The program is the one at path.
func commandOfWorker(path string) func(demo.WorkerConfig) *exec.Cmd {
	return func(cfg demo.WorkerConfig) *exec.Cmd {
		return exec.Command(path, workerCommand,
			"--name", cfg.Name,
			"--root", cfg.Root,
			"--tasks", cfg.Tasks,
			"--results", cfg.Results,
			"--commands", cfg.Commands,
			"--heartbeats", cfg.Heartbeats,
		)
	}
}

func newWorker() *cobra.Command {
	var cfg demo.WorkerConfig
	cmd := &cobra.Command{
		Use:    workerCommand,
		Short:  "Be a worker of the demo, until standard input ends",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return work(cmd.OutOrStdout(), cfg) },
	}
	cmd.Flags().StringVar(&cfg.Name, "name", "", "name of the worker")
	cmd.Flags().StringVar(&cfg.Root, "root", "", "directory of the files")
	cmd.Flags().StringVar(&cfg.Tasks, "tasks", "", "address of tasks")
	cmd.Flags().StringVar(&cfg.Results, "results", "", "address of results")
	cmd.Flags().StringVar(&cfg.Commands, "commands", "", "address of commands")
	cmd.Flags().StringVar(&cfg.Heartbeats, "heartbeats", "", "address of heartbeats")
	return cmd
}

// work runs a worker and writes its receipt to out. SIGINT is the controller's affair: a terminal sends it to the workers,
// too. The end of standard input says that the controller's process is gone: then there is nothing left to do in order.
func work(out io.Writer, cfg demo.WorkerConfig) error {
	signal.Ignore(os.Interrupt)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(exitFailure)
	}()
	receipt, err := demo.Work(interruptible(syscall.SIGTERM), cfg)
	if err != nil {
		return failure(err)
	}
	return failure(json.NewEncoder(out).Encode(receipt))
}
