package interop_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
)

// relay stands between two peers on TCP.
type relay struct {
	endpoint string
	listener net.Listener
	target   string
	alter    func(position int, b []byte)
	watch    func(flags byte) // sees the frames that the target sends; nil for nobody

	mu    sync.Mutex
	conns []net.Conn
	ended bool
	wg    sync.WaitGroup
}

// startRelay relays connections to an endpoint, until the end of the test. alter may change what passes, given its
// position in the stream; watch sees the frames that the endpoint's owner sends, and may be nil.
func startRelay(t *testing.T, endpoint string, alter func(position int, b []byte), watch func(flags byte)) *relay {
	t.Helper()
	l, err := net.Listen("tcp", strings.TrimSuffix(strings.TrimPrefix(wildcard(), "tcp://"), "*")+"0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{
		endpoint: "tcp://" + l.Addr().String(), listener: l, target: strings.TrimPrefix(endpoint, "tcp://"),
		alter: alter, watch: watch,
	}
	r.wg.Go(r.serve)
	t.Cleanup(r.close)
	return r
}

func (r *relay) serve() {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", r.target)
		if err != nil {
			from.Close()
			continue
		}
		r.mu.Lock()
		r.conns = append(r.conns, from, to)
		if r.ended {
			from.Close()
			to.Close()
		}
		r.mu.Unlock()
		watch := io.Discard
		if r.watch != nil {
			watch = watchFrames(r.watch)
		}
		r.wg.Go(func() { r.pump(from, to, io.Discard) })
		r.wg.Go(func() { r.pump(to, from, watch) })
	}
}

// pump copies one direction to its end, and then ends both.
func (r *relay) pump(from, to net.Conn, watch io.Writer) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 1<<16)
	for position := 0; ; {
		n, err := from.Read(b)
		r.alter(position, b[:n])
		position += n
		if _, bad := watch.Write(b[:n]); bad != nil {
			return // the test sees an end that it does not expect
		}
		if _, failed := to.Write(b[:n]); err != nil || failed != nil {
			return
		}
	}
}

func (r *relay) close() {
	r.mu.Lock()
	r.ended = true
	r.listener.Close()
	for _, c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// faithful alters nothing.
func faithful(int, []byte) {}

// minorPosition is where in the greeting the minor version stands (RFC 23).
const minorPosition = 11

// downgrade makes both ends take each other for one that speaks ZMTP 3.0, as libzmq before 4.3.3 does: libzmq 4.3.4 then
// sends subscriptions as messages.
func downgrade(position int, b []byte) {
	if i := minorPosition - position; i >= 0 && i < len(b) {
		b[i] = 0
	}
}

// frameWatch follows what a peer sends, and calls seen with the flags of each frame as its header passes.
type frameWatch struct {
	seen   func(flags byte)
	skip   int // bytes that are of no interest
	header []byte
}

func watchFrames(seen func(flags byte)) *frameWatch {
	return &frameWatch{seen: seen, skip: wire.GreetingSize}
}

// Write takes what has passed. A new connection needs a new frameWatch.
func (w *frameWatch) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if skip := min(w.skip, len(b)); skip > 0 {
			b, w.skip = b[skip:], w.skip-skip
			continue
		}
		w.header, b = append(w.header, b[0]), b[1:]
		flags, size, header, err := wire.ParseHeader(w.header)
		if err != nil {
			return 0, err
		}
		if header > 0 {
			w.seen(flags)
			w.header, w.skip = w.header[:0], int(size)
		}
	}
	return n, nil
}
