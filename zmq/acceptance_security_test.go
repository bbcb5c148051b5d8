package zmq_test

import (
	"context"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// admits checks that two sockets with these settings talk, and that peers with each of the others come to no connection.
func admits(t *testing.T, endpoint string, server, client zmq.Security, others ...zmq.Security) {
	t.Helper()
	a := open(t, zmq.NewDealer, zmq.Config{Security: server})
	at := bind(t, a, endpoint)
	for _, other := range others {
		events := make(chan zmq.Event, 100)
		stranger := open(t, zmq.NewDealer, zmq.Config{Security: other, Events: events, Linger: -1})
		check(t, stranger.Connect(at))
		send(t, stranger, "let me in")
		untilEvent(t, events, zmq.EventHandshakeFailed)
		check(t, stranger.Close())
	}
	b := open(t, zmq.NewDealer, zmq.Config{Security: client})
	check(t, b.Connect(at))
	bounce(t, b, a)
	nothing(t, a, b)
}

func TestCase_security_null(t *testing.T) {
	t.Parallel()
	on(t, "tcp ipc", func(t *testing.T, endpoint string) {
		admits(t, endpoint, nil, nil, zmq.PlainClient{Username: "admin", Password: "password"})
	})
}

func TestCase_security_plain(t *testing.T) {
	t.Parallel()
	on(t, "tcp ipc", func(t *testing.T, endpoint string) {
		server := zmq.PlainServer{Authenticator: zmq.Passwords(map[string]string{"admin": "password"})}
		admits(t, endpoint, server, zmq.PlainClient{Username: "admin", Password: "password"},
			zmq.PlainClient{Username: "wronguser", Password: "wrongpass"}, nil)
	})
}

func TestCase_security_curve(t *testing.T) {
	t.Parallel()
	on(t, "tcp ipc", func(t *testing.T, endpoint string) {
		keys, friend, stranger := must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t)
		admits(t, endpoint, zmq.CurveServer{Keys: keys, Clients: zmq.NewKeySet(friend.Public())},
			zmq.CurveClient{Keys: friend, ServerKey: keys.Public()},
			zmq.CurveClient{Keys: friend, ServerKey: stranger.Public()},
			zmq.CurveClient{Keys: stranger, ServerKey: keys.Public()},
			zmq.PlainClient{Username: "admin", Password: "password"}, nil)
	})
}

// Of the answers that ZAP has, 200 lets a peer in and all others do not.
func TestCase_security_zap(t *testing.T) {
	t.Parallel()
	on(t, "tcp ipc", func(t *testing.T, endpoint string) {
		statuses := map[string]zmq.Status{
			"200": zmq.StatusSuccess, "300": zmq.StatusTemporaryError, "400": zmq.StatusAuthenticationFailure, "500": zmq.StatusInternalError, "no status": 1,
		}
		server := zmq.PlainServer{Domain: "ZAPTEST", Authenticator: func(_ context.Context, r zmq.AuthRequest) (zmq.Decision, error) {
			if r.Domain != "ZAPTEST" || r.Mechanism != "PLAIN" || r.Password != "password" {
				t.Errorf("asked about %v", r)
			}
			return zmq.Decision{Status: statuses[r.Username]}, nil
		}}
		ask := func(username string) zmq.Security { return zmq.PlainClient{Username: username, Password: "password"} }
		admits(t, endpoint, server, ask("200"), ask("300"), ask("400"), ask("500"), ask("no status"))
	})
}
