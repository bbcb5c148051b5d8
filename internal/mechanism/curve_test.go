package mechanism_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

func ExampleCurveServer() {
	serverKeys, err := mechanism.GenerateKeyPair()
	if err != nil {
		fmt.Println(err)
		return
	}
	clientKeys, err := mechanism.GenerateKeyPair()
	if err != nil {
		fmt.Println(err)
		return
	}
	allowed := mechanism.NewKeySet(clientKeys.Public())
	server := mechanism.CurveServer{Keys: serverKeys, Clients: allowed}
	client := mechanism.CurveClient{Keys: clientKeys, ServerKey: serverKeys.Public()}
	for _, s := range []mechanism.Security{server, client} {
		newMechanism, err := s.Factory()
		if err != nil {
			fmt.Println(err)
			return
		}
		m := newMechanism(mechanism.Params{})
		fmt.Println(m.Name(), m.AsServer(), len(m.Start()))
	}
	// Output:
	// CURVE true 0
	// CURVE false 202
}

// curveEnds are a client and a server that suit each other.
func curveEnds(tb testing.TB) (client, server mechanism.Mechanism) {
	tb.Helper()
	serverKeys := newPair(tb)
	client = factory(tb, mechanism.CurveClient{Keys: newPair(tb), ServerKey: serverKeys.Public()})(clientParams)
	server = factory(tb, mechanism.CurveServer{Keys: serverKeys, Authenticator: mechanism.AllowAny})(serverParams)
	return client, server
}

func TestCurve(t *testing.T) {
	t.Parallel()
	client, server := curveEnds(t)
	if client.Name() != "CURVE" || server.Name() != "CURVE" || client.AsServer() || !server.AsServer() || server.Start() != nil {
		t.Error("the ends do not announce themselves as CURVE has it")
	}
	if client.Sealer() != nil || server.Sealer() != nil {
		t.Error("there are sealers before there are keys")
	}
	o := agree(t, client, server)
	sizes := make([]int, 0, len(o.said))
	for _, b := range o.said {
		sizes = append(sizes, len(b))
	}
	// The sizes of RFC 26: INITIATE and READY without metadata have 257 and 30 bytes.
	want := []int{200, 168, 257 + len(clientParams.Metadata), 30 + len(serverParams.Metadata)}
	if !slices.Equal(sizes, want) {
		t.Errorf("commands of %v bytes, want %v", sizes, want)
	}
	if property(server, "socket-type") != "DEALER" || property(server, "identity") != "me" || property(client, "socket-type") != "ROUTER" {
		t.Errorf("server knows %v, client knows %v", server.Metadata(), client.Metadata())
	}
	for _, b := range o.said {
		if bytes.Contains(b, []byte("ROUTER")) || bytes.Contains(b, []byte("DEALER")) {
			t.Errorf("metadata travels in the clear: %q", b)
		}
	}
}

// TestCurveClientAfterTheRFC lets the client meet a server written with other means.
func TestCurveClientAfterTheRFC(t *testing.T) {
	t.Parallel()
	long, clientKeys := newNaclPair(t), newPair(t)
	m := factory(t, mechanism.CurveClient{Keys: clientKeys, ServerKey: long.keyPair(t).Public()})(clientParams)
	p := newCurvePeer(t, long, nil)
	p.greeted(body(t, m.Start()))
	reply, done, err := m.Handle(t.Context(), p.welcome())
	if done || err != nil {
		t.Fatal(done, err)
	}
	key, meta := p.initiated(body(t, reply))
	if mechanism.PublicKey(key) != clientKeys.Public() || !bytes.Equal(meta, clientParams.Metadata) {
		t.Errorf("client %x says %q", key, meta)
	}
	reply, done, err = m.Handle(t.Context(), p.sayReady(serverParams.Metadata))
	if reply != nil || !done || err != nil || property(m, "Socket-Type") != "ROUTER" {
		t.Fatalf("reply %q, done %t, %v, %v", reply, done, err, m.Metadata())
	}
	checkTraffic(t, m.Sealer(), p, byClient, byServer, 2)
}

