package mechanism_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// The other end's settings, as libzmq has them.
var (
	realServer = options{"CURVE_SERVER": 1, "CURVE_SECRETKEY": serverSecret}
	realClient = options{"CURVE_SERVERKEY": serverPublic, "CURVE_PUBLICKEY": clientPublic, "CURVE_SECRETKEY": clientSecret}
)

// ourServer and ourClient suit realClient and realServer.
func ourServer(t *testing.T) mechanism.CurveServer {
	t.Helper()
	return mechanism.CurveServer{Keys: pair(t, serverSecret), Clients: mechanism.NewKeySet(pair(t, clientSecret).Public())}
}

func ourClient(t *testing.T) mechanism.CurveClient {
	t.Helper()
	return mechanism.CurveClient{Keys: pair(t, clientSecret), ServerKey: pair(t, serverSecret).Public()}
}

// TestRealPeers meets libzmq with each mechanism, in each role, either end binding, and
// exchanges messages of all sizes.
func TestRealPeers(t *testing.T) {
	t.Parallel()
	passwords := mechanism.Passwords(map[string]string{"camera": "sesame"})
	for _, tt := range []struct {
		name     string
		security mechanism.Security
		peer     fields
		user     string
	}{
		{"NULL server", mechanism.NullServer{Authenticator: mechanism.AllowAny}, fields{}, ""},
		{"NULL asked by the peer", nil, fields{"zap": "200", "options": options{"ZAP_DOMAIN": "d"}}, ""},
		{"PLAIN server", mechanism.PlainServer{Authenticator: passwords}, fields{
			"options": options{"PLAIN_USERNAME": "camera", "PLAIN_PASSWORD": "sesame"},
		}, "camera"},
		{"PLAIN client", mechanism.PlainClient{Username: "camera", Password: "sesame"}, fields{
			"zap": "200", "options": options{"PLAIN_SERVER": 1},
		}, ""},
		{"CURVE server", ourServer(t), fields{"options": realClient}, clientPublic},
		{"CURVE client", ourClient(t), fields{"options": realServer}, ""},
		{"CURVE client asked about", ourClient(t), fields{"zap": "200", "options": realServer}, ""},
	} {
		for _, peerBinds := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, peer binds %t", tt.name, peerBinds), func(t *testing.T) {
				t.Parallel()
				spec := fields{"type": "PAIR"}
				for name, value := range tt.peer {
					spec[name] = value
				}
				p, c, err := meet(t, peerBinds, spec, zmtp.Config{SocketType: "PAIR"}, tt.security)
				if err != nil {
					t.Fatal(err)
				}
				if c.peer.SocketType != "PAIR" || c.peer.User.ID != tt.user {
					t.Errorf("met %+v", c.peer)
				}
				exchange(t, p, c)
			})
		}
	}
}

// exchange sends messages both ways.
func exchange(t *testing.T, p *realPeer, c *secured) {
	t.Helper()
	for _, message := range [][]string{
		{"hello"},
		{""},
		{"a", "", "b"},
		{strings.Repeat("x", 222)},
		{strings.Repeat("x", 223)},
		{strings.Repeat("y", 5000), strings.Repeat("z", 70_000)},
		{strings.Repeat("!", 1<<20)},
		{"\x04PING\x00\x00"},
		{"the end"},
	} {
		p.send(message...)
		for i, frame := range message {
			c.mustReceive(more(message, i), frame)
		}
		for i, frame := range message {
			c.send(more(message, i), frame)
		}
		if got := p.expect("received", "").frames(t); !slices.Equal(got, message) {
			t.Fatalf("peer received %.50q, want %.50q", got, message)
		}
	}
}

// more are the flags of the frame i of a message.
func more(message []string, i int) byte {
	if i < len(message)-1 {
		return wire.FlagMore
	}
	return 0
}

