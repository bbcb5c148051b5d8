package zmq_test

import (
	"net"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// secured is a way to secure connections: the settings of both ends. Those of a client with nil are NULL's.
type secured struct{ server, client zmq.Security }

// securities are one way for each mechanism.
func securities(t testing.TB) map[string]secured {
	t.Helper()
	keys, clientKeys := must(zmq.GenerateKeyPair())(t), must(zmq.GenerateKeyPair())(t)
	return map[string]secured{
		"NULL":  {},
		"PLAIN": {zmq.PlainServer{Authenticator: zmq.Passwords(map[string]string{"a": "b"})}, zmq.PlainClient{Username: "a", Password: "b"}},
		"CURVE": {zmq.CurveServer{Keys: keys, Clients: zmq.NewKeySet(clientKeys.Public())}, zmq.CurveClient{Keys: clientKeys, ServerKey: keys.Public()}},
	}
}

// speaker is a raw peer that does its handshake well, one thing after the other.
type speaker struct {
	*rawPeer
	m       mechanism.Mechanism
	greeted bool
	started bool
	done    bool
}

// newSpeaker makes a peer of this socket type, with these settings, of a raw connection.
func newSpeaker(p *rawPeer, kind string, sec zmq.Security, server bool) *speaker {
	p.t.Helper()
	params := mechanism.Params{
		Server:   server,
		Peer:     p.RemoteAddr().String(),
		Metadata: wire.AppendProperty(nil, wire.PropertySocketType, []byte(kind)),
	}
	if sec == nil {
		return &speaker{rawPeer: p, m: mechanism.NewNull(params)}
	}
	return &speaker{rawPeer: p, m: must(sec.Factory())(p.t)(params)}
}

// next listens as far as it must, and returns what the peer has to say then: the greeting first, and nothing when the
// handshake is over.
func (s *speaker) next() (say []byte) {
	s.t.Helper()
	if !s.greeted {
		s.greeted = true
		return wire.AppendGreeting(nil, wire.Greeting{Major: 3, Minor: 1, Mechanism: s.m.Name(), AsServer: s.m.AsServer()})
	}
	if !s.started {
		s.started = true
		s.read(wire.GreetingSize)
		say = s.m.Start()
	}
	for len(say) == 0 && !s.done {
		_, body := s.frame()
		var err error
		say, s.done, err = s.m.Handle(s.t.Context(), body)
		check(s.t, err)
	}
	return say
}

// speak says the next things, so many of them. It reports false where there are fewer.
func (s *speaker) speak(things int) bool {
	s.t.Helper()
	for range things {
		say := s.next()
		if len(say) == 0 {
			return false
		}
		s.write(say)
	}
	return true
}

// finish ends the handshake.
func (s *speaker) finish() *speaker {
	s.t.Helper()
	for s.speak(1) {
	}
	return s
}

// sendMessage sends a message of one frame.
func (s *speaker) sendMessage(body string) {
	s.t.Helper()
	if s.m.Sealer() != nil {
		s.write(s.seal(nil, 0, []byte(body)))
		return
	}
	s.write(message(body))
}

// seal appends to dst a frame as CURVE seals it.
func (s *speaker) seal(dst []byte, flags byte, body []byte) []byte {
	s.t.Helper()
	return must(s.m.Sealer().Seal(dst, flags, body))(s.t)
}

// receiveMessage receives a message of one frame.
func (s *speaker) receiveMessage() string {
	s.t.Helper()
	flags, body := s.frame()
	if sealer := s.m.Sealer(); sealer != nil {
		frame, err := sealer.Open(nil, flags, body)
		check(s.t, err)
		_, _, head, err := wire.ParseHeader(frame)
		check(s.t, err)
		body = frame[head:]
	}
	return string(body)
}

// closeWrite ends what the peer says, and leaves it listening.
func (p *rawPeer) closeWrite() {
	p.t.Helper()
	check(p.t, p.Conn.(interface{ CloseWrite() error }).CloseWrite())
}

var _ interface{ CloseWrite() error } = (*net.TCPConn)(nil)
