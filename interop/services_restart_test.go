package interop_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/messaging"
	"github.com/experimance/experimance-go/service"
)

// The services of one socket each, whose counterparts are killed and come back at the same port.

func TestSubscriberLosesPublishers(t *testing.T) {
	t.Parallel()
	notes := make(chan published, 1000)
	address := "@" + wildcard()
	for life := range lives {
		name := fmt.Sprint("life.", life)
		p := startPeer(t, "publisher", "--heartbeat", "0.02", "--heartbeat-topic", name, "--pub", address)
		if life == 0 {
			address = "@" + p.endpoint("pub")
			s, err := messaging.NewSubscriber(messaging.SubscriberConfig{Name: "s", Address: ">" + p.endpoint("pub"), Config: quiet})
			check(t, err)
			check(t, messaging.Handle(s, "life.*", keep("any", notes)))
			running(t, s)
		}
		nextOf(t, notes, onTopic(name))
		p.kill()
	}
}

func TestPublisherLosesSubscribers(t *testing.T) {
	t.Parallel()
	publisher, err := messaging.NewPublisher(messaging.PublisherConfig{
		Name: "p", Address: "@" + wildcard(), HeartbeatInterval: service.Tick, Config: quiet,
	})
	check(t, err)
	running(t, publisher)
	for life := range lives {
		name := fmt.Sprint("life.", life)
		s := startPeer(t, "subscriber", "--topic", name, "--topic", "heartbeat", "--sub", ">"+publisher.PubAddresses()[0])
		check(t, publisher.WaitForSubscribers(within(t), name, 1))
		check(t, publisher.Publish(within(t), name, message{Text: name}))
		s.expect("message", topic(name))
		s.expect("message", topic("heartbeat"))
		s.kill()
	}
}

func TestPullerLosesPushers(t *testing.T) {
	t.Parallel()
	seqs := make(chan int)
	address := "@" + wildcard()
	for life := range lives {
		p := startPeer(t, "pusher", "--push", address)
		if life == 0 {
			address = "@" + p.endpoint("push")
			puller, err := messaging.NewPuller(messaging.PullerConfig{Name: "s", Address: ">" + p.endpoint("push"), Config: quiet})
			check(t, err)
			check(t, messaging.HandleTask(puller, func(ctx context.Context, m message) error {
				select {
				case seqs <- m.Seq:
				case <-ctx.Done():
				}
				return nil
			}))
			running(t, puller)
		}
		p.tell("push", command{"message": message{}, "first": 100 * life, "count": 100})
		for i := range 100 {
			if got := next(t, seqs); got != 100*life+i {
				t.Fatalf("got %d, want %d", got, 100*life+i)
			}
		}
		p.kill()
	}
}

// TestPusherLosesPullers pushes all the time while its puller is killed and another comes. What one gets has no gap.
func TestPusherLosesPullers(t *testing.T) {
	t.Parallel()
	address := "@" + wildcard()
	var pusher *messaging.Pusher
	pushed := make(chan struct{})
	ctx, cancel := context.WithCancel(within(t))
	last := -1
	for range lives {
		p := startPeer(t, "puller", "--tally", "500", "--pull", address)
		if pusher == nil {
			address = "@" + p.endpoint("pull")
			var err error
			pusher, err = messaging.NewPusher(messaging.PusherConfig{Name: "p", Address: ">" + p.endpoint("pull"), Config: quiet})
			check(t, err)
			running(t, pusher)
			go func() {
				defer close(pushed)
				seq := 0
				for pusher.Push(ctx, message{Seq: seq}) == nil {
					seq++
				}
			}()
		}
		e := p.expect("tally")
		if !e.Ordered || e.First <= last || e.Last-e.First != e.Count-1 {
			t.Errorf("got %+v after %d, want no gap and nothing twice", e, last)
		}
		last = e.Last
		p.kill()
	}
	cancel()
	<-pushed
}
