package zmq_test

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
)

// meddle decides what goes on instead of a thing that passes a meddler: n is 0 for the greeting, of
// which signature and major version go on as they are, since both ends wait for them, and counts
// the frames from then on, of one connection and one direction. up is the way to the bound socket.
type meddle func(up bool, n int, thing []byte) []byte

// newMeddler stands between a bound socket and those that connect, and does as it likes. It returns the endpoint to connect to.
func newMeddler(t testing.TB, to string, meddle meddle) string {
	t.Helper()
	l := listenRaw(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", address(to))
			if err != nil {
				in.Close()
				continue
			}
			mu.Lock()
			conns = append(conns, in, out)
			mu.Unlock()
			wg.Go(func() { passThings(in, out, true, meddle) })
			wg.Go(func() { passThings(out, in, false, meddle) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.endpoint()
}

// passThings passes one direction to its end, and ends both then.
func passThings(from, to net.Conn, up bool, meddle meddle) {
	defer from.Close()
	defer to.Close()
	r := bufio.NewReader(from)
	passed := 0 // bytes of the greeting that have gone on
	for _, end := range []int{wire.SignatureSize, wire.VersionSize} {
		b, err := r.Peek(end)
		if err != nil {
			return
		}
		if _, err := to.Write(b[passed:]); err != nil {
			return
		}
		passed = end
	}
	for n := 0; ; n++ {
		thing, err := readThing(r, n)
		if err != nil {
			return
		}
		if _, err := to.Write(meddle(up, n, thing)[passed:]); err != nil {
			return
		}
		passed = 0
	}
}

// readThing reads a greeting or a frame.
func readThing(r *bufio.Reader, n int) ([]byte, error) {
	size := int64(wire.GreetingSize)
	if n > 0 {
		flags, err := r.Peek(1)
		if err != nil {
			return nil, err
		}
		head := 2
		if flags[0]&wire.FlagLong != 0 {
			head = wire.MaxHeader
		}
		b, err := r.Peek(head)
		if err != nil {
			return nil, err
		}
		_, body, _, err := wire.ParseHeader(b)
		if err != nil {
			return nil, err
		}
		size = int64(head) + body
	}
	thing := make([]byte, size)
	_, err := io.ReadFull(r, thing)
	return thing, err
}
