package mechanism_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

func ExamplePasswords() {
	server := mechanism.PlainServer{Authenticator: mechanism.Passwords(map[string]string{"camera": "sesame"})}
	newServer, err := server.Factory()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, password := range []string{"barley", "sesame"} {
		m := newServer(mechanism.Params{Server: true, Peer: "192.0.2.7:40001"})
		reply, _, err := m.Handle(context.Background(), []byte("\x05HELLO\x06camera\x06"+password))
		fmt.Printf("%s: %q, %v\n", password, reply, err)
	}
	// Output:
	// barley: "\x04\n\x05ERROR\x03400", refused PLAIN peer at 192.0.2.7 as "camera": authentication failed (400): wrong username or password
	// sesame: "\x04\b\aWELCOME", <nil>
}

// camera is a server that knows one user.
var camera = mechanism.PlainServer{Authenticator: mechanism.Passwords(map[string]string{"camera": "sesame"})}

func plain(t testing.TB, username, password string) mechanism.Mechanism {
	t.Helper()
	return factory(t, mechanism.PlainClient{Username: username, Password: password})(clientParams)
}

func TestPlain(t *testing.T) {
	t.Parallel()
	client, server := plain(t, "camera", "sesame"), factory(t, camera)(serverParams)
	if client.Name() != "PLAIN" || server.Name() != "PLAIN" || client.AsServer() || !server.AsServer() || server.Start() != nil {
		t.Error("the ends do not announce themselves as PLAIN has it")
	}
	o := agree(t, client, server)
	want := [][]byte{
		[]byte("\x05HELLO\x06camera\x06sesame"),
		[]byte("\x07WELCOME"),
		command("INITIATE", clientParams.Metadata),
		command("READY", serverParams.Metadata),
	}
	if !slices.EqualFunc(o.said, want, slices.Equal) {
		t.Errorf("said %q, want %q", o.said, want)
	}
	if property(server, "socket-type") != "DEALER" || property(server, "identity") != "me" || property(client, "socket-type") != "ROUTER" {
		t.Errorf("server knows %v, client knows %v", server.Metadata(), client.Metadata())
	}
	if client.Sealer() != nil || server.Sealer() != nil {
		t.Error("PLAIN seals")
	}
	if user(server).ID != "camera" {
		t.Errorf("user %+v", user(server))
	}
}

func TestPlainRefusesWrongCredentials(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 255)
	for _, tt := range []struct{ username, password string }{
		{"camera", ""},
		{"camera", "sesam"},
		{"camera", "sesame2"},
		{"camera", "Sesame"},
		{"", ""},
		{"", "sesame"},
		{"nobody", "sesame"},
		{"nobody", ""},
		{"camera\x00", "sesame"},
		{long, long},
	} {
		client, server := plain(t, tt.username, tt.password), factory(t, camera)(serverParams)
		o := shake(t, client, server)
		checkRefused(t, o, "400")
		if len(o.said) != 2 || server.Metadata() != nil || user(server).ID != "" {
			t.Errorf("%q, %q: said %q, server knows %v", tt.username, tt.password, o.said, server.Metadata())
		}
	}
}

// checkRefused finds out that the server has refused the client with this status, and
// that both ends take it for what it is.
func checkRefused(t *testing.T, o outcome, status string) {
	t.Helper()
	var refused *mechanism.RefusedError
	if o.serverDone || !errors.As(o.server, &refused) || fmt.Sprint(int(refused.Status)) != status || !errors.Is(o.server, mechanism.ErrAuthentication) {
		t.Errorf("server: done %t, %v; want status %s", o.serverDone, o.server, status)
	}
	var peer *mechanism.PeerError
	if o.clientDone || !errors.As(o.client, &peer) || peer.Reason != status || !errors.Is(o.client, mechanism.ErrAuthentication) {
		t.Errorf("client: done %t, %v; want status %s", o.clientDone, o.client, status)
	}
}

func TestPlainLongestCredentials(t *testing.T) {
	t.Parallel()
	name, password := strings.Repeat("n", 255), strings.Repeat("p", 255)
	agree(t, plain(t, name, password), factory(t, mechanism.PlainServer{
		Authenticator: mechanism.Passwords(map[string]string{name: password}),
	})(serverParams))
}

