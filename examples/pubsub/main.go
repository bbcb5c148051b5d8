// Command pubsub is a lamp: a service that tells its state and listens for commands.
//
//	go run ./examples/pubsub
//	go run ./examples/subscriber
//	go run ./examples/controller    # its command switches the lamp
package main

import (
	"context"
	"flag"
	"log"
	"sync/atomic"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// command is what the lamp listens for on the topic command.
type command struct {
	Action string `json:"action"`
}

// lampState is what it tells on the topic lamp.state.
type lampState struct {
	Type messaging.MessageType `json:"type"`
	On   bool                  `json:"on"`
}

// lamp is a PublisherSubscriber with a state of its own.
type lamp struct {
	*messaging.PublisherSubscriber
	on atomic.Bool
}

func newLamp(pubAddress, subAddress string) (*lamp, error) {
	base, err := messaging.NewPublisherSubscriber(messaging.PublisherSubscriberConfig{
		Name:       "MyLamp",
		PubAddress: pubAddress,
		SubAddress: subAddress,
	})
	if err != nil {
		return nil, err
	}
	l := &lamp{PublisherSubscriber: base}
	return l, messaging.Handle(l, "command", l.handleCommand)
}

// handleCommand switches the lamp, and tells everybody.
func (l *lamp) handleCommand(ctx context.Context, _ string, c command) error {
	l.on.Store(c.Action == "START_PROCESS")
	return l.Publish(ctx, "lamp.state", lampState{messaging.TypeStateUpdate, l.on.Load()})
}

func main() {
	pub := flag.String("pub", messaging.BindAddress(messaging.TypeStateUpdate), "where to tell the state")
	sub := flag.String("sub", messaging.ConnectAddress("localhost", messaging.TypeCommand), "where to hear commands")
	flag.Parse()
	l, err := newLamp(*pub, *sub)
	if err != nil {
		log.Fatal(err)
	}
	service.Main(l) // until Ctrl-C
}
