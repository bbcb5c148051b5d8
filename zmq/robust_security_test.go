package zmq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// isRefused waits for a handshake that fails, and checks its kind and whether the peer said that it refuses.
func isRefused(t *testing.T, events <-chan zmq.Event, kind zmq.HandshakeKind, byPeer bool) {
	t.Helper()
	e := untilEvent(t, events, zmq.EventHandshakeFailed)
	checkHandshakeError(t, e.Err, kind, "")
	var failed *zmq.HandshakeError
	if errors.As(e.Err, &failed) && failed.Refused != byPeer {
		t.Errorf("%v: refused by the peer: %v, want %v", e.Err, failed.Refused, byPeer)
	}
	if authentication := kind == zmq.HandshakeAuthentication; errors.Is(e.Err, zmq.ErrAuthentication) != authentication {
		t.Errorf("%v: is ErrAuthentication: %v", e.Err, !authentication)
	}
}

// Peers whose credentials or mechanism do not fit come to no connection, whoever of the two binds, and both are told why.
func TestRefused(t *testing.T) {
	t.Parallel()
	keys, friend, stranger := must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t)
	curve := zmq.CurveServer{Keys: keys, Clients: zmq.NewKeySet(friend.Public())}
	plain := zmq.PlainServer{Authenticator: zmq.Passwords(map[string]string{"a": "b"})}
	const (
		network        = zmq.HandshakeNetwork
		protocol       = zmq.HandshakeProtocol
		authentication = zmq.HandshakeAuthentication
	)
	for name, c := range map[string]struct {
		server, client         zmq.Security
		serverKind, clientKind zmq.HandshakeKind
		told                   bool // the client, by ERROR
	}{
		"CURVE, wrong server key":   {curve, zmq.CurveClient{Keys: friend, ServerKey: stranger.Public()}, authentication, network, false},
		"CURVE, unknown client key": {curve, zmq.CurveClient{Keys: stranger, ServerKey: keys.Public()}, authentication, authentication, true},
		"CURVE, nobody is known":    {zmq.CurveServer{Keys: keys, Clients: zmq.NewKeySet()}, zmq.CurveClient{Keys: friend, ServerKey: keys.Public()}, authentication, authentication, true},
		"CURVE and NULL":            {curve, nil, protocol, protocol, false},
		"CURVE and PLAIN":           {curve, zmq.PlainClient{Username: "a", Password: "b"}, protocol, protocol, false},
		"PLAIN and NULL":            {plain, nil, protocol, protocol, false},
		"PLAIN and CURVE":           {plain, zmq.CurveClient{Keys: friend, ServerKey: keys.Public()}, protocol, protocol, false},
		"NULL and PLAIN":            {nil, zmq.PlainClient{Username: "a", Password: "b"}, protocol, protocol, false},
		"NULL and CURVE":            {nil, zmq.CurveClient{Keys: friend, ServerKey: keys.Public()}, protocol, protocol, false},
		"PLAIN, wrong password":     {plain, zmq.PlainClient{Username: "a", Password: "x"}, authentication, authentication, true},
		"PLAIN, unknown user":       {plain, zmq.PlainClient{Username: "x", Password: "b"}, authentication, authentication, true},
		"PLAIN, empty":              {plain, zmq.PlainClient{}, authentication, authentication, true},
		"NULL, refused":             {zmq.NullServer{Authenticator: zmq.Passwords(nil)}, nil, authentication, authentication, true},
	} {
		for _, serverBinds := range []bool{true, false} {
			if strings.HasPrefix(name, "NULL, ") && !serverBinds {
				continue // NULL asks about those who connect
			}
			t.Run(name+map[bool]string{true: ", server binds", false: ", client binds"}[serverBinds], func(t *testing.T) {
				t.Parallel()
				serverEvents, clientEvents := make(chan zmq.Event, 100), make(chan zmq.Event, 100)
				server := newPull(t, zmq.Config{Security: c.server, Events: serverEvents})
				client := newPush(t, zmq.Config{Security: c.client, Events: clientEvents, Linger: -1})
				bound, connected := socket(server), socket(client)
				if !serverBinds {
					bound, connected = client, server
				}
				check(t, connected.Connect(bind(t, bound, wildcard)))
				isRefused(t, serverEvents, c.serverKind, false)
				isRefused(t, clientEvents, c.clientKind, c.told)
				if n := server.Stats().Peers + client.Stats().Peers; n != 0 {
					t.Errorf("%d peers", n)
				}
			})
		}
	}
}

