package interop_test

import (
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// TestPing has libzmq send PING every 20 ms, and hang up where nothing comes back for a second. The clock is another
// peer, which sends a hundred messages a second.
func TestPing(t *testing.T) {
	t.Parallel()
	for kind := range partner {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cfg, events := watched()
			s := openAny(t, kind, cfg)
			meet(t, s, true, "--type", partner[kind], "--ping", "20")
			await(t, events, zmq.EventHandshakeSucceeded)
			clock := open(t, zmq.NewPull, zmq.Config{})
			meet(t, clock, true, "--type", "PUSH", "--beat", "beat")
			for range 150 {
				recvAny(t, clock)
			}
			for len(events) > 0 {
				if e := <-events; e.Kind == zmq.EventDisconnected {
					t.Errorf("%+v, want the connection to last", e)
				}
			}
			if received := s.Stats().MessagesReceived; received != 0 {
				t.Errorf("%d messages came, want PINGs to be no messages", received)
			}
		})
	}
}
