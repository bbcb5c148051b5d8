// Command subscriber prints what publishers tell: heartbeats in one form, all other messages in another.
//
//	go run ./examples/subscriber -address tcp://localhost:5556,tcp://localhost:5557
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

func newSubscriber(address string, out io.Writer) (*messaging.Subscriber, error) {
	s, err := messaging.NewSubscriber(messaging.SubscriberConfig{Name: "MySubscriber", Address: address})
	if err != nil {
		return nil, err
	}
	heartbeat := func(_ context.Context, _ string, h messaging.Heartbeat) error {
		_, err := fmt.Fprintf(out, "%s is %s (%s)\n", h.Service, h.State, h.Time().Format(time.TimeOnly))
		return err
	}
	for _, topic := range []string{messaging.DefaultHeartbeatTopic, "mypub.heartbeat", "controller.heartbeat"} {
		if err := messaging.Handle(s, topic, heartbeat); err != nil {
			return nil, err
		}
	}
	return s, s.HandleDefault(func(_ context.Context, d messaging.Delivery) error {
		_, err := fmt.Fprintf(out, "%s: %s\n", d.Topic, d.Payload)
		return err
	})
}

func main() {
	address := flag.String("address", messaging.ConnectAddress("localhost", messaging.TypeStateUpdate),
		"where the publishers are, separated by commas")
	flag.Parse()
	s, err := newSubscriber(*address, os.Stdout)
	if err != nil {
		log.Fatal(err)
	}
	service.Main(s) // until Ctrl-C
}