func TestPlainSettings(t *testing.T) {
	t.Parallel()
	for field, s := range map[string]mechanism.Security{
		"PlainClient.Username":      mechanism.PlainClient{Username: strings.Repeat("x", 256)},
		"PlainClient.Password":      mechanism.PlainClient{Password: strings.Repeat("x", 256)},
		"PlainServer.Authenticator": mechanism.PlainServer{},
		"NullServer.Authenticator":  mechanism.NullServer{},
	} {
		if f, err := s.Factory(); err == nil || f != nil || !strings.HasPrefix(err.Error(), field+" ") {
			t.Errorf("%v; want an error about %s", err, field)
		}
	}
}

func TestPasswordsAreForPlainAlone(t *testing.T) {
	t.Parallel()
	users := map[string]string{"": ""}
	check := mechanism.Passwords(users)
	users["new"] = "new"
	for _, tt := range []struct {
		r    mechanism.AuthRequest
		want mechanism.Status
	}{
		{mechanism.AuthRequest{Mechanism: "PLAIN"}, mechanism.StatusSuccess},
		{mechanism.AuthRequest{Mechanism: "NULL"}, mechanism.StatusAuthenticationFailure},
		{mechanism.AuthRequest{Mechanism: "CURVE"}, mechanism.StatusAuthenticationFailure},
		{mechanism.AuthRequest{Mechanism: "PLAIN", Username: "new", Password: "new"}, mechanism.StatusAuthenticationFailure},
	} {
		if d, err := check(t.Context(), tt.r); err != nil || d.Status != tt.want {
			t.Errorf("%v: %+v, %v; want %d", tt.r, d, err, tt.want)
		}
	}
}

func TestPlainRefusesCommands(t *testing.T) {
	t.Parallel()
	hello, initiate := "\x05HELLO\x06camera\x06sesame", "\x08INITIATE"+string(clientParams.Metadata)
	for _, tt := range []struct {
		name   string
		server bool
		said   []string // the last is refused
	}{
		{"server: nothing", true, []string{""}},
		{"server: cut name", true, []string{"\x05HEL"}},
		{"server: unknown", true, []string{"\x05HOWDY"}},
		{"server: READY of NULL", true, []string{subReady}},
		{"server: INITIATE first", true, []string{initiate}},
		{"server: WELCOME", true, []string{"\x07WELCOME"}},
		{"server: HELLO without username", true, []string{"\x05HELLO"}},
		{"server: HELLO without password", true, []string{"\x05HELLO\x06camera"}},
		{"server: HELLO cut in username", true, []string{"\x05HELLO\x06came"}},
		{"server: HELLO cut in password", true, []string{hello[:len(hello)-1]}},
		{"server: HELLO with more", true, []string{hello + "\x00"}},
		{"server: HELLO twice", true, []string{hello, hello}},
		{"server: INITIATE with cut metadata", true, []string{hello, initiate[:len(initiate)-1]}},
		{"server: command at the end", true, []string{hello, initiate, initiate}},
		{"server: command after an error", true, []string{"\x05HOWDY", hello}},
		{"client: nothing", false, []string{""}},
		{"client: HELLO", false, []string{hello}},
		{"client: READY first", false, []string{"\x05READY"}},
		{"client: WELCOME with more", false, []string{"\x07WELCOME\x00"}},
		{"client: WELCOME twice", false, []string{"\x07WELCOME", "\x07WELCOME"}},
		{"client: READY with cut metadata", false, []string{"\x07WELCOME", subReady[:len(subReady)-1]}},
		{"client: command at the end", false, []string{"\x07WELCOME", subReady, subReady}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := plain(t, "camera", "sesame")
			if tt.server {
				m = factory(t, camera)(serverParams)
			}
			m.Start()
			var reply []byte
			var done bool
			var err error
			for _, c := range tt.said {
				reply, done, err = m.Handle(t.Context(), []byte(c))
			}
			if reply != nil || done || err == nil || errors.Is(err, mechanism.ErrAuthentication) {
				t.Errorf("reply %q, done %t, %v; want an error of the protocol", reply, done, err)
			}
		})
	}
}