// TestCurveServerAfterTheRFC lets the server meet a client written with other means.
func TestCurveServerAfterTheRFC(t *testing.T) {
	t.Parallel()
	serverKeys, long := newNaclPair(t), newNaclPair(t)
	m := factory(t, mechanism.CurveServer{
		Keys: serverKeys.keyPair(t), Clients: mechanism.NewKeySet(long.keyPair(t).Public()),
	})(serverParams)
	p := newCurvePeer(t, long, serverKeys.public)
	reply, done, err := m.Handle(t.Context(), p.hello())
	if done || err != nil {
		t.Fatal(done, err)
	}
	p.welcomed(body(t, reply))
	reply, done, err = m.Handle(t.Context(), p.initiate(clientParams.Metadata))
	if !done || err != nil || property(m, "Identity") != "me" {
		t.Fatalf("done %t, %v, %v", done, err, m.Metadata())
	}
	if meta := p.ready(body(t, reply)); !bytes.Equal(meta, serverParams.Metadata) {
		t.Errorf("server says %q", meta)
	}
	checkTraffic(t, m.Sealer(), p, byServer, byClient, 1)
}

// checkTraffic exchanges frames of all kinds between a sealer and a peer. Last is the
// sealer's short nonce of the handshake.
func checkTraffic(t *testing.T, s mechanism.Sealer, p *curvePeer, ours, theirs string, last uint64) {
	t.Helper()
	for i, tt := range []struct {
		flags, inner byte
		plain        string
	}{
		{0, 0, "hello"},
		{wire.FlagMore, 1, "part"},
		{wire.FlagCommand, 2, "\x04PING\x00\x00"},
		{0, 0, ""},
		{wire.FlagMore, 1, ""},
		{0, 0, string(bytes.Repeat([]byte("x"), 100_000))},
		{wire.FlagLong, 0, string(bytes.Repeat([]byte("y"), 300))},
	} {
		frame, err := s.Seal([]byte("before"), tt.flags, []byte(tt.plain))
		if err != nil {
			t.Fatal(err)
		}
		frame, ok := bytes.CutPrefix(frame, []byte("before"))
		flags, size, n, err := wire.ParseHeader(frame)
		if !ok || err != nil || flags&^wire.FlagLong != 0 || int(size) != len(frame)-n || int(size) != len(tt.plain)+mechanism.CurveOverhead {
			t.Fatalf("frame %d: flags %d, size %d, header %d, %v", i, flags, size, n, err)
		}
		if !bytes.Equal(frame[n+8:n+16], count(last+1+uint64(i))) {
			t.Errorf("frame %d has the nonce %x", i, frame[n+8:n+16])
		}
		if inner, plain := p.opened(ours, frame[n:]); inner != tt.inner || plain != tt.plain {
			t.Errorf("frame %d has become %d, %.20q", i, inner, plain)
		}
		flags, plain, err := opened(t, s, 0, p.message(theirs, uint64(3+i), tt.inner, tt.plain))
		if err != nil || flags != tt.flags&^wire.FlagLong || string(plain) != tt.plain {
			t.Errorf("frame %d is opened as %d, %.20q, %v", i, flags, plain, err)
		}
	}
}

func TestCurveRefusesWrongServerKey(t *testing.T) {
	t.Parallel()
	_, server := curveEnds(t)
	client := factory(t, mechanism.CurveClient{Keys: newPair(t), ServerKey: newPair(t).Public()})(clientParams)
	o := shake(t, client, server)
	if o.serverDone || !errors.Is(o.server, mechanism.ErrAuthentication) || len(o.said) != 1 {
		t.Errorf("server: %v, said %d commands", o.server, len(o.said))
	}
}

// TestCurveClientRefusesImpostor lets somebody answer who does not have the server's
// secret key.
func TestCurveClientRefusesImpostor(t *testing.T) {
	t.Parallel()
	owner, impostor := newNaclPair(t), newNaclPair(t)
	m := factory(t, mechanism.CurveClient{Keys: newPair(t), ServerKey: owner.keyPair(t).Public()})(clientParams)
	p := newCurvePeer(t, owner, nil)
	p.greeted(body(t, m.Start()))
	p.long = impostor
	reply, done, err := m.Handle(t.Context(), p.welcome())
	if reply != nil || done || !errors.Is(err, mechanism.ErrAuthentication) {
		t.Errorf("reply %q, done %t, %v", reply, done, err)
	}
}

