package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// publishing connects a PUB and some SUBs, and waits until all have subscribed to topic.
func publishing(t *testing.T, endpoint, topic string, pub *zmq.Pub, subs ...*zmq.Sub) {
	t.Helper()
	at := bind(t, pub, endpoint)
	for _, sub := range subs {
		check(t, sub.Connect(at))
	}
	check(t, pub.WaitSubscribers(within(t), topic, len(subs)))
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pub := newPub(t, zmq.Config{})
		all, some, two := newSub(t, zmq.Config{}, ""), newSub(t, zmq.Config{}, "b", "end"), newSub(t, zmq.Config{}, "a", "ab", "end")
		publishing(t, endpoint, "end", pub, all, some, two)
		check(t, pub.WaitSubscribers(within(t), "ab", 2))
		check(t, pub.WaitSubscribers(within(t), "b", 2))
		for _, m := range [][]string{{"a"}, {"b", "a"}, {"abc", "", "x"}, {"c"}, {""}, {"ba"}, {"end"}} {
			send(t, pub, m...)
		}
		expect(t, all, "a", "b|a", "abc||x", "c", "", "ba", "end")
		expect(t, some, "b|a", "ba", "end")
		expect(t, two, "a", "abc||x", "end") // each once, although two subscriptions match
		if st := settled(t, pub); st.Dropped != 0 || st.MessagesSent != 13 {
			t.Errorf("publisher's statistics: %+v", st)
		}
	})
}

// Both sides may bind, both may connect, and both may do so to several endpoints.
func TestSubHearsSeveralPublishers(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		sub := newSub(t, zmq.Config{}, "x")
		at := bind(t, sub, endpoint)
		first, second := newPub(t, zmq.Config{}), newPub(t, zmq.Config{})
		check(t, first.Connect(at))
		check(t, sub.Connect(bind(t, second, numbered(endpoint, 1))))
		for i, pub := range []*zmq.Pub{first, second} {
			check(t, pub.WaitSubscribers(within(t), "x", 1))
			for range 3 {
				send(t, pub, fmt.Sprint("x", i))
			}
			check(t, pub.Shutdown(within(t)))
		}
		eventually(t, "the publishers are gone", func() bool { return sub.Stats().Peers == 0 })
		checkTurns(t, sub, 2, 3)
	})
}

// The same prefix may be subscribed to several times, and lasts until it was unsubscribed from as often.
func TestSubscriptionsAreCounted(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "a", "a", "end")
		publishing(t, endpoint, "end", pub, sub)
		check(t, pub.WaitSubscribers(within(t), "a", 1))
		check(t, sub.Unsubscribe("a"))
		send(t, pub, "a1")
		expect(t, sub, "a1")
		check(t, sub.Unsubscribe("a"))
		eventually(t, "the publisher has forgotten", func() bool { return pub.WaitSubscribers(ended(), "a", 1) != nil })
		send(t, pub, "a2")
		send(t, pub, "end")
		expect(t, sub, "end")
		if err := sub.Unsubscribe("a"); err == nil {
			t.Error("unsubscribed from what there was no subscription to")
		}
		if sent := settled(t, pub).MessagesSent; sent != 2 {
			t.Errorf("%d messages were sent, want the 2 that were wanted", sent)
		}
	})
}

// What came before an Unsubscribe and was not received yet is not delivered any more.
func TestUnsubscribeFiltersWhatWaits(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "a", "b")
		publishing(t, endpoint, "a", pub, sub)
		check(t, pub.WaitSubscribers(within(t), "b", 1))
		for _, m := range []string{"b0", "a", "b1"} {
			send(t, pub, m)
		}
		check(t, pub.Shutdown(within(t)))
		eventually(t, "the publisher is gone", func() bool { return sub.Stats().Peers == 0 })
		expect(t, sub, "b0")
		check(t, sub.Unsubscribe("a"))
		expect(t, sub, "b1")
	})
}