func TestErrorIsFinal(t *testing.T) {
	t.Parallel()
	welcomed := func(m mechanism.Mechanism) mechanism.Mechanism {
		m.Start()
		if _, _, err := m.Handle(t.Context(), []byte("\x07WELCOME")); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, m := range map[string]mechanism.Mechanism{
		"PLAIN client":          plain(t, "a", "b"),
		"PLAIN client, welcome": welcomed(plain(t, "a", "b")),
		"PLAIN server":          factory(t, camera)(serverParams),
		"CURVE client":          factory(t, mechanism.CurveClient{Keys: newPair(t), ServerKey: newPair(t).Public()})(clientParams),
		"CURVE server":          factory(t, mechanism.CurveServer{Keys: newPair(t), Authenticator: mechanism.AllowAny})(serverParams),
		"NULL server":           factory(t, mechanism.NullServer{Authenticator: mechanism.AllowAny})(serverParams),
	} {
		reply, done, err := m.Handle(t.Context(), []byte("\x05ERROR\x03400"))
		var peer *mechanism.PeerError
		if reply != nil || done || !errors.As(err, &peer) || peer.Reason != "400" {
			t.Errorf("%s: reply %q, done %t, %v", name, reply, done, err)
		}
	}
}

func TestMisspeltErrorOfLibzmq(t *testing.T) {
	t.Parallel()
	for _, said := range [][]string{{"^RROR\x03400"}, {"\x07WELCOME", "^RROR\x03400"}} {
		m := plain(t, "a", "b")
		var err error
		for _, command := range said {
			_, _, err = m.Handle(t.Context(), []byte(command))
		}
		var peer *mechanism.PeerError
		if !errors.As(err, &peer) || peer.Reason != "400" {
			t.Errorf("%q: %v", said, err)
		}
		if _, _, err := m.Handle(t.Context(), []byte(said[0])); err == nil || errors.As(err, &peer) {
			t.Errorf("%q, then more: %v", said, err)
		}
	}
}

// unwelcome is what Check says to a socket type.
func unwelcome(socketType string) func(wire.Properties) error {
	return func(props wire.Properties) error {
		if v, _ := props.Get(wire.PropertySocketType); string(v) == socketType {
			return errors.New("no " + socketType + " here")
		}
		return nil
	}
}

func TestCheckOfMetadata(t *testing.T) {
	t.Parallel()
	serverKeys, clientKeys := newPair(t), newPair(t)
	for name, pair := range map[string]struct{ client, server mechanism.Security }{
		"PLAIN": {mechanism.PlainClient{Username: "camera", Password: "sesame"}, camera},
		"CURVE": {
			mechanism.CurveClient{Keys: clientKeys, ServerKey: serverKeys.Public()},
			mechanism.CurveServer{Keys: serverKeys, Authenticator: mechanism.AllowAny},
		},
	} {
		t.Run(name+" server", func(t *testing.T) {
			t.Parallel()
			params := serverParams
			params.Check = unwelcome("DEALER")
			server := factory(t, pair.server)(params)
			o := shake(t, factory(t, pair.client)(clientParams), server)
			var peer *mechanism.PeerError
			if o.serverDone || o.server == nil || o.clientDone || !errors.As(o.client, &peer) || peer.Reason != "no_DEALER_here" {
				t.Errorf("server: %v, client: %v", o.server, o.client)
			}
			if server.Metadata() != nil || server.Sealer() != nil {
				t.Errorf("server has %v, %v", server.Metadata(), server.Sealer())
			}
		})
		t.Run(name+" client", func(t *testing.T) {
			t.Parallel()
			params := clientParams
			params.Check = unwelcome("ROUTER")
			client := factory(t, pair.client)(params)
			o := shake(t, client, factory(t, pair.server)(serverParams))
			if o.clientDone || o.client == nil || o.client.Error() != "no ROUTER here" {
				t.Errorf("client: %v", o.client)
			}
			if client.Metadata() != nil || client.Sealer() != nil {
				t.Errorf("client has %v, %v", client.Metadata(), client.Sealer())
			}
		})
	}
}

// TestMechanismsKeepNoMemoryOfTheCaller spoils each command once it is handled.
func TestMechanismsKeepNoMemoryOfTheCaller(t *testing.T) {
	t.Parallel()
	client, server := plain(t, "camera", "sesame"), factory(t, camera)(serverParams)
	toServer := client.Start()
	for len(toServer) > 0 {
		b := body(t, toServer)
		toClient, _, err := server.Handle(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		clear(b)
		b = body(t, toClient)
		if toServer, _, err = client.Handle(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		clear(b)
	}
	if user(server).ID != "camera" || property(server, "identity") != "me" || property(client, "socket-type") != "ROUTER" {
		t.Errorf("server knows %+v, %v, client knows %v", user(server), server.Metadata(), client.Metadata())
	}
}
