package zmq

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
)

// plainSealer puts bytes before each body, of which the first holds the flags.
type plainSealer struct{}

func (s plainSealer) Seal(dst []byte, flags byte, body []byte) ([]byte, error) {
	return s.seal(dst, flags, body), nil
}

func (plainSealer) seal(dst []byte, flags byte, body []byte) []byte {
	dst = wire.AppendHeader(dst, 0, mechanism.CurveOverhead+len(body))
	dst = append(dst, append([]byte{flags}, make([]byte, mechanism.CurveOverhead-1)...)...)
	return append(dst, body...)
}

func (plainSealer) Open(dst []byte, _ byte, body []byte) ([]byte, error) {
	plain := body[mechanism.CurveOverhead:]
	return append(wire.AppendHeader(dst, body[0], len(plain)), plain...), nil
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
			want += encodedSize([][]byte{make([]byte, int(size)-mechanism.CurveOverhead)})
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

// pausing is a connection that delivers parts of at most so many bytes, and after each one that nothing came in time.
type pausing struct {
	net.Conn
	b      []byte
	most   int
	paused bool
}

func (c *pausing) Read(p []byte) (int, error) {
	if c.paused = !c.paused; c.paused {
		return 0, os.ErrDeadlineExceeded
	}
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.most)], c.b)
	c.b = c.b[n:]
	return n, nil
}

// sealedFrames are frames with bodies of these sizes, plain and sealed.
func sealedFrames(sizes []int) (plain, sealed []byte) {
	for i, size := range sizes {
		body := make([]byte, size)
		for j := range body {
			body[j] = byte(i + j/7)
		}
		plain = append(wire.AppendHeader(plain, 0, size), body...)
		sealed = plainSealer{}.seal(sealed, 0, body)
	}
	return plain, sealed
}

// Whatever comes at once, and however often it is interrupted, a reader gets all frames, in memory of any size.
func TestSealedReadResumes(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 255, 256, 5000, 1 << 20, 3, 300_000, 100_000}
	for range 20 {
		sizes = append(sizes, 64<<10)
	}
	rand.Shuffle(len(sizes), func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	plain, sealed := sealedFrames(sizes)
	for _, most := range []int{1000, 64 << 10, 1 << 30} {
		for _, room := range []int{1000, 64<<10 + wire.MaxHeader, 1 << 20} {
			c := newSealedConn(&pausing{b: sealed[100:], most: most}, plainSealer{}, sealed[:100], 1<<20)
			var got []byte
			var err error
			for p := make([]byte, room); err == nil || errors.Is(err, os.ErrDeadlineExceeded); {
				var n int
				n, err = c.Read(p)
				got = append(got, p[:n]...)
			}
			if !errors.Is(err, io.EOF) || !bytes.Equal(got, plain) {
				t.Errorf("frames of %d, %d at once into %d: other bytes, %v", sizes, most, room, err)
			}
		}
	}
}

// Memory for sealed frames is taken as they arrive, and for several only where the peer has sent such.
func TestSealedRoom(t *testing.T) {
	t.Parallel()
	announced := wire.AppendHeader(nil, wire.FlagLong, 1<<20)
	for _, c := range []struct {
		size, most int
	}{
		{0, largeRead},
		{1000, largeRead},
		{40_000, 3 * largeRead},
		{64 << 10, ownRaw},
		{100_000, ownRaw},
		{200_000, 8 * largeRead},
	} {
		_, sealed := sealedFrames(slices.Repeat([]int{c.size}, 50))
		sc := newSealedConn(&pausing{b: append(sealed, announced...), most: 1 << 30}, plainSealer{}, nil, 1<<21)
		for p := make([]byte, 1<<20); ; {
			if _, err := sc.Read(p); errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
		}
		if len(sc.raw.b) > shelfOf(c.most).size {
			t.Errorf("frames of %d bytes have taken %d, want at most %d", c.size, len(sc.raw.b), c.most)
		}
	}
}

// A part of a sealed frame is a sign of life too.
func TestSealedReadIsSeen(t *testing.T) {
	t.Parallel()
	_, sealed := sealedFrames([]int{1000})
	c := newSealedConn(&pausing{b: sealed[:500], most: 100, paused: true}, plainSealer{}, nil, 1<<20)
	seen := 0
	c.seen = func() { seen++ }
	for p := make([]byte, 2000); ; {
		n, err := c.Read(p)
		if n > 0 {
			t.Fatalf("half a frame was opened: %d bytes", n)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
	}
	if seen != 5 {
		t.Errorf("seen %d times, read 5 times", seen)
	}
}
