package zmq_test

import (
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// trust is the security of two ends that accept each other: of the server, which binds, and of its client.
type trust struct{ server, client zmq.Security }

// trusts are all kinds of security, by their names.
func trusts(t testing.TB) map[string]trust {
	t.Helper()
	keys, clientKeys := must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t)
	return map[string]trust{
		"NULL":      {},
		"NULL, ask": {zmq.NullServer{Authenticator: zmq.AllowAny}, nil},
		"PLAIN":     {zmq.PlainServer{Authenticator: zmq.Passwords(map[string]string{"a": "b"})}, zmq.PlainClient{Username: "a", Password: "b"}},
		"CURVE":     {zmq.CurveServer{Keys: keys, Clients: zmq.NewKeySet(clientKeys.Public())}, zmq.CurveClient{Keys: clientKeys, ServerKey: keys.Public()}},
		"fleet":     {zmq.CurveFleet{Keys: keys}, zmq.CurveFleet{Keys: keys}},
	}
}

// Over a connection with CURVE or PLAIN everything works as over one without.
func TestSecureConnections(t *testing.T) {
	t.Parallel()
	for name, sec := range trusts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			pull, push := newPull(t, zmq.Config{Security: sec.server}), newPush(t, zmq.Config{Security: sec.client})
			check(t, push.Connect(must(pull.Bind(wildcard))(t)))
			sizes := []int{0, 1, 63, 255, 256, 4000, 70_000, 3 << 20}
			sent := inBackground(func() error {
				for i := range 2000 {
					n := sizes[i%7]
					if i == 1000 {
						n = sizes[7]
					}
					if err := push.Send(ctx, fmt.Append(nil, i), make([]byte, n), nil); err != nil {
						return err
					}
				}
				return nil
			})
			for i := range 2000 {
				m := must(pull.Recv(ctx))(t)
				n := sizes[i%7]
				if i == 1000 {
					n = sizes[7]
				}
				if m.Len() != 3 || string(m.Bytes()) != fmt.Sprint(i) || len(m.Frame(1)) != n {
					t.Fatalf("message %d: %d frames, %q, %d bytes", i, m.Len(), m.Bytes(), len(m.Frame(1)))
				}
				m.Release()
			}
			check(t, await(t, "the sender is done", sent))
		})
	}
}
