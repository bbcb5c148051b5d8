package zmq

import (
	"net"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// sealedConn carries the frames of a connection in sealed ones, so that neither the reader nor the writer knows of it: what
// is written to it and read from it are plain frames.
type sealedConn struct {
	net.Conn
	sealer mechanism.Sealer
	limit  int64  // largest frame body accepted
	seen   func() // called when something was read, which may be no whole frame yet

	raw   []byte // for reading: sealed frames, raw[start:end] not opened yet
	start int
	end   int
	large int    // size of the largest frame in raw so far
	plain []byte // opened, and not read yet

	out []byte // for writing: sealed frames
}

// newSealedConn returns a connection on which buffered was read already.
func newSealedConn(nc net.Conn, sealer mechanism.Sealer, buffered []byte, limit int64) *sealedConn {
	const overhead = int64(mechanism.CurveOverhead)
	limit = min(limit, int64(unlimited)-overhead-wire.MaxHeader) + overhead // so that a whole frame's size is a number
	c := &sealedConn{Conn: nc, sealer: sealer, limit: limit, seen: func() {}, raw: make([]byte, max(firstRead, len(buffered)))}
	c.end = copy(c.raw, buffered)
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
		if n := copy(p, c.plain); n > 0 || len(p) == 0 {
			c.plain = c.plain[n:]
			return n, nil
		}
		n, need, err := c.open(p)
		if n > 0 || err != nil {
			return n, err
		}
		if len(c.plain) > 0 {
			continue
		}
		if err := c.fill(need); err != nil {
			return 0, err
		}
	}
}

// open opens frames into p as long as they fit. One that does not fit at all goes to plain. It returns how many bytes were
// written to p, and how many the next sealed frame takes at least.
func (c *sealedConn) open(p []byte) (n, need int, err error) {
	for {
		sealed := c.raw[c.start:c.end]
		flags, size, head, err := wire.ParseHeader(sealed)
		if err != nil {
			return n, 0, err
		}
		if head == 0 {
			return n, wire.MaxHeader, nil
		}
		if size > c.limit {
			return n, 0, ErrMessageTooLarge
		}
		frame := head + int(size)
		if frame > len(sealed) {
			return n, frame, nil
		}
		dst := p[n:n]
		fits := wire.MaxHeader+int(size)-mechanism.CurveOverhead <= len(p)-n
		if !fits {
			if n > 0 {
				return n, frame, nil
			}
			dst = c.plain[:0]
		}
		dst, err = c.sealer.Open(dst, flags, sealed[head:frame])
		if err != nil {
			return n, 0, err
		}
		c.start += frame
		c.large = max(c.large, frame)
		if !fits {
			c.plain = dst
			return 0, 0, nil
		}
		n += len(dst)
	}
}

// rawFrames and rawRead bound the room for several frames.
const (
	rawFrames = 4
	rawRead   = rawFrames * (largeRead + 128) // four of 64 KiB with their overhead
)

// fill reads more sealed bytes, with room for a frame of need bytes that grows as it arrives. Where the peer has sent large
// frames there is room for several of them, so that the beginning of one has to be moved once in several only, and not at all
// where they are of one size.
func (c *sealedConn) fill(need int) error {
	have := c.end - c.start
	several := min(rawFrames, rawRead/max(c.large, 1)) * c.large
	switch {
	case have == 0 && len(c.raw) >= max(largeRead, several):
		c.start, c.end = 0, 0
	case len(c.raw)-c.start < need || c.end == len(c.raw):
		raw := c.raw
		size := max(min(max(need, 2*len(raw), largeRead), max(2*have, largeRead)), several)
		if size > len(raw) {
			raw = make([]byte, size)
		}
		c.end = copy(raw, c.raw[c.start:c.end])
		c.raw, c.start = raw, 0
	}
	n, err := c.Conn.Read(c.raw[c.end:])
	c.end += n
	if n > 0 {
		c.seen()
		return nil
	}
	return err
}

// Write seals and writes whole plain frames. It returns how many bytes of them have gone out whole.
func (c *sealedConn) Write(b []byte) (int, error) {
	sent, sealed := 0, 0
	for sealed < len(b) {
		flags, end, head := firstFrame(b[sealed:])
		c.out = c.sealer.Seal(c.out, flags, b[sealed+head:sealed+end])
		sealed += end
		if len(c.out) < largeRead && sealed < len(b) {
			continue
		}
		n, err := c.Conn.Write(c.out)
		if err != nil {
			return sent + opened(b[sent:], c.out[:n]), err
		}
		c.out = c.out[:0]
		sent = sealed
	}
	return sent, nil
}

// opened returns how many bytes of the frames in plain are in the whole ones of the sealed frames that were written.
func opened(plain, written []byte) int {
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
