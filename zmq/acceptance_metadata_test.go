package zmq_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// A message tells who sent it: what the peer says about itself, where it is, and who the Authenticator found it to be.
func TestCase_metadata(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		security := zmq.NullServer{Domain: "DOMAIN", Authenticator: func(_ context.Context, r zmq.AuthRequest) (zmq.Decision, error) {
			if r.Domain != "DOMAIN" {
				return zmq.Refuse("BAD DOMAIN"), nil
			}
			d := zmq.Accept("anonymous")
			d.Metadata = map[string]string{"Hello": "World"}
			return d, nil
		}}
		for i, make := range []func() (receiver, sender){
			func() (receiver, sender) {
				return open(t, zmq.NewDealer, zmq.Config{Security: security}), open(t, zmq.NewDealer, zmq.Config{Identity: []byte("me")})
			},
			func() (receiver, sender) {
				return open(t, zmq.NewRouter, zmq.Config{Security: security}), open(t, zmq.NewDealer, zmq.Config{Identity: []byte("me")})
			},
			func() (receiver, sender) { return newPull(t, zmq.Config{Security: security}), newPush(t, zmq.Config{}) },
		} {
			server, client := make()
			check(t, client.Connect(bind(t, server, numbered(endpoint, i))))
			send(t, client, "This is a message")
			m := must(server.Recv(within(t)))(t)
			p := m.Clone().Peer()
			m.Release()
			if _, ok := client.(*zmq.Dealer); p.SocketType != map[bool]string{true: "DEALER", false: "PUSH"}[ok] || (string(p.Identity) == "me") != ok {
				t.Errorf("the peer is %+v", p)
			}
			if isInproc(endpoint) {
				if p.Address != "" || p.UserID != "" { // it is in this process, and need not prove anything
					t.Errorf("the peer is %+v", p)
				}
				continue
			}
			if got, ok := p.Property("socket-type"); got != p.SocketType || !ok {
				t.Errorf("it says to be a %q", got)
			}
			if p.UserID != "anonymous" || p.Metadata["Hello"] != "World" || (endpoint == wildcard && !strings.HasPrefix(p.Address, "127.0.0.1:")) {
				t.Errorf("the peer is %+v", p)
			}
			if got, ok := p.Property("No Such"); got != "" || ok {
				t.Errorf("it says %q", got)
			}
		}
		if p := (zmq.Message{}).Peer(); p.SocketType != "" {
			t.Errorf("nobody is %+v", p)
		}
	})
}

// Each message has the sender that it had, also when another peer has come to the same endpoint meanwhile; and what a peer
// claims about itself does not pass for what the Authenticator said.
func TestPeerOfEachMessage(t *testing.T) {
	t.Parallel()
	l := listenRaw(t)
	pull := newPull(t, quick)
	check(t, pull.Connect(l.endpoint()))
	for _, name := range []string{"first", "second"} {
		raw := l.accept()
		claims := wire.AppendProperty(wire.AppendProperty(nil, "Socket-Type", []byte("PUSH")), "X-Name", []byte(name))
		claims = wire.AppendProperty(claims, "User-Id", []byte("root"))
		raw.write(greeting(1), wire.AppendCommand(nil, "READY", claims), message(name))
		check(t, raw.Conn.(*net.TCPConn).CloseWrite())
		raw.expectEnd()
	}
	peers(t, pull, 0)
	for _, name := range []string{"first", "second"} {
		m := must(pull.Recv(within(t)))(t)
		if got, _ := m.Peer().Property("x-name"); got != name || string(m.Bytes()) != name || m.Peer().UserID != "" || m.Peer().Metadata != nil {
			t.Errorf("message %q is of %q, user %q", m.Bytes(), got, m.Peer().UserID)
		}
	}
}
