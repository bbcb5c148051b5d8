package zmq_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
)

// rawPeer is a peer that the test plays byte by byte.
type rawPeer struct {
	t testing.TB
	net.Conn
}

func newRaw(t testing.TB, conn net.Conn) *rawPeer {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	check(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return &rawPeer{t, conn}
}

func address(endpoint string) string { return strings.TrimPrefix(endpoint, "tcp://") }

// dialRaw connects to a bound socket.
func dialRaw(t testing.TB, endpoint string) *rawPeer {
	t.Helper()
	return newRaw(t, must(net.Dial("tcp", address(endpoint)))(t))
}

// rawListener is a bound endpoint that the test plays.
type rawListener struct {
	t testing.TB
	net.Listener
}

func listenRaw(t testing.TB) rawListener {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { l.Close() })
	return rawListener{t, l}
}

func (l rawListener) endpoint() string { return "tcp://" + l.Addr().String() }

// accept takes the next connection of a connecting socket.
func (l rawListener) accept() *rawPeer {
	l.t.Helper()
	return newRaw(l.t, must(l.Accept())(l.t))
}

// closedEndpoint is an endpoint at which nobody listens. A connection holds the port, so that no other test comes to listen
// there meanwhile.
func closedEndpoint(t testing.TB) string {
	t.Helper()
	holder := dialRaw(t, listenRaw(t).endpoint())
	return "tcp://" + holder.LocalAddr().String()
}

// greeting is the 64 bytes with which a peer begins that speaks ZMTP 3 of this minor version.
func greeting(minor byte) []byte {
	return wire.AppendGreeting(nil, wire.Greeting{Major: 3, Minor: minor, Mechanism: "NULL"})
}

// ready is the command that ends the handshake of a peer of this type.
func ready(kind string) []byte {
	return wire.AppendCommand(nil, "READY", wire.AppendProperty(nil, "Socket-Type", []byte(kind)))
}

// message is a message's bytes on the wire.
func message(frames ...string) []byte {
	var b []byte
	for i, f := range frames {
		var flags byte
		if i < len(frames)-1 {
			flags = wire.FlagMore
		}
		b = append(wire.AppendHeader(b, flags, len(f)), f...)
	}
	return b
}

// greet does the whole handshake as a peer of this type and minor version.
func (p *rawPeer) greet(kind string, minor byte) *rawPeer {
	p.t.Helper()
	p.write(greeting(minor), ready(kind))
	p.read(wire.GreetingSize)
	if name, _ := p.command(); name != "READY" {
		p.t.Fatalf("handshake ends with %q, want READY", name)
	}
	return p
}

// write sends bytes.
func (p *rawPeer) write(parts ...[]byte) {
	p.t.Helper()
	must(p.Write(bytes.Join(parts, nil)))(p.t)
}

// read receives n bytes.
func (p *rawPeer) read(n int) []byte {
	p.t.Helper()
	b := make([]byte, n)
	must(io.ReadFull(p, b))(p.t)
	return b
}

// frame receives one frame.
func (p *rawPeer) frame() (flags byte, body []byte) {
	p.t.Helper()
	head := p.read(2)
	if head[0]&wire.FlagLong != 0 {
		head = append(head, p.read(7)...)
	}
	flags, size, _, err := wire.ParseHeader(head)
	check(p.t, err)
	return flags, p.read(int(size))
}

// command receives a command.
func (p *rawPeer) command() (name string, data []byte) {
	p.t.Helper()
	flags, body := p.frame()
	if flags&wire.FlagCommand == 0 {
		p.t.Fatalf("received the message frame %q, want a command", body)
	}
	nameBytes, data, err := wire.ParseCommand(body)
	check(p.t, err)
	return string(nameBytes), data
}

// message receives a message, its frames joined by bars.
func (p *rawPeer) message() string {
	p.t.Helper()
	return strings.Join(p.frames(), "|")
}

// frames receives a message.
func (p *rawPeer) frames() (frames []string) {
	p.t.Helper()
	for {
		flags, body := p.frame()
		if flags&wire.FlagCommand != 0 {
			p.t.Fatalf("received the command %q, want a message", body)
		}
		frames = append(frames, string(body))
		if flags&wire.FlagMore == 0 {
			return frames
		}
	}
}

// expect receives exactly these bytes.
func (p *rawPeer) expect(what string, want ...byte) {
	p.t.Helper()
	if got := p.read(len(want)); !bytes.Equal(got, want) {
		p.t.Fatalf("%s: received % x, want % x", what, got, want)
	}
}

// expectEnd receives until the socket ends the connection, and fails if it does not.
func (p *rawPeer) expectEnd() {
	p.t.Helper()
	_, err := io.Copy(io.Discard, p)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatal("the connection was not ended")
	}
}

// reset ends the connection as a crash of the peer's machine would: nothing more is sent, and what was received and not
// read is lost.
func (p *rawPeer) reset() {
	p.t.Helper()
	check(p.t, p.Conn.(*net.TCPConn).SetLinger(0))
	check(p.t, p.Close())
}