// TestRealPeersRefused meets peers that this end refuses.
func TestRealPeersRefused(t *testing.T) {
	t.Parallel()
	busy := func(context.Context, mechanism.AuthRequest) (mechanism.Decision, error) {
		return mechanism.Decision{Status: mechanism.StatusTemporaryError}, nil
	}
	other := newPair(t)
	for _, tt := range []struct {
		name     string
		security mechanism.Security
		options  options
		kind     zmtp.Kind
		event    string // that the peer's monitor shows, with this value
		value    int
	}{
		{
			"NULL", mechanism.NullServer{Authenticator: func(context.Context, mechanism.AuthRequest) (mechanism.Decision, error) {
				return mechanism.Refuse(""), nil
			}}, nil, zmtp.KindAuthentication, "HANDSHAKE_FAILED_AUTH", 400,
		},
		{
			"PLAIN", camera,
			options{"PLAIN_USERNAME": "camera", "PLAIN_PASSWORD": "barley"},
			zmtp.KindAuthentication, "HANDSHAKE_FAILED", -1, // see plainServer.Handle
		},
		{
			"CURVE, unknown client",
			mechanism.CurveServer{Keys: pair(t, serverSecret), Clients: new(mechanism.KeySet)},
			realClient, zmtp.KindAuthentication, "HANDSHAKE_FAILED_AUTH", 400,
		},
		{
			"CURVE, failing authenticator",
			mechanism.CurveServer{Keys: pair(t, serverSecret), Authenticator: func(context.Context, mechanism.AuthRequest) (mechanism.Decision, error) {
				return mechanism.Accept(""), errors.New("no")
			}},
			realClient, zmtp.KindAuthentication, "HANDSHAKE_FAILED_AUTH", 500,
		},
		{
			"CURVE, temporary error",
			mechanism.CurveServer{Keys: pair(t, serverSecret), Authenticator: busy},
			realClient, zmtp.KindAuthentication, "CONNECT_RETRIED", -1,
		},
		{
			"CURVE, client with another server's key",
			mechanism.CurveServer{Keys: other, Authenticator: mechanism.AllowAny},
			realClient, zmtp.KindAuthentication, "CONNECT_RETRIED", -1,
		},
		{"CURVE, client without security", ourServer(t), nil, "", "DISCONNECTED", -1},
		{
			"CURVE, client with PLAIN", ourServer(t),
			options{"PLAIN_USERNAME": "camera", "PLAIN_PASSWORD": "sesame"},
			"", "DISCONNECTED", -1,
		},
		{"NULL, client with CURVE", nil, realClient, "", "DISCONNECTED", -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, _, err := meet(t, false, fields{"type": "PAIR", "options": tt.options}, zmtp.Config{SocketType: "PAIR"}, tt.security)
			wantKind(t, err, tt.kind)
			if e := p.expect("monitor", tt.event); tt.value >= 0 && e.Value != tt.value {
				t.Errorf("peer was told %d, want %d", e.Value, tt.value)
			}
		})
	}
}

// TestRefusedByRealPeers meets peers that refuse this end.
func TestRefusedByRealPeers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		security mechanism.Security
		peer     fields
		kind     zmtp.Kind
		reason   string
	}{
		{"NULL", nil, fields{"zap": "400", "options": options{"ZAP_DOMAIN": "d"}}, zmtp.KindAuthentication, "400"},
		{"PLAIN", mechanism.PlainClient{}, fields{"zap": "400", "options": options{"PLAIN_SERVER": 1}}, zmtp.KindAuthentication, "400"},
		{"CURVE 400", ourClient(t), fields{"zap": "400", "options": realServer}, zmtp.KindAuthentication, "400"},
		{"CURVE 500", ourClient(t), fields{"zap": "500", "options": realServer}, zmtp.KindAuthentication, "500"},
		{"CURVE, another server's key", mechanism.CurveClient{Keys: newPair(t), ServerKey: newPair(t).Public()}, fields{"options": realServer}, zmtp.KindNetwork, ""},
		{"CURVE, server without security", ourClient(t), fields{}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.peer["type"] = "PAIR"
			_, _, err := meet(t, true, tt.peer, zmtp.Config{SocketType: "PAIR"}, tt.security)
			wantKind(t, err, tt.kind)
			var peer *mechanism.PeerError
			if errors.As(err, &peer) != (tt.reason != "") || peer != nil && peer.Reason != tt.reason {
				t.Errorf("%v; want the reason %q", err, tt.reason)
			}
		})
	}
}

