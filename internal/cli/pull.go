package cli

import (
	"github.com/spf13/cobra"

	"github.com/experimance/experimance-go/messaging"
)

func newPull() *cobra.Command {
	var e endpoint
	cmd := &cobra.Command{
		Use:   "pull [flags]",
		Short: "Print messages that others push",
		Long: `Pull messages and print each as a line of JSON: {"message":{...}}. It ends when --count messages are printed, the reader of
standard output goes away, or it is interrupted; without --count an interruption or the end of --timeout is a success.
Messages that had been pushed to it when it ends, and are not printed, are lost.

` + addressHelp + "\n\n" + exitHelp,
		Example: `  experimance pull --count 10 --timeout 1m
  experimance pull --address 'tcp://*:7000' | jq .message`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return e.check() },
		RunE:    func(cmd *cobra.Command, _ []string) error { return pull(cmd, e) },
	}
	e.flags(cmd, messaging.ConnectAddress("localhost", messaging.TypeTask))
	return cmd
}

func pull(cmd *cobra.Command, e endpoint) error {
	ctx, cancel := e.context()
	defer cancel()
	cfg := messaging.PullerConfig{Name: "pull", Address: e.address(), Config: e.config()}
	p, err := messaging.NewPuller(cfg)
	if err != nil {
		return err // of the command line
	}
	r := &receiver{svc: p, out: cmd.OutOrStdout(), count: e.count}
	if err := p.HandleTaskRaw(r.handle); err != nil {
		return failure(err)
	}
	if err := start(ctx, p); err != nil {
		return err
	}
	e.announce(cmd.ErrOrStderr(), cmd.CommandPath(), p.PullAddresses())
	return r.run(ctx)
}
