package peer_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/internal/soak/peer"
	"github.com/experimance/experimance-go/zmq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// told collects what peers tell.
type told struct {
	mu      sync.Mutex
	events  map[string][]peer.Event
	changed chan struct{}
}

func newTold() *told {
	return &told{events: map[string][]peer.Event{}, changed: make(chan struct{}, 1)}
}

// by returns the function that a peer of this name calls.
func (c *told) by(name string) func(peer.Event) {
	return func(e peer.Event) {
		c.mu.Lock()
		c.events[name] = append(c.events[name], e)
		c.mu.Unlock()
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}

func (c *told) count(name string, kind peer.EventKind) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events[name] {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// await waits until a peer has told a kind of event so often.
func (c *told) await(t *testing.T, name string, kind peer.EventKind, n int) {
	t.Helper()
	for ctx := within(t); c.count(name, kind) < n; {
		select {
		case <-c.changed:
		case <-ctx.Done():
			t.Fatalf("%s has told %d of %d %q", name, c.count(name, kind), n, kind)
		}
	}
}

// noFaults looks for faults.
func (c *told) noFaults(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, events := range c.events {
		for _, e := range events {
			if e.Kind == peer.Fault {
				t.Errorf("%s: %s", name, e.Text)
			}
		}
	}
}

// Each type does its part with its partner, by all calls and with all shapes of messages.
func TestPeers(t *testing.T) {
	t.Parallel()
	for i, types := range [][2]string{{"PUSH", "PULL"}, {"PUB", "SUB"}, {"XPUB", "XSUB"}, {"DEALER", "ROUTER"}, {"REQ", "REP"}, {"PAIR", "PAIR"}} {
		for _, shape := range []peer.Shape{peer.Small, peer.Mixed, peer.Large, peer.Parts} {
			for j, calls := range []peer.Calls{peer.One, peer.Batch, peer.Loop} {
				t.Run(fmt.Sprint(types[0], " ", shape, " ", calls), func(t *testing.T) {
					t.Parallel()
					c := newTold()
					cfg := peer.Config{Type: types[1], Bind: "tcp://127.0.0.1:*", Base: uint64(2 * i), Shape: shape, Calls: calls}
					if j == 1 && slices.Contains([]string{"PULL", "SUB", "REP"}, types[1]) {
						cfg.Flags = []peer.Flag{peer.Proxy}
					}
					receiver, err := peer.Open(cfg, c.by("receiver"))
					check(t, err)
					cfg = peer.Config{
						Type: types[0], Connect: []string{receiver.Endpoint()}, Base: uint64(2*i + 1), Shape: shape, Calls: calls, Rate: 2000,
					}
					sender, err := peer.Open(cfg, c.by("sender"))
					check(t, err)
					sender.Begin()
					c.await(t, "receiver", peer.Got, 50)
					if types[0] == "REQ" || types[0] == "DEALER" {
						c.await(t, "sender", peer.Got, 50)
					}
					sender.Stop(within(t))
					check(t, sender.Close(patience))
					receiver.Drain(within(t))
					check(t, receiver.Close(0))
					c.noFaults(t)
					if c.count("sender", peer.Sent) == 0 || c.count("sender", peer.Closed) != 1 {
						t.Errorf("%v, want that it has sent, and closed", c.events["sender"])
					}
				})
			}
		}
	}
}

// A message that is damaged is found.
func TestDamage(t *testing.T) {
	t.Parallel()
	c := newTold()
	p, err := peer.Open(peer.Config{Type: "PULL", Bind: "tcp://127.0.0.1:*", Shape: peer.Small}, c.by("pull"))
	check(t, err)
	push, err := zmq.NewPush(zmq.Config{})
	check(t, err)
	check(t, push.Connect(p.Endpoint()))
	size := peer.Sizes(peer.Small, 0, 0)[0]
	for _, body := range [][]byte{nil, make([]byte, size-1), bytes.Repeat([]byte{1}, size)} {
		check(t, push.Send(within(t), body))
	}
	c.await(t, "pull", peer.Fault, 3)
	check(t, push.Close())
	check(t, p.Close(0))
}

func TestConfigArgs(t *testing.T) {
	t.Parallel()
	want := peer.Config{
		Type: "REQ", Bind: "a", Connect: []string{"b", "c"}, Identity: "d", Base: 1, Shape: peer.Parts, Rate: 2,
		Slow: 3 * time.Millisecond, Calls: peer.Loop, SendHWM: 4, RecvHWM: 5, Heartbeat: 6 * time.Millisecond,
		HeartbeatTimeout: 7 * time.Millisecond, Flags: []peer.Flag{peer.NoDrop, peer.Correlate}, SecretKey: "e=", PublicKey: "f", ServerKey: "g",
	}
	for _, cfg := range []peer.Config{want, {Type: "PUB"}} {
		got, err := peer.ParseArgs(cfg.Args())
		check(t, err)
		if diff := cmp.Diff(cfg, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, bad := range []string{"what=1", "base=x", "slow=x", ""} {
		if _, err := peer.ParseArgs([]string{bad}); err == nil {
			t.Errorf("%q: want an error", bad)
		}
	}
}

func TestEventLines(t *testing.T) {
	t.Parallel()
	for _, e := range []peer.Event{
		{Kind: peer.Ready, Text: "tcp://127.0.0.1:1"},
		{Kind: peer.Ready},
		{Kind: peer.Sent, Stream: 1 << 63, Number: 2},
		{Kind: peer.Got, Stream: 1 << 63, Number: 2, Connection: 3},
		{Kind: peer.Lost},
		{Kind: peer.Stopped},
		{Kind: peer.Drained, Text: "not to the end"},
		{Kind: peer.Closed, Text: peer.Counters{Sent: 1, Dropped: 2, Unconfirmed: 3, Discarded: 4, Connections: 5, Silent: 6}.String()},
		{Kind: peer.Fault, Text: "something is wrong"},
	} {
		got, err := peer.ParseEvent(e.String())
		check(t, err)
		if got != e {
			t.Errorf("%+v, want %+v", got, e)
		}
	}
	for _, bad := range []string{"", "what", "sent 1", "got 1 2", "got 1 2 x"} {
		if _, err := peer.ParseEvent(bad); err == nil {
			t.Errorf("%q: want an error", bad)
		}
	}
	want := peer.Counters{Sent: 1, Dropped: 2, Unconfirmed: 3, Discarded: 4, Connections: 5, Silent: 6}
	if got, err := peer.ParseCounters(want.String()); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

// The size of a message on the wire is what a socket counts.
func TestWireSize(t *testing.T) {
	t.Parallel()
	for _, shape := range []peer.Shape{peer.Small, peer.Mixed, peer.Large, peer.Parts} {
		push, err := zmq.NewPush(zmq.Config{})
		check(t, err)
		pull, err := zmq.NewPull(zmq.Config{})
		check(t, err)
		at, err := pull.Bind("inproc://" + t.Name() + string(shape))
		check(t, err)
		check(t, push.Connect(at))
		want := uint64(0)
		for n := range uint64(100) {
			var frames [][]byte
			for _, size := range peer.Sizes(shape, 7, n) {
				frames = append(frames, make([]byte, size))
			}
			want += peer.WireSize(peer.Sizes(shape, 7, n), false)
			check(t, push.Send(within(t), frames...))
			_, err := pull.Recv(within(t))
			check(t, err)
		}
		if got := push.Stats().BytesSent; got != want {
			t.Errorf("%s: %d bytes, want %d", shape, got, want)
		}
		check(t, push.Close())
		check(t, pull.Close())
	}
}

// A process of a peer obeys its commands, and ends when its input does.
func TestServe(t *testing.T) {
	t.Parallel()
	args := peer.Config{Type: "PULL", Bind: "tcp://127.0.0.1:*"}.Args()
	var kinds []peer.EventKind
	lines := serve(t, args, "begin\nstop\ndrain 1000\nclose 0\n", nil)
	for _, line := range lines {
		e, err := peer.ParseEvent(line)
		check(t, err)
		if e.Kind != peer.Stopped { // which is told when the socket has stopped, at any time
			kinds = append(kinds, e.Kind)
		}
	}
	if want := []peer.EventKind{peer.Ready, peer.Drained, peer.Closed}; !slices.Equal(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
	serve(t, args, "begin\n", io.ErrUnexpectedEOF)
	if err := peer.Serve([]string{"type=WHAT"}, strings.NewReader(""), io.Discard); err == nil {
		t.Error("want an error for an unknown type")
	}
	for _, command := range []string{"what\n", "close x\n"} {
		if err := peer.Serve(args, strings.NewReader(command), io.Discard); err == nil {
			t.Errorf("%q: want an error", command)
		}
	}
}

// serve runs a process of a peer, and returns what it writes.
func serve(t *testing.T, args []string, commands string, want error) (lines []string) {
	t.Helper()
	var out bytes.Buffer
	if err := peer.Serve(args, strings.NewReader(commands), &out); !errors.Is(err, want) {
		t.Errorf("%q: %v, want %v", commands, err, want)
	}
	for s := bufio.NewScanner(&out); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}
