package zmtp_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// greetingOf is the greeting of a NULL peer of this version.
func greetingOf(major, minor byte) string {
	return string(wire.AppendGreeting(nil, wire.Greeting{Major: major, Minor: minor, Mechanism: "NULL"}))
}

// readyOf is a READY with these names and values.
func readyOf(properties ...string) string {
	var b []byte
	for i := 0; i < len(properties); i += 2 {
		b = wire.AppendProperty(b, properties[i], []byte(properties[i+1]))
	}
	return string(wire.AppendCommand(nil, wire.CommandReady, b))
}

// greetingV2 is the greeting of a peer of ZMTP 2.0 with a socket type of this number.
func greetingV2(number byte, identity string) string {
	return "\xff" + strings.Repeat("\x00", 7) + "\x01\x7f\x01" + string([]byte{number, 0, byte(len(identity))}) + identity
}

// The numbers of socket types in ZMTP 2.0 (RFC 15, and libzmq 3.2).
const (
	subV2    = 2
	reqV2    = 3
	dealerV2 = 5
	pullV2   = 7
	xsubV2   = 10
)

// What a PUB of this package sends, byte for byte.
var (
	pubGreeting = "\xff" + strings.Repeat("\x00", 8) + "\x7f\x03\x01NULL" + strings.Repeat("\x00", 48)
	pubReady    = "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"
)

// subReady is the READY that a SUB of libzmq sends.
var subReady = readyOf("Socket-Type", "SUB")

func pipe(tb testing.TB) (ours, theirs net.Conn) {
	tb.Helper()
	ours, theirs = net.Pipe()
	closeAfter(tb, ours, theirs)
	return ours, theirs
}

func tcp(tb testing.TB) (ours, theirs net.Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	theirs, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	ours, err = l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	closeAfter(tb, ours, theirs)
	return ours, theirs
}

func closeAfter(tb testing.TB, conns ...net.Conn) {
	tb.Helper()
	tb.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
}

// onCarriers runs a test on each kind of connection that a handshake must work on:
// one that holds no byte, so that a write ends with the peer's read, and a real one.
// The first comes with a clock of its own and notices goroutines left behind.
func onCarriers(t *testing.T, test func(t *testing.T, ours, theirs net.Conn)) {
	t.Helper()
	t.Run("pipe", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := pipe(t)
			test(t, ours, theirs)
		})
	})
	t.Run("tcp", func(t *testing.T) {
		t.Parallel()
		ours, theirs := tcp(t)
		test(t, ours, theirs)
	})
}

// step is a thing that a scripted peer does, strictly after the one before.
type step func(conn net.Conn) error

func send(s string) step {
	return func(conn net.Conn) error {
		_, err := io.WriteString(conn, s)
		return err
	}
}

func receive(n int) step {
	return func(conn net.Conn) error {
		_, err := io.ReadFull(conn, make([]byte, n))
		return err
	}
}

// play lets a scripted peer act, and returns a function that waits until it has and
// reports the error of the step that failed.
func play(conn net.Conn, script ...step) (wait func() error) {
	done := make(chan error, 1)
	go func() {
		for _, act := range script {
			if err := act(conn); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return func() error { return <-done }
}

// collect reads all that arrives on conn, and returns a function that waits for the
// end and returns it.
func collect(conn net.Conn) (wait func() string) {
	all := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(conn) // a reset says no more than the end
		all <- string(b)
	}()
	return func() string { return <-all }
}

type result struct {
	peer *zmtp.Peer
	err  error
}

// handshake runs a handshake beside the test.
func handshake(ctx context.Context, conn net.Conn, server bool, cfg zmtp.Config) <-chan result {
	done := make(chan result, 1)
	go func() {
		peer, err := zmtp.Handshake(ctx, conn, server, cfg)
		done <- result{peer, err}
	}()
	return done
}