// Somebody in between who makes both ends believe that the other has no security gets nothing from either.
func TestDowngradeInBetween(t *testing.T) {
	t.Parallel()
	for name, sec := range securities(t) {
		for _, to := range []string{"NULL", "PLAIN", "CURVE"} {
			if name == to {
				continue
			}
			t.Run(name+" to "+to, func(t *testing.T) {
				t.Parallel()
				serverEvents, clientEvents := make(chan zmq.Event, 100), make(chan zmq.Event, 100)
				pull := newPull(t, zmq.Config{Security: sec.server, Events: serverEvents})
				push := newPush(t, zmq.Config{Security: sec.client, Events: clientEvents, Linger: -1})
				var leaked atomic.Int64 // frames
				check(t, push.Connect(newMeddler(t, bind(t, pull, wildcard), func(_ bool, n int, thing []byte) []byte {
					if n == 0 {
						return wire.AppendGreeting(nil, wire.Greeting{Major: 3, Minor: 1, Mechanism: to})
					}
					leaked.Add(1)
					return thing
				})))
				send(t, push, "secret")
				isRefused(t, serverEvents, zmq.HandshakeProtocol, false)
				isRefused(t, clientEvents, zmq.HandshakeProtocol, false)
				if leaked.Load() > 0 {
					t.Error("something was said after the greeting")
				}
				if q := push.Stats().Queued; q != 1 {
					t.Errorf("%d messages wait, want the one", q)
				}
			})
		}
	}
}

// What is repeated, changed or swapped on the way of a connection with CURVE ends it, in either direction, and nothing of it
// reaches the user. The sockets find together again.
func TestMeddling(t *testing.T) {
	t.Parallel()
	flip := func(at func(size int) int) func([]byte) []byte {
		return func(frame []byte) []byte {
			frame = bytes.Clone(frame)
			frame[at(len(frame))] ^= 1
			return frame
		}
	}
	for name, attack := range map[string]struct {
		change func(frame []byte) []byte
		says   string
		passes bool // the message itself arrives
	}{
		"replayed":        {func(frame []byte) []byte { return append(bytes.Clone(frame), frame...) }, "replayed", true},
		"nonce changed":   {flip(func(int) int { return 2 + 8 + 6 }), "changed", false},
		"box changed":     {flip(func(size int) int { return size - 1 }), "changed", false},
		"tag changed":     {flip(func(int) int { return 2 + 16 }), "changed", false},
		"name changed":    {flip(func(int) int { return 4 }), "no MESSAGE", false},
		"in the clear":    {func([]byte) []byte { return message("message") }, "no MESSAGE", false},
		"a clear command": {func([]byte) []byte { return wire.AppendPing(nil, 0, nil) }, "no MESSAGE", false},
	} {
		for _, up := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", to the server", false: ", to the client"}[up], func(t *testing.T) {
				t.Parallel()
				meddling(t, up, attack.change, attack.says, attack.passes)
			})
		}
	}
}

// handshakeThings is how many things the client and the server of CURVE say before their first MESSAGE.
const handshakeThings = 3

// meddling attacks the first message, which goes up to the server that is bound or down to the client.
func meddling(t *testing.T, up bool, attack func(frame []byte) []byte, says string, passes bool) {
	sec := securities(t)["CURVE"]
	events := make(chan zmq.Event, 100)
	in, out := sec.server, sec.client
	if !up {
		in, out = out, in
	}
	cfg := quick
	cfg.Security, cfg.Events = in, events
	pull := newPull(t, cfg)
	cfg.Security, cfg.Events = out, nil
	push := newPush(t, cfg)
	bound, connected := socket(pull), socket(push)
	if !up {
		bound, connected = push, pull
	}
	var attacked atomic.Bool
	check(t, connected.Connect(newMeddler(t, bind(t, bound, wildcard), func(dir bool, n int, thing []byte) []byte {
		if dir == up && n == handshakeThings && attacked.CompareAndSwap(false, true) {
			return attack(thing)
		}
		return thing
	})))
	check(t, connected.WaitPeers(within(t), 1))
	send(t, push, "message")
	if passes {
		expect(t, pull, "message")
	}
	e := untilEvent(t, events, zmq.EventDisconnected)
	if e.Err == nil || !strings.Contains(e.Err.Error(), says) {
		t.Errorf("disconnected because of %v, want %q", e.Err, says)
	}
	sendUntilReceivedOnly(t, push, pull, "next")
}

