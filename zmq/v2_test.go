package zmq_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// typesV2 are the numbers of the socket types in ZMTP 2.0 (RFC 15; the last two are of libzmq 3.2).
var typesV2 = map[string]byte{
	"PAIR": 0, "PUB": 1, "SUB": 2, "REQ": 3, "REP": 4, "DEALER": 5, "ROUTER": 6, "PULL": 7, "PUSH": 8, "XPUB": 9, "XSUB": 10,
}

// signature is what a peer of libzmq or JeroMQ begins with whose identity is empty.
var signature = []byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f")

// greetV2 does the whole handshake as a peer of ZMTP 2.0, in the steps of libzmq 3.2 or all at
// once, and returns the identity of the socket, which must be of the type kind.
func (p *rawPeer) greetV2(peerKind, identity, kind string, steps bool) string {
	p.t.Helper()
	version := []byte{1, typesV2[peerKind]}
	if steps {
		p.write(signature)
		p.read(len(signature))
		p.write(version)
		p.expect("version and socket type", 3, typesV2[kind])
		p.write(message(identity))
	} else {
		p.write(signature, version, message(identity))
		p.read(len(signature))
		p.expect("version and socket type", 3, typesV2[kind])
	}
	return p.message()
}

// openers make sockets of each type.
var openers = map[string]func(t testing.TB, cfg zmq.Config) socket{
	"PAIR":   func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewPair, cfg) },
	"PUB":    func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewPub, cfg) },
	"SUB":    func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewSub, cfg) },
	"XPUB":   func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewXPub, cfg) },
	"XSUB":   func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewXSub, cfg) },
	"REQ":    func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewReq, cfg) },
	"REP":    func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewRep, cfg) },
	"DEALER": func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewDealer, cfg) },
	"ROUTER": func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewRouter, cfg) },
	"PUSH":   func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewPush, cfg) },
	"PULL":   func(t testing.TB, cfg zmq.Config) socket { return open(t, zmq.NewPull, cfg) },
}

// longBody is a body with a long header.
var longBody = strings.Repeat("l", 300)

