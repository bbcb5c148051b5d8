// Command publisher is the guide's publisher: it publishes an event every second, and heartbeats on a topic of its own.
//
//	go run ./examples/publisher
//	go run ./examples/subscriber
package main

import (
	"context"
	"flag"
	"log"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// customEvent is what it publishes on the topic mypub.event.
type customEvent struct {
	Type messaging.MessageType `json:"type"`
	Data string                `json:"data"`
}

func newPublisher(address string, every time.Duration) (*messaging.Publisher, error) {
	p, err := messaging.NewPublisher(messaging.PublisherConfig{
		Name:           "MyPublisher",
		Address:        address,
		HeartbeatTopic: "mypub.heartbeat",
	})
	if err != nil {
		return nil, err
	}
	return p, p.Go("custom logic", func(ctx context.Context) error {
		for {
			if err := p.Publish(ctx, "mypub.event", customEvent{"CUSTOM_EVENT", "hello world"}); err != nil {
				return err
			}
			if !p.Sleep(ctx, every) {
				return nil
			}
		}
	})
}

func main() {
	address := flag.String("address", messaging.BindAddress(messaging.TypeStateUpdate), "where to publish")
	flag.Parse()
	p, err := newPublisher(*address, time.Second)
	if err != nil {
		log.Fatal(err)
	}
	service.Main(p) // until Ctrl-C
}
