package interop_test

import (
	"strings"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

func TestPythonSubscribes(t *testing.T) {
	t.Parallel()
	for _, goBinds := range []bool{true, false} {
		t.Run(direction{"PUB", "SUB", goBinds}.String(), func(t *testing.T) {
			t.Parallel()
			pub := open(t, zmq.NewPub, zmq.Config{})
			p := meet(t, pub, goBinds, "--type", "SUB", "--subscribe", "a", "--subscribe", "a")
			if err := pub.WaitSubscribers(within(t), "a", 1); err != nil {
				t.Fatal(err)
			}
			// end waits until all commands that the peer was given before have reached the publisher.
			end := func(name string) {
				t.Helper()
				p.do("subscribe", command{"topic": name})
				if err := pub.WaitSubscribers(within(t), name, 1); err != nil {
					t.Fatal(err)
				}
				send(t, pub, []byte("a"))
				send(t, pub, []byte("b"))
				send(t, pub, []byte(name))
			}
			want := func(texts ...string) {
				t.Helper()
				for _, want := range texts {
					if got := p.expect("received").Frames[0].Text; got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				}
			}
			end("end 1")
			want("a", "end 1")
			p.do("unsubscribe", command{"topic": "a"})
			end("end 2") // one of two subscriptions is left
			want("a", "end 2")
			p.do("unsubscribe", command{"topic": "a"})
			p.do("subscribe", command{"topic": "b"})
			end("end 3")
			want("b", "end 3")
		})
	}
}

func TestGoSubscribes(t *testing.T) {
	t.Parallel()
	for _, goBinds := range []bool{true, false} {
		t.Run(direction{"PUB", "SUB", goBinds}.String(), func(t *testing.T) {
			t.Parallel()
			sub := open(t, zmq.NewSub, zmq.Config{})
			p := meet(t, sub, goBinds, "--type", "PUB", "--beat", "beat 0")
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			// The subscriptions of a new connection come in any order, those of one that stands in the order of the calls.
			must(sub.Subscribe("beat 0"))
			recvUntil(t, sub, "beat 0")
			// round subscribes to a new beat last, so that its coming shows that the publisher has taken all changes.
			round := func(beat string, want ...string) {
				t.Helper()
				p.do("beat", command{"text": beat})
				must(sub.Subscribe(beat))
				recvUntil(t, sub, beat)
				for _, topic := range []string{"a", "b", "end"} {
					p.do("send", command{"frames": []command{{"text": topic}}})
				}
				for _, want := range append(want, "end") {
					if got := string(recv(t, sub).Bytes()); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				}
			}
			must(sub.Subscribe("a"))
			must(sub.Subscribe("a"))
			must(sub.Subscribe("end"))
			round("beat 1", "a")
			must(sub.Unsubscribe("a"))
			round("beat 2", "a")
			must(sub.Unsubscribe("a"))
			must(sub.Subscribe("b"))
			round("beat 3", "b")
		})
	}
}

// The lengths are around those where a subscription's frame gets a long header, and where libzmq 4.3.3 and 4.3.4 forget
// that: from 246 to 255 bytes they announce a command of 0 to 9 bytes.
var longTopics = []int{244, 245, 246, 250, 255, 256, 257, 300}

func TestLongTopicsOfGo(t *testing.T) {
	t.Parallel()
	for _, n := range longTopics {
		topic := strings.Repeat("t", n)
		sub := open(t, zmq.NewSub, zmq.Config{})
		if err := sub.Subscribe(topic); err != nil {
			t.Fatal(err)
		}
		meet(t, sub, true, "--type", "PUB", "--beat", topic)
		if m := recvAny(t, sub); string(m.Bytes()) != topic {
			t.Errorf("topic of %d bytes: got %q", n, m.Bytes())
		}
	}
}

func TestLongTopicsOfPython(t *testing.T) {
	t.Parallel()
	pub := open(t, zmq.NewPub, zmq.Config{})
	endpoint := bind(t, pub)
	for i, n := range longTopics {
		topic := strings.Repeat(string(rune('a'+i)), n)
		p := startPeer(t, "bare_socket", "--type", "SUB", "--address", ">"+endpoint, "--subscribe", topic)
		if err := pub.WaitSubscribers(within(t), topic, 1); err != nil {
			t.Errorf("topic of %d bytes: %v", n, err)
			continue
		}
		send(t, pub, []byte(topic))
		p.expect("received", text(topic))
	}
}