// exchangesV2 exchange messages with a peer of ZMTP 2.0 that has the identity "raw". They are
// strict about what the peer receives: a command would fail them.
var exchangesV2 = map[string]func(t *testing.T, s socket, p *rawPeer){
	"PUB": func(t *testing.T, s socket, p *rawPeer) {
		pub := s.(*zmq.Pub)
		p.write(message("\x01topic"))
		check(t, pub.WaitSubscribers(within(t), "topic", 1))
		send(t, pub, "other", "x")
		send(t, pub, "topic", longBody, "")
		p.receives("topic|" + longBody + "|")
		p.write(message("\x00topic"))
		eventually(t, "the subscription ends", func() bool { return pub.WaitSubscribers(ended(), "topic", 1) != nil })
	},
	"XPUB": func(t *testing.T, s socket, p *rawPeer) {
		xpub := s.(*zmq.XPub)
		p.write(message("\x01topic"))
		expect(t, xpub, "\x01topic")
		send(t, xpub, "topic", longBody)
		p.receives("topic|" + longBody)
		p.write(message("upstream", longBody))
		expect(t, xpub, "upstream|"+longBody)
		p.write(message("\x00topic"))
		expect(t, xpub, "\x00topic")
	},
	"SUB": func(t *testing.T, s socket, p *rawPeer) {
		sub := s.(*zmq.Sub)
		check(t, sub.Subscribe("topic"))
		p.receives("\x01topic")
		p.write(message("other"), message("topic", longBody))
		expect(t, sub, "topic|"+longBody)
		check(t, sub.Unsubscribe("topic"))
		p.receives("\x00topic")
	},
	"XSUB": func(t *testing.T, s socket, p *rawPeer) {
		xsub := s.(*zmq.XSub)
		check(t, xsub.Subscribe(longBody))
		p.receives("\x01" + longBody)
		p.write(message(longBody, "x"))
		expect(t, xsub, longBody+"|x")
		send(t, xsub, "upstream")
		p.receives("upstream")
	},
	"PUSH": func(t *testing.T, s socket, p *rawPeer) {
		send(t, s.(sender), "a", longBody, "")
		p.receives("a|" + longBody + "|")
	},
	"PULL": func(t *testing.T, s socket, p *rawPeer) {
		p.write(message("a", longBody, ""))
		expect(t, s.(receiver), "a|"+longBody+"|")
	},
	"REQ": func(t *testing.T, s socket, p *rawPeer) {
		send(t, s.(sender), "question", longBody)
		p.receives("|question|" + longBody)
		p.write(message("", "answer", longBody))
		expect(t, s.(receiver), "answer|"+longBody)
	},
	"REP": func(t *testing.T, s socket, p *rawPeer) {
		p.write(message("hop", "", "question", longBody))
		expect(t, s.(receiver), "question|"+longBody)
		send(t, s.(sender), "answer", longBody)
		p.receives("hop||answer|" + longBody)
	},
	"DEALER": func(t *testing.T, s socket, p *rawPeer) {
		send(t, s.(sender), "", "there", longBody)
		p.receives("|there|" + longBody)
		p.write(message("", "back", longBody))
		expect(t, s.(receiver), "|back|"+longBody)
	},
	"ROUTER": func(t *testing.T, s socket, p *rawPeer) {
		p.write(message("", "there", longBody))
		expect(t, s.(receiver), "raw||there|"+longBody)
		send(t, s.(sender), "raw", "", "back", longBody)
		p.receives("|back|" + longBody)
	},
	"PAIR": func(t *testing.T, s socket, p *rawPeer) {
		send(t, s.(sender), "there", longBody)
		p.receives("there|" + longBody)
		p.write(message("back", longBody))
		expect(t, s.(receiver), "back|"+longBody)
	},
}

// receives receives a message, which must be this one.
func (p *rawPeer) receives(want string) {
	p.t.Helper()
	if got := p.message(); got != want {
		p.t.Fatalf("the peer received %.40q, want %.40q", got, want)
	}
}

// partnersV2 are the types of ZMTP 2.0 that a socket may talk to.
var partnersV2 = map[string][]string{
	"PUB": {"SUB", "XSUB"}, "XPUB": {"SUB", "XSUB"}, "SUB": {"PUB", "XPUB"}, "XSUB": {"PUB", "XPUB"}, "PUSH": {"PULL"}, "PULL": {"PUSH"},
	"REQ": {"REP", "ROUTER"}, "REP": {"REQ", "DEALER"}, "DEALER": {"REP", "DEALER", "ROUTER"}, "ROUTER": {"REQ", "DEALER", "ROUTER"}, "PAIR": {"PAIR"},
}

// Peers of ZMTP 2.0 are served by each type of socket, whoever connects, over tcp and ipc.
// Heartbeats do not concern them.
func TestV2(t *testing.T) {
	t.Parallel()
	for kind, partners := range partnersV2 {
		for _, peerKind := range partners {
			for _, endpoint := range []string{wildcard, "ipc://*"} {
				for _, binds := range []bool{true, false} {
					for _, steps := range []bool{true, false} {
						t.Run(fmt.Sprintf("%s, %s, %s, binds %t, steps %t", kind, peerKind, endpoint[:3], binds, steps), func(t *testing.T) {
							t.Parallel()
							cfg := quick
							cfg.HeartbeatInterval, cfg.HeartbeatTTL = 2*time.Millisecond, time.Second
							cfg.Identity = []byte("go")
							s := openers[kind](t, cfg)
							var peer *rawPeer
							if binds {
								peer = dialPeer(t, bind(t, s, endpoint))
							} else {
								l, at := listenPeer(t, endpoint)
								check(t, s.Connect(at))
								peer = l.accept()
							}
							want := ""
							if kind == "REQ" || kind == "DEALER" || kind == "ROUTER" {
								want = "go"
							}
							if got := peer.greetV2(peerKind, "raw", kind, steps); got != want {
								t.Errorf("identity %q, want %q", got, want)
							}
							check(t, s.WaitPeers(within(t), 1))
							exchangesV2[kind](t, s, peer)
							check(t, peer.Close())
							peers(t, s, 0)
						})
					}
				}
			}
		}
	}
}

