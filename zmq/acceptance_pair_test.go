package zmq_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

func TestCase_pair_tcp(t *testing.T) {
	t.Parallel()
	on(t, "tcp", pairOn)
}

func TestCase_pair_ipc(t *testing.T) {
	t.Parallel()
	on(t, "ipc", pairOn)
}

func TestCase_pair_inproc(t *testing.T) {
	t.Parallel()
	on(t, "inproc", pairOn)
}

// pairOn checks that a PAIR talks to one other, and refuses a second one for as long as the first is there.
func pairOn(t *testing.T, endpoint string) {
	t.Helper()
	events := make(chan zmq.Event, 1000)
	bound, first := open(t, zmq.NewPair, zmq.Config{Events: events}), open(t, zmq.NewPair, zmq.Config{})
	at := bind(t, bound, endpoint)
	check(t, first.Connect(at))
	bounce(t, bound, first)

	second := open(t, zmq.NewPair, quick)
	check(t, second.Connect(at))
	send(t, second, "kept back")
	for range 3 { // it tries again and again
		checkHandshakeError(t, untilEvent(t, events, zmq.EventHandshakeFailed).Err, zmq.HandshakeProtocol, "has its peer already")
	}
	nothing(t, bound, second)
	bounce(t, bound, first)
	if n := bound.Stats().Peers; n != 1 {
		t.Errorf("%d peers, want 1", n)
	}

	send(t, first, "the last word")
	check(t, first.Shutdown(within(t)))
	expect(t, bound, "the last word")
	check(t, bound.WaitPeers(within(t), 1)) // the second has its turn
	for i := range 3 {
		send(t, bound, fmt.Sprint(i))
		expect(t, second, fmt.Sprint(i))
	}
	check(t, second.Disconnect(at))
	peers(t, bound, 0)
	if err := bound.Send(now(), []byte("nobody")); !errors.Is(err, zmq.ErrNoPeer) {
		t.Errorf("sent to nobody: %v", err)
	}
}
