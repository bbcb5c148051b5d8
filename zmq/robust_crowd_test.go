package zmq_test

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// patient has handshakes end by nothing but what the test does.
func patient(events chan zmq.Event) zmq.Config {
	return zmq.Config{HandshakeTimeout: time.Hour, MaxHandshakes: 8, Events: events}
}

// Of those who connect and say nothing, the oldest makes room for one more, and knows nothing of it but the end.
func TestMaxHandshakes(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{wildcard, "ipc://*"} {
		events := make(chan zmq.Event, 100)
		cfg := patient(events)
		pull := newPull(t, cfg)
		at := bind(t, pull, endpoint)
		silent := make([]*rawPeer, 2*cfg.MaxHandshakes)
		for i := range silent {
			silent[i] = dialAny(t, at)
			untilEvent(t, events, zmq.EventAccepted)
			if evicted := i - cfg.MaxHandshakes; evicted >= 0 {
				silent[evicted].expectEnd()
			}
		}
		e := untilEvent(t, events, zmq.EventHandshakeFailed)
		checkHandshakeError(t, e.Err, zmq.HandshakeNetwork, "MaxHandshakes")
		if !errors.Is(e.Err, zmq.ErrTooManyHandshakes) {
			t.Errorf("the handshake ended with %v", e.Err)
		}
		dialAny(t, at).greet("PUSH", 1).write(message("hello")) // in the place of one more
		expect(t, pull, "hello")
		silent[cfg.MaxHandshakes].expectEnd()
		for _, s := range silent[cfg.MaxHandshakes+1:] {
			s.write(greeting(1), ready("PUSH"), message("late")) // who still has a place may use it
			expect(t, pull, "late")
		}
	}
}

// Those who have done their handshake take no place.
func TestMaxHandshakesLeavesPeersAlone(t *testing.T) {
	t.Parallel()
	cfg := patient(nil)
	pull := newPull(t, cfg)
	at := bind(t, pull, wildcard)
	for range 3 * cfg.MaxHandshakes {
		dialRaw(t, at).greet("PUSH", 1)
	}
	check(t, pull.WaitPeers(within(t), 3*cfg.MaxHandshakes))
}

// Close and Unbind do not wait for a crowd of silent strangers.
func TestCloseInACrowd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s socket, at string) error{
		"close":  func(s socket, _ string) error { return s.Close() },
		"unbind": socket.Unbind,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := patient(nil)
			pull := newPull(t, cfg)
			at := bind(t, pull, wildcard)
			silent := make([]*rawPeer, 2*cfg.MaxHandshakes)
			for i := range silent {
				silent[i] = dialRaw(t, at)
			}
			check(t, end(pull, at))
			for _, s := range silent {
				s.expectEnd()
			}
		})
	}
}

// usage is what the program uses at most while strangers are at work. The test must not run beside others.
type usage struct {
	t                     *testing.T
	goroutines            int
	heap                  uint64
	maxGoroutines         int
	maxHeap               uint64
	goroutineLimit, bytes int
}

// use notes what is used now. From here on goroutines and bytes of heap may be used beside it.
func use(t *testing.T, goroutines, bytes int) *usage {
	u := &usage{t: t, goroutineLimit: goroutines, bytes: bytes}
	u.look()
	u.goroutines, u.heap = u.maxGoroutines, u.maxHeap
	return u
}

// look notes what is used at present, without garbage.
func (u *usage) look() {
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	u.maxGoroutines, u.maxHeap = max(u.maxGoroutines, runtime.NumGoroutine()), max(u.maxHeap, now.HeapAlloc+now.StackInuse)
}

// end fails the test where the bounds were passed, or where goroutines are left.
func (u *usage) end() {
	u.t.Helper()
	if n := u.maxGoroutines - u.goroutines; n > u.goroutineLimit {
		u.t.Errorf("%d goroutines were added, the bound is %d", n, u.goroutineLimit)
	}
	if n := int64(u.maxHeap) - int64(u.heap); n > int64(u.bytes) {
		u.t.Errorf("%d bytes were added, the bound is %d", n, u.bytes)
	}
	eventually(u.t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= u.goroutines })
}

// dialAny connects to a bound socket over tcp or ipc.
func dialAny(t testing.TB, endpoint string) *rawPeer {
	t.Helper()
	network, address, _ := strings.Cut(endpoint, "://")
	if network == "ipc" {
		network = "unix"
	}
	return newRaw(t, must(net.Dial(network, address))(t))
}
