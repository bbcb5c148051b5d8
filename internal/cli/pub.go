package cli

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/experimance/experimance-go/messaging"
)

func newPub() *cobra.Command {
	var e endpoint
	var topic string
	var wait int
	cmd := &cobra.Command{
		Use:   "pub [flags] [MESSAGE]",
		Short: "Publish messages",
		Long: `Publish the message, a JSON object, or each line of standard input. With --topic each line is a message; without it, each
line is what sub prints: {"topic":"...","message":{...}}. With a MESSAGE, --count says how often it is published.

What is published while nobody listens is gone. So before the first message on a topic, pub waits until --wait subscribers
listen to it. Messages queue up for a subscriber that is slow, up to 64 MiB. What is dropped beyond that, or for a subscriber
that goes away, is told on standard error; it is no failure.

A line that cannot be published is told on standard error by its number; the others are, and the exit status is 1.

` + addressHelp + "\n\n" + exitHelp,
		Example: `  experimance pub --topic status '{"type":"StateUpdate","state":"running"}'
  experimance sub --address tcp://camera:5556 | experimance pub --address 'tcp://*:7000' --wait 0`,
		Args: cobra.MaximumNArgs(1),
		PreRunE: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && topic == "":
				return errors.New("a MESSAGE needs a --topic")
			case wait < 0:
				return errors.New("--wait is negative")
			}
			return e.check()
		},
		RunE: func(cmd *cobra.Command, args []string) error { return pub(cmd, args, e, topic, wait) },
	}
	e.flags(cmd, messaging.BindAddress(messaging.TypeStateUpdate))
	cmd.Flags().StringVarP(&topic, "topic", "t", "", "topic of all messages (default that of each line)")
	cmd.Flags().IntVar(&wait, "wait", 1, "subscribers to wait for before the first message on a topic")
	return cmd
}

func pub(cmd *cobra.Command, args []string, e endpoint, topic string, wait int) error {
	ctx, cancel := e.context()
	defer cancel()
	cfg := messaging.PublisherConfig{Name: "pub", Address: e.address(), HeartbeatInterval: -1, Config: e.config()}
	cfg.SendHWM = -1 // the bound in bytes remains
	p, err := messaging.NewPublisher(cfg)
	if err != nil {
		return err // of the command line
	}
	if err := start(ctx, p); err != nil {
		return err
	}
	e.announce(cmd.ErrOrStderr(), cmd.CommandPath(), p.PubAddresses())
	pub := &topicSender{p: p, topic: topic, wait: wait, heard: make(map[string]bool)}
	return sender{
		name:    cmd.CommandPath(),
		stderr:  cmd.ErrOrStderr(),
		svc:     p,
		send:    pub.send,
		dropped: func() uint64 { return p.PubStats().Dropped },
		lossy:   true,
	}.run(ctx, inputs(ctx, args, cmd.InOrStdin(), e.count))
}

// topicSender publishes messages on a topic, or on the topic that each names.
type topicSender struct {
	p     *messaging.Publisher
	topic string
	wait  int
	heard map[string]bool // topics that enough subscribers listen to
}

func (s *topicSender) send(ctx context.Context, text []byte) error {
	topic := s.topic
	if topic == "" {
		var line struct {
			Topic   string          `json:"topic"`
			Message json.RawMessage `json:"message"`
		}
		if err := json.Unmarshal(text, &line); err != nil {
			return err
		}
		if line.Topic == "" || line.Message == nil {
			return errors.New(`without --topic a line is {"topic":"...","message":{...}}`)
		}
		if err := checkObject(line.Message); err != nil {
			return err
		}
		topic, text = line.Topic, line.Message
	}
	if s.wait > 0 && !s.heard[topic] {
		if err := s.p.WaitForSubscribers(ctx, topic, s.wait); err != nil {
			return err
		}
		s.heard[topic] = true
	}
	return s.p.PublishRaw(ctx, topic, text)
}
