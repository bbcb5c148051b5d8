package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/experimance/experimance-go/messaging"
)

// observer is a service that prints the heartbeats it sees, those of one interval in one line.
type observer struct {
	*messaging.Subscriber
	show func(line string)

	mu   sync.Mutex
	seen map[string]int // heartbeats by service
	news []string       // what has not been printed: "worker-1 running"
}

// newObserver makes an observer that others publish to, and that subscribes to the publisher at an address.
func newObserver(address string, show func(line string)) (*observer, error) {
	s, err := messaging.NewSubscriber(messaging.SubscriberConfig{
		Name:    "observer",
		Address: anyPort + ",>" + address,
	})
	if err != nil {
		return nil, err
	}
	o := &observer{Subscriber: s, show: show, seen: make(map[string]int)}
	if err := messaging.Handle(s, messaging.DefaultHeartbeatTopic, o.observe); err != nil {
		return nil, err
	}
	return o, s.Go("print", func(ctx context.Context) error {
		for o.Sleep(ctx, heartbeatInterval) {
			o.flush()
		}
		return nil
	})
}

func (o *observer) observe(_ context.Context, _ string, h messaging.Heartbeat) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[h.Service]++
	news := fmt.Sprintf("%s %s", h.Service, h.State)
	if !slices.Contains(o.news, news) {
		o.news = append(o.news, news)
	}
	return nil
}

// flush prints what has been seen since the last call.
func (o *observer) flush() {
	o.mu.Lock()
	news := o.news
	o.news = nil
	o.mu.Unlock()
	if len(news) > 0 {
		slices.Sort(news)
		o.show("heartbeats: " + strings.Join(news, ", "))
	}
}

// heartbeats returns how many heartbeats were seen of each service.
func (o *observer) heartbeats() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := make(map[string]int, len(o.seen))
	for name, n := range o.seen {
		seen[name] = n
	}
	return seen
}