// A peer of ZMTP 2.0 is told apart by its version alone: it may come back as one of 3.1, and the
// other way round.
func TestV2AndLaterByTurns(t *testing.T) {
	t.Parallel()
	l := listenRaw(t)
	sub := open(t, zmq.NewSub, quick)
	check(t, sub.Subscribe("a"))
	check(t, sub.Connect(l.endpoint()))
	for range 3 {
		old := l.accept()
		old.greetV2("PUB", "", "SUB", true)
		old.receives("\x01a")
		old.write(message("a", "old"))
		expect(t, sub, "a|old")
		check(t, old.Close())
		later := l.accept().greet("PUB", 1)
		if name, topic := later.command(); name != "SUBSCRIBE" || string(topic) != "a" {
			t.Errorf("received %s %q", name, topic)
		}
		later.write(message("a", "new"))
		expect(t, sub, "a|new")
		check(t, later.Close())
	}
}

// What a peer of ZMTP 2.0 must not send, and what it does not fit, ends its connection with the
// reason.
func TestV2Refused(t *testing.T) {
	t.Parallel()
	keys := must(zmq.GenerateKeyPair())(t)
	greeting := func(kind byte) []byte { return append(append([]byte(nil), signature...), 1, kind, 0, 0) }
	for name, c := range map[string]struct {
		security zmq.Security
		sends    []byte
		kind     zmq.HandshakeKind
		says     string
	}{
		"PLAIN":           {zmq.PlainServer{Authenticator: zmq.AllowAny}, greeting(8), zmq.HandshakeProtocol, `ZMTP 2.0, which has no security, and our security mechanism is "PLAIN"`},
		"CURVE":           {zmq.CurveFleet{Keys: keys}, greeting(8), zmq.HandshakeProtocol, `ZMTP 2.0, which has no security, and our security mechanism is "CURVE"`},
		"NULL, asked":     {zmq.NullServer{Authenticator: zmq.Passwords(nil)}, greeting(8), zmq.HandshakeAuthentication, "authentication failed (400)"},
		"wrong type":      {nil, greeting(7), zmq.HandshakeProtocol, `socket type PULL does not accept a peer of type "PULL"`},
		"unknown type":    {nil, greeting(11), zmq.HandshakeProtocol, "unknown number 11"},
		"ZMTP 1.0":        {nil, []byte("\x01\x00"), zmq.HandshakeProtocol, "peer speaks ZMTP 1.0 (libzmq 2)"},
		"ZMTP 1.0, later": {nil, append(append([]byte(nil), signature...), 0), zmq.HandshakeProtocol, "too old: 1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := make(chan zmq.Event, 100)
			pull := newPull(t, zmq.Config{Security: c.security, Events: events})
			peer := dialRaw(t, bind(t, pull, wildcard))
			peer.write(c.sends)
			said := string(must(io.ReadAll(peer))(t))
			if strings.Contains(said, "ERROR") || strings.Contains(said, "NULL") {
				t.Errorf("received %q, which a peer of ZMTP 2.0 does not understand", said)
			}
			checkHandshakeError(t, untilEvent(t, events, zmq.EventHandshakeFailed).Err, c.kind, c.says)
		})
	}
}