func TestCurveClientRefusesKeysOfLowOrder(t *testing.T) {
	t.Parallel()
	long := newNaclPair(t)
	m := factory(t, mechanism.CurveClient{Keys: newPair(t), ServerKey: long.keyPair(t).Public()})(clientParams)
	p := newCurvePeer(t, long, nil)
	p.transient.public = new([32]byte)
	p.greeted(body(t, m.Start()))
	if reply, done, err := m.Handle(t.Context(), p.welcome()); reply != nil || done || err == nil {
		t.Errorf("reply %q, done %t, %v", reply, done, err)
	}
}

// TestCurveServerRefuses lets clients lie in every way that RFC 26 provides against.
func TestCurveServerRefuses(t *testing.T) {
	t.Parallel()
	lowOrder := new([32]byte)
	lowOrder[0] = 1
	for _, tt := range []struct {
		name           string
		lie            func(p *curvePeer)
		authentication bool
	}{
		{"nothing wrong", func(*curvePeer) {}, false},
		{"version 2.0", func(p *curvePeer) { p.version = []byte{2, 0} }, false},
		{"version 1.1", func(p *curvePeer) { p.version = []byte{1, 1} }, false},
		{"something in HELLO's box", func(p *curvePeer) { p.zeros[63] = 1 }, true},
		{"another transient key", func(p *curvePeer) { p.transient.public = newNaclPair(t).public }, true},
		{"transient key of low order", func(p *curvePeer) { p.transient.public = lowOrder }, false},
		{"INITIATE's nonce as in HELLO", func(p *curvePeer) { p.nonces[1] = 1 }, false},
		{"INITIATE's nonce below HELLO's", func(p *curvePeer) { p.nonces = [2]uint64{8, 7} }, false},
		{"another's public key", func(p *curvePeer) { p.long.public = newNaclPair(t).public }, true},
		{"public key of low order", func(p *curvePeer) { p.long.public = lowOrder }, false},
		{"voucher by another", func(p *curvePeer) { p.vouchBy = newNaclPair(t) }, true},
		{"voucher for another connection", func(p *curvePeer) { p.vouchFor[0] ^= 1 }, true},
		{"voucher for another server", func(p *curvePeer) { p.vouchFor[63] ^= 1 }, true},
		{"short voucher's content", func(p *curvePeer) { p.vouchFor = append(p.vouchFor[:32:32], make([]byte, 32)...) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			serverKeys, long := newNaclPair(t), newNaclPair(t)
			ask, asked := deciding(mechanism.Accept(""), nil)
			m := factory(t, mechanism.CurveServer{Keys: serverKeys.keyPair(t), Authenticator: ask})(serverParams)
			p := newCurvePeer(t, long, serverKeys.public)
			tt.lie(p)
			reply, done, err := m.Handle(t.Context(), p.hello())
			if err == nil {
				p.welcomed(body(t, reply))
				reply, done, err = m.Handle(t.Context(), p.initiate(clientParams.Metadata))
			}
			if tt.name == "nothing wrong" {
				if !done || err != nil || len(*asked) != 1 {
					t.Errorf("done %t, %v, asked %v", done, err, *asked)
				}
				return
			}
			if reply != nil || done || err == nil || errors.Is(err, mechanism.ErrAuthentication) != tt.authentication || len(*asked) > 0 {
				t.Errorf("reply %q, done %t, %v, asked %v", reply, done, err, *asked)
			}
		})
	}
}

