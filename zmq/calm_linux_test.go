package zmq

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connected returns the ends of a tcp connection.
func connected(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	fatal(t, err)
	accepted, err := l.Accept()
	fatal(t, err)
	a, b = dialed.(*net.TCPConn), accepted.(*net.TCPConn)
	t.Cleanup(func() { _ = a.Close() }) // which the test may have done
	t.Cleanup(func() { _ = b.Close() })
	return a, b
}

// lowat is of how many bytes the system tells at least.
func lowat(t *testing.T, nc *net.TCPConn) (bytes int) {
	t.Helper()
	raw, err := nc.SyscallConn()
	fatal(t, err)
	fatal(t, raw.Control(func(fd uintptr) {
		bytes, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT)
	}))
	fatal(t, err)
	return bytes
}

// Whatever comes in one go, the last byte of it is noticed without another one, although the system was told to be silent
// about the others.
func TestCalmReaderNoticesTheLastByte(t *testing.T) {
	t.Parallel()
	from, to := connected(t)
	fatal(t, to.SetReadDeadline(time.Now().Add(time.Minute))) // rather than to hang
	calm := newCalmReader(to).(*calmReader)
	read := make(chan struct{})
	go func() {
		for range read {
			b := make([]byte, 1+rand.IntN(200_000))
			for len(b) > 0 { // in pieces, so that the reader has to wait now and then
				n := min(1+rand.IntN(20_000), len(b))
				if _, err := from.Write(b[:n]); err != nil {
					t.Error(err)
					return
				}
				b = b[n:]
			}
			if _, err := from.Write([]byte{1}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	defer close(read)
	was := 0
	for range 300 {
		read <- struct{}{}
		b := make([]byte, 1000)
		for end := false; !end; {
			n, err := calm.Read(b)
			fatal(t, err)
			end = n > 0 && b[n-1] == 1
			if calm.calm {
				was++
			}
		}
	}
	if was == 0 {
		t.Error("the reader was never calm")
	}
}

// A reader is calm while it finds something each time, and not any more when it has to wait. It ends as any other.
func TestCalmReaderWaits(t *testing.T) {
	t.Parallel()
	from, to := connected(t)
	calm := newCalmReader(to)
	if _, err := from.Write(make([]byte, calmAfter+2)); err != nil {
		t.Fatal(err)
	}
	for range calmAfter + 2 {
		if n, err := calm.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("read %d bytes, %v", n, err)
		}
	}
	if now := lowat(t, to); now < 1<<10 {
		t.Errorf("the system tells of %d bytes", now)
	}
	fatal(t, to.SetReadDeadline(time.Now().Add(time.Millisecond)))
	if n, err := calm.Read(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with a deadline: %d bytes, %v", n, err)
	}
	if now := lowat(t, to); now != 1 {
		t.Errorf("the system tells of %d bytes, while somebody waits", now)
	}
	fatal(t, to.SetReadDeadline(time.Time{}))
	fatal(t, from.Close())
	if n, err := calm.Read(make([]byte, 10)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
	fatal(t, to.Close())
	if n, err := calm.Read(make([]byte, 10)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("when it is closed: %d bytes, %v", n, err)
	}
}
