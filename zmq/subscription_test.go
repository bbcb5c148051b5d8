package zmq_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

func subscribe(minor byte, topic string) []byte {
	return wire.AppendSubscribe(nil, minor, false, []byte(topic))
}

func cancel(minor byte, topic string) []byte {
	return wire.AppendSubscribe(nil, minor, true, []byte(topic))
}

// subscription receives a subscription or cancellation, written as +topic or -topic.
func (p *rawPeer) subscription() string {
	p.t.Helper()
	flags, body := p.frame()
	topic, cancel, ok := wire.ParseSubscription(flags, body)
	switch {
	case !ok:
		p.t.Fatalf("received %q, want a subscription", body)
	case cancel:
		return "-" + string(topic)
	}
	return "+" + string(topic)
}

// The bytes of subscriptions are those of the peer's version (libzmq's mock_pub_sub).
func TestSubscriptionBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor                            byte
		subscribe, again, cancel, longer string
	}{
		{0, "\x00\x02\x01A", "\x00\x03\x01BC", "\x00\x02\x00A", "\x02\x00\x00\x00\x00\x00\x00\x01\x01\x01" + strings.Repeat("l", 256)},
		{1, "\x04\x0b\x09SUBSCRIBEA", "\x04\x0c\x09SUBSCRIBEBC", "\x04\x08\x06CANCELA", "\x06\x00\x00\x00\x00\x00\x00\x01\x0a\x09SUBSCRIBE" + strings.Repeat("l", 256)},
		{2, "\x04\x0b\x09SUBSCRIBEA", "\x04\x0c\x09SUBSCRIBEBC", "\x04\x08\x06CANCELA", "\x06\x00\x00\x00\x00\x00\x00\x01\x0a\x09SUBSCRIBE" + strings.Repeat("l", 256)},
	} {
		t.Run(fmt.Sprintf("3.%d", c.minor), func(t *testing.T) {
			t.Parallel()
			l := listenRaw(t)
			sub := newSub(t, zmq.Config{}, "A")
			check(t, sub.Connect(l.endpoint()))
			peer := l.accept().greet("PUB", c.minor)
			peer.expect("the subscription from before", []byte(c.subscribe)...)
			check(t, sub.Subscribe("A"))
			peer.expect("the same again", []byte(c.subscribe)...)
			check(t, sub.Subscribe("BC"))
			peer.expect("another", []byte(c.again)...)
			check(t, sub.Unsubscribe("A")) // one of two: nothing is sent
			check(t, sub.Unsubscribe("A"))
			peer.expect("the cancellation with the last", []byte(c.cancel)...)
			check(t, sub.Subscribe(strings.Repeat("l", 256)))
			peer.expect("a long one", []byte(c.longer)...)
		})
	}
}

// PUB takes both forms of subscription from peers of either version, and keeps one entry for each peer and prefix.
func TestSubscriptionForms(t *testing.T) {
	t.Parallel()
	for announced := range byte(3) {
		for form := range byte(2) {
			t.Run(fmt.Sprintf("form of 3.%d from 3.%d", form, announced), func(t *testing.T) {
				t.Parallel()
				pub := newPub(t, zmq.Config{})
				peer := dialRaw(t, bind(t, pub, wildcard)).greet("SUB", announced)
				peer.write(subscribe(form, "a"), subscribe(form, "a"), subscribe(form, "ab"), subscribe(form, "end"))
				check(t, pub.WaitSubscribers(within(t), "end", 1))
				send(t, pub, "abc")
				send(t, pub, "b")
				send(t, pub, "end", "1")
				for _, want := range []string{"abc", "end|1"} {
					if got := peer.message(); got != want {
						t.Errorf("received %q, want %q", got, want)
					}
				}
				peer.write(cancel(form, "a"), cancel(form, "nothing"), subscribe(form, "mark"))
				check(t, pub.WaitSubscribers(within(t), "mark", 1))
				for _, m := range []string{"a", "abd", "end"} {
					send(t, pub, m)
				}
				for _, want := range []string{"abd", "end"} {
					if got := peer.message(); got != want {
						t.Errorf("after the cancellation: received %q, want %q", got, want)
					}
				}
			})
		}
	}
}