// A subscriber that does not keep up costs a bounded amount of memory, every drop is counted, and the others miss nothing.
func TestSlowSubscriber(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		const hwm, n = 10, 300
		pub := newPub(t, zmq.Config{SendHWM: hwm})
		slow, other := newSub(t, zmq.Config{RecvHWM: hwm}, ""), newSub(t, zmq.Config{RecvHWM: hwm}, "")
		publishing(t, endpoint, "", pub, slow, other)
		body := make([]byte, 256<<10)
		for i := range n {
			check(t, pub.Send(within(t), body))
			m, err := other.Recv(within(t))
			check(t, err)
			m.Release()
			if q := pub.Stats().Queued; q > 2*2*hwm {
				t.Fatalf("%d messages are queued after %d", q, i)
			}
		}
		if pub.Stats().Dropped == 0 {
			t.Error("no message was dropped")
		}
		check(t, slow.Close())
		if st := settled(t, pub); st.MessagesSent+st.Dropped != 2*n {
			t.Errorf("%d messages for each of two peers: %+v", n, st)
		}
	})
}

// A subscriber that is gone costs nothing but what was on its way.
func TestDeadSubscriber(t *testing.T) {
	t.Parallel()
	pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "")
	publishing(t, wildcard, "", pub, sub)
	at := pub.Endpoints()[0]
	var dead []*rawPeer
	for range 10 {
		p := dialRaw(t, at).greet("SUB", 1)
		p.write(subscribe(1, "x"))
		dead = append(dead, p)
	}
	check(t, pub.WaitSubscribers(within(t), "x", 11))
	for i := range 1000 {
		if i%100 == 0 {
			dead[i/100].reset()
		}
		send(t, pub, fmt.Sprint("x", i))
		expect(t, sub, fmt.Sprint("x", i))
	}
	eventually(t, "the dead are forgotten", func() bool { return pub.Stats().Peers == 1 })
	st := settled(t, pub)
	send(t, pub, "y")
	expect(t, sub, "y")
	if after := settled(t, pub); after.MessagesSent != st.MessagesSent+1 || after.Dropped != st.Dropped {
		t.Errorf("a message for one was counted otherwise: %+v, then %+v", st, after)
	}
}

// A subscriber that will send nothing more is gone, although what was sent to it before is still on
// its way and is received.
func TestSubscriberEndsBehindMessages(t *testing.T) {
	t.Parallel()
	const n, size = 20, 8 << 10 // more than a peer's system takes that does not read
	pub := newPub(t, zmq.Config{Linger: time.Hour})
	raw := dialRaw(t, bind(t, pub, wildcard)).greet("SUB", 1)
	raw.write(subscribe(1, ""))
	check(t, pub.WaitSubscribers(within(t), "", 1))
	for range n {
		send(t, pub, string(make([]byte, size)))
	}
	eventually(t, "the system has all", func() bool { return pub.Stats().MessagesSent == n })
	raw.closeWrite()
	eventually(t, "there is no subscriber", func() bool { return pub.WaitSubscribers(ended(), "", 1) != nil })
	send(t, pub, "late")
	if st := pub.Stats(); st.Peers != 1 || st.Queued != 0 || st.Dropped != 0 || st.MessagesSent != n {
		t.Errorf("a message that nobody wants was counted, or the connection has not waited: %+v", st)
	}
	for range n {
		if m := raw.message(); len(m) != size {
			t.Fatalf("received %d bytes, want %d", len(m), size)
		}
	}
	raw.expectEnd()
}

func TestWaitSubscribers(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pub := newPub(t, zmq.Config{})
		at := bind(t, pub, endpoint)
		one, two := newSub(t, zmq.Config{}, "news"), newSub(t, zmq.Config{}, "news.sport")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := pub.WaitSubscribers(ctx, "news", 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody there: %v", err)
		}
		check(t, one.Connect(at))
		check(t, two.Connect(at))
		check(t, pub.WaitSubscribers(within(t), "news.sport", 2))
		check(t, pub.WaitSubscribers(within(t), "news.sport.football", 2))
		check(t, pub.WaitSubscribers(ended(), "news", 1)) // it holds already
		if err := pub.WaitSubscribers(ended(), "news", 2); err == nil {
			t.Error("two peers were counted for a topic that one wants")
		}
		check(t, one.Close())
		eventually(t, "one is forgotten", func() bool { return pub.WaitSubscribers(ended(), "news", 1) != nil })
		waiting := inBackground(func() error { return pub.WaitSubscribers(within(t), "news", 1) })
		check(t, pub.Close())
		isClosed(t, await(t, "the wait ends with the socket", waiting))
	})
}
