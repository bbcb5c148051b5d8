package interop_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// TestLibzmqRefusedForNow refuses a DEALER of libzmq whose routing id is in use, and a second PAIR. It keeps its messages, and
// is accepted when the first has gone.
func TestLibzmqRefusedForNow(t *testing.T) {
	t.Parallel()
	for _, trust := range append(trusts(), noTrust) {
		if strings.HasSuffix(trust.name, "served by libzmq") {
			continue // the server speaks last, so that libzmq believes that it is accepted
		}
		for _, types := range []types{{"ROUTER", "DEALER"}, {"PAIR", "PAIR"}} {
			for _, program := range []program{inC, inPython} {
				t.Run(fmt.Sprintf("%s in %s, %s", types.peerType, program, trust.name), func(t *testing.T) {
					t.Parallel()
					refusedForNow(t, meeting{program, types, true, overTCP, 1, trust})
				})
			}
		}
	}
}

func refusedForNow(t *testing.T, m meeting) {
	const messages = 100
	cfg, events := watched()
	cfg.Security = m.trust.security
	s := openers[m.goType](t, cfg)
	endpoint := bind(t, s)
	args := m.args("RECONNECT_IVL=20", "connect="+endpoint)
	first := m.program.start(t, args...)
	first.order("send", "=first")
	if got := recvAny(t, s.(receiver)); string(got.Frame(got.Len()-1)) != "first" {
		t.Fatalf("received %q", got.Frames())
	}
	second := m.program.start(t, args...)
	for i := range messages {
		second.order("send", fmt.Sprint("=", i))
	}
	for range 5 {
		e := awaitEvent(t, events, zmq.EventHandshakeFailed)
		if !strings.Contains(e.Err.Error(), "another peer has the routing id") && !strings.Contains(e.Err.Error(), "the socket has its peer already") {
			t.Errorf("refused because of %v", e.Err)
		}
	}
	if n := s.Stats().Peers; n != 1 {
		t.Errorf("%d peers, want 1", n)
	}
	first.kill()
	for i := range messages {
		got := recvAny(t, s.(receiver))
		if last := string(got.Frame(got.Len() - 1)); last != fmt.Sprint(i) {
			t.Fatalf("received %q, want %d", last, i)
		}
		got.Release()
	}
}