// sendUntilReceivedOnly sends a message until it arrives, and fails when something else does.
func sendUntilReceivedOnly(t *testing.T, s sender, r receiver, want string) {
	t.Helper()
	for {
		send(t, s, want)
		ctx, cancel := context.WithTimeout(within(t), 50*time.Millisecond)
		m, err := r.Recv(ctx)
		cancel()
		if err != nil {
			continue // lost with the connection before
		}
		if got := text(m); got != want {
			t.Fatalf("received %q, want %q", got, want)
		}
		return
	}
}

// Whatever somebody has recorded of one connection, all that a client has said included, is worth nothing in another.
func TestReplayOfAnotherConnection(t *testing.T) {
	t.Parallel()
	sec := securities(t)["CURVE"]
	events := make(chan zmq.Event, 100)
	pull := newPull(t, zmq.Config{Security: sec.server, Events: events})
	push := newPush(t, zmq.Config{Security: sec.client, Linger: -1})
	at := bind(t, pull, wildcard)
	recorded := make(chan []byte, 100)
	check(t, push.Connect(newMeddler(t, at, func(up bool, _ int, thing []byte) []byte {
		if up {
			recorded <- bytes.Clone(thing)
		}
		return thing
	})))
	send(t, push, "once")
	expect(t, pull, "once")
	untilEvent(t, events, zmq.EventHandshakeSucceeded)

	replay := dialRaw(t, at)
	for range handshakeThings + 1 {
		replay.write(await(t, "what was said", recorded))
	}
	replay.expectEnd()
	e := untilEvent(t, events, zmq.EventHandshakeFailed)
	checkHandshakeError(t, e.Err, zmq.HandshakeProtocol, "not of this connection")
	send(t, push, "twice")
	expect(t, pull, "twice")
}

// Keys may come and go while the socket runs. The connection of a key that is removed ends, and the peer is refused when it
// comes back. What had come from it is received.
func TestKeySetChanges(t *testing.T) {
	t.Parallel()
	keys, client := must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t)
	allowed := zmq.NewKeySet()
	events, ends := make(chan zmq.Event, 1000), make(chan zmq.Event, 1000)
	pull := newPull(t, zmq.Config{Security: zmq.CurveServer{Keys: keys, Clients: allowed}, Events: ends})
	cfg := quick
	cfg.Security, cfg.Events, cfg.Linger = zmq.CurveClient{Keys: client, ServerKey: keys.Public()}, events, -1
	push := newPush(t, cfg)
	at := bind(t, pull, wildcard)
	check(t, push.Connect(at))
	isRefused(t, events, zmq.HandshakeAuthentication, true)
	allowed.Add(client.Public())
	for i, remove := range []func(){
		func() { allowed.Remove(client.Public()) },
		func() { allowed.Replace() },
		func() { allowed.Replace(keys.Public()) },
	} {
		send(t, push, "let in") // by the next try
		untilEvent(t, events, zmq.EventHandshakeSucceeded)
		eventually(t, "the message has come", func() bool { return push.Stats().Queued == 0 && pull.Stats().Peers == 1 })
		if i == 0 { // nothing that concerns others ends the connection
			allowed.Remove(keys.Public())
			allowed.Add(client.Public(), keys.Public())
			allowed.Replace(client.Public())
		}
		expect(t, pull, "let in")
		remove()
		if e := untilEvent(t, ends, zmq.EventDisconnected); !errors.Is(e.Err, zmq.ErrKeyRemoved) {
			t.Errorf("ended by %v", e.Err)
		}
		untilEvent(t, events, zmq.EventDisconnected)
		isRefused(t, events, zmq.HandshakeAuthentication, true)
		allowed.Replace(client.Public())
	}
	send(t, push, "let in again")
	expect(t, pull, "let in again")
}

