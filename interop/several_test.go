package interop_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

func TestPushTakesTurns(t *testing.T) {
	t.Parallel()
	const peers, each = 3, 100
	push := open(t, zmq.NewPush, zmq.Config{})
	endpoint := bind(t, push)
	var pullers []*peer
	for range peers {
		pullers = append(pullers, startPeer(t, "bare_socket", "--type", "PULL", "--address", ">"+endpoint, "--tally", "100"))
	}
	waitReady(t, push, peers)
	for number := range peers * each {
		send(t, push, fmt.Appendf(nil, "%012d", number))
	}
	for i, p := range pullers {
		if e := p.expect("tally"); e.Last != e.First+peers*(each-1) || !e.Ordered {
			t.Errorf("puller %d got %+v, want every third", i, e)
		}
	}
	if err := push.Close(); err != nil {
		t.Fatal(err)
	}
	for i, p := range pullers {
		p.tell("tally", nil)
		if e := p.expect("tally"); e.Count != each {
			t.Errorf("puller %d got %d messages in the end, want %d: one was sent twice", i, e.Count, each)
		}
	}
}

func TestPullFromSeveral(t *testing.T) {
	t.Parallel()
	const peers, each = 3, 10_000
	pull := open(t, zmq.NewPull, zmq.Config{})
	endpoint := bind(t, pull)
	for i := range peers {
		p := startPeer(t, "bare_socket", "--type", "PUSH", "--address", ">"+endpoint)
		p.tell("burst", command{"first": i * each, "count": each})
	}
	var next [peers]int
	for range peers * each {
		m := recvAny(t, pull)
		number, err := strconv.Atoi(string(m.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if from := number / each; number%each != next[from] {
			t.Fatalf("got message %d of peer %d, want %d", number%each, from, next[from])
		} else {
			next[from]++
		}
	}
}

func TestConnectToSeveral(t *testing.T) {
	t.Parallel()
	t.Run("PULL", func(t *testing.T) {
		t.Parallel()
		pull := open(t, zmq.NewPull, zmq.Config{})
		for _, name := range []string{"one", "two"} {
			p := meet(t, pull, false, "--type", "PUSH")
			p.tell("send", command{"frames": []command{{"text": name}}})
		}
		got := map[string]bool{string(recv(t, pull).Bytes()): true, string(recv(t, pull).Bytes()): true}
		if !got["one"] || !got["two"] {
			t.Errorf("got %v, want one and two", got)
		}
	})
	t.Run("PUSH", func(t *testing.T) {
		t.Parallel()
		push := open(t, zmq.NewPush, zmq.Config{})
		one, two := meet(t, push, false, "--type", "PULL"), meet(t, push, false, "--type", "PULL")
		waitReady(t, push, 2)
		send(t, push, []byte("a"))
		send(t, push, []byte("b"))
		first, second := one.expect("received").Frames[0].Text, two.expect("received").Frames[0].Text
		if first+second != "ab" && first+second != "ba" {
			t.Errorf("got %q and %q, want a and b", first, second)
		}
	})
	t.Run("SUB", func(t *testing.T) {
		t.Parallel()
		sub := open(t, zmq.NewSub, zmq.Config{})
		if err := sub.Subscribe("beat"); err != nil {
			t.Fatal(err)
		}
		meet(t, sub, false, "--type", "PUB", "--beat", "beat one")
		meet(t, sub, false, "--type", "PUB", "--beat", "beat two")
		for missing := map[string]bool{"beat one": true, "beat two": true}; len(missing) > 0; {
			delete(missing, string(recvAny(t, sub).Bytes()))
		}
	})
	t.Run("PUB", func(t *testing.T) {
		t.Parallel()
		pub := open(t, zmq.NewPub, zmq.Config{})
		one, two := meet(t, pub, false, receiving("SUB")...), meet(t, pub, false, receiving("SUB")...)
		waitReady(t, pub, 2)
		send(t, pub, []byte("hello"))
		one.expect("received", text("hello"))
		two.expect("received", text("hello"))
	})
}

func TestManyKindsOfSubscriber(t *testing.T) {
	t.Parallel()
	pub := open(t, zmq.NewPub, zmq.Config{})
	endpoint := bind(t, pub)
	wants := map[string][]string{
		"":               {"worker.status", "worker.status2", "sensor"},
		"worker.status":  {"worker.status", "worker.status2"},
		"worker.status2": {"worker.status2"},
		"sensor":         {"sensor"},
	}
	subscribers := map[string]*peer{}
	for prefix := range wants {
		subscribers[prefix] = startPeer(t, "bare_socket", "--type", "SUB", "--address", ">"+endpoint,
			"--subscribe", prefix, "--subscribe", "end")
	}
	// libzmq sends the subscriptions of a new connection in an order of its own.
	for topic, n := range map[string]int{"worker.status": 2, "worker.status2": 3, "sensor": 2, "end": len(wants)} {
		if err := pub.WaitSubscribers(within(t), topic, n); err != nil {
			t.Fatal(err)
		}
	}
	for _, topic := range []string{"worker.status", "worker.status2", "sensor", "end"} {
		send(t, pub, []byte(topic))
	}
	for prefix, p := range subscribers {
		for _, want := range append(wants[prefix], "end") {
			if got := p.expect("received").Frames[0].Text; got != want {
				t.Errorf("subscriber to %q got %q, want %q", prefix, got, want)
			}
		}
	}
}
