package mechanism_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/experimance/experimance-go/internal/mechanism"
)

func ExampleAuthenticator() {
	authenticate := func(_ context.Context, r mechanism.AuthRequest) (mechanism.Decision, error) {
		if r.Address != "192.0.2.7" {
			return mechanism.Refuse("not from our network"), nil
		}
		return mechanism.Accept("camera at " + r.Address), nil
	}
	newServer, err := mechanism.NullServer{Authenticator: authenticate}.Factory()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, peer := range []string{"192.0.2.7:40001", "198.51.100.9:40001"} {
		m := newServer(mechanism.Params{Server: true, Peer: peer})
		reply, done, err := m.Handle(context.Background(), []byte("\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"))
		fmt.Printf("%q %t %v\n", reply, done, err)
	}
	// Output:
	// "\x04\x06\x05READY" true <nil>
	// "\x04\n\x05ERROR\x03400" false refused NULL peer at 198.51.100.9: authentication failed (400): not from our network
}

// ends are a client and the settings of a server for each mechanism that can ask.
type ends struct {
	client mechanism.Security
	server func(ask mechanism.Authenticator, domain string) mechanism.Security
}

// nullClient is the end of NULL that asks nobody.
type nullClient struct{}

func (nullClient) Factory() (func(mechanism.Params) mechanism.Mechanism, error) {
	return func(p mechanism.Params) mechanism.Mechanism { return mechanism.NewNull(p) }, nil
}

func allEnds(t *testing.T) map[string]ends {
	t.Helper()
	serverKeys := pair(t, serverSecret)
	return map[string]ends{
		"NULL": {nullClient{}, func(ask mechanism.Authenticator, domain string) mechanism.Security {
			return mechanism.NullServer{Authenticator: ask, Domain: domain}
		}},
		"PLAIN": {mechanism.PlainClient{Username: "user", Password: "word"}, func(ask mechanism.Authenticator, domain string) mechanism.Security {
			return mechanism.PlainServer{Authenticator: ask, Domain: domain}
		}},
		"CURVE": {mechanism.CurveClient{Keys: pair(t, clientSecret), ServerKey: serverKeys.Public()}, func(ask mechanism.Authenticator, domain string) mechanism.Security {
			return mechanism.CurveServer{Keys: serverKeys, Authenticator: ask, Domain: domain}
		}},
	}
}

func TestWhatAnAuthenticatorIsTold(t *testing.T) {
	t.Parallel()
	key := pair(t, clientSecret).Public()
	for name, e := range allEnds(t) {
		want := map[string]mechanism.AuthRequest{
			"NULL":  {Domain: "d", Address: "192.0.2.7", Mechanism: "NULL", Identity: []byte("me")},
			"PLAIN": {Domain: "d", Address: "192.0.2.7", Mechanism: "PLAIN", Username: "user", Password: "word"},
			"CURVE": {Domain: "d", Address: "192.0.2.7", Mechanism: "CURVE", Identity: []byte("me"), PublicKey: key},
		}[name]
		ask, asked := deciding(mechanism.Accept("somebody"), nil)
		server := factory(t, e.server(ask, "d"))(serverParams)
		agree(t, factory(t, e.client)(clientParams), server)
		if diff := cmp.Diff([]mechanism.AuthRequest{want}, *asked); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if user(server).ID != "somebody" {
			t.Errorf("%s: user %+v", name, user(server))
		}
	}
}

func TestAddressesForAuthenticators(t *testing.T) {
	t.Parallel()
	for peer, want := range map[string]string{
		"192.0.2.7:40001":    "192.0.2.7",
		"[2001:db8::7]:4000": "2001:db8::7",
		"[fe80::1%eth0]:40":  "fe80::1%eth0",
		"@":                  "@",
		"/run/ipc":           "/run/ipc",
		"":                   "",
	} {
		ask, asked := deciding(mechanism.Accept(""), nil)
		m := factory(t, mechanism.NullServer{Authenticator: ask})(mechanism.Params{Server: true, Peer: peer})
		if _, _, err := m.Handle(t.Context(), []byte(subReady)); err != nil || (*asked)[0].Address != want {
			t.Errorf("%q: %v, %v", peer, *asked, err)
		}
	}
}

