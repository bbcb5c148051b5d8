package mechanism_test

import (
	"context"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// The key pairs that libzmq's manual gives for tests (zmq_curve, "Test key values").
const (
	serverPublic = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
	serverSecret = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
	clientPublic = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	clientSecret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
)

func pair(tb testing.TB, secret string) mechanism.KeyPair {
	tb.Helper()
	keys, err := mechanism.ParseSecretKey(secret)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

func newPair(tb testing.TB) mechanism.KeyPair {
	tb.Helper()
	keys, err := mechanism.GenerateKeyPair()
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// factory is the one of these settings.
func factory(tb testing.TB, s mechanism.Security) func(mechanism.Params) mechanism.Mechanism {
	tb.Helper()
	f, err := s.Factory()
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// metadata is that of a socket of this type, with an identity unless it is empty.
func metadata(socketType, identity string) []byte {
	b := wire.AppendProperty(nil, wire.PropertySocketType, []byte(socketType))
	if identity != "" {
		b = wire.AppendProperty(b, wire.PropertyIdentity, []byte(identity))
	}
	return b
}

// The two ends of most tests.
var (
	clientParams = mechanism.Params{Peer: "192.0.2.1:5555", Metadata: metadata("DEALER", "me")}
	serverParams = mechanism.Params{Server: true, Peer: "192.0.2.7:40001", Metadata: metadata("ROUTER", "")}
)

// body is the body of the one command frame in b.
func body(tb testing.TB, b []byte) []byte {
	tb.Helper()
	flags, size, n, err := wire.ParseHeader(b)
	if err != nil || n == 0 || flags&wire.FlagCommand == 0 || int(size) != len(b)-n {
		tb.Fatalf("%q is not one command frame: %v", b, err)
	}
	return b[n:]
}

// command is the body of a command.
func command(name string, data ...[]byte) []byte {
	b := append([]byte{byte(len(name))}, name...)
	for _, d := range data {
		b = append(b, d...)
	}
	return b
}

// outcome is how a handshake between two mechanisms went.
type outcome struct {
	client, server         error
	clientDone, serverDone bool
	said                   [][]byte // the bodies of all commands, from HELLO on
}

// shake lets two mechanisms speak to each other until nobody has anything to say.
func shake(tb testing.TB, client, server mechanism.Mechanism) (o outcome) {
	tb.Helper()
	toServer, toClient := client.Start(), server.Start()
	for len(toServer) > 0 || len(toClient) > 0 {
		if len(toServer) > 0 {
			b := body(tb, toServer)
			o.said = append(o.said, b)
			toServer = nil
			if o.server == nil {
				toClient, o.serverDone, o.server = server.Handle(tb.Context(), b)
			}
		}
		if len(toClient) > 0 {
			b := body(tb, toClient)
			o.said = append(o.said, b)
			toClient = nil
			if o.client == nil {
				toServer, o.clientDone, o.client = client.Handle(tb.Context(), b)
			}
		}
	}
	return o
}

// agree is a shake that must succeed.
func agree(tb testing.TB, client, server mechanism.Mechanism) outcome {
	tb.Helper()
	o := shake(tb, client, server)
	if o.client != nil || o.server != nil || !o.clientDone || !o.serverDone {
		tb.Fatalf("client: done %t, %v; server: done %t, %v", o.clientDone, o.client, o.serverDone, o.server)
	}
	return o
}

// property is one thing that a mechanism's peer said about itself.
func property(m mechanism.Mechanism, name string) string {
	value, _ := m.Metadata().Get(name)
	return string(value)
}

// user is who a mechanism has found its peer to be.
func user(m mechanism.Mechanism) mechanism.User {
	return m.(mechanism.Authenticated).User()
}

// deciding is an Authenticator that answers this, and notes what it was asked.
func deciding(d mechanism.Decision, err error) (mechanism.Authenticator, *[]mechanism.AuthRequest) {
	var asked []mechanism.AuthRequest
	return func(_ context.Context, r mechanism.AuthRequest) (mechanism.Decision, error) {
		asked = append(asked, r)
		return d, err
	}, &asked
}
