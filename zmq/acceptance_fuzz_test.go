package zmq_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// session is what a well-behaved peer of this type writes: its handshake, what it subscribes to, messages, and heartbeats.
func session(kind string) []byte {
	return slices.Concat(
		greeting(1), ready(kind),
		subscribe(1, "topic"), subscribe(0, "topic"), cancel(1, "topic"),
		message("one frame"), message("", "two frames"), message(string(make([]byte, 256))),
		wire.AppendPing(nil, time.Second, []byte("context")), wire.AppendPong(nil, nil),
		wire.AppendCommand(nil, "UNKNOWN", []byte("data")), wire.AppendError(nil, "reason"),
	)
}

// garbled are sessions that end anywhere, or in which any byte is another.
func garbled(kind string) [][]byte {
	whole := session(kind)
	all := [][]byte{whole}
	for i := range whole {
		all = append(all, whole[:i])
		for _, bits := range []byte{1, 0x7f, 0xff} {
			changed := bytes.Clone(whole)
			changed[i] ^= bits
			all = append(all, changed)
		}
	}
	return all
}

// play writes what a peer says, and waits for the end of the connection.
func (p *rawPeer) play(said []byte) {
	p.t.Helper()
	_, _ = p.Write(said) // the socket may end the connection before
	_ = p.Conn.(interface{ CloseWrite() error }).CloseWrite()
	p.expectEnd()
}

// playAtBound has peers say anything to a bound socket, which goes on to serve others.
func playAtBound(t *testing.T, endpoint string, said ...[]byte) {
	t.Helper()
	pub := newPub(t, zmq.Config{MaxMessageSize: 1 << 20})
	at := bind(t, pub, endpoint)
	for _, s := range said {
		dialPeer(t, at).play(s)
	}
	sub := newSub(t, zmq.Config{}, "")
	check(t, sub.Connect(at))
	check(t, sub.WaitPeers(within(t), 1))
	peers(t, pub, 1)
	check(t, pub.WaitSubscribers(within(t), "", 1))
	send(t, pub, "fine")
	expect(t, sub, "fine")
}

// playAtConnected has peers say anything to sockets that connect to them.
func playAtConnected(t *testing.T, endpoint string, said ...[]byte) {
	t.Helper()
	l, at := listenPeer(t, endpoint)
	for _, s := range said {
		sub := newSub(t, zmq.Config{MaxMessageSize: 1 << 20, ReconnectInterval: -1}, "")
		check(t, sub.Connect(at))
		l.accept().play(s)
		check(t, sub.Close())
	}
}

// Whatever a peer says to a bound socket, it harms nobody but itself.
func TestCase_bind_null_fuzzer(t *testing.T) {
	t.Parallel()
	on(t, "tcp ipc", func(t *testing.T, endpoint string) {
		playAtBound(t, endpoint, append(garbled("SUB"), garbled("PUSH")...)...)
	})
}

// Whatever a peer says to a socket that has connected to it, it harms nobody but itself.
func TestCase_connect_null_fuzzer(t *testing.T) {
	t.Parallel()
	on(t, "tcp ipc", func(t *testing.T, endpoint string) {
		playAtConnected(t, endpoint, append(garbled("PUB"), garbled("PULL")...)...)
	})
}

func FuzzBindNull(f *testing.F) {
	f.Add(session("SUB"))
	f.Add(session("PUSH"))
	f.Fuzz(func(t *testing.T, said []byte) { playAtBound(t, "ipc://*", said) })
}

func FuzzConnectNull(f *testing.F) {
	f.Add(session("PUB"))
	f.Add(session("PULL"))
	f.Fuzz(func(t *testing.T, said []byte) { playAtConnected(t, "ipc://*", said) })
}