// TestRealPeerIsToldWhatWeAre shows that libzmq's handler learns our public key.
func TestRealPeerIsToldWhatWeAre(t *testing.T) {
	t.Parallel()
	p, _, err := meet(t, true, fields{"type": "PAIR", "zap": "200", "options": realServer}, zmtp.Config{SocketType: "PAIR"}, ourClient(t))
	if err != nil {
		t.Fatal(err)
	}
	key := pair(t, clientSecret).Public()
	asked := p.expect("zap", "").frames(t)
	if want := []string{"1.0", "1", "", "127.0.0.1", "", "CURVE", string(key[:])}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

// TestRealSubscriptions sends commands through CURVE: subscriptions, both ways.
func TestRealSubscriptions(t *testing.T) {
	t.Parallel()
	t.Run("peer subscribes", func(t *testing.T) {
		t.Parallel()
		opts := options{"SUBSCRIBE": []string{"topic", strings.Repeat("t", 250)}}
		for name, value := range realClient {
			opts[name] = value
		}
		p, c, err := meet(t, false, fields{"type": "SUB", "options": opts}, zmtp.Config{SocketType: "PUB"}, ourServer(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			flags, body, err := c.receive()
			if err != nil {
				t.Fatal(err)
			}
			topic, cancel, ok := wire.ParseSubscription(flags, []byte(body))
			if !ok || cancel || string(topic) != "topic" && string(topic) != strings.Repeat("t", 250) {
				t.Errorf("flags %d: %q, cancel %t, %t", flags, topic, cancel, ok)
			}
		}
		c.send(0, "topic and message")
		if got := p.expect("received", "").frames(t); got[0] != "topic and message" {
			t.Errorf("peer received %q", got)
		}
	})
	t.Run("peer publishes", func(t *testing.T) {
		t.Parallel()
		p, c, err := meet(t, true, fields{"type": "XPUB", "options": realServer}, zmtp.Config{SocketType: "SUB"}, ourClient(t))
		if err != nil {
			t.Fatal(err)
		}
		frame := wire.AppendSubscribe(nil, c.peer.Minor, false, []byte("topic"))
		flags, _, n, err := wire.ParseHeader(frame)
		if err != nil {
			t.Fatal(err)
		}
		c.send(flags, string(frame[n:]))
		if got := p.expect("received", "").frames(t); got[0] != "\x01topic" {
			t.Errorf("peer was subscribed to %q", got)
		}
		p.send("topic and message")
		c.mustReceive(0, "topic and message")
	})
}

// TestRealHeartbeats answers the PINGs of a peer that hangs up on those who do not.
func TestRealHeartbeats(t *testing.T) {
	t.Parallel()
	opts := options{"HEARTBEAT_IVL": 50, "HEARTBEAT_TIMEOUT": 10_000}
	for name, value := range realClient {
		opts[name] = value
	}
	p, c, err := meet(t, false, fields{"type": "PAIR", "options": opts}, zmtp.Config{SocketType: "PAIR"}, ourServer(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.mustReceive(wire.FlagCommand, "\x04PING\x00\x00")
		c.send(wire.FlagCommand, "\x04PONG")
	}
	c.send(wire.FlagCommand, "\x04PING\x00\x64context")
	for {
		flags, body, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		if body == "\x04PONGcontext" && flags == wire.FlagCommand {
			break
		}
		if body != "\x04PING\x00\x00" {
			t.Fatalf("received %d, %q", flags, body)
		}
	}
	c.send(0, "still here")
	if got := p.expect("received", "").frames(t); got[0] != "still here" {
		t.Errorf("peer received %q", got)
	}
}

// TestRealPeerRefusesReplay sends a frame twice to libzmq, which must take it once and
// hang up: this shows that the tests above would notice if nonces were wrong.
func TestRealPeerRefusesReplay(t *testing.T) {
	t.Parallel()
	p, c, err := meet(t, false, fields{"type": "PAIR", "options": realClient}, zmtp.Config{SocketType: "PAIR"}, ourServer(t))
	if err != nil {
		t.Fatal(err)
	}
	frame, err := c.peer.Sealer.Seal(nil, 0, []byte("once"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.Write(append(slices.Clone(frame), frame...)); err != nil {
		t.Fatal(err)
	}
	p.expect("monitor", "HANDSHAKE_FAILED_PROTOCOL")
	if _, body, err := c.receive(); err == nil {
		t.Errorf("received %q", body)
	}
}

// TestKeyFilesOfPython exchanges key files with zmq.auth, both ways.
func TestKeyFilesOfPython(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(script string, args ...string) string {
		t.Helper()
		out, err := exec.Command(needPython(t), append([]string{"-c", "import sys, zmq.auth\n" + script}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	made := run(`
public, secret = zmq.auth.create_certificates(sys.argv[1], "python", {"name": "a camera", "public-key": "no"})
print(*(key.decode() for key in zmq.auth.load_certificate(secret)), sep="\n", end="")`, dir)
	public, secret, _ := strings.Cut(made, "\n")
	path := filepath.Join(dir, "python.key_secret")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := mechanism.LoadKeyPair(path)
	if err != nil || keys.Secret() != secret || keys.Public().String() != public {
		t.Errorf("of Python: %v, %v; want %s", keys, err, public)
	}

	ours := newPair(t)
	if err := mechanism.SaveKeyPair(filepath.Join(dir, "go.key"), ours); err != nil {
		t.Fatal(err)
	}
	loaded := run(`
print(*(key.decode() for key in zmq.auth.load_certificate(sys.argv[1] + "/go.key_secret")), sep="\n")
print(*zmq.auth.load_certificate(sys.argv[1] + "/go.key")[:1], len(zmq.auth.load_certificates(sys.argv[1])))`, dir)
	if want := fmt.Sprintf("%s\n%s\nb'%[1]s' 2\n", ours.Public(), ours.Secret()); loaded != want {
		t.Errorf("Python has loaded\n%s, want\n%s", loaded, want)
	}
	all, err := mechanism.LoadPublicKeys(dir)
	if err != nil || !slices.Equal(all, []mechanism.PublicKey{ours.Public(), keys.Public()}) {
		t.Errorf("%v, %v", all, err)
	}
}