// A removed key ends the connections of every socket that uses the set, whichever end binds, in the middle of a message, while
// a receive queue is full, and while a receiver reads for itself. Those of other keys go on.
func TestKeyIsRevokedEverywhere(t *testing.T) {
	t.Parallel()
	keys, bad, good := must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t)
	allowed := zmq.NewKeySet(bad.Public(), good.Public())
	server := zmq.CurveServer{Keys: keys, Clients: allowed}
	client := func(pair zmq.KeyPair) zmq.Security { return zmq.CurveClient{Keys: pair, ServerKey: keys.Public()} }
	ends := make(chan zmq.Event, 1000)
	cfg := zmq.Config{Security: server, RecvHWM: 2, Events: ends}

	var revoked []*zmq.Push
	for range 3 { // those whose messages nobody receives
		full := newPull(t, cfg)
		at := bind(t, full, wildcard)
		push := newPush(t, zmq.Config{Security: client(bad), SendHWM: 5, Linger: -1})
		check(t, push.Connect(at))
		fill(t, push)
		revoked = append(revoked, push)
	}
	pull := newPull(t, cfg)
	at := bind(t, pull, wildcard)
	half := newSpeaker(dialRaw(t, at), "PUSH", client(bad), false).finish()
	half.write(half.seal(nil, 0, make([]byte, 1<<20))[:1000])
	friend := newPush(t, zmq.Config{Security: client(good)})
	check(t, friend.Connect(at))
	connecting := newPull(t, cfg) // as the server of CURVE
	reading := inBackground(func() error {
		m, err := connecting.Recv(within(t))
		m.Release()
		return err
	})
	bound := newPush(t, zmq.Config{Security: client(bad), Linger: -1})
	check(t, connecting.Connect(bind(t, bound, wildcard)))
	check(t, bound.WaitPeers(within(t), 1))
	revoked = append(revoked, bound)
	check(t, pull.WaitPeers(within(t), 2))

	allowed.Remove(bad.Public())
	for range len(revoked) + 1 {
		if e := untilEvent(t, ends, zmq.EventDisconnected); !errors.Is(e.Err, zmq.ErrKeyRemoved) {
			t.Errorf("ended by %v", e.Err)
		}
	}
	half.expectEnd()
	for _, push := range revoked {
		eventually(t, "the peer has gone", func() bool { return push.Stats().Peers == 0 })
	}
	send(t, friend, "still here")
	expect(t, pull, "still here")
	check(t, connecting.Close())
	isClosed(t, await(t, "the receiver", reading))
}

// exhausted is the security of a socket whose nonces run out after so many frames of each connection.
type exhausted struct {
	zmq.Security
	frames int
}

// Factory makes mechanisms with such a sealer.
func (e exhausted) Factory() (func(mechanism.Params) mechanism.Mechanism, error) {
	factory, err := e.Security.Factory()
	return func(params mechanism.Params) mechanism.Mechanism {
		return &exhaustedMechanism{factory(params).(mechanism.Explainer), e.frames}
	}, err
}

type exhaustedMechanism struct {
	mechanism.Explainer
	frames int
}

// Sealer returns a sealer that fails as that of CURVE does after its last nonce.
func (m *exhaustedMechanism) Sealer() mechanism.Sealer {
	return &exhaustedSealer{m.Explainer.Sealer(), m.frames}
}

type exhaustedSealer struct {
	mechanism.Sealer
	left int
}

var errNoNonces = errors.New("no nonces are left")

// Seal fails after the last frame.
func (s *exhaustedSealer) Seal(dst []byte, flags byte, body []byte) ([]byte, error) {
	if s.left == 0 {
		return nil, errNoNonces
	}
	s.left--
	return s.Sealer.Seal(dst, flags, body)
}

// A connection whose nonces are used up ends, also between the frames of a message, and the next one goes on: nothing is lost,
// and nothing comes twice.
func TestConnectionWithoutNonces(t *testing.T) {
	t.Parallel()
	const messages, frames = 50, 7
	keys, client := must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t)
	events := make(chan zmq.Event, 1000)
	pull := newPull(t, zmq.Config{Security: zmq.CurveServer{Keys: keys, Clients: zmq.NewKeySet(client.Public())}})
	cfg := quick
	cfg.Security, cfg.Events = exhausted{zmq.CurveClient{Keys: client, ServerKey: keys.Public()}, frames}, events
	push := newPush(t, cfg)
	check(t, push.Connect(bind(t, pull, wildcard)))
	for i := range messages {
		send(t, push, fmt.Sprint(i), "", "the end")
	}
	for i := range messages {
		expect(t, pull, fmt.Sprintf("%d||the end", i))
	}
	for range messages * 3 / frames {
		if e := untilEvent(t, events, zmq.EventDisconnected); !errors.Is(e.Err, errNoNonces) {
			t.Errorf("ended by %v", e.Err)
		}
	}
}