// TestCookieIsOfOneConnection replays what was recorded on one connection on another
// of the same server.
func TestCookieIsOfOneConnection(t *testing.T) {
	t.Parallel()
	serverKeys, long := newNaclPair(t), newNaclPair(t)
	newServer := factory(t, mechanism.CurveServer{Keys: serverKeys.keyPair(t), Authenticator: mechanism.AllowAny})
	first, second := newServer(serverParams), newServer(serverParams)
	p := newCurvePeer(t, long, serverKeys.public)
	hello := p.hello()
	var initiate []byte
	for _, m := range []mechanism.Mechanism{second, first} { // the voucher is for the first
		reply, _, err := m.Handle(t.Context(), hello)
		if err != nil {
			t.Fatal(err)
		}
		p.welcomed(body(t, reply))
		initiate = p.initiate(clientParams.Metadata)
	}
	if reply, done, err := second.Handle(t.Context(), initiate); reply != nil || done || err == nil {
		t.Errorf("replayed: reply %q, done %t, %v", reply, done, err)
	}
	if _, done, err := first.Handle(t.Context(), initiate); !done || err != nil {
		t.Errorf("original: done %t, %v", done, err)
	}
	if reply, done, err := first.Handle(t.Context(), initiate); reply != nil || done || err == nil {
		t.Errorf("repeated: reply %q, done %t, %v", reply, done, err)
	}
}

func TestForgedCookie(t *testing.T) {
	t.Parallel()
	serverKeys := newNaclPair(t)
	m := factory(t, mechanism.CurveServer{Keys: serverKeys.keyPair(t), Authenticator: mechanism.AllowAny})(serverParams)
	p := newCurvePeer(t, newNaclPair(t), serverKeys.public)
	reply, _, err := m.Handle(t.Context(), p.hello())
	if err != nil {
		t.Fatal(err)
	}
	p.welcomed(body(t, reply))
	_, _ = rand.Read(p.cookie)
	if reply, done, err := m.Handle(t.Context(), p.initiate(clientParams.Metadata)); reply != nil || done || err == nil {
		t.Errorf("reply %q, done %t, %v", reply, done, err)
	}
}

// stage is a mechanism that waits for a certain command, anew with every call, and that
// command.
type stage func(tb testing.TB) (m mechanism.Mechanism, good []byte)

// curveStages are all that a handshake goes through.
func curveStages(tb testing.TB) map[string]stage {
	tb.Helper()
	serverKeys := newPair(tb)
	newClient := factory(tb, mechanism.CurveClient{Keys: newPair(tb), ServerKey: serverKeys.Public()})
	newServer := factory(tb, mechanism.CurveServer{Keys: serverKeys, Authenticator: mechanism.AllowAny})
	at := func(n int) stage {
		return func(tb testing.TB) (mechanism.Mechanism, []byte) {
			tb.Helper()
			client, server := newClient(clientParams), newServer(serverParams)
			ends := []mechanism.Mechanism{server, client}
			next := body(tb, client.Start())
			for i := range n {
				reply, _, err := ends[i%2].Handle(tb.Context(), next)
				if err != nil {
					tb.Fatal(err)
				}
				next = body(tb, reply)
			}
			return ends[n%2], next
		}
	}
	return map[string]stage{"HELLO": at(0), "WELCOME": at(1), "INITIATE": at(2), "READY": at(3)}
}

// TestTamperedHandshake changes each byte of each command, and cuts it at many places.
func TestTamperedHandshake(t *testing.T) {
	t.Parallel()
	for name, make := range curveStages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, good := make(t)
			refused := func(what string, bad func(good []byte) []byte) {
				m, good := make(t)
				reply, done, err := m.Handle(t.Context(), bad(good))
				if reply != nil || done || err == nil || m.Metadata() != nil || m.Sealer() != nil {
					t.Errorf("%s: reply %q, done %t, %v", what, reply, done, err)
				}
				if _, _, err := m.Handle(t.Context(), good); err == nil {
					t.Errorf("%s: went on", what)
				}
			}
			for i := range good {
				refused(fmt.Sprintf("byte %d", i), func(good []byte) []byte {
					bad := bytes.Clone(good)
					bad[i] ^= 1 << (i % 8)
					return bad
				})
			}
			for i := 0; i < len(good); i += 1 + i/8 {
				refused(fmt.Sprintf("cut at %d", i), func(good []byte) []byte { return good[:i:i] })
			}
			refused("cut at the end", func(good []byte) []byte { return good[: len(good)-1 : len(good)-1] })
			refused("longer", func(good []byte) []byte { return append(good[:len(good):len(good)], 0) })
			refused("huge", func(good []byte) []byte {
				return append(good[:len(good):len(good)], bytes.Repeat([]byte{7}, 64<<10)...)
			})
		})
	}
}

