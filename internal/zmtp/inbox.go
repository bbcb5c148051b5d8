package zmtp

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// minRead is the room in bytes that a read has at least: enough for the greeting
// and READY of a peer in one.
const minRead = 512

// inbox reads a connection into a buffer that grows with what arrives, never with
// what a peer claims.
type inbox struct {
	conn net.Conn
	buf  []byte // read and not yet taken
	got  int    // bytes read
}

// more reads once. What is awaited has size bytes: a full buffer grows to four times
// what is there, but not beyond that.
func (in *inbox) more(size int) error {
	if have := len(in.buf); have == cap(in.buf) {
		room := max(minRead, min(4*have, size))
		in.buf = append(make([]byte, 0, room), in.buf...)
	}
	n, err := in.conn.Read(in.buf[len(in.buf):cap(in.buf)])
	in.buf = in.buf[:len(in.buf)+n]
	in.got += n
	if n > 0 {
		return nil // an error that came along comes again
	}
	return err
}

// moreWithin is more, but reads nothing if nothing comes within d; 0 is no bound. ctx is
// that at whose end the deadline of the connection expires.
func (in *inbox) moreWithin(ctx context.Context, d time.Duration, size int) error {
	if d == 0 {
		return in.more(size)
	}
	if err := in.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	err := in.more(size)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	if err == nil {
		err = in.conn.SetReadDeadline(time.Time{})
	}
	if ctx.Err() != nil { // the deadline that expired with it may be gone
		return context.Cause(ctx)
	}
	return err
}

// take removes and returns the first n bytes.
func (in *inbox) take(n int) []byte {
	b := in.buf[:n:n]
	in.buf = in.buf[n:]
	return b
}

// rest returns what was not taken, nil when there is nothing.
func (in *inbox) rest() []byte {
	if len(in.buf) == 0 {
		return nil
	}
	return in.buf
}