func TestUserOfADecision(t *testing.T) {
	t.Parallel()
	want := map[string]string{"NULL": "", "PLAIN": "user", "CURVE": clientPublic}
	for name, e := range allEnds(t) {
		meta := map[string]string{"Role": "camera"}
		ask, _ := deciding(mechanism.Decision{Status: mechanism.StatusSuccess, Metadata: meta}, nil)
		server := factory(t, e.server(ask, ""))(serverParams)
		agree(t, factory(t, e.client)(clientParams), server)
		if u := user(server); u.ID != want[name] || !maps.Equal(u.Metadata, meta) {
			t.Errorf("%s: %+v, want the name %q", name, u, want[name])
		}
	}
}

func TestDecisionsThatRefuse(t *testing.T) {
	t.Parallel()
	broken := errors.New("database is gone")
	for _, tt := range []struct {
		name     string
		decision mechanism.Decision
		err      error
		status   string // told to the peer, empty for nothing
		says     string
	}{
		{"zero", mechanism.Decision{}, nil, "400", "authentication failed (400)"},
		{"refuse", mechanism.Refuse("too late"), nil, "400", "authentication failed (400): too late"},
		{"temporary", mechanism.Decision{Status: mechanism.StatusTemporaryError, Reason: "busy"}, nil, "", "temporary error (300): busy"},
		{"internal", mechanism.Decision{Status: mechanism.StatusInternalError}, nil, "500", "internal error (500)"},
		{"unknown", mechanism.Decision{Status: 201}, nil, "500", "internal error (500)"},
		{"negative", mechanism.Decision{Status: -200}, nil, "500", "internal error (500)"},
		{"error", mechanism.Accept("somebody"), broken, "500", "internal error (500): database is gone"},
		{"error and status", mechanism.Decision{Status: mechanism.StatusTemporaryError}, broken, "500", "internal error (500)"},
	} {
		for name, e := range allEnds(t) {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				ask, _ := deciding(tt.decision, tt.err)
				server := factory(t, e.server(ask, ""))(serverParams)
				o := shake(t, factory(t, e.client)(clientParams), server)
				if tt.status != "" {
					checkRefused(t, o, tt.status)
				} else if o.client != nil || o.clientDone {
					t.Errorf("client was told: done %t, %v", o.clientDone, o.client)
				}
				if o.serverDone || !errors.Is(o.server, mechanism.ErrAuthentication) || !strings.Contains(o.server.Error(), tt.says) {
					t.Errorf("server: done %t, %v; want %q", o.serverDone, o.server, tt.says)
				}
				if tt.err != nil && !errors.Is(o.server, tt.err) {
					t.Errorf("%v does not tell the cause", o.server)
				}
				if user(server).ID != "" || server.Sealer() != nil {
					t.Errorf("user %+v, sealer %v", user(server), server.Sealer())
				}
			})
		}
	}
}

func TestPanicOfAnAuthenticatorRefuses(t *testing.T) {
	t.Parallel()
	for name, e := range allEnds(t) {
		server := factory(t, e.server(func(context.Context, mechanism.AuthRequest) (mechanism.Decision, error) {
			panic("at the disco")
		}, ""))(serverParams)
		o := shake(t, factory(t, e.client)(clientParams), server)
		checkRefused(t, o, "500")
		if !strings.Contains(o.server.Error(), "at the disco") || !strings.Contains(o.server.Error(), "authenticator_test.go") {
			t.Errorf("%s: %v", name, o.server)
		}
	}
}

