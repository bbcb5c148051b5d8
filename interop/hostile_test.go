package interop_test

import (
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// Half a handshake is ended by its deadline, which must leave honest peers enough time on a busy machine.
const shortHandshake = 500 * time.Millisecond

var partner = map[string]string{"PUB": "SUB", "SUB": "PUB", "PUSH": "PULL", "PULL": "PUSH"}

// honest is an honest Python peer of a Go socket, and how to see that messages still pass between them.
func honest(t *testing.T, s socket, kind string) (passes func(message string)) {
	t.Helper()
	switch s := s.(type) {
	case sender:
		p := meet(t, s, true, receiving(partner[kind])...)
		waitReady(t, s, 1)
		return func(message string) {
			t.Helper()
			send(t, s, []byte(message))
			p.expect("received", text(message))
		}
	case receiver:
		p := meet(t, s, true, "--type", partner[kind], "--beat", "beat")
		awaitBeat(t, s, p)
		return func(message string) {
			t.Helper()
			p.do("send", command{"frames": []command{{"text": message}}})
			if got := string(recv(t, s).Bytes()); got != message {
				t.Errorf("got %q, want %q", got, message)
			}
		}
	}
	t.Fatalf("%s neither sends nor receives", kind)
	return nil
}

// openAny opens a Go socket of any type.
func openAny(t *testing.T, kind string, cfg zmq.Config) socket {
	t.Helper()
	if kind == "PUB" || kind == "PUSH" {
		return openSender(t, kind, cfg)
	}
	return openReceiver(t, kind, cfg)
}

// strangers are all kinds of stranger that interop/peers/stranger.py knows.
func strangers(t *testing.T) []string {
	t.Helper()
	return launchPeer(t, "stranger", "--against", "PULL", "--kinds").expect("kinds").Kinds
}

func TestStrangersCome(t *testing.T) {
	t.Parallel()
	for kind := range partner {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := openAny(t, kind, zmq.Config{HandshakeTimeout: shortHandshake})
			passes := honest(t, s, kind)
			stranger := startPeer(t, "stranger", "--against", kind, "--connect", bind(t, s))
			for _, attack := range strangers(t) {
				stranger.tell("attack", command{"kind": attack})
				stranger.expect("over")
				passes(attack)
			}
		})
	}
}

func TestStrangersListen(t *testing.T) {
	t.Parallel()
	for kind := range partner {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cfg := zmq.Config{HandshakeTimeout: shortHandshake, ReconnectInterval: 10 * time.Millisecond, ReconnectMax: 10 * time.Millisecond, Immediate: true}
			s := openAny(t, kind, cfg)
			passes := honest(t, s, kind)
			for _, attack := range []string{"a request of HTTP", "an unknown socket type", "a cut READY", "a huge frame", "nothing"} {
				stranger := startPeer(t, "stranger", "--against", kind, "--listen", wildcard(), "--kind", attack)
				connect(t, s, stranger.endpoint("socket"))
				stranger.expect("over")
				stranger.expect("over") // the Go socket tries again
				if err := s.Disconnect(stranger.endpoint("socket")); err != nil {
					t.Fatal(err)
				}
				passes(attack)
			}
		})
	}
}
