package interop_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// beating is a configuration whose events arrive at the channel, and libzmq's arguments, for heartbeats on both sides that
// give nobody up on a machine that is merely busy.
func beating() (zmq.Config, <-chan zmq.Event, []string) {
	cfg, events := watched()
	cfg.HeartbeatInterval, cfg.HeartbeatTimeout, cfg.HeartbeatTTL = 5*time.Millisecond, patience, patience
	return cfg, events, []string{"HEARTBEAT_IVL=5", "HEARTBEAT_TIMEOUT=60000", "HEARTBEAT_TTL=60000", "RECONNECT_IVL=20"}
}

// few are the messages of a life that ends soon.
var few = [][]int{{1}, {0, 300}, {70_000}}

// TestLibzmqKilled ends libzmq's side as kill -9 does and starts it again at the same place, with heartbeats on both sides,
// for every compatible pair of types.
func TestLibzmqKilled(t *testing.T) {
	var meetings []meeting
	for _, types := range compatible {
		meetings = append(meetings, meeting{inC, types, false, overTCP, 1, noTrust})
	}
	for _, trust := range trusts() {
		meetings = append(meetings, meeting{inC, types{"DEALER", "DEALER"}, false, overTCP, 1, trust})
	}
	meetings = append(meetings,
		meeting{inC, types{"DEALER", "DEALER"}, false, overPath, 1, noTrust},
		meeting{inC, types{"DEALER", "DEALER"}, false, overAbstract, 1, noTrust},
		meeting{inPython, types{"DEALER", "DEALER"}, false, overTCP, 1, noTrust},
	)
	eachMeeting(t, meetings, func(t *testing.T, m meeting) {
		cfg, events, args := beating()
		s, p := m.hold(t, cfg, args...)
		place := "bind=" + p.endpoint("socket")
		if m.goBinds {
			place = "connect=" + bound(s)
		}
		for range lives {
			m.exchange(t, s, p, few)
			p.kill()
			await(t, events, zmq.EventDisconnected)
			p = m.program.start(t, m.args(append(args, place)...)...)
		}
		m.exchange(t, s, p, few)
	})
}

// TestLibzmqKilledWithRequest kills a REP that owes a reply. The REQ is told so, and its next request is answered.
func TestLibzmqKilledWithRequest(t *testing.T) {
	eachMeeting(t, []meeting{{inC, types{"REQ", "REP"}, false, overTCP, 1, noTrust}}, func(t *testing.T, m meeting) {
		cfg, _, args := beating()
		s, p := m.hold(t, cfg, args...)
		place := "bind=" + p.endpoint("socket")
		if m.goBinds {
			place = "connect=" + bound(s)
		}
		req := s.(*zmq.Req)
		send(t, req, []byte("never answered"))
		p.expect("received", text("never answered"))
		p.kill()
		if _, err := req.Recv(within(t)); !errors.Is(err, zmq.ErrPeerGone) {
			t.Fatalf("%v, want %v", err, zmq.ErrPeerGone)
		}
		m.program.start(t, m.args(append(args, "echo=1", place)...)...)
		send(t, req, []byte("answered"))
		recvFrames(t, req, [][]byte{[]byte("answered")})
	})
}

// bound is the endpoint that a Go socket has.
func bound(s socket) string {
	return s.(interface{ Endpoints() []string }).Endpoints()[0]
}

// TestLibzmqHeartbeats has PINGs pass both ways all the time, between peers that speak ZMTP 3.1 and such as take each
// other for speakers of 3.0: libzmq sends them there too.
func TestLibzmqHeartbeats(t *testing.T) {
	var meetings []meeting
	for _, types := range compatible {
		for _, minor := range []byte{0, 1} {
			meetings = append(meetings, meeting{inC, types, false, overTCP, minor, noTrust})
		}
	}
	eachMeeting(t, meetings, func(t *testing.T, m meeting) {
		cfg, events, args := beating()
		cfg.HeartbeatInterval = time.Millisecond
		s, p := m.hold(t, cfg, append(args, "HEARTBEAT_IVL=1")...)
		m.exchange(t, s, p, slices.Repeat(few, 10))
		for len(events) > 0 {
			if e := <-events; e.Kind == zmq.EventDisconnected {
				t.Errorf("%+v, want the connection to last", e)
			}
		}
	})
}

