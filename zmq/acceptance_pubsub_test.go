package zmq_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// A subscriber that is connected, and subscribes then, receives what is published.
func TestCase_pubsub(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{})
		pair(t, pub, sub, endpoint)
		check(t, sub.Subscribe(""))
		check(t, pub.WaitSubscribers(within(t), "", 1))
		send(t, pub, "test")
		send(t, pub, "")
		expect(t, sub, "test", "")
	})
}

// As many messages as the high-water mark allows are never dropped; beyond it a publisher that must not drop any fails
// instead, and goes on as soon as the subscriber does.
func TestCase_hwm_pubsub(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		for _, hwm := range []int{100, 1000} {
			pub, sub := open(t, zmq.NewXPub, zmq.Config{SendHWM: hwm}), newSub(t, zmq.Config{}, "")
			check(t, sub.Connect(bind(t, pub, numbered(endpoint, hwm))))
			expect(t, pub, "\x01")
			for i := range hwm {
				check(t, pub.Send(now(), fmt.Append(nil, i)))
			}
			for i := range hwm {
				expect(t, sub, fmt.Sprint(i))
			}
			nothing(t, sub)
			if st := settled(t, pub); st.Dropped != 0 {
				t.Errorf("%d of %d messages were dropped", st.Dropped, hwm)
			}
		}
		pub, sub := open(t, zmq.NewXPub, zmq.Config{SendHWM: 20, NoDrop: true}), newSub(t, zmq.Config{RecvHWM: 10}, "")
		check(t, sub.Connect(bind(t, pub, numbered(endpoint, 0))))
		expect(t, pub, "\x01")
		for round := range 3 {
			sent := 0
			for ; ; sent++ {
				if err := pub.Send(within(t), fmt.Append(nil, round, sent), make([]byte, 64<<10)); err != nil {
					if !errors.Is(err, zmq.ErrWouldDrop) {
						t.Fatal(err)
					}
					break
				}
			}
			if sent < 20 {
				t.Errorf("round %d: full after %d messages", round, sent)
			}
			for i := range sent {
				m := must(sub.Recv(within(t)))(t)
				if got := string(m.Bytes()); got != fmt.Sprint(round, i) {
					t.Fatalf("received message %s, want %d %d", got, round, i)
				}
				m.Release()
			}
			settled(t, pub)
		}
		nothing(t, sub)
		if st := pub.Stats(); st.Dropped != 0 {
			t.Errorf("%d messages were dropped", st.Dropped)
		}
	})
}

// A subscription goes upstream through a device, and messages downstream.
func TestCase_sub_forward(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		xpub, xsub := open(t, zmq.NewXPub, zmq.Config{}), open(t, zmq.NewXSub, zmq.Config{})
		pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "")
		check(t, pub.Connect(bind(t, xsub, numbered(endpoint, 0))))
		check(t, sub.Connect(bind(t, xpub, numbered(endpoint, 1))))
		check(t, xsub.WaitPeers(within(t), 1))
		subscription := must(xpub.Recv(within(t)))(t)
		if got := text(subscription.Clone()); got != "\x01" {
			t.Fatalf("the subscription arrived as %q", got)
		}
		check(t, xsub.Send(within(t), subscription.Frames()...))
		check(t, pub.WaitSubscribers(within(t), "", 1))
		send(t, pub, "")
		m := must(xsub.Recv(within(t)))(t)
		check(t, xpub.Send(within(t), m.Frames()...))
		expect(t, sub, "")
	})
}

// Peers that the test plays subscribe in the form of either version, and are sent the bytes of theirs.
func TestCase_mock_pub_sub(t *testing.T) {
	t.Parallel()
	on(t, "tcp", func(t *testing.T, endpoint string) {
		for announced, form := range map[byte]string{0: "\x00\x02\x01A", 1: "\x04\x0b\x09SUBSCRIBEA"} {
			for _, subscription := range []string{"\x00\x02\x01A", "\x04\x0b\x09SUBSCRIBEA"} {
				xpub := open(t, zmq.NewXPub, zmq.Config{})
				peer := dialRaw(t, bind(t, xpub, endpoint)).greet("SUB", announced)
				peer.write([]byte(subscription))
				expect(t, xpub, "\x01A")
				send(t, xpub, "ALOL")
				peer.expect("the message", []byte("\x00\x04ALOL")...)
			}
			l := listenRaw(t)
			sub := newSub(t, zmq.Config{}, "A")
			check(t, sub.Connect(l.endpoint()))
			peer := l.accept().greet("XPUB", announced)
			peer.expect("the subscription", []byte(form)...)
			peer.write(message("ALOL"))
			expect(t, sub, "ALOL")
			check(t, sub.Unsubscribe("A"))
			peer.expect("its end", []byte(map[byte]string{0: "\x00\x02\x00A", 1: "\x04\x08\x06CANCELA"}[announced])...)
		}
	})
}

// With inverted matching a message goes to those who have no subscription that matches.
func TestCase_pub_invert_matching(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		for i, invert := range []bool{false, true} {
			cfg := zmq.Config{InvertMatching: invert}
			pub, one, two := newPub(t, cfg), newSub(t, cfg, "prefix1"), newSub(t, cfg, "p2")
			at := bind(t, pub, numbered(endpoint, i))
			check(t, one.Connect(at))
			check(t, two.Connect(at))
			check(t, pub.WaitPeers(within(t), 2))
			for _, topic := range []string{"prefix1", "p2"} {
				check(t, pub.WaitSubscribers(within(t), topic, 1))
				eventually(t, "not both get "+topic, func() bool { return pub.WaitSubscribers(ended(), topic, 2) != nil })
			}
			if invert {
				one, two = two, one
			}
			send(t, pub, "prefix1")
			send(t, pub, "p2")
			expect(t, one, "prefix1")
			expect(t, two, "p2")
			check(t, pub.Shutdown(within(t)))
			peers(t, one, 0)
			peers(t, two, 0)
			nothing(t, one, two)
		}
	})
}

// A subscriber that disconnects is no subscriber any more: its subscription is seen to begin and to end, and what is
// published in between reaches it.
func TestCase_disconnect_inproc(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		xpub, sub := open(t, zmq.NewXPub, zmq.Config{}), newSub(t, zmq.Config{}, "foo")
		at := bind(t, xpub, endpoint)
		for round := range 3 {
			send(t, xpub, "foo", "nobody hears this")
			check(t, sub.Connect(at))
			expect(t, xpub, "\x01foo")
			for i := range 3 {
				send(t, xpub, "foo", fmt.Sprint(round, i))
				expect(t, sub, fmt.Sprint("foo|", round, " ", i))
			}
			check(t, sub.Disconnect(at))
			expect(t, xpub, "\x00foo")
			nothing(t, xpub, sub)
		}
		if err := sub.Disconnect(at); err == nil {
			t.Error("disconnected twice")
		}
	})
}
