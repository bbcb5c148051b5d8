package zmq_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// subscriptionsTo is the bytes of many subscriptions.
func subscriptionsTo(n int, topic func(i int) string) []byte {
	var b bytes.Buffer
	for i := range n {
		b.Write(subscribe(1, topic(i)))
	}
	return b.Bytes()
}

func numberedTopic(i int) string { return fmt.Sprintf("topic %06d", i) }

// A peer with many subscriptions that has gone is sent nothing from then on, and nothing is dropped
// for it, although it takes a while until its subscriptions are taken away.
func TestManySubscriptionsGo(t *testing.T) {
	t.Parallel()
	const n = 5000
	events := make(chan zmq.Event, 100)
	pub := newPub(t, zmq.Config{Events: events, SendHWM: 1})
	at := bind(t, pub, wildcard)
	for round := range 2 {
		peer := dialRaw(t, at).greet("SUB", 1)
		peer.write(subscriptionsTo(n, numberedTopic))
		check(t, pub.WaitSubscribers(within(t), numberedTopic(n-1), 1))
		peer.reset()
		untilEvent(t, events, zmq.EventDisconnected)
		before := pub.Stats()
		for i := range n {
			check(t, pub.Send(context.Background(), []byte(numberedTopic(i))))
		}
		if pub.WaitSubscribers(ended(), numberedTopic(n/2), 1) == nil {
			t.Error("a peer that has gone is subscribed")
		}
		if after := pub.Stats(); after.Dropped != before.Dropped || after.MessagesSent != before.MessagesSent {
			t.Errorf("round %d: statistics of a publisher without peers: %+v, then %+v", round, before, after)
		}
	}
}

// A publisher that connects keeps the place of its subscriber. When that is back, it gets what it
// subscribes to then, once, while its earlier subscriptions are being taken away.
func TestSubscriberComesBackDuringRemoval(t *testing.T) {
	t.Parallel()
	const n = 5000
	l := listenRaw(t)
	pub := newPub(t, quick)
	check(t, pub.Connect(l.endpoint()))
	for range 2 {
		peer := l.accept().greet("SUB", 1)
		peer.write(subscriptionsTo(n, numberedTopic))
		check(t, pub.WaitSubscribers(within(t), numberedTopic(n-1), 1))
		peer.reset()
		peer = l.accept().greet("SUB", 1)
		peer.write(subscribe(1, numberedTopic(7)), subscribe(1, "end"))
		check(t, pub.WaitSubscribers(within(t), "end", 1))
		for _, topic := range []string{numberedTopic(0), numberedTopic(7), numberedTopic(n - 1), "end"} {
			send(t, pub, topic)
		}
		for _, want := range []string{numberedTopic(7), "end"} {
			if got := peer.message(); got != want {
				t.Errorf("received %q, want %q", got, want)
			}
		}
		peer.reset()
	}
}

// A peer with many subscriptions that has gone is not among those that are found by the absence of
// one.
func TestInvertMatchingWithoutThoseThatHaveGone(t *testing.T) {
	t.Parallel()
	const n = 5000
	events := make(chan zmq.Event, 100)
	pub := newPub(t, zmq.Config{InvertMatching: true, Events: events})
	at := bind(t, pub, wildcard)
	stays := dialRaw(t, at).greet("SUB", 1)
	stays.write(subscribe(1, numberedTopic(1)))
	goes := dialRaw(t, at).greet("SUB", 1)
	goes.write(subscriptionsTo(n, numberedTopic))
	eventually(t, "one of two is subscribed to the last topic", func() bool { // WaitSubscribers counts those that get a message
		return pub.WaitSubscribers(ended(), numberedTopic(n-1), 2) != nil && pub.WaitSubscribers(ended(), "x", 2) == nil
	})
	goes.reset()
	untilEvent(t, events, zmq.EventDisconnected)
	for _, topic := range []string{numberedTopic(0), numberedTopic(1), "x"} {
		send(t, pub, topic)
	}
	for _, want := range []string{numberedTopic(0), "x"} {
		if got := stays.message(); got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	}
	if st := settled(t, pub); st.MessagesSent != 2 || st.Dropped != 0 {
		t.Errorf("statistics: %+v", st)
	}
}

