package cli

import (
	"github.com/spf13/cobra"

	"github.com/experimance/experimance-go/messaging"
)

func newSub() *cobra.Command {
	var e endpoint
	var topics []string
	cmd := &cobra.Command{
		Use:   "sub [flags]",
		Short: "Print published messages",
		Long: `Subscribe to topics and print what comes, each message as a line of JSON: {"topic":"...","message":{...}}. A topic stands
for all topics that begin with it. It ends when --count messages are printed, the reader of standard output goes away, or
it is interrupted; without --count an interruption or the end of --timeout is a success.

` + addressHelp + "\n\n" + exitHelp,
		Example: `  experimance sub --topic heartbeat --count 1 --timeout 10s
  experimance sub --address tcp://camera:5556 --address tcp://light:5556 | jq .message`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return e.check() },
		RunE:    func(cmd *cobra.Command, _ []string) error { return sub(cmd, e, topics) },
	}
	e.flags(cmd, messaging.ConnectAddress("localhost", messaging.TypeStateUpdate))
	cmd.Flags().StringArrayVarP(&topics, "topic", "t", nil, "topic to subscribe to; may be repeated (default all)")
	return cmd
}

func sub(cmd *cobra.Command, e endpoint, topics []string) error {
	ctx, cancel := e.context()
	defer cancel()
	cfg := messaging.SubscriberConfig{Name: "sub", Address: e.address(), Topics: topics, Config: e.config()}
	s, err := messaging.NewSubscriber(cfg)
	if err != nil {
		return err // of the command line
	}
	r := &receiver{svc: s, out: cmd.OutOrStdout(), count: e.count}
	if err := s.HandleDefault(r.handle); err != nil {
		return failure(err)
	}
	if err := start(ctx, s); err != nil {
		return err
	}
	e.announce(cmd.ErrOrStderr(), cmd.CommandPath(), s.SubAddresses())
	return r.run(ctx)
}
