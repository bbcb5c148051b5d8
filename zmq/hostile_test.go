package zmq_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// honest is a socket and an honest peer of it, between whom messages must pass whatever strangers do.
type honest struct {
	at   string
	from sender
	to   receiver
	n    int
}

// newHonest binds a socket of a type, and connects an honest peer.
func newHonest(t *testing.T, kind string, cfg zmq.Config) *honest {
	t.Helper()
	s, peer := newSocket(t, kind, cfg), newSocket(t, partner[kind], zmq.Config{})
	h := &honest{at: pair(t, s, peer, wildcard)}
	var ok bool
	if h.from, ok = s.(sender); ok {
		h.to = peer.(receiver)
	} else {
		h.from, h.to = peer.(sender), s.(receiver)
	}
	if pub, ok := h.from.(*zmq.Pub); ok {
		check(t, pub.WaitSubscribers(within(t), "", 1))
	}
	return h
}

// passes checks that messages pass. What strangers sent may arrive as well.
func (h *honest) passes(t *testing.T) {
	t.Helper()
	h.n++
	want := fmt.Sprint("honest ", h.n)
	send(t, h.from, want)
	untilReceived(t, h.to, want)
}

// long is a frame header that claims a size.
func long(flags byte, size uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{flags | wire.FlagLong}, size)
}

// Whatever a stranger sends instead of a handshake, or after it, ends its connection and harms nobody else.
func TestHostileBytes(t *testing.T) {
	t.Parallel()
	attacks := map[string]func(kind string) []byte{
		"HTTP":                func(string) []byte { return []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
		"ZMTP 1.0":            func(string) []byte { return []byte("\x01\x00") },
		"ZMTP 2.0":            func(string) []byte { return []byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x05") },
		"another mechanism":   func(string) []byte { return wire.AppendGreeting(nil, wire.Greeting{Major: 3, Mechanism: "PLAIN"}) },
		"unknown socket type": func(string) []byte { return append(greeting(1), ready("WHAT")...) },
		"no socket type":      func(string) []byte { return append(greeting(1), wire.AppendCommand(nil, "READY")...) },
		"its own type":        func(kind string) []byte { return append(greeting(1), ready(kind)...) },
		"READY cut off":       func(string) []byte { return append(greeting(1), "\x04\x0f\x05READY\x0bSocket"...) },
		"READY of wrong size": func(string) []byte {
			return append(greeting(1), "\x04\x17\x05READY\x0bSocket-Type\xff\xff\xff\xff\x03"...)
		},
		"READY of 2^62 bytes":  func(string) []byte { return append(greeting(1), long(wire.FlagCommand, 1<<62)...) },
		"ERROR":                func(string) []byte { return wire.AppendError(greeting(1), "go away") },
		"ERROR cut off":        func(string) []byte { return append(greeting(1), "\x04\x07\x05ERROR\xff"...) },
		"message too early":    func(string) []byte { return append(greeting(1), message("x")...) },
		"nothing but zeros":    func(string) []byte { return make([]byte, 1000) },
		"2^62 bytes":           shaken(long(0, 1<<62)),
		"2^63-1 bytes":         shaken(long(0, 1<<63-1)),
		"2^64-1 bytes":         shaken(long(0, 1<<64-1)),
		"command of 2^62":      shaken(long(wire.FlagCommand, 1<<62)),
		"second frame of 2^62": shaken(message("x", "y")[:3], long(0, 1<<62)),
		"reserved flags":       shaken([]byte{0x08, 0}),
		"command with more":    shaken([]byte{wire.FlagCommand | wire.FlagMore, 1, 'x'}),
		"empty command":        shaken([]byte{wire.FlagCommand, 0, 1}),
		"name cut off":         shaken([]byte{wire.FlagCommand, 3, 200, 'x', 'y'}),
		"nameless command":     shaken([]byte{wire.FlagCommand, 1, 0}),
		"PING cut off":         shaken([]byte("\x04\x06\x04PING\x00")),
		"PING too long":        shaken([]byte("\x04\x18\x04PING\x00\x0012345678901234567")),
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := newHonest(t, kind, zmq.Config{})
			for name, attack := range attacks {
				stranger := dialRaw(t, h.at)
				stranger.write(attack(kind))
				if strings.Contains(name, "cut off") {
					check(t, stranger.Conn.(interface{ CloseWrite() error }).CloseWrite())
				}
				stranger.expectEnd()
				h.passes(t)
				if t.Failed() {
					t.Fatalf("after the attack %q", name)
				}
			}
		})
	}
}

// shaken puts a good handshake before an attack.
func shaken(attack ...[]byte) func(kind string) []byte {
	return func(kind string) []byte {
		return bytes.Join(append([][]byte{greeting(1), ready(partner[kind])}, attack...), nil)
	}
}

