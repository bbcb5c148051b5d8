package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/experimance/experimance-go/messaging"
)

func newPush() *cobra.Command {
	var e endpoint
	cmd := &cobra.Command{
		Use:   "push [flags] [MESSAGE]",
		Short: "Push messages to those who pull them",
		Long: `Push the message, a JSON object, or each line of standard input. Every message goes to one of the peers, in turn; without a
peer it waits for one. With a MESSAGE, --count says how often it is pushed.

A line that is not a JSON object is told on standard error by its number; the others are pushed, and the exit status is 1.

` + addressHelp + "\n\n" + exitHelp,
		Example: `  experimance push '{"task":1}'
  seq 10 | jq -c '{task: .}' | experimance push --address 'tcp://*:7000'`,
		Args:    cobra.MaximumNArgs(1),
		PreRunE: func(*cobra.Command, []string) error { return e.check() },
		RunE:    func(cmd *cobra.Command, args []string) error { return push(cmd, args, e) },
	}
	e.flags(cmd, messaging.BindAddress(messaging.TypeTask))
	return cmd
}

func push(cmd *cobra.Command, args []string, e endpoint) error {
	ctx, cancel := e.context()
	defer cancel()
	p, err := messaging.NewPusher(messaging.PusherConfig{Name: "push", Address: e.address(), Config: e.config()})
	if err != nil {
		return err // of the command line
	}
	if err := start(ctx, p); err != nil {
		return err
	}
	e.announce(cmd.ErrOrStderr(), cmd.CommandPath(), p.PushAddresses())
	return sender{
		name:    cmd.CommandPath(),
		stderr:  cmd.ErrOrStderr(),
		svc:     p,
		send:    func(ctx context.Context, text []byte) error { return p.PushRaw(ctx, text) },
		dropped: func() uint64 { return p.PushStats().Dropped },
	}.run(ctx, inputs(ctx, args, cmd.InOrStdin(), e.count))
}
