package interop_test

import (
	"sync/atomic"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
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

// TestLibzmqOldSubscriptions shows that peers behind the relay that alters greetings speak ZMTP 3.0: what subscribes is a
// message, and the only command is READY.
func TestLibzmqOldSubscriptions(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, messages, commands *atomic.Int32) {
		t.Helper()
		if messages.Load() != 1 || commands.Load() != 1 {
			t.Errorf("%d messages and %d commands, want one of each", messages.Load(), commands.Load())
		}
	}
	count := func(messages, commands *atomic.Int32) func(flags byte) {
		return func(flags byte) {
			if flags&wire.FlagCommand != 0 {
				commands.Add(1)
			} else {
				messages.Add(1)
			}
		}
	}
	t.Run("of libzmq", func(t *testing.T) {
		t.Parallel()
		var messages, commands atomic.Int32
		pub := open(t, zmq.NewPub, zmq.Config{})
		p := inC.start(t, "type=SUB", "SUBSCRIBE=", "bind="+wildcard())
		connect(t, pub, startRelay(t, p.endpoint("socket"), downgrade, count(&messages, &commands)).Endpoint())
		waitReady(t, pub, 1)
		check(t, &messages, &commands)
	})
	t.Run("of Go", func(t *testing.T) {
		t.Parallel()
		var messages, commands atomic.Int32
		sub := openReceiver(t, "SUB", zmq.Config{})
		r := startRelay(t, bind(t, sub), downgrade, count(&messages, &commands))
		p := inC.start(t, "type=XPUB", "connect="+r.Endpoint())
		p.expect("received")
		check(t, &messages, &commands)
	})
}

// TestLibzmqNameless has ROUTERs make up the names of their peers.
func TestLibzmqNameless(t *testing.T) {
	t.Parallel()
	frames, _ := shaped([]int{0, 300, 7}, 1)
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		dealer := open(t, zmq.NewDealer, zmq.Config{})
		connect(t, dealer, inC.start(t, "type=ROUTER", "echo=1", "bind="+wildcard()).endpoint("socket"))
		send(t, dealer, frames...)
		recvFrames(t, dealer, frames)
	})
	t.Run("libzmq", func(t *testing.T) {
		t.Parallel()
		router := open(t, zmq.NewRouter, zmq.Config{Mandatory: true})
		p := inC.start(t, "type=DEALER", "connect="+bind(t, router))
		p.order("send", words(nil, []int{0, 300, 7}, 1))
		m := recv(t, router)
		if m.Frame(0)[0] != 0 {
			t.Errorf("name %q, want one that begins with 0", m.Frame(0))
		}
		send(t, router, m.Frames()...)
		expectFrames(t, p, frames)
	})
}
