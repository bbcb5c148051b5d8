package interop_test

import (
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// TestJeroMQ connects every compatible pair of socket types with JeroMQ 0.3.6, which speaks ZMTP
// 2.0, with either side binding. JeroMQ knows no heartbeats: those of Go leave it alone.
func TestJeroMQ(t *testing.T) {
	var meetings []meeting
	for _, types := range compatible {
		meetings = append(meetings, meeting{inJava, types, false, overTCP, 1, noTrust})
	}
	eachMeeting(t, meetings, func(t *testing.T, m meeting) {
		s, p := m.hold(t, zmq.Config{HeartbeatInterval: 20 * time.Millisecond, HeartbeatTTL: time.Second})
		m.exchange(t, s, p, mixed)
	})
}