func TestAuthenticatorHasTheHandshakesContext(t *testing.T) {
	t.Parallel()
	for name, e := range allEnds(t) {
		ctx, cancel := context.WithCancelCause(t.Context())
		late := errors.New("time is up")
		cancel(late)
		server := factory(t, e.server(func(ctx context.Context, _ mechanism.AuthRequest) (mechanism.Decision, error) {
			return mechanism.Accept(""), context.Cause(ctx)
		}, ""))(serverParams)
		client := factory(t, e.client)(clientParams)
		toServer := client.Start()
		var err error
		for err == nil {
			var toClient []byte
			if toClient, _, err = server.Handle(ctx, body(t, toServer)); err == nil {
				toServer, _, _ = client.Handle(ctx, body(t, toClient))
			}
		}
		if !errors.Is(err, late) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNullServerAsksAboutThoseWhoConnect(t *testing.T) {
	t.Parallel()
	ask, asked := deciding(mechanism.Refuse(""), nil)
	newNull := factory(t, mechanism.NullServer{Authenticator: ask})
	m := newNull(clientParams)
	if m.Start() == nil {
		t.Error("the connecting end keeps READY back")
	}
	if _, done, err := m.Handle(t.Context(), []byte(subReady)); !done || err != nil || len(*asked) > 0 {
		t.Errorf("done %t, %v, asked %v", done, err, *asked)
	}

	m = newNull(serverParams)
	if m.Name() != "NULL" || m.AsServer() || m.Sealer() != nil || m.Start() != nil {
		t.Error("the accepting end is not NULL that waits")
	}
	reply, done, err := m.Handle(t.Context(), []byte("\x05HELLO"))
	if reply != nil || done || err == nil || len(*asked) > 0 {
		t.Errorf("reply %q, done %t, %v, asked %v", reply, done, err, *asked)
	}
}

func TestCurveServerSettings(t *testing.T) {
	t.Parallel()
	serverKeys, one, other := newPair(t), newPair(t), newPair(t)
	allowed := mechanism.NewKeySet(one.Public())
	refuse, asked := deciding(mechanism.Refuse("no"), nil)
	for _, tt := range []struct {
		name    string
		clients *mechanism.KeySet
		ask     mechanism.Authenticator
		keys    mechanism.KeyPair
		ok      bool
	}{
		{"in the set", allowed, nil, one, true},
		{"not in the set", allowed, nil, other, false},
		{"in the set and accepted", allowed, mechanism.AllowAny, one, true},
		{"not in the set but accepted", allowed, mechanism.AllowAny, other, false},
		{"in the set but refused", allowed, refuse, one, false},
		{"not in the set and refused", allowed, refuse, other, false},
		{"empty set", new(mechanism.KeySet), mechanism.AllowAny, one, false},
		{"no set", nil, mechanism.AllowAny, other, true},
	} {
		server := factory(t, mechanism.CurveServer{Keys: serverKeys, Clients: tt.clients, Authenticator: tt.ask})(serverParams)
		client := factory(t, mechanism.CurveClient{Keys: tt.keys, ServerKey: serverKeys.Public()})(clientParams)
		o := shake(t, client, server)
		if !tt.ok {
			checkRefused(t, o, "400")
		} else if o.client != nil || o.server != nil || user(server).ID != tt.keys.Public().String() {
			t.Errorf("%s: client %v, server %v, user %+v", tt.name, o.client, o.server, user(server))
		}
	}
	if len(*asked) != 1 {
		t.Errorf("asked about keys that are not in the set: %v", *asked)
	}
}

func TestKeySetMayChange(t *testing.T) {
	t.Parallel()
	serverKeys, clientKeys := newPair(t), newPair(t)
	allowed := new(mechanism.KeySet)
	newServer := factory(t, mechanism.CurveServer{Keys: serverKeys, Clients: allowed})
	newClient := factory(t, mechanism.CurveClient{Keys: clientKeys, ServerKey: serverKeys.Public()})
	checkRefused(t, shake(t, newClient(clientParams), newServer(serverParams)), "400")
	allowed.Add(clientKeys.Public())
	agree(t, newClient(clientParams), newServer(serverParams))
	allowed.Remove(clientKeys.Public())
	checkRefused(t, shake(t, newClient(clientParams), newServer(serverParams)), "400")
}

func TestCurveRefusesSettings(t *testing.T) {
	t.Parallel()
	keys := newPair(t)
	var one mechanism.PublicKey
	one[0] = 1 // a point of low order
	for _, tt := range []struct {
		s    mechanism.Security
		want string
	}{
		{mechanism.CurveServer{Authenticator: mechanism.AllowAny}, "CurveServer.Keys"},
		{mechanism.CurveServer{Keys: keys}, "CurveServer.Clients"},
		{mechanism.CurveClient{ServerKey: keys.Public()}, "CurveClient.Keys"},
		{mechanism.CurveClient{Keys: keys}, "CurveClient.ServerKey"},
		{mechanism.CurveClient{Keys: keys, ServerKey: one}, "CurveClient.ServerKey"},
	} {
		if f, err := tt.s.Factory(); err == nil || f != nil || !strings.HasPrefix(err.Error(), tt.want+" ") {
			t.Errorf("%T: %v; want an error about %s", tt.s, err, tt.want)
		}
	}
}

func TestRequestsPrint(t *testing.T) {
	t.Parallel()
	got := []string{
		mechanism.AuthRequest{Mechanism: "NULL", Address: "a"}.String(),
		mechanism.AuthRequest{Mechanism: "PLAIN", Address: "a", Username: "u\n", Password: "p"}.String(),
		mechanism.AuthRequest{Mechanism: "CURVE", Address: "a", PublicKey: pair(t, clientSecret).Public()}.String(),
	}
	want := []string{"NULL peer at a", `PLAIN peer at a as "u\n"`, `CURVE peer at a as "` + clientPublic + `"`}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