// TestLibzmqPingsWithinMessages has libzmq send PINGs between the frames of messages, which a relay watches for.
func TestLibzmqPingsWithinMessages(t *testing.T) {
	t.Parallel()
	pull := open(t, zmq.NewPull, zmq.Config{})
	p := inC.start(t, "type=PUSH", "HEARTBEAT_IVL=1", "HEARTBEAT_TIMEOUT=60000", "SNDBUF=10000", "bind="+wildcard())
	var within atomic.Int32 // how many commands came between the frames of a message
	inside := false
	connect(t, pull, startRelay(t, p.endpoint("socket"), faithful, func(flags byte) {
		if flags&wire.FlagCommand == 0 {
			inside = flags&wire.FlagMore != 0
		} else if inside {
			within.Add(1)
		}
	}).Endpoint())
	shape := []int{3, 40_000, 0, 50_000, 3}
	want, _ := shaped(shape, 0)
	for tries := 0; within.Load() < 3; tries++ {
		if tries == 1000 {
			t.Fatal("libzmq has sent no three PINGs within messages, so that nothing was tested")
		}
		p.order("many", "50", words(nil, shape, 0))
		for range 50 {
			m := recvFrames(t, pull, want)
			m.Release()
		}
	}
}

// TestLibzmqUpstream sends messages from subscribers to publishers, which only XSUB and XPUB can.
func TestLibzmqUpstream(t *testing.T) {
	t.Parallel()
	t.Run("from Go", func(t *testing.T) {
		t.Parallel()
		m := meeting{inC, types{"XSUB", "XPUB"}, true, overTCP, 1, noTrust}
		s, p := m.hold(t, zmq.Config{})
		p.expect("received", text(""))
		send(t, s.(sender), []byte("upstream"))
		p.expect("received", text("upstream"))
	})
	t.Run("to Go", func(t *testing.T) {
		t.Parallel()
		m := meeting{inC, types{"XPUB", "XSUB"}, true, overTCP, 1, noTrust}
		s, p := m.hold(t, zmq.Config{})
		recvFrames(t, s.(receiver), [][]byte{{1}})
		p.order("send", "=upstream")
		recvFrames(t, s.(receiver), [][]byte{[]byte("upstream")})
	})
}

// TestLibzmqRefused has one side not accept the other. What can be seen of it is up to who refuses.
func TestLibzmqRefused(t *testing.T) {
	t.Parallel()
	server, client, stranger := newPair(), newPair(), newPair()
	known := zmq.CurveServer{Keys: server, Clients: zmq.NewKeySet(client.Public())}
	for _, tt := range []struct {
		trust
		cause error // that Go tells; nil where all it sees is that libzmq hangs up
	}{
		{trust{
			"a password that Go does not know",
			zmq.PlainServer{Authenticator: zmq.Passwords(map[string]string{camera: sesame})},
			[]string{"PLAIN_USERNAME=" + camera, "PLAIN_PASSWORD=open"},
		}, zmq.ErrAuthentication},
		{trust{
			"a password that libzmq does not know",
			zmq.PlainClient{Username: camera, Password: "open"},
			[]string{"PLAIN_SERVER=1", "zap=" + camera + ":" + sesame},
		}, zmq.ErrAuthentication},
		{trust{"a key that Go does not know", known, curveClient(stranger, server)}, zmq.ErrAuthentication},
		{trust{"a client of another server", known, curveClient(client, stranger)}, zmq.ErrAuthentication},
		{trust{
			"a server with another key",
			zmq.CurveClient{Keys: client, ServerKey: stranger.Public()},
			[]string{"CURVE_SERVER=1", "CURVE_SECRETKEY=" + server.Secret()},
		}, nil},
		{trust{"libzmq without CURVE", known, nil}, nil},
		{trust{"Go without CURVE", nil, []string{"CURVE_SERVER=1", "CURVE_SECRETKEY=" + server.Secret()}}, nil},
	} {
		for _, goBinds := range []bool{true, false} {
			m := meeting{inC, types{"DEALER", "DEALER"}, goBinds, overTCP, 1, tt.trust}
			t.Run(m.String(), func(t *testing.T) {
				t.Parallel()
				cfg, events := watched()
				s, _ := m.hold(t, cfg, "RECONNECT_IVL=20")
				e := awaitEvent(t, events, zmq.EventHandshakeFailed)
				if tt.cause != nil && !errors.Is(e.Err, tt.cause) {
					t.Errorf("%v, want %v", e.Err, tt.cause)
				}
				if n := s.Stats().Peers; n != 0 {
					t.Errorf("%d peers, want none", n)
				}
			})
		}
	}
}

// awaitEvent reads events until one of the kind comes.
func awaitEvent(t *testing.T, events <-chan zmq.Event, kind zmq.EventKind) zmq.Event {
	t.Helper()
	ctx := within(t)
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				return e
			}
		case <-ctx.Done():
			t.Fatalf("no event %q: %v", kind, ctx.Err())
		}
	}
}
