package mechanism_test

import (
	"errors"
	"net"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// session does the handshake of two ends over TCP. The one that accepts is at, the one
// that dials from.
func session(t *testing.T, at, from mechanism.Security) (accepted, dialed *zmtp.Peer, atErr, fromErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			atErr = err
			return
		}
		defer conn.Close()
		accepted, atErr = zmtp.Handshake(t.Context(), conn, true, zmtp.Config{SocketType: "PULL", Timeout: patience, NewMechanism: newMechanism(t, at)})
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	dialed, fromErr = zmtp.Handshake(t.Context(), conn, false, zmtp.Config{SocketType: "PUSH", Timeout: patience, NewMechanism: newMechanism(t, from)})
	<-ended
	return accepted, dialed, atErr, fromErr
}

// newMechanism is the factory of these settings; nil, which is NULL, for none.
func newMechanism(t *testing.T, s mechanism.Security) func(mechanism.Params) mechanism.Mechanism {
	t.Helper()
	if s == nil {
		return nil
	}
	return factory(t, s)
}

// TestSessions shows that the roles follow from the settings and not from who dials.
func TestSessions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		server, client mechanism.Security
		user           string
	}{
		"NULL":  {mechanism.NullServer{Authenticator: mechanism.AllowAny}, nil, ""},
		"PLAIN": {camera, mechanism.PlainClient{Username: "camera", Password: "sesame"}, "camera"},
		"CURVE": {ourServer(t), ourClient(t), clientPublic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client, atErr, fromErr := session(t, tt.server, tt.client)
			if atErr != nil || fromErr != nil {
				t.Fatal(atErr, fromErr)
			}
			checkSession(t, server, client, "PUSH", tt.user)

			client, server, atErr, fromErr = session(t, tt.client, tt.server)
			if atErr != nil || fromErr != nil {
				t.Fatal(atErr, fromErr)
			}
			checkSession(t, server, client, "PULL", tt.user)
		})
	}
}

// checkSession looks at what a server has found a client of this type to be, and sends
// a frame.
func checkSession(t *testing.T, server, client *zmtp.Peer, clientType, user string) {
	t.Helper()
	if server.SocketType != clientType || server.User.ID != user || client.User.ID != "" {
		t.Errorf("server met %+v, client met %+v", server, client)
	}
	if (server.Sealer == nil) != (client.Sealer == nil) {
		t.Fatal("one end seals")
	}
	if client.Sealer == nil {
		return
	}
	flags, plain, err := opened(t, server.Sealer, 0, sealed(t, client.Sealer, wire.FlagMore, []byte("hello")))
	if err != nil || flags != wire.FlagMore || string(plain) != "hello" {
		t.Errorf("%d, %q, %v", flags, plain, err)
	}
}

// TestDowngrade lets ends meet that are not secured the same way: no connection may
// come about.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	plainClient := mechanism.PlainClient{Username: "camera", Password: "sesame"}
	for name, tt := range map[string]struct{ at, from mechanism.Security }{
		"CURVE server, NULL client":  {ourServer(t), nil},
		"NULL server, CURVE client":  {nil, ourClient(t)},
		"CURVE server, PLAIN client": {ourServer(t), plainClient},
		"PLAIN server, CURVE client": {camera, ourClient(t)},
		"PLAIN server, NULL client":  {camera, nil},
		"NULL server, PLAIN client":  {nil, plainClient},
		"two CURVE clients":          {ourClient(t), ourClient(t)},
		"two PLAIN clients":          {plainClient, plainClient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			accepted, dialed, atErr, fromErr := session(t, tt.at, tt.from)
			for end, err := range map[string]error{"accepting": atErr, "dialing": fromErr} {
				var failed *zmtp.HandshakeError
				if !errors.As(err, &failed) || failed.Kind == zmtp.KindAuthentication {
					t.Errorf("%s end: %v", end, err)
				}
			}
			if accepted != nil || dialed != nil {
				t.Errorf("met %+v and %+v", accepted, dialed)
			}
		})
	}
}