// TestCommandsAtTheWrongTime says each command in each stage where another is due.
func TestCommandsAtTheWrongTime(t *testing.T) {
	t.Parallel()
	stages := curveStages(t)
	for name, make := range stages {
		for other, makeOther := range stages {
			if name == other {
				continue
			}
			m, _ := make(t)
			_, command := makeOther(t)
			if reply, done, err := m.Handle(t.Context(), command); reply != nil || done || err == nil {
				t.Errorf("%s where %s is due: reply %q, done %t, %v", other, name, reply, done, err)
			}
		}
		for _, command := range []string{"", "\x00", "\x05READY", "\x05HELLO\x01a\x01b", subReady, "\x07MESSAGE", "\xff" + name} {
			m, _ := make(t)
			if reply, done, err := m.Handle(t.Context(), []byte(command)); reply != nil || done || err == nil {
				t.Errorf("%q where %s is due: reply %q, done %t, %v", command, name, reply, done, err)
			}
		}
		m, good := make(t)
		if _, _, err := m.Handle(t.Context(), good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, done, err := m.Handle(t.Context(), good); done || err == nil {
			t.Errorf("%s for the second time: done %t, %v", name, done, err)
		}
	}
}

func TestCurveRefusesBrokenMetadata(t *testing.T) {
	t.Parallel()
	broken := []byte("\x0bSocket-Type\x00\x00\x00\x09SUB")
	serverKeys, clientKeys := newPair(t), newPair(t)
	newClient := factory(t, mechanism.CurveClient{Keys: clientKeys, ServerKey: serverKeys.Public()})
	newServer := factory(t, mechanism.CurveServer{Keys: serverKeys, Authenticator: mechanism.AllowAny})
	if o := shake(t, newClient(mechanism.Params{Metadata: broken}), newServer(serverParams)); o.server == nil || o.serverDone {
		t.Errorf("server: done %t, %v", o.serverDone, o.server)
	}
	if o := shake(t, newClient(clientParams), newServer(mechanism.Params{Metadata: broken})); o.client == nil || o.clientDone {
		t.Errorf("client: done %t, %v", o.clientDone, o.client)
	}
}

func TestCurveWithoutMetadata(t *testing.T) {
	t.Parallel()
	serverKeys := newPair(t)
	client := factory(t, mechanism.CurveClient{Keys: newPair(t), ServerKey: serverKeys.Public()})(mechanism.Params{})
	server := factory(t, mechanism.CurveServer{Keys: serverKeys, Authenticator: mechanism.AllowAny})(mechanism.Params{})
	if o := agree(t, client, server); len(o.said[2]) != 257 || len(o.said[3]) != 30 {
		t.Errorf("INITIATE has %d bytes, READY %d", len(o.said[2]), len(o.said[3]))
	}
}

// TestConnectionsShareNoKeys compares what two connections of the same ends say.
func TestConnectionsShareNoKeys(t *testing.T) {
	t.Parallel()
	serverKeys, clientKeys := newPair(t), newPair(t)
	newClient := factory(t, mechanism.CurveClient{Keys: clientKeys, ServerKey: serverKeys.Public()})
	newServer := factory(t, mechanism.CurveServer{Keys: serverKeys, Authenticator: mechanism.AllowAny})
	var said [2][][]byte
	for i := range said {
		client, server := newClient(clientParams), newServer(serverParams)
		said[i] = agree(t, client, server).said
		for _, m := range []mechanism.Mechanism{client, server} {
			frame, err := m.Sealer().Seal(nil, 0, []byte("the same"))
			if err != nil {
				t.Fatal(err)
			}
			said[i] = append(said[i], frame)
		}
	}
	for i := range said[0] {
		a, b := said[0][i], said[1][i]
		if bytes.Equal(a[len(a)-16:], b[len(b)-16:]) {
			t.Errorf("command %d is the same on both connections", i)
		}
	}
}
