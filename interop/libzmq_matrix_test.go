package interop_test

import (
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// eachMeeting runs a test for each of these meetings, with either side binding.
func eachMeeting(t *testing.T, meetings []meeting, test func(t *testing.T, m meeting)) {
	t.Helper()
	t.Parallel()
	for _, m := range meetings {
		for _, m.goBinds = range []bool{true, false} {
			t.Run(m.String(), func(t *testing.T) {
				t.Parallel()
				test(t, m)
			})
		}
	}
}

// mixed are the messages of the large tables: short frames and long ones, empty ones, several.
var mixed = [][]int{{0}, {1}, {255}, {256}, {8192}, {65537}, {0, 0}, {3, 0, 3}, {255, 256, 8192, 65536}}

// TestLibzmqTypes connects every compatible pair of socket types: through C and through Python, over every carrier, and as
// peers that take each other for speakers of ZMTP 3.0.
func TestLibzmqTypes(t *testing.T) {
	var meetings []meeting
	for _, types := range compatible {
		meetings = append(meetings,
			meeting{inC, types, false, overTCP, 1, noTrust},
			meeting{inC, types, false, overTCP, 0, noTrust},
			meeting{inC, types, false, overPath, 1, noTrust},
			meeting{inC, types, false, overAbstract, 1, noTrust},
			meeting{inPython, types, false, overTCP, 1, noTrust},
		)
	}
	eachMeeting(t, meetings, func(t *testing.T, m meeting) {
		s, p := m.hold(t, zmq.Config{})
		m.exchange(t, s, p, mixed)
	})
}

// TestLibzmqSecurity connects every compatible pair of socket types with every mechanism, Go in either role of it.
func TestLibzmqSecurity(t *testing.T) {
	var meetings []meeting
	for _, trust := range trusts() {
		for _, types := range compatible {
			meetings = append(meetings, meeting{inC, types, false, overTCP, 1, trust})
		}
		for _, types := range []types{{"PUB", "SUB"}, {"SUB", "PUB"}, {"DEALER", "ROUTER"}} {
			meetings = append(meetings,
				meeting{inC, types, false, overTCP, 0, trust},
				meeting{inC, types, false, overPath, 1, trust},
				meeting{inPython, types, false, overTCP, 1, trust},
			)
		}
	}
	eachMeeting(t, meetings, func(t *testing.T, m meeting) {
		s, p := m.hold(t, zmq.Config{})
		m.exchange(t, s, p, mixed)
	})
}

// TestLibzmqSizes sends messages of all sizes: around the limits of short frames and buffers, up to a mebibyte, and one
// of 64 MiB there and back.
func TestLibzmqSizes(t *testing.T) {
	var meetings []meeting
	for _, trust := range append(trusts(), noTrust) {
		meetings = append(meetings, meeting{inC, types{"PAIR", "PAIR"}, true, overTCP, 1, trust})
	}
	t.Parallel()
	for _, m := range meetings {
		t.Run(m.trust.name, func(t *testing.T) {
			t.Parallel()
			s, p := m.hold(t, zmq.Config{})
			m.exchange(t, s, p, shapes)
			if m.trust.name == "NULL" || m.trust.name == "CURVE served by Go" {
				m.goBegins(t, s.(sender), p, [][]int{{64 << 20}}, 0)
			}
		})
	}
}