// What an XPUB reports comes in the order in which it happened: after a subscriber was away, its
// user knows what is subscribed to.
func TestReportsAreInOrder(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"few": 2, "many": 3000} {
		for mode, cfg := range map[string]zmq.Config{"edges": {}, "verboser": {Verboser: true}, "manual": {Manual: true}} {
			t.Run(name+" "+mode, func(t *testing.T) {
				t.Parallel()
				xpub := open(t, zmq.NewXPub, cfg)
				at := bind(t, xpub, wildcard)
				for range 3 {
					peer := dialRaw(t, at).greet("SUB", 1)
					peer.write(subscriptionsTo(n, numberedTopic))
					check(t, peer.Conn.(*net.TCPConn).CloseWrite())
					eventually(t, "the subscriber is gone", func() bool { return xpub.Stats().Peers == 0 })
				}
				peer := dialRaw(t, at).greet("SUB", 1)
				peer.write(subscriptionsTo(n, numberedTopic), subscribe(1, "end"))
				counts, sum := map[string]int{}, 0
				for sum != n+1 || counts["end"] == 0 { // what ends of earlier peers may come after the last subscription
					m, change := recv(t, xpub), 1
					if m[0] == 0 {
						change = -1
					}
					counts[m[1:]] += change
					sum += change
					if c := counts[m[1:]]; c < 0 || c > 1 && mode == "edges" {
						t.Fatalf("after %q there are %d subscriptions", m, c)
					}
				}
				for i := range n {
					if c := counts[numberedTopic(i)]; c != 1 {
						t.Fatalf("in the end there are %d subscriptions to %q", c, numberedTopic(i))
					}
				}
			})
		}
	}
}

// Topics of which each begins with the one before take no more than their size, on both sides.
func TestNestedSubscriptions(t *testing.T) {
	t.Parallel()
	const n = 1200 // more than are searched in one step
	overEach(t, func(t *testing.T, endpoint string) {
		pub, sub := newPub(t, zmq.Config{}), newSub(t, quick)
		check(t, sub.Connect(bind(t, pub, endpoint)))
		topic := strings.Repeat("a", n)
		for i := range n {
			check(t, sub.Subscribe(topic[:i+1]))
		}
		check(t, pub.WaitSubscribers(within(t), topic, 1))
		check(t, sub.Subscribe("end"))
		check(t, pub.WaitSubscribers(within(t), "end", 1))
		send(t, pub, topic)
		bodies := [][]byte{[]byte(topic), []byte("b"), []byte(topic), []byte("end")}
		if k, err := pub.SendEach(within(t), bodies); k != len(bodies) || err != nil {
			t.Errorf("%d messages were sent: %v", k, err)
		}
		expect(t, sub, topic, topic, topic, "end")
		for i := range n {
			check(t, sub.Unsubscribe(topic[:i+1]))
		}
		eventually(t, "the publisher has forgotten", func() bool { return pub.WaitSubscribers(ended(), topic, 1) != nil })
	})
}

// A peer that hangs up after each handshake is not connected to again and again without a pause.
func TestFlappingPeerIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := listenRaw(t)
	sub := newSub(t, zmq.Config{ReconnectInterval: 5 * time.Millisecond}, "x")
	check(t, sub.Connect(l.endpoint()))
	begun := time.Now()
	for range 7 { // 5, 10, 20, 40, 50, 50 ms between them, or half of that
		peer := l.accept().greet("PUB", 1)
		peer.subscription()
		check(t, peer.Close())
	}
	if passed := time.Since(begun); passed < (5+10+20+40+50+50)*time.Millisecond/2 {
		t.Errorf("seven connections that ended at once took %v, so that the waits did not double", passed)
	}
}
