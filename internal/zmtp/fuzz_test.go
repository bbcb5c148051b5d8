package zmtp_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// FuzzHandshake plays a peer that sends any bytes, in two pieces, and closes when all
// is sent and the answers have arrived.
func FuzzHandshake(f *testing.F) {
	for _, s := range []string{
		greetingOf(3, 1) + subReady,
		greetingOf(3, 0) + subReady + "\x00\x06\x01topic",
		greetingOf(3, 1) + readyOf("Socket-Type", "PUSH"),
		greetingOf(3, 1) + string(wire.AppendError(nil, "400")),
		greetingOf(3, 1) + "\x06\x40\x00\x00\x00\x00\x00\x00\x00",
		"\x01\x00",
		greetingV2(subV2, "me") + "\x00\x06\x01topic",
		greetingV2(pullV2, ""),
	} {
		f.Add([]byte(s), uint16(len(s)/2))
	}
	f.Fuzz(func(t *testing.T, stream []byte, cut uint16) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		peerDone := make(chan struct{})
		go func() {
			defer close(peerDone)
			playStream(theirs, stream, min(int(cut), len(stream)))
		}()

		peer, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
		if err != nil {
			checkRefused(t, peer, err)
		} else {
			rest, err := io.ReadAll(ours)
			if err != nil {
				t.Fatal(err)
			}
			checkAgreed(t, peer, string(stream), string(peer.Buffered)+string(rest))
		}
		ours.Close()
		<-peerDone
	})
}

// answers returns how many bytes a PUB answers to a stream, unless it refuses it first.
func answers(stream []byte) int {
	switch {
	case len(stream) < wire.SignatureSize:
		return wire.SignatureSize
	case len(stream) < wire.VersionSize:
		return wire.VersionSize
	case wire.IsV2(stream):
		return len(greetingV2(0, ""))
	}
	n := len(pubGreeting)
	if g, err := wire.ParseGreeting(stream); err == nil && g.Mechanism == "NULL" {
		frame := stream[wire.GreetingSize:]
		if _, size, header, err := wire.ParseHeader(frame); err == nil && header > 0 && int64(len(frame)-header) >= size {
			n += len(pubReady)
		}
	}
	return n
}

// playStream sends the stream in two pieces, reads what it must be answered, closes
// conn, and reads on until then. A write fails when the other end has gone.
func playStream(conn net.Conn, stream []byte, cut int) {
	answered := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.CopyN(io.Discard, conn, int64(answers(stream)))
		close(answered)
		_, _ = io.Copy(io.Discard, conn)
	}()
	for _, piece := range [][]byte{stream[:cut], stream[cut:]} {
		if len(piece) == 0 {
			continue // a pipe would make it wait for a read
		}
		if _, err := conn.Write(piece); err != nil {
			break
		}
	}
	<-answered
	conn.Close()
	<-ended
}

func checkRefused(t *testing.T, peer *zmtp.Peer, err error) {
	t.Helper()
	var failed *zmtp.HandshakeError
	if peer != nil || !errors.As(err, &failed) || failed.Err == nil {
		t.Fatalf("peer %+v, %v", peer, err)
	}
}

// checkAgreed finds out that the stream was a greeting, a READY of a subscriber, and
// the traffic; or a greeting of ZMTP 2.0 with the identity of a subscriber, and the
// traffic.
func checkAgreed(t *testing.T, peer *zmtp.Peer, stream, traffic string) {
	t.Helper()
	if !zmtp.Compatible("PUB", peer.SocketType) || peer.Minor > 1 {
		t.Fatalf("agreed with %+v", peer)
	}
	if peer.Major == 2 {
		number, size := stream[wire.VersionSize], int(stream[wire.GreetingSizeV2+1])
		start := wire.GreetingSizeV2 + 2
		if stream[wire.GreetingSizeV2] == wire.FlagLong {
			start = wire.GreetingSizeV2 + wire.MaxHeader
			size = int(stream[start-1])
		}
		if number != subV2 && number != xsubV2 || peer.Minor != 0 || stream[start+size:] != traffic {
			t.Fatalf("of the stream %q is left %q, with %+v", stream, traffic, peer)
		}
		return
	}
	greeting, err := wire.ParseGreeting([]byte(stream))
	if err != nil || greeting.Mechanism != "NULL" {
		t.Fatalf("agreed with the greeting %+v, %v", greeting, err)
	}
	_, size, n, err := wire.ParseHeader([]byte(stream[wire.GreetingSize:]))
	if err != nil || stream[wire.GreetingSize+n+int(size):] != traffic {
		t.Fatalf("of the stream %q is left %q (%v)", stream, traffic, err)
	}
}
