package zmtp_test

import (
	"context"
	"net"
	"testing"

	"github.com/experimance/experimance-go/internal/zmtp"
)

// BenchmarkHandshake measures both ends of a handshake.
func BenchmarkHandshake(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ours, theirs := net.Pipe()
		accepting := handshake(context.Background(), theirs, true, zmtp.Config{SocketType: "PULL"})
		_, err := zmtp.Handshake(context.Background(), ours, false, zmtp.Config{SocketType: "PUSH"})
		if atTheirs := <-accepting; err != nil || atTheirs.err != nil {
			b.Fatal(err, atTheirs.err)
		}
		ours.Close()
		theirs.Close()
	}
}
