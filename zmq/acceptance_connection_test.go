package zmq_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// talking makes two sockets that talk to each other, of each pair of types.
func talking(t testing.TB, bound, connected zmq.Config) map[string][2]socket {
	t.Helper()
	return map[string][2]socket{
		"DEALER to ROUTER": {open(t, zmq.NewRouter, bound), open(t, zmq.NewDealer, connected)},
		"REQ to REP":       {open(t, zmq.NewRep, bound), open(t, zmq.NewReq, connected)},
		"PULL to PUSH":     {newPush(t, bound), newPull(t, connected)},
		"SUB to PUB":       {newPub(t, bound), newSub(t, connected, "")},
		"XSUB to XPUB":     {open(t, zmq.NewXPub, bound), open(t, zmq.NewXSub, connected)},
		"PAIR to PAIR":     {open(t, zmq.NewPair, bound), open(t, zmq.NewPair, connected)},
	}
}

// disconnectedFor waits for a disconnection, whose cause must say this.
func disconnectedFor(t testing.TB, events <-chan zmq.Event, cause string) {
	t.Helper()
	if e := untilEvent(t, events, zmq.EventDisconnected); e.Err == nil || !strings.Contains(e.Err.Error(), cause) {
		t.Errorf("disconnected because of %v, want %q", e.Err, cause)
	}
}

// A peer from which nothing comes after a PING is disconnected, and so is one that does not keep to the time to live that it
// announced. All others stay.
func TestCase_heartbeats(t *testing.T) {
	t.Parallel()
	on(t, "tcp ipc", func(t *testing.T, endpoint string) {
		t.Run("silent peer", func(t *testing.T) {
			t.Parallel()
			silentPeer(t, endpoint)
		})
		t.Run("time to live", func(t *testing.T) {
			t.Parallel()
			timeToLive(t, endpoint)
		})
		t.Run("living peers", func(t *testing.T) {
			t.Parallel()
			livingPeers(t, endpoint)
		})
		t.Run("slow receiver", func(t *testing.T) {
			t.Parallel()
			slowReceiver(t, endpoint)
		})
	})
}

func silentPeer(t *testing.T, endpoint string) {
	t.Helper()
	events := make(chan zmq.Event, 10)
	cfg := zmq.Config{HeartbeatInterval: 20 * time.Millisecond, Events: events}
	for peer, s := range map[string]socket{
		"DEALER": open(t, zmq.NewRouter, cfg), "REQ": open(t, zmq.NewRep, cfg), "PUSH": newPull(t, cfg), "SUB": newPub(t, cfg),
	} {
		at := bind(t, s, endpoint)
		for minor := range byte(2) {
			raw := dialPeer(t, at).greet(peer, minor)
			if name, _ := raw.command(); name != wire.CommandPing {
				t.Fatalf("received %s, want PING", name)
			}
			if minor == 0 { // until libzmq 4.2, peers of ZMTP 3.0 did not know PING: they are judged after a first answer only
				for range 10 {
					raw.command()
				}
				raw.write(wire.AppendPong(nil, nil))
			}
			raw.expectEnd()
			disconnectedFor(t, events, "HeartbeatTimeout")
		}
	}
	patient := newPull(t, zmq.Config{HeartbeatInterval: time.Millisecond, HeartbeatTimeout: time.Hour})
	raw := dialPeer(t, bind(t, patient, endpoint)).greet("PUSH", 1)
	for range 10 {
		if name, _ := raw.command(); name != wire.CommandPing {
			t.Fatalf("received %s, want a PING in each interval", name)
		}
	}
}

func timeToLive(t *testing.T, endpoint string) {
	t.Helper()
	events := make(chan zmq.Event, 10)
	pull := newPull(t, zmq.Config{Events: events})
	raw := dialPeer(t, bind(t, pull, endpoint)).greet("PUSH", 1)
	raw.write(wire.AppendPing(nil, 100*time.Millisecond, []byte("context")))
	if name, data := raw.command(); name != wire.CommandPong || string(data) != "context" {
		t.Fatalf("received %s %q, want the PONG", name, data)
	}
	raw.expectEnd()
	disconnectedFor(t, events, "time to live")
	// A socket that promises to be heard of sooner than it sends PINGs breaks its word.
	for name, pair := range talking(t, zmq.Config{Events: events}, zmq.Config{HeartbeatTTL: 100 * time.Millisecond, HeartbeatInterval: 250 * time.Millisecond, HeartbeatTimeout: time.Minute, ReconnectInterval: -1}) {
		check(t, pair[1].Connect(bind(t, pair[0], endpoint)))
		t.Log(name)
		disconnectedFor(t, events, "time to live")
	}
}