// Connecting sockets are attacked by those they connect to.
func TestHostileListener(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cfg := quick
			cfg.Immediate = true
			h := newHonest(t, kind, cfg)
			var s socket = h.from
			if kind == "SUB" || kind == "PULL" {
				s = h.to
			}
			l := listenRaw(t)
			check(t, s.Connect(l.endpoint()))
			for _, attack := range [][]byte{
				[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
				append(greeting(1), ready("WHAT")...),
				shaken(long(0, 1<<62))(kind),
			} {
				stranger := l.accept()
				stranger.write(attack)
				stranger.expectEnd()
				h.passes(t)
			}
		})
	}
}

// Strangers who say nothing, or a byte now and then, hold up nobody, and their time ends.
func TestSilentStrangers(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newSocket(t, kind, zmq.Config{HandshakeTimeout: time.Second})
			at := bind(t, s, wildcard)
			var silent []*rawPeer
			for i := range 50 {
				stranger := dialRaw(t, at)
				stranger.write(greeting(1)[:i])
				silent = append(silent, stranger)
			}
			dialRaw(t, at).greet(partner[kind], 1)
			check(t, s.WaitPeers(within(t), 1))
			for _, stranger := range silent {
				stranger.expectEnd()
			}
		})
	}
}

// A handshake has one deadline: it does not begin anew with each byte.
func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	pull := newPull(t, zmq.Config{HandshakeTimeout: 100 * time.Millisecond})
	stranger := dialRaw(t, bind(t, pull, wildcard))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, b := range append(greeting(1), bytes.Repeat(wire.AppendCommand(nil, "READY"), 1000)...) {
		if _, err := stranger.Write([]byte{b}); err != nil {
			return
		}
		<-tick.C
	}
	t.Error("the handshake went on for seconds")
}

// A peer whose bytes come one at a time is a peer like any other.
func TestByteAtATime(t *testing.T) {
	t.Parallel()
	for minor := range byte(2) {
		pull := newPull(t, zmq.Config{})
		peer := dialRaw(t, bind(t, pull, wildcard))
		long := strings.Repeat("l", 300)
		for _, b := range bytes.Join([][]byte{greeting(minor), ready("PUSH"), message("a", "", long), wire.AppendPing(nil, 0, []byte("ping")), message("end")}, nil) {
			peer.write([]byte{b})
		}
		expect(t, pull, "a||"+long, "end")
		peer.read(wire.GreetingSize)
		peer.command()
		if name, data := peer.command(); name != "PONG" || string(data) != "ping" {
			t.Errorf("the PING was answered with %s %q", name, data)
		}
	}
}

// A PING is answered with a PONG of the same context, and is no message (go-zeromq/zmq4 handed it to the application).
func TestPing(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newSocket(t, kind, zmq.Config{})
			peer := dialRaw(t, bind(t, s, wildcard)).greet(partner[kind], 1)
			if kind == "SUB" {
				peer.subscription()
			}
			for _, context := range []string{"", "x", "sixteen bytes..."} {
				peer.write(wire.AppendPing(nil, time.Second, []byte(context)), wire.AppendCommand(nil, "UNKNOWN", make([]byte, 300)))
				peer.write(wire.AppendPong(nil, nil))
				if name, data := peer.command(); name != "PONG" || string(data) != context {
					t.Errorf("PING %q was answered with %s %q", context, name, data)
				}
			}
			if r, ok := s.(receiver); ok {
				peer.write(message("message"))
				expect(t, r, "message")
			}
		})
	}
}

// A message of which not everything comes is no message, and takes nothing along.
func TestMessageCutOff(t *testing.T) {
	t.Parallel()
	pull := newPull(t, zmq.Config{})
	at := bind(t, pull, wildcard)
	for range 10 {
		whole := message("a", "b", strings.Repeat("c", 1000))
		for _, cut := range []int{1, 2, 3, 5, 8, 20, len(whole) - 1} {
			peer := dialRaw(t, at).greet("PUSH", 1)
			peer.write(message("first"), whole[:cut])
			expect(t, pull, "first")
			peer.reset()
		}
	}
	dialRaw(t, at).greet("PUSH", 1).write(message("last"))
	expect(t, pull, "last")
}

// The limit of sizes holds for what is sent and for what is received, with headers, to the byte.
func TestMaxMessageSize(t *testing.T) {
	t.Parallel()
	cfg := zmq.Config{MaxMessageSize: 1000}
	fits := [][]string{{strings.Repeat("x", 991)}, {strings.Repeat("x", 500), strings.Repeat("y", 482)}, make([]string, 500)}
	t.Run("send", func(t *testing.T) {
		t.Parallel()
		overEach(t, func(t *testing.T, endpoint string) {
			push, pull := newPush(t, cfg), newPull(t, zmq.Config{})
			pair(t, pull, push, endpoint)
			for _, frames := range fits {
				more := append([]string{"x"}, frames...)
				if err := push.Send(within(t), encode(more)...); !errors.Is(err, zmq.ErrMessageTooLarge) {
					t.Errorf("%d frames: %v", len(more), err)
				}
				send(t, push, frames...)
				expect(t, pull, strings.Join(frames, "|"))
			}
		})
	})
	t.Run("receive", func(t *testing.T) {
		t.Parallel()
		for _, frames := range fits {
			events := make(chan zmq.Event, 10)
			limited := cfg
			limited.Events = events
			pull := newPull(t, limited)
			peer := dialRaw(t, bind(t, pull, wildcard)).greet("PUSH", 1)
			peer.write(message(frames...))
			expect(t, pull, strings.Join(frames, "|"))
			peer.write(message(append([]string{"x"}, frames...)...))
			peer.expectEnd()
			if e := untilEvent(t, events, zmq.EventDisconnected); !errors.Is(e.Err, zmq.ErrMessageTooLarge) {
				t.Errorf("disconnected because of %v", e.Err)
			}
		}
	})
}

