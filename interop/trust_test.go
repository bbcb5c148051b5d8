package interop_test

import (
	"sync"

	"github.com/experimance/experimance-go/zmq"
)

// trust is the security of a Go socket, and the arguments with which libzmq has what suits it.
type trust struct {
	name     string
	security zmq.Security
	args     []string
}

var noTrust = trust{name: "NULL"}

const camera, sesame = "camera", "sesame"

// newPair makes a pair of keys. It cannot fail: no test runs under FIPS 140.
func newPair() zmq.KeyPair {
	pair, err := zmq.GenerateKeyPair()
	if err != nil {
		panic(err)
	}
	return pair
}

// curveByGo is the index in trusts of CURVE with Go as the server.
const curveByGo = 3

// trusts are all mechanisms, in both roles.
var trusts = sync.OnceValue(func() []trust {
	server, client := newPair(), newPair()
	return []trust{
		{"NULL, asked by Go", zmq.NullServer{Authenticator: zmq.AllowAny}, nil},
		{
			"PLAIN served by Go",
			zmq.PlainServer{Authenticator: zmq.Passwords(map[string]string{camera: sesame})},
			[]string{"PLAIN_USERNAME=" + camera, "PLAIN_PASSWORD=" + sesame},
		},
		{
			"PLAIN served by libzmq",
			zmq.PlainClient{Username: camera, Password: sesame},
			[]string{"PLAIN_SERVER=1", "zap=" + camera + ":" + sesame},
		},
		{
			"CURVE served by Go",
			zmq.CurveServer{Keys: server, Clients: zmq.NewKeySet(client.Public())},
			curveClient(client, server),
		},
		{
			"CURVE served by libzmq",
			zmq.CurveClient{Keys: client, ServerKey: server.Public()},
			[]string{"CURVE_SERVER=1", "CURVE_SECRETKEY=" + server.Secret()},
		},
	}
})

// curveClient is the arguments of a client of CURVE.
func curveClient(client, server zmq.KeyPair) []string {
	return []string{
		"CURVE_SERVERKEY=" + server.Public().String(),
		"CURVE_PUBLICKEY=" + client.Public().String(),
		"CURVE_SECRETKEY=" + client.Secret(),
	}
}
