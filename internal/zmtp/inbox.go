package zmtp

import (
	"net"
	"slices"
)

// minRead is the room in bytes that a read has at least: enough for the greeting
// and READY of a peer in one.
const minRead = 512

// inbox reads a connection into a buffer that grows with what arrives, never with
// what a peer claims.
type inbox struct {
	conn net.Conn
	buf  []byte // read and not yet taken
}

// more reads once.
func (in *inbox) more() error {
	if len(in.buf) == cap(in.buf) {
		in.buf = slices.Grow(in.buf, minRead)
	}
	n, err := in.conn.Read(in.buf[len(in.buf):cap(in.buf)])
	in.buf = in.buf[:len(in.buf)+n]
	if n > 0 {
		return nil // an error that came along comes again
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