// A size that no int holds is too large, whatever Config.MaxMessageSize says.
func TestSizesBeyondInt(t *testing.T) {
	t.Parallel()
	if strconv.IntSize > 32 {
		t.Skip("an int holds every size here")
	}
	for _, limit := range []int64{1 << 31, 4 << 30, math.MaxInt64, -1} {
		for _, size := range []uint64{1<<31 - 9, 1 << 31, 1<<32 + 5, 1 << 62} {
			for _, flags := range []byte{0, wire.FlagMore, wire.FlagCommand} {
				events := make(chan zmq.Event, 10)
				pull := newPull(t, zmq.Config{MaxMessageSize: limit, Events: events})
				peer := dialRaw(t, bind(t, pull, wildcard)).greet("PUSH", 1)
				peer.write(long(flags, size), make([]byte, 100))
				if e := untilEvent(t, events, zmq.EventDisconnected); !errors.Is(e.Err, zmq.ErrMessageTooLarge) {
					t.Errorf("%d bytes: disconnected because of %v", size, e.Err)
				}
			}
		}
	}
}

// heapGrowth runs f and returns by how many bytes the heap has grown. The test must not run beside others.
func heapGrowth(f func()) int64 {
	before := heap()
	f()
	return heap() - before
}

// heap returns how many bytes of the heap are in use.
func heap() int64 {
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return int64(now.HeapAlloc)
}

// A size that is claimed takes no memory before the bytes are there, even without a limit.
func TestClaimsTakeNoMemory(t *testing.T) {
	pull := newPull(t, zmq.Config{MaxMessageSize: -1})
	at := bind(t, pull, wildcard)
	for _, size := range []uint64{math.MaxInt / 8, math.MaxInt / 2} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 20 {
			peer := dialRaw(t, at).greet("PUSH", 1)
			peer.write(long(0, size), make([]byte, 100<<10))
			check(t, peer.Conn.(interface{ CloseWrite() error }).CloseWrite())
			peer.expectEnd()
		}
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
			t.Errorf("20 claims of %d bytes took %d bytes of memory", size, taken)
		}
	}
}

// Answers to PINGs do not pile up for a peer that reads nothing, and the rest of what it sends is served.
func TestPingFlood(t *testing.T) {
	pull := newPull(t, zmq.Config{})
	peer := dialRaw(t, bind(t, pull, wildcard)).greet("PUSH", 1)
	flood := bytes.Repeat(wire.AppendPing(nil, 0, []byte("sixteen bytes...")), 1000)
	grown := heapGrowth(func() {
		for range 700 { // 17 MiB, more than the system keeps for the peer
			peer.write(flood)
		}
		peer.write(message("end"))
		expect(t, pull, "end")
	})
	if grown > 4<<20 {
		t.Errorf("700 000 PINGs left %d bytes behind", grown)
	}
}

// A peer's subscriptions may take so much memory and no more.
func TestSubscriptionFlood(t *testing.T) {
	const limit = 4 << 20
	events := make(chan zmq.Event, 100)
	h := newHonest(t, "PUB", zmq.Config{MaxSubscriptionBytes: limit, Events: events})
	for name, topic := range map[string]func(i int) string{
		"short":  func(i int) string { return fmt.Sprintf("%x", i) },
		"long":   func(i int) string { return fmt.Sprintf("%x%s", i, strings.Repeat("l", 10_000)) },
		"nested": func(i int) string { return strings.Repeat("n", i) },
	} {
		before := heap()
		stranger := dialRaw(t, h.at).greet("SUB", 1)
		n := 0
		for b := []byte(nil); ; n++ {
			if b = append(b, subscribe(1, topic(n))...); len(b) < 128<<10 {
				continue
			}
			if _, err := stranger.Write(b); err != nil {
				break
			}
			b = b[:0]
			taken := heap() - before
			if taken > 8*limit { // what became free while that was measured does not count
				taken = heap() - before
			}
			if taken > 8*limit {
				t.Fatalf("%s: %d subscriptions take %d bytes", name, n, taken)
			}
		}
		if e := untilEvent(t, events, zmq.EventDisconnected); !errors.Is(e.Err, zmq.ErrTooManySubscriptions) {
			t.Errorf("%s: disconnected because of %v", name, e.Err)
		}
		h.passes(t)
		eventually(t, "the memory is free again", func() bool { return heap()-before < limit/2 })
	}
}
