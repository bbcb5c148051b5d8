package zmq_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// FuzzSession plays a stranger to a socket of each type. The low two bits of how choose the type, the next one whether the
// stranger does its handshake well, and the next its minor version. Whatever comes then, the socket must end the
// connection once the stranger has, must go on serving, and must not take more memory than the stranger's bytes warrant.
//
// Which lines are reached differs from run to run, since goroutines do: fuzz with -fuzzminimizetime 10x, or most of the
// time goes into making inputs smaller.
func FuzzSession(f *testing.F) {
	type target struct{ kind, at string }
	targets := make([]target, len(kinds))
	for i, kind := range kinds {
		s := newSocket(f, kind, zmq.Config{MaxMessageSize: 1 << 20, MaxSubscriptionBytes: 1 << 20})
		targets[i] = target{kind, bind(f, s, wildcard)}
		if r, ok := s.(receiver); ok {
			go discard(r)
		}
	}
	f.Fuzz(func(t *testing.T, how byte, data []byte) {
		target := targets[how&3]
		if how&4 != 0 {
			data = append(append(greeting(how>>3&1), ready(partner[target.kind])...), data...)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		conn, err := net.Dial("tcp", address(target.at))
		check(t, err)
		defer conn.Close()
		check(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
		_, _ = conn.Write(data) // the socket may have had enough of it before the end
		_ = conn.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the socket keeps the connection")
		}
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 16<<20+100*uint64(len(data)) {
			t.Errorf("%d bytes took %d bytes of memory", len(data), taken)
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // leave no port behind that waits
	})
}

// discard receives until the socket is closed, and looks at everything.
func discard(r receiver) {
	for m, err := r.Recv(context.Background()); err == nil; m, err = r.Recv(context.Background()) {
		for _, f := range m.Frames() {
			if len(f) > 1<<20 {
				panic("a frame beyond the limit")
			}
		}
		m.Release()
	}
}

// FuzzMessage sends messages of arbitrary frames through a pair of sockets.
func FuzzMessage(f *testing.F) {
	push, pull := newPush(f, zmq.Config{}), newPull(f, zmq.Config{})
	pair(f, pull, push, wildcard)
	f.Add([]byte{1, 2, 3, 0, 5}, uint16(3))
	f.Add(make([]byte, 70_000), uint16(256))
	f.Fuzz(func(t *testing.T, data []byte, step uint16) {
		var frames [][]byte
		for rest := data; len(frames) < 100; rest = rest[min(int(step), len(rest)):] {
			frames = append(frames, rest[:min(int(step), len(rest))])
			if len(rest) == 0 {
				break
			}
		}
		check(t, push.Send(within(t), frames...))
		m, err := pull.Recv(within(t))
		check(t, err)
		if m.Len() != len(frames) {
			t.Fatalf("%d frames became %d", len(frames), m.Len())
		}
		for i, frame := range m.All() {
			if string(frame) != string(frames[i]) {
				t.Fatalf("frame %d was changed", i)
			}
		}
		m.Release()
	})
}
