package zmq_test

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// FuzzSecureSession plays a stranger to servers with PLAIN and with CURVE, who holds the right credentials. Bit 0 of how chooses
// CURVE, bit 1 a PUB instead of a PULL, and the next two how many things of the handshake the stranger says well: 3 are all
// of them. With bit 4 what comes then is sealed, a frame at a time, where the handshake was done with CURVE; else it is sent as
// it is. Whatever it is, the socket must end the connection once the stranger has, must not take more memory than the
// stranger's bytes warrant, and must serve others still.
func FuzzSecureSession(f *testing.F) {
	secs := securities(f)
	type target struct {
		at, partner string
		client      zmq.Security
	}
	var targets []target
	for _, kind := range []string{"PULL", "PUB"} {
		for _, name := range []string{"PLAIN", "CURVE"} {
			s := newSocket(f, kind, zmq.Config{Security: secs[name].server, MaxMessageSize: 1 << 20, MaxSubscriptionBytes: 1 << 20})
			targets = append(targets, target{bind(f, s, wildcard), partner[kind], secs[name].client})
			if r, ok := s.(receiver); ok {
				go discard(r)
			}
		}
	}
	f.Fuzz(func(t *testing.T, how byte, data []byte) {
		target := targets[how&3]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p := dialRaw(t, target.at)
		check(t, p.SetDeadline(time.Now().Add(30*time.Second)))
		s := newSpeaker(p, target.partner, target.client, false)
		if n := int(how >> 2 & 3); !s.speak(n) || n == 3 {
			s.finish()
		}
		_, _ = p.Write(s.wrap(how&16 != 0, data)) // the socket may have had enough of it before the end
		_ = p.Conn.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, p); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the socket keeps the connection")
		}
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 16<<20+100*uint64(len(data)) {
			t.Errorf("%d bytes took %d bytes of memory", len(data), taken)
		}
		p.reset() // leave no port behind that waits
		honest := newSpeaker(dialRaw(t, target.at), target.partner, target.client, false).finish()
		honest.reset()
	})
}

// wrap makes of data what the peer sends after its part of the handshake: sealed frames, where it can and should.
func (s *speaker) wrap(seal bool, data []byte) (b []byte) {
	if !seal || !s.done || s.m.Sealer() == nil {
		return data
	}
	for len(data) > 0 {
		flags, size, head, err := wire.ParseHeader(data)
		if err != nil || head == 0 { // no frame: as the body of one
			return s.seal(b, 0, data)
		}
		end := head + int(min(size, int64(len(data)-head)))
		b = s.seal(b, flags&(wire.FlagMore|wire.FlagCommand), data[head:end])
		data = data[end:]
	}
	return b
}
