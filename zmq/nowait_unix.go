//go:build linux || darwin

package zmq

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// nowait writes to a connection what the system takes at once. It is used by one goroutine at a time.
type nowait struct {
	raw  syscall.RawConn
	call func(fd uintptr) bool // writeNow, made once

	bufs    [][]byte
	written int
}

// newNowait returns nil where one cannot write to the connection without waiting.
func newNowait(nc net.Conn) *nowait {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	w := &nowait{raw: raw}
	w.call = w.writeNow
	return w
}

// write writes as much as the system takes at once, and returns how much that was. An error is left for the next write to
// find.
func (w *nowait) write(bufs [][]byte) int {
	w.bufs, w.written = bufs, 0
	err := w.raw.Write(w.call)
	w.bufs = nil
	if err != nil {
		return 0
	}
	return w.written
}

func (w *nowait) writeNow(fd uintptr) bool {
	for {
		n, err := unix.Writev(int(fd), w.bufs)
		if err != unix.EINTR {
			w.written = max(n, 0)
			return true
		}
	}
}

// readNow reads from a connection what is there. It is used by one goroutine at a time.
type readNow struct {
	raw  syscall.RawConn
	call func(fd uintptr) bool // readOnce, made once

	buf []byte
	n   int
	err error
}

// newReadNow returns nil where one cannot read from the connection without waiting.
func newReadNow(nc net.Conn) *readNow {
	w := newNowait(nc)
	if w == nil {
		return nil
	}
	r := &readNow{raw: w.raw}
	r.call = r.readOnce
	return r
}

// read returns 0 and no error where nothing is there.
func (r *readNow) read(b []byte) (int, error) {
	r.buf = b
	err := r.raw.Read(r.call)
	r.buf = nil
	if err != nil {
		return 0, err
	}
	return r.n, r.err
}

func (r *readNow) readOnce(fd uintptr) bool {
	for {
		n, err := unix.Read(int(fd), r.buf)
		r.n, r.err = max(n, 0), err
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			r.err = nil
		case err == nil && n == 0:
			r.err = io.EOF
		}
		return true
	}
}