// libzmq 4.3.3 and 4.3.4 omit the LONG flag of the commands for topics of 246 to 255 bytes.
func TestSubscriptionWithoutLongFlag(t *testing.T) {
	t.Parallel()
	pub := newPub(t, zmq.Config{})
	peer := dialRaw(t, bind(t, pub, wildcard)).greet("SUB", 1)
	for size := 246; size <= 255; size++ {
		topic := strings.Repeat("t", size-1) + string(rune('A'+size-246))
		frame := subscribe(1, topic)
		frame[0] &^= wire.FlagLong
		peer.write(frame)
		check(t, pub.WaitSubscribers(within(t), topic, 1))
		send(t, pub, topic)
		if got := peer.message(); got != topic {
			t.Errorf("a topic of %d bytes came back with %d", size, len(got))
		}
	}
}

// Messages that only look like subscriptions are none: several frames, or another first byte. They are ignored.
func TestSubscriptionsThatAreNone(t *testing.T) {
	t.Parallel()
	pub := newPub(t, zmq.Config{})
	peer := dialRaw(t, bind(t, pub, wildcard)).greet("SUB", 0)
	peer.write(message("\x01x", "\x01x"), message("", "\x01x"), message("\x02x"), message(""), subscribe(0, "mark"))
	check(t, pub.WaitSubscribers(within(t), "mark", 1))
	if err := pub.WaitSubscribers(ended(), "x", 1); err == nil {
		t.Error("a message was taken for a subscription")
	}
}

// A subscriber filters again on receipt: not every publisher does, and none does at once.
func TestSubFiltersOnReceipt(t *testing.T) {
	t.Parallel()
	for minor := range byte(2) {
		l := listenRaw(t)
		sub := newSub(t, zmq.Config{}, "a")
		check(t, sub.Connect(l.endpoint()))
		l.accept().greet("PUB", minor).write(message("b"), message("b", "a"), message("ab", "1"), message(""), message("a"))
		expect(t, sub, "ab|1", "a")
		if n := sub.Stats().MessagesReceived; n != 2 {
			t.Errorf("%d messages counted as received, want 2", n)
		}
	}
}

// All subscriptions are sent again on a new connection, however many they are and however short the queues.
func TestSubscribeAgain(t *testing.T) {
	t.Parallel()
	const n = 5000
	l := listenRaw(t)
	sub := newSub(t, zmq.Config{SendHWM: 1, SendHWMBytes: 1, ReconnectInterval: time.Millisecond, ReconnectMax: time.Millisecond}, "twice", "twice", "gone")
	for i := range n {
		check(t, sub.Subscribe(fmt.Sprint("topic ", i)))
	}
	check(t, sub.Unsubscribe("gone"))
	check(t, sub.Connect(l.endpoint()))
	for minor := range byte(2) {
		peer := l.accept().greet("PUB", minor)
		seen := map[string]bool{}
		for range n + 1 {
			seen[peer.subscription()] = true
		}
		if len(seen) != n+1 || !seen["+twice"] || !seen["+topic 0"] || !seen[fmt.Sprint("+topic ", n-1)] {
			t.Fatalf("3.%d: %d different subscriptions came again, want %d", minor, len(seen), n+1)
		}
		peer.reset()
	}
}

// A publisher that does not take note of subscriptions cannot make them pile up: it is disconnected, and told of the
// present state when it is back.
func TestPublisherThatDoesNotListen(t *testing.T) {
	t.Parallel()
	events := make(chan zmq.Event, 100)
	l := listenRaw(t)
	sub := newSub(t, zmq.Config{Events: events, ReconnectInterval: time.Millisecond, ReconnectMax: time.Millisecond}, "kept")
	check(t, sub.Connect(l.endpoint()))
	l.accept().greet("PUB", 1)
	untilEvent(t, events, zmq.EventHandshakeSucceeded)
	long := strings.Repeat("l", 64<<10)
	for n := 0; len(events) == 0; n++ {
		if n > 10_000 {
			t.Fatal("more than a gigabyte of news, and the publisher is still there")
		}
		check(t, sub.Subscribe(long))
		check(t, sub.Unsubscribe(long))
	}
	if e := expectEvent(t, events, zmq.EventDisconnected); e.Err == nil || !strings.Contains(e.Err.Error(), "note of subscriptions") {
		t.Errorf("disconnected because of %v", e.Err)
	}
	peer := l.accept().greet("PUB", 1)
	if got := peer.subscription(); got != "+kept" {
		t.Errorf("told of %q, want the present state", got)
	}
	check(t, sub.Subscribe("next"))
	if got := peer.subscription(); got != "+next" {
		t.Errorf("told of %q, want the next change", got)
	}
}