// Who was told that it is refused does not come back at once, whatever its interval. Who was told nothing, because the refusal
// may be a matter of the moment, does.
func TestRetriesOfTheRefused(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]zmq.Status{
		"refused":   zmq.StatusAuthenticationFailure,
		"error":     zmq.StatusInternalError,
		"temporary": zmq.StatusTemporaryError,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const tries = 3
			asked := make(chan time.Time, 100)
			decide := func(context.Context, zmq.AuthRequest) (zmq.Decision, error) {
				asked <- time.Now()
				if len(asked) > tries {
					return zmq.Accept("late"), nil
				}
				return zmq.Decision{Status: status}, nil
			}
			cfg := quick
			cfg.Security = zmq.PlainClient{Username: "a", Password: "b"}
			pull, push := newPull(t, zmq.Config{Security: zmq.PlainServer{Authenticator: decide}}), newPush(t, cfg)
			check(t, push.Connect(bind(t, pull, wildcard)))
			send(t, push, "in the end")
			expect(t, pull, "in the end")
			var waits []time.Duration
			for last, n := <-asked, 0; n < tries; n++ {
				next := <-asked
				waits = append(waits, next.Sub(last))
				last = next
			}
			const refusedWait = time.Second / 2 // at least, with all its chance
			if quickest := slices.Min(waits); (quickest >= refusedWait) != (status != zmq.StatusTemporaryError) {
				t.Errorf("came back after %v", waits)
			}
		})
	}
}

// An Authenticator is given what a handler of ZAP is.
func TestAuthenticatorRequest(t *testing.T) {
	t.Parallel()
	keys, clientKeys := must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t)
	const domain = "factory"
	for name, c := range map[string]struct {
		server func(zmq.Authenticator) zmq.Security
		client zmq.Security
		want   zmq.AuthRequest
	}{
		"NULL": {
			func(a zmq.Authenticator) zmq.Security { return zmq.NullServer{Authenticator: a, Domain: domain} }, nil,
			zmq.AuthRequest{Mechanism: "NULL", Identity: []byte("me")},
		},
		"PLAIN": {
			func(a zmq.Authenticator) zmq.Security { return zmq.PlainServer{Authenticator: a, Domain: domain} },
			zmq.PlainClient{Username: "a", Password: "b"},
			zmq.AuthRequest{Mechanism: "PLAIN", Username: "a", Password: "b"},
		},
		"CURVE": {
			func(a zmq.Authenticator) zmq.Security {
				return zmq.CurveServer{Keys: keys, Authenticator: a, Domain: domain}
			},
			zmq.CurveClient{Keys: clientKeys, ServerKey: keys.Public()},
			zmq.AuthRequest{Mechanism: "CURVE", Identity: []byte("me"), PublicKey: clientKeys.Public()},
		},
	} {
		for carrier, address := range map[string]string{"tcp": "127.0.0.1", "ipc": ""} {
			t.Run(name+"/"+carrier, func(t *testing.T) {
				t.Parallel()
				asked := make(chan zmq.AuthRequest, 10)
				router := must(zmq.NewRouter(zmq.Config{Security: c.server(func(_ context.Context, r zmq.AuthRequest) (zmq.Decision, error) {
					asked <- r
					return zmq.Accept(""), nil
				})}))(t)
				closing(t, router)
				dealer := must(zmq.NewDealer(zmq.Config{Security: c.client, Identity: []byte("me")}))(t)
				closing(t, dealer)
				check(t, dealer.Connect(bind(t, router, endpoints(t)[carrier])))
				send(t, dealer, "hello")
				expect(t, router, "me|hello")
				got, want := await(t, "the question", asked), c.want
				want.Domain, want.Address = domain, address
				if carrier == "ipc" {
					want.Address = got.Address // the system's name for a client's end, which has none
				}
				if got.Domain != want.Domain || got.Address != want.Address || got.Mechanism != want.Mechanism || string(got.Identity) != string(want.Identity) ||
					got.Username != want.Username || got.Password != want.Password || got.PublicKey != want.PublicKey {
					t.Errorf("asked about %+v, want %+v", got, want)
				}
				if len(asked) > 0 {
					t.Error("asked again")
				}
			})
		}
	}
}