func livingPeers(t *testing.T, endpoint string) {
	t.Helper()
	const interval, timeout = 10 * time.Millisecond, time.Second
	events := make(chan zmq.Event, 100)
	cfg := zmq.Config{HeartbeatInterval: interval, HeartbeatTimeout: timeout, HeartbeatTTL: timeout, Events: events}
	for _, pair := range talking(t, cfg, zmq.Config{}) {
		check(t, pair[1].Connect(bind(t, pair[0], endpoint)))
		check(t, pair[0].WaitPeers(within(t), 1))
	}
	for _, pair := range talking(t, zmq.Config{}, cfg) {
		check(t, pair[1].Connect(bind(t, pair[0], endpoint)))
		check(t, pair[1].WaitPeers(within(t), 1))
	}
	witness := newPull(t, cfg)
	raw := dialPeer(t, bind(t, witness, endpoint)).greet("PUSH", 1)
	for passed := time.Duration(0); passed < 3*timeout; passed += interval {
		if name, _ := raw.command(); name != wire.CommandPing {
			t.Fatalf("received %s, want PING", name)
		}
		raw.write(wire.AppendPong(nil, nil))
	}
	for len(events) > 0 {
		if e := <-events; e.Kind == zmq.EventDisconnected {
			t.Errorf("disconnected: %+v", e)
		}
	}
}

// slowReceiver checks that a peer is not blamed for a silence that comes from our not reading.
func slowReceiver(t *testing.T, endpoint string) {
	t.Helper()
	const (
		n        = 100
		interval = 10 * time.Millisecond
		timeout  = time.Second // the messages below must come sooner, also on a busy machine
	)
	events := make(chan zmq.Event, 10)
	pull := newPull(t, zmq.Config{RecvHWM: 1, HeartbeatInterval: interval, HeartbeatTimeout: timeout, Events: events})
	raw := dialPeer(t, bind(t, pull, endpoint)).greet("PUSH", 1)
	for i := range n {
		raw.write(message(fmt.Sprint(i)))
	}
	for range 3 * timeout / interval / 2 { // no PING is answered
		if name, _ := raw.command(); name != wire.CommandPing {
			t.Fatalf("received %s, want PING", name)
		}
	}
	for i := range n {
		expect(t, pull, fmt.Sprint(i))
	}
	disconnectedFor(t, events, "HeartbeatTimeout")
}

// listenPeer listens at an endpoint of the test's own.
func listenPeer(t testing.TB, carrier string) (l rawListener, endpoint string) {
	t.Helper()
	if carrier == wildcard {
		l = listenRaw(t)
		return l, l.endpoint()
	}
	dir := must(os.MkdirTemp("", "zmq"))(t)
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "s")
	nl := must(net.Listen("unix", path))(t)
	t.Cleanup(func() { nl.Close() })
	return rawListener{t, nl}, "ipc://" + path
}

// A peer that never finishes its handshake is disconnected in time, whichever side has connected.
func TestCase_stream_timeout(t *testing.T) {
	t.Parallel()
	on(t, "tcp ipc", func(t *testing.T, endpoint string) {
		failed := func(events <-chan zmq.Event) {
			t.Helper()
			var err *zmq.HandshakeError
			if e := expectEvent(t, events, zmq.EventHandshakeFailed); !errors.As(e.Err, &err) || err.Kind != zmq.HandshakeNetwork || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("failed because of %v", e.Err)
			}
		}
		for _, said := range [][]byte{nil, greeting(1)[:40], greeting(1)} {
			events := make(chan zmq.Event, 10)
			bound := open(t, zmq.NewDealer, zmq.Config{HandshakeTimeout: 250 * time.Millisecond, Events: events})
			at := bind(t, bound, endpoint)
			expectEvent(t, events, zmq.EventListening)
			raw := dialPeer(t, at)
			raw.write(said)
			expectEvent(t, events, zmq.EventAccepted)
			failed(events)
			raw.expectEnd()

			events = make(chan zmq.Event, 10)
			connected := open(t, zmq.NewDealer, zmq.Config{HandshakeTimeout: 250 * time.Millisecond, Events: events, ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax})
			l, at := listenPeer(t, endpoint)
			check(t, connected.Connect(at))
			expectEvent(t, events, zmq.EventConnectDelayed)
			for range 2 { // it tries again
				raw = l.accept()
				raw.write(said)
				expectEvent(t, events, zmq.EventConnected)
				failed(events)
				raw.expectEnd()
				expectEvent(t, events, zmq.EventConnectRetried)
			}
			check(t, connected.Close())
		}
	})
}

