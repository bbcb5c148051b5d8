package zmq

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// calmReader reads from a tcp connection without having a thread woken for each packet. Go's poller hears of every packet on
// every connection, and one of its threads wakes for it, even while the reader is at work and would find the packet anyway. So
// when a reader has found something many times in a row, the system is to tell of much only (SO_RCVLOWAT), until the reader has
// to wait: then it is to tell of all.
type calmReader struct {
	nc   *net.TCPConn
	raw  syscall.RawConn
	call func(fd uintptr) bool // readOnce, made once

	buf  []byte
	n    int
	err  error
	runs int  // reads in a row that found something
	calm bool // the system tells of much only
}

// A reader is calm after so many reads, and then to be told of so many bytes. The system makes room for twice as many.
const (
	calmAfter = 4
	calmBytes = 4 << 20
)

// newCalmReader returns nil where there is no such reader for the connection.
func newCalmReader(nc net.Conn) io.Reader {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	r := &calmReader{nc: tcp, raw: raw}
	r.call = r.readOnce
	return r
}

// Read is that of net.Conn.
func (r *calmReader) Read(b []byte) (int, error) {
	r.buf = b
	err := r.raw.Read(r.call)
	r.buf = nil
	switch {
	case err != nil:
		return 0, asRead(err)
	case r.err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: r.nc.LocalAddr(), Addr: r.nc.RemoteAddr(), Err: os.NewSyscallError("read", r.err)}
	case r.n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// asRead returns an error of RawConn.Read as net.Conn.Read has it.
func asRead(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		op.Op = "read" // instead of "raw-read"
		return op
	}
	return err
}

// readOnce reports false where there is nothing to read.
func (r *calmReader) readOnce(fd uintptr) bool {
	if r.runs++; r.runs >= calmAfter && !r.calm {
		r.calm = r.tell(fd, calmBytes)
	}
	for {
		n, err := unix.Read(int(fd), r.buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			r.runs = 0
			if !r.calm {
				return false
			}
			r.calm = false
			r.tell(fd, 1) // and then look again: something may have come before
			continue
		}
		r.n, r.err = max(n, 0), err
		return true
	}
}

// tell sets of how many bytes the system tells at least.
func (r *calmReader) tell(fd uintptr, bytes int) bool {
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes) == nil
}
