package zmq

import (
	"errors"
	"net"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
)

// plainSealer puts one byte before each body.
type plainSealer struct{}

func (plainSealer) Seal(dst []byte, flags byte, body []byte) []byte {
	dst = append(wire.AppendHeader(dst, 0, 1+len(body)), flags)
	return append(dst, body...)
}

func (plainSealer) Open(_ byte, body []byte) (flags byte, plain []byte, err error) {
	return body[0], body[1:], nil
}

var errBroken = errors.New("the connection broke")

// breaking is a connection that takes so many bytes and then breaks.
type breaking struct {
	net.Conn
	takes int
	taken []byte
}

func (b *breaking) Write(p []byte) (int, error) {
	n := min(len(p), b.takes-len(b.taken))
	b.taken = append(b.taken, p[:n]...)
	if n < len(p) {
		return n, errBroken
	}
	return n, nil
}

// Wherever a sealed connection breaks, Write returns exactly the frames that have gone out whole: others take the rest.
func TestSealedWriteBreaks(t *testing.T) {
	t.Parallel()
	var plain []byte
	for size := range 400 {
		plain = appendFrames(plain, [][]byte{make([]byte, size)})
	}
	for takes := 0; takes < len(plain); takes += 97 {
		nc := &breaking{takes: takes}
		n, err := newSealedConn(nc, plainSealer{}, nil, 1<<20).Write(plain)
		if !errors.Is(err, errBroken) {
			t.Fatalf("after %d bytes: %v", takes, err)
		}
		want := 0
		for sealed := nc.taken; ; {
			_, size, head, err := wire.ParseHeader(sealed)
			if err != nil || head == 0 || head+int(size) > len(sealed) {
				break
			}
			want += encodedSize([][]byte{make([]byte, size-1)})
			sealed = sealed[head+int(size):]
		}
		if n != want {
			t.Fatalf("after %d bytes: Write says that %d have gone out, want %d", takes, n, want)
		}
	}
}

// A sealed frame of any announced size is waited for, or refused.
func TestSealedFrameAnnounced(t *testing.T) {
	t.Parallel()
	for less := range 12 {
		frame := wire.AppendHeader(nil, wire.FlagLong, unlimited-less)
		nc, peer := net.Pipe()
		go func() {
			_, _ = peer.Write(frame)
			peer.Close()
		}()
		_, err := newSealedConn(nc, plainSealer{}, nil, int64(unlimited)).Read(make([]byte, 100))
		if err == nil {
			t.Error("read what was not sent")
		}
	}
}
