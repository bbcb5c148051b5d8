package zmq

import (
	"errors"
	"io"
	"net"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// sealedConn carries the frames of a connection in sealed ones, so that neither the reader nor the writer knows of it: what
// is written to it and read from it are plain frames.
type sealedConn struct {
	net.Conn
	sealer mechanism.Sealer
	limit  int64           // largest frame body accepted
	seen   func()          // called when something was read, which may be no whole frame yet
	trust  func(n int) int // how much of n bytes may be allocated on the mere word of the peer

	// For reading: the sealed frames that are not opened yet are in raw.b[start:end], behind the
	// parts of the first in aside.
	raw    *slab
	start  int
	end    int
	aside  gather
	flags  byte   // of the first sealed frame
	head   int    // size of its header
	frame  int    // its size; 0 until its header has arrived
	last   int    // size of the last frame that was opened
	large  int    // size of the largest one
	shared int    // size of the largest one below ownRaw
	plain  []byte // a frame that was opened in its place, and not read yet

	out []byte // for writing: sealed frames
}

// ownRaw is the size from which a sealed frame gets memory of its own, for reading and for writing.
// Smaller ones share a slab, or a buffer, of which a connection keeps no more than is right for a
// few of them.
const (
	rawFrames = 4
	ownRaw    = rawFrames * (largeRead + 128) // four of 64 KiB with their overhead
)

// newSealedConn returns a connection on which buffered was read already.
func newSealedConn(nc net.Conn, sealer mechanism.Sealer, buffered []byte, limit int64) *sealedConn {
	const overhead = int64(mechanism.CurveOverhead)
	limit = max(limit, maxCut)
	limit = min(limit, int64(unlimited)-overhead-wire.MaxHeader) + overhead // so that a whole frame's size is a number
	raw := newSlab(max(firstRead, len(buffered)))
	c := &sealedConn{Conn: nc, sealer: sealer, limit: limit, seen: func() {}, trust: func(n int) int { return n }, raw: raw}
	c.end = copy(c.raw.b, buffered)
	return c
}

// CloseWrite ends the writing side, where the connection can.
func (c *sealedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

// Read reads plain frames, or parts of them.
func (c *sealedConn) Read(p []byte) (int, error) {
	for {
		n, own, err := c.next(p)
		if own.slab == nil {
			return n, err
		}
		c.plain = own.b // its slab is left to the garbage collector
	}
}

// next is Read, but may return a large frame in a slab of its own instead, with the reference to
// that slab.
func (c *sealedConn) next(p []byte) (n int, own part, err error) {
	for {
		if n = copy(p, c.plain); n > 0 || len(p) == 0 {
			c.plain = c.plain[n:]
			return n, part{}, nil
		}
		n, own, err = c.open(p)
		switch {
		case n > 0 || own.slab != nil || err != nil:
			return n, own, err
		case len(c.plain) > 0:
			continue
		}
		if err := c.fill(); err != nil {
			return 0, part{}, err
		}
	}
}

// open opens frames into p as long as they have arrived whole and fit, and returns how many bytes
// that were. A frame that does not fit at all is opened in its place. It goes to plain, or is
// returned if it has a slab of its own.
func (c *sealedConn) open(p []byte) (n int, own part, err error) {
	for {
		if whole, err := c.look(); !whole || err != nil {
			return n, part{}, err
		}
		sealed := c.raw.b[c.start+c.head : c.start+c.frame]
		size := len(sealed) - mechanism.CurveOverhead
		fits := wire.MaxHeader+size <= len(p)-n
		dst := p[n:n]
		if !fits && n > 0 {
			return n, part{}, nil
		}
		if !fits && size >= 0 {
			dst = sealed[mechanism.CurveOverhead-wire.HeaderSize(size):][:0]
		}
		plain, err := c.sealer.Open(dst, c.flags, sealed)
		if err != nil {
			return n, part{}, err
		}
		c.advance()
		switch {
		case fits:
			n += len(plain)
		case c.last >= ownRaw && c.start == c.end:
			own = part{plain, c.raw}
			c.raw, c.start, c.end = newSlab(largeRead), 0, 0
			return 0, own, nil
		default:
			c.plain = plain
			return 0, part{}, nil
		}
	}
}

// look reports whether the first sealed frame has arrived whole.
func (c *sealedConn) look() (whole bool, err error) {
	if c.frame == 0 {
		flags, size, head, err := wire.ParseHeader(c.raw.b[c.start:c.end])
		switch {
		case head == 0 || err != nil:
			return false, err
		case size > c.limit:
			return false, ErrMessageTooLarge
		}
		c.flags, c.head, c.frame = flags, head, head+int(size)
	}
	return c.aside.size == 0 && c.end-c.start >= c.frame, nil
}

// advance goes on behind the first sealed frame.
func (c *sealedConn) advance() {
	c.start += c.frame
	c.last, c.frame = c.frame, 0
	c.large = max(c.large, c.last)
	if c.last < ownRaw {
		c.shared = max(c.shared, c.last)
	}
}

// fill reads more sealed bytes.
func (c *sealedConn) fill() error {
	makeSpace := c.makeSpace
	if c.frame >= ownRaw {
		makeSpace = c.makeOwnSpace
	}
	limit := makeSpace()
	n, err := c.Conn.Read(c.raw.b[c.end:limit])
	c.end += n
	switch {
	case n > 0:
		c.seen()
		return nil
	case errors.Is(err, io.EOF) && c.aside.size+c.end-c.start > 0:
		return io.ErrUnexpectedEOF
	}
	return err
}

// kept returns how much memory is kept for frames that were not opened, or not read. The usual slab of a connection counts
// only while there is a part of a frame in it.
func (c *sealedConn) kept() int {
	n := c.aside.kept
	if size := len(c.raw.b); size > usualSlab || n > 0 || c.end > c.start {
		n += size
	}
	return n
}

// makeOwnSpace makes room for a large frame, of which the header has arrived, and returns up to
// where to read.
func (c *sealedConn) makeOwnSpace() (limit int) {
	arrived := c.aside.size + c.end - c.start
	switch fill(c.frame, arrived, len(c.raw.b)-c.end, c.trust(max(c.large, headStart))) {
	case exact:
		s := newSlab(c.frame)
		b := c.aside.join(s.b[:0], c.raw.b[c.start:c.end])
		c.aside.reset()
		c.raw.release(1)
		c.raw, c.start, c.end = s, 0, len(b)
	case extend:
		c.aside.add(c.raw.b[c.start:c.end], c.raw)
		c.raw.release(1)
		c.raw, c.start, c.end = newSlab(max(chunkSize(arrived), c.trust(headStart))), 0, 0
	}
	return c.end + min(len(c.raw.b)-c.end, c.frame-arrived)
}

// makeSpace makes room for what comes next, and returns up to where to read. If the peer has sent
// large frames there is room for several of them, so that the beginning of one has to be moved once
// in several only, and not at all if they are of one size.
func (c *sealedConn) makeSpace() (limit int) {
	have, capacity := c.end-c.start, len(c.raw.b)
	need := max(c.frame, wire.MaxHeader)
	size := max(largeRead, need, min(rawFrames, ownRaw/max(c.shared, 1))*c.shared)
	switch {
	case capacity > shelfOf(ownRaw).size, capacity < size && (capacity-c.start < need || c.end == capacity):
		s := newSlab(size)
		c.end = copy(s.b, c.raw.b[c.start:c.end])
		c.raw.release(1)
		c.raw, c.start = s, 0
	case have == 0 && capacity >= size:
		c.start, c.end = 0, 0
	case capacity-c.start < need || c.end == capacity:
		c.end = copy(c.raw.b, c.raw.b[c.start:c.end])
		c.start = 0
	}
	if c.last >= ownRaw { // the next one will be as large, and what was read of it is to be moved
		return min(len(c.raw.b), c.end+largeMessage)
	}
	return len(c.raw.b)
}

// Write seals and writes whole plain frames. It returns how many bytes of them have gone out whole.
func (c *sealedConn) Write(b []byte) (sent int, err error) {
	for sent < len(b) && err == nil {
		var n int
		n, err = c.writeSome(b[sent:])
		sent += n
	}
	return sent, err
}

// writeSome is Write for as many of the first frames as are worth a write. Those before one that cannot be sealed go out.
func (c *sealedConn) writeSome(b []byte) (int, error) {
	out, sealed := c.out[:0], 0
	var own *slab
	var failed error
	for sealed < len(b) && len(out) < largeRead {
		flags, end, head := firstFrame(b[sealed:])
		body := b[sealed+head : sealed+end]
		if size := wire.MaxHeader + mechanism.CurveOverhead + len(body); size >= ownRaw {
			own = newSlab(len(out) + size)
			out = append(own.b[:0], out...)
		}
		more, err := c.sealer.Seal(out, flags, body)
		if err != nil {
			failed = err
			break
		}
		out = more
		sealed += end
	}
	n, err := c.Conn.Write(out)
	if err != nil {
		sealed = wholeFrames(b, out[:n])
	} else {
		err = failed
	}
	if own != nil {
		own.release(1)
	} else {
		c.out = out
	}
	return sealed, err
}

// wholeFrames returns how many bytes of the frames in plain are in the whole ones of the sealed
// frames that were written.
func wholeFrames(plain, written []byte) int {
	size := 0
	for {
		_, body, head, err := wire.ParseHeader(written)
		if err != nil || head == 0 || int64(len(written)-head) < body {
			return size
		}
		_, end, _ := firstFrame(plain[size:])
		size, written = size+end, written[head+int(body):]
	}
}