// A ROUTER refuses a peer of ZMTP 2.0 whose identity is in use, and a command ends the connection.
func TestV2PeerMisbehaves(t *testing.T) {
	t.Parallel()
	events := make(chan zmq.Event, 100)
	router := open(t, zmq.NewRouter, zmq.Config{Events: events})
	at := bind(t, router, wildcard)
	first, second := dialRaw(t, at), dialRaw(t, at)
	first.greetV2("DEALER", "raw", "ROUTER", true)
	check(t, router.WaitPeers(within(t), 1))
	second.greetV2("DEALER", "raw", "ROUTER", true)
	second.expectEnd()
	checkHandshakeError(t, untilEvent(t, events, zmq.EventHandshakeFailed).Err, zmq.HandshakeProtocol, `another peer has the routing id: "raw"`)
	exchangesV2["ROUTER"](t, router, first)
	first.write([]byte("\x04\x07\x04PING\x00\x00"))
	first.expectEnd()
	if e := untilEvent(t, events, zmq.EventDisconnected); e.Err == nil || !strings.Contains(e.Err.Error(), "peer of ZMTP 2.0 sent a command") {
		t.Errorf("disconnected because of %v", e.Err)
	}
}

// Limits end a connection of either version without a word to the peer: the user is told, by an
// event that is ErrLimit.
func TestLimitsAreTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind, peerKind string
		cfg            zmq.Config
		sends          []byte
		want           error
	}{
		"message": {"PULL", "PUSH", zmq.Config{MaxMessageSize: 100}, message(longBody), zmq.ErrMessageTooLarge},
		"subscriptions": {
			"PUB", "SUB",
			zmq.Config{MaxSubscriptionBytes: 1000},
			append(append(message("\x01"+longBody), message("\x01a"+longBody)...), message("\x01b"+longBody)...), zmq.ErrTooManySubscriptions,
		},
		"frame": {"PUSH", "PULL", zmq.Config{MaxSubscriptionBytes: 100}, message(longBody), zmq.ErrTooManySubscriptions},
	} {
		for version, greet := range map[string]func(p *rawPeer){
			"3.1": func(p *rawPeer) { p.greet(c.peerKind, 1) },
			"2.0": func(p *rawPeer) { p.greetV2(c.peerKind, "", c.kind, true) },
		} {
			t.Run(name+", "+version, func(t *testing.T) {
				t.Parallel()
				events := make(chan zmq.Event, 100)
				cfg := c.cfg
				cfg.Events = events
				s := openers[c.kind](t, cfg)
				peer := dialRaw(t, bind(t, s, wildcard))
				greet(peer)
				peer.write(c.sends)
				if said, _ := io.ReadAll(peer); len(said) > 0 { // a reset says no more than the end
					t.Errorf("the peer was told %q", said)
				}
				e := untilEvent(t, events, zmq.EventDisconnected)
				if !errors.Is(e.Err, c.want) || !errors.Is(e.Err, zmq.ErrLimit) || errors.Is(zmq.ErrClosed, zmq.ErrLimit) {
					t.Errorf("the event tells %v, want %v", e.Err, c.want)
				}
				if n := s.Stats().PeersOverLimit; n != 1 {
					t.Errorf("%d connections ended by a limit, want 1", n)
				}
			})
		}
	}
}

// A peer of ZMTP 2.0 gets no PING, while a later one that came after it does.
func TestV2GetsNoPing(t *testing.T) {
	t.Parallel()
	cfg := zmq.Config{HeartbeatInterval: 5 * time.Millisecond, HeartbeatTimeout: time.Minute}
	pull := newPull(t, cfg)
	at := bind(t, pull, wildcard)
	old := dialRaw(t, at)
	old.greetV2("PUSH", "", "PULL", true)
	check(t, pull.WaitPeers(within(t), 1))
	later := dialRaw(t, at).greet("PUSH", 1)
	for range 3 {
		if name, _ := later.command(); name != "PING" {
			t.Fatalf("received %s, want PING", name)
		}
		later.write(wire.AppendPong(nil, nil))
	}
	check(t, pull.Close())
	if said := must(io.ReadAll(old))(t); len(said) > 0 {
		t.Errorf("a peer of ZMTP 2.0 was sent %q", said)
	}
}
