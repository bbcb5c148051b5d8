package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/experimance/experimance-go/internal/cli/perf"
)

// newBench makes the subcommands that measure sockets as libzmq's perf programs do, under their names.
func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure sockets, as libzmq's own perf programs do",
		Long: "The subcommands take the arguments and print the lines of libzmq's perf programs of the same names,\n" +
			"so that one side of a measurement can be experimance and the other libzmq.\n\n" + exitHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return failure(cmd.Help()) },
	}
	cmd.AddCommand(
		newPerf("local_thr <bind-to> <message-size> <message-count>", "Receive messages at a PULL and print how many came in a second",
			perf.LocalThroughput),
		newPerf("remote_thr <connect-to> <message-size> <message-count>", "Send messages from a PUSH",
			func(ctx context.Context, _ io.Writer, endpoint string, w perf.Work) error {
				return perf.RemoteThroughput(ctx, endpoint, w)
			}),
		newPerf("local_lat <bind-to> <message-size> <roundtrip-count>", "Answer requests at a REP",
			func(ctx context.Context, _ io.Writer, endpoint string, w perf.Work) error {
				return perf.LocalLatency(ctx, endpoint, w)
			}),
		newPerf("remote_lat <connect-to> <message-size> <roundtrip-count>", "Send requests from a REQ and print how long an answer takes, one way",
			perf.RemoteLatency),
		newInprocPerf("inproc_thr <message-size> <message-count>", "Send messages within this process and print how many a second", perf.InprocThroughput),
		newInprocPerf("inproc_lat <message-size> <roundtrip-count>", "Send requests within this process and print how long an answer takes, one way", perf.InprocLatency),
	)
	return cmd
}

func newPerf(use, short string, run func(ctx context.Context, out io.Writer, endpoint string, w perf.Work) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  allOf(use),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := parseWork(args[1], args[2])
			if err != nil {
				return err
			}
			return failure(run(cmd.Context(), cmd.OutOrStdout(), args[0], w))
		},
	}
}

func newInprocPerf(use, short string, run func(ctx context.Context, out io.Writer, w perf.Work) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  allOf(use),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := parseWork(args[0], args[1])
			if err != nil {
				return err
			}
			return failure(run(cmd.Context(), cmd.OutOrStdout(), w))
		},
	}
}

// allOf asks for all arguments that a usage line names, and for no more.
func allOf(use string) cobra.PositionalArgs {
	_, wanted, _ := strings.Cut(use, " ")
	return func(_ *cobra.Command, args []string) error {
		if len(args) != len(strings.Fields(wanted)) {
			return fmt.Errorf("the arguments are %s; %d given", wanted, len(args))
		}
		return nil
	}
}

// parseWork parses a message size and a message count.
func parseWork(size, count string) (w perf.Work, err error) {
	if w.Size, err = strconv.Atoi(size); err != nil || w.Size < 0 {
		return w, fmt.Errorf("message size %q: give a number of bytes", size)
	}
	if w.Count, err = strconv.Atoi(count); err != nil || w.Count < 1 {
		return w, fmt.Errorf("count %q: give a number from 1", count)
	}
	return w, nil
}
