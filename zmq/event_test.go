package zmq_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// expectEvent receives the next event, which must be of this kind.
func expectEvent(t testing.TB, events <-chan zmq.Event, kind zmq.EventKind) zmq.Event {
	t.Helper()
	e := await(t, string(kind), events)
	if e.Kind != kind {
		t.Fatalf("event %+v, want %q", e, kind)
	}
	return e
}

// untilEvent receives events until one of this kind comes.
func untilEvent(t testing.TB, events <-chan zmq.Event, kind zmq.EventKind) zmq.Event {
	t.Helper()
	for {
		if e := await(t, string(kind), events); e.Kind == kind {
			return e
		}
	}
}

func checkHandshakeError(t testing.TB, err error, kind zmq.HandshakeKind, says string) {
	t.Helper()
	var failed *zmq.HandshakeError
	if !errors.As(err, &failed) || failed.Kind != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("%v (%T), want a handshake error of kind %q that says %q", err, err, kind, says)
	}
}

func isInproc(endpoint string) bool { return strings.HasPrefix(endpoint, "inproc:") }

// Both sides are told of all that happens to a connection, in its order.
func TestEvents(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		boundEvents, events := make(chan zmq.Event, 100), make(chan zmq.Event, 100)
		pull, push := newPull(t, zmq.Config{Events: boundEvents}), newPush(t, zmq.Config{Events: events})
		at := bind(t, pull, endpoint)
		check(t, push.Connect(at))
		for _, kind := range []zmq.EventKind{zmq.EventConnectDelayed, zmq.EventConnected, zmq.EventHandshakeSucceeded} {
			checkEvent(t, expectEvent(t, events, kind), at, kind != zmq.EventConnectDelayed && !isInproc(endpoint))
		}
		for _, kind := range []zmq.EventKind{zmq.EventListening, zmq.EventAccepted, zmq.EventHandshakeSucceeded} {
			checkEvent(t, expectEvent(t, boundEvents, kind), at, kind != zmq.EventListening && !isInproc(endpoint))
		}
		check(t, push.Close())
		for _, kind := range []zmq.EventKind{zmq.EventDisconnected, zmq.EventClosed} {
			checkEvent(t, expectEvent(t, events, kind), at, kind == zmq.EventDisconnected && !isInproc(endpoint))
		}
		e := expectEvent(t, boundEvents, zmq.EventDisconnected)
		if !isInproc(endpoint) && !errors.Is(e.Err, io.EOF) {
			t.Errorf("the connection ended with %v", e.Err)
		}
		check(t, pull.Close())
		expectEvent(t, boundEvents, zmq.EventClosed)
		if len(events)+len(boundEvents) != 0 {
			t.Error("there are more events after Close")
		}
	})
}

// checkEvent checks what an event is about.
func checkEvent(t *testing.T, e zmq.Event, endpoint string, peer bool) {
	t.Helper()
	if e.Endpoint != endpoint || (e.Peer != "") != peer {
		t.Errorf("event %+v, want it to be about %s and name a peer: %v", e, endpoint, peer)
	}
	if _, err := net.ResolveTCPAddr("tcp", e.Peer); strings.HasPrefix(endpoint, "tcp:") && peer && err != nil {
		t.Errorf("event's peer: %v", err)
	}
}

func TestEventsOfRetries(t *testing.T) {
	t.Parallel()
	events := make(chan zmq.Event, 100)
	push := newPush(t, zmq.Config{Events: events, ReconnectInterval: time.Millisecond, ReconnectMax: time.Millisecond})
	nobody := closedEndpoint(t)
	check(t, push.Connect(nobody))
	expectEvent(t, events, zmq.EventConnectDelayed)
	for range 3 {
		e := expectEvent(t, events, zmq.EventConnectRetried)
		if e.Endpoint != nobody || e.Err == nil {
			t.Errorf("event %+v, want the cause", e)
		}
	}
	check(t, push.Disconnect(nobody))
	untilEvent(t, events, zmq.EventClosed)

	l := listenRaw(t)
	check(t, push.Connect(l.endpoint()))
	l.accept().greet("PULL", 1).reset()
	for _, kind := range []zmq.EventKind{
		zmq.EventConnectDelayed, zmq.EventConnected, zmq.EventHandshakeSucceeded, zmq.EventDisconnected, zmq.EventConnectRetried, zmq.EventConnected,
	} {
		e := expectEvent(t, events, kind)
		if kind == zmq.EventDisconnected && e.Err == nil {
			t.Error("a connection was lost without a cause")
		}
	}
}

// A failed handshake says whose fault it was.
func TestEventsOfFailedHandshakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		play    func(p *rawPeer)
		kind    zmq.HandshakeKind
		says    string
		refused bool
	}{
		"gone":    {func(p *rawPeer) { p.write(greeting(1)); check(p.t, p.Conn.(*net.TCPConn).CloseWrite()) }, zmq.HandshakeNetwork, "closed", false},
		"silent":  {func(*rawPeer) {}, zmq.HandshakeNetwork, "not done within", false},
		"HTTP":    {func(p *rawPeer) { p.write([]byte("GET / HTTP/1.1\r\n\r\n")) }, zmq.HandshakeProtocol, "another protocol", false},
		"kind":    {func(p *rawPeer) { p.write(greeting(1), ready("PUB")) }, zmq.HandshakeProtocol, "does not accept", false},
		"refuses": {func(p *rawPeer) { p.write(greeting(1), wire.AppendError(nil, "no")) }, zmq.HandshakeProtocol, "no", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := make(chan zmq.Event, 10)
			cfg := zmq.Config{Events: events}
			if name == "silent" {
				cfg.HandshakeTimeout = 10 * time.Millisecond
			}
			pull := newPull(t, cfg)
			peer := dialRaw(t, bind(t, pull, wildcard))
			c.play(peer)
			peer.expectEnd()
			e := untilEvent(t, events, zmq.EventHandshakeFailed)
			checkHandshakeError(t, e.Err, c.kind, c.says)
			var failed *zmq.HandshakeError
			if errors.As(e.Err, &failed) && failed.Refused != c.refused {
				t.Errorf("Refused is %v, want %v", failed.Refused, c.refused)
			}
			if e.Peer != peer.LocalAddr().String() {
				t.Errorf("the peer is %s, want %s", e.Peer, peer.LocalAddr())
			}
		})
	}
}

// Events that nobody takes are counted and hold up nothing.
func TestEventsDropped(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pull, push := newPull(t, zmq.Config{Events: make(chan zmq.Event)}), newPush(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		send(t, push, "x")
		expect(t, pull, "x")
		eventually(t, "listening, accepted and handshake succeeded", func() bool { return pull.Stats().EventsDropped == 3 })
	})
}
