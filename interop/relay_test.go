package interop_test

import (
	"errors"
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
	watch    io.Writer // sees what the target sends; nil for nobody

	mu    sync.Mutex
	conns []net.Conn
	ended bool
	wg    sync.WaitGroup
}

// startRelay relays connections to an endpoint, until the end of the test. alter may change what passes, given its
// position in the stream.
func startRelay(t *testing.T, endpoint string, alter func(position int, b []byte)) *relay {
	t.Helper()
	return newRelay(t, endpoint, alter, nil)
}

func newRelay(t *testing.T, endpoint string, alter func(position int, b []byte), watch io.Writer) *relay {
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
		r.wg.Go(func() { r.pump(from, to, nil) })
		r.wg.Go(func() { r.pump(to, from, r.watch) })
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
		if watch != nil {
			_, _ = watch.Write(b[:n]) // it never fails
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

// commandCounter follows a stream of frames, and counts the commands between the frames of a message.
type commandCounter struct {
	mu      sync.Mutex
	skip    int // bytes that are of no interest
	header  []byte
	inside  bool // a message
	count   int
	err     error
	counted chan struct{} // gets a token when count grows; of capacity one
}

func newCommandCounter() *commandCounter {
	return &commandCounter{skip: wire.GreetingSize, counted: make(chan struct{}, 1)}
}

func (c *commandCounter) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(b)
	for len(b) > 0 && c.err == nil {
		if skip := min(c.skip, len(b)); skip > 0 {
			b, c.skip = b[skip:], c.skip-skip
			continue
		}
		c.header, b = append(c.header, b[0]), b[1:]
		flags, size, header, err := wire.ParseHeader(c.header)
		if err != nil {
			c.err = err
		} else if header > 0 {
			c.frame(flags)
			c.header, c.skip = c.header[:0], int(size)
		}
	}
	return n, nil
}

func (c *commandCounter) frame(flags byte) {
	if flags&wire.FlagCommand == 0 {
		c.inside = flags&wire.FlagMore != 0
		return
	}
	if c.inside {
		c.count++
		select {
		case c.counted <- struct{}{}:
		default:
		}
	}
}

// result is how many commands came within messages.
func (c *commandCounter) result() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count, errors.Join(c.err)
}