// With a negative interval an endpoint is not connected again, and can be by hand.
func TestCase_reconnect_ivl(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		events := make(chan zmq.Event, 100)
		bound, connected := open(t, zmq.NewPair, zmq.Config{}), open(t, zmq.NewPair, zmq.Config{ReconnectInterval: -1, Events: events})
		at := bind(t, bound, endpoint)
		for range 3 {
			check(t, connected.Connect(at))
			bounce(t, bound, connected)
			check(t, bound.Unbind(at))
			untilEvent(t, events, zmq.EventClosed)
			if all := connected.Endpoints(); len(all) != 0 {
				t.Errorf("still connected to %q", all)
			}
			bindAgain(t, bound, at)
			if err := connected.Send(now(), []byte("nobody")); !errors.Is(err, zmq.ErrNoPeer) {
				t.Errorf("sent to nobody: %v", err)
			}
			if err := connected.Disconnect(at); err == nil {
				t.Error("disconnected what is given up")
			}
		}
		for len(events) > 0 {
			if e := <-events; e.Kind == zmq.EventConnectRetried {
				t.Errorf("connected again: %+v", e)
			}
		}
		if isInproc(at) {
			return // an endpoint that is not bound is waited for there
		}
		push := newPush(t, zmq.Config{ReconnectInterval: -1, Events: events})
		check(t, push.Connect(closedEndpoint(t)))
		if e := untilEvent(t, events, zmq.EventClosed); e.Err == nil {
			t.Error("given up for no reason")
		}
		if all := push.Endpoints(); len(all) != 0 {
			t.Errorf("still connected to %q", all)
		}
	})
}

// A connection that is lost is made again after the interval, which doubles up to its maximum; the monitor tells of each step.
func TestCase_reconnect_options(t *testing.T) {
	t.Parallel()
	on(t, "tcp ipc", func(t *testing.T, endpoint string) {
		established := func(events <-chan zmq.Event) {
			t.Helper()
			expectEvent(t, events, zmq.EventConnected)
			expectEvent(t, events, zmq.EventHandshakeSucceeded)
		}
		for _, interval := range []time.Duration{time.Hour, quick.ReconnectInterval} {
			events := make(chan zmq.Event, 1000)
			pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{ReconnectInterval: interval, Events: events})
			at := bind(t, pub, endpoint)
			check(t, sub.Connect(at))
			expectEvent(t, events, zmq.EventConnectDelayed)
			established(events)
			check(t, pub.Close())
			expectEvent(t, events, zmq.EventDisconnected)
			expectEvent(t, events, zmq.EventConnectRetried)
			if interval == time.Hour {
				continue // nothing comes until then
			}
			again := newPub(t, zmq.Config{})
			bindAgain(t, again, at)
			untilEvent(t, events, zmq.EventConnected)
			expectEvent(t, events, zmq.EventHandshakeSucceeded)
		}
		events := make(chan zmq.Event, 100)
		begun := time.Now()
		sub := newSub(t, zmq.Config{ReconnectInterval: 10 * time.Millisecond, ReconnectMax: 80 * time.Millisecond, Events: events})
		check(t, sub.Connect(closedEndpoint(t)))
		for range 6 {
			untilEvent(t, events, zmq.EventConnectRetried)
		}
		if passed := time.Since(begun); passed < (5+10+20+40+40)*time.Millisecond { // each wait is half as long at least
			t.Errorf("five waits took %v, so that they did not double", passed)
		}
	})
}

// The monitor tells of all that happens to endpoints and connections, at both sides.
func TestCase_monitor(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		atRep, atReq := make(chan zmq.Event, 100), make(chan zmq.Event, 100)
		rep := open(t, zmq.NewRep, zmq.Config{Events: atRep})
		at := bind(t, rep, endpoint)
		expectAt := func(events <-chan zmq.Event, kinds ...zmq.EventKind) {
			t.Helper()
			for _, kind := range kinds {
				if e := expectEvent(t, events, kind); e.Endpoint != at {
					t.Errorf("event %+v is about another endpoint than %s", e, at)
				}
			}
		}
		expectAt(atRep, zmq.EventListening)
		req := open(t, zmq.NewReq, zmq.Config{Events: atReq})
		check(t, req.Connect(at))
		expectAt(atReq, zmq.EventConnectDelayed, zmq.EventConnected, zmq.EventHandshakeSucceeded)
		expectAt(atRep, zmq.EventAccepted, zmq.EventHandshakeSucceeded)
		check(t, req.Close())
		expectAt(atReq, zmq.EventDisconnected, zmq.EventClosed)
		expectAt(atRep, zmq.EventDisconnected)
		wrong := newPush(t, zmq.Config{Events: atReq, Linger: -1})
		check(t, wrong.Connect(at))
		for _, events := range []<-chan zmq.Event{atReq, atRep} {
			var failed *zmq.HandshakeError
			if e := untilEvent(t, events, zmq.EventHandshakeFailed); !errors.As(e.Err, &failed) || failed.Kind != zmq.HandshakeProtocol {
				t.Errorf("failed because of %v", e.Err)
			}
		}
		check(t, wrong.Close())
		check(t, rep.Unbind(at))
		untilEvent(t, atRep, zmq.EventClosed)

		full := make(chan zmq.Event) // nobody listens
		deaf := open(t, zmq.NewRep, zmq.Config{Events: full})
		bind(t, deaf, numbered(endpoint, 1))
		if n := deaf.Stats().EventsDropped; n != 1 {
			t.Errorf("%d events were dropped, want 1", n)
		}
	})
}
