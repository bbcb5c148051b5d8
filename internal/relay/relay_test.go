package relay_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/relay"
)

// Each direction ends by itself, and everything is counted.
func TestForwards(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		r, client, server := connected(t, scheme, relay.Config{})
		write(t, client, "question")
		expect(t, server, "question")
		closeWrite(t, client)
		expectEnd(t, server)
		write(t, server, "answer")
		closeWrite(t, server)
		expect(t, client, "answer")
		expectEnd(t, client)
		want := relay.ConnStats{
			ID: 1, Target: r.Stats()[0].Target, End: relay.Closed, ToTarget: relay.StreamStats{Received: 8, Forwarded: 8}, ToClient: relay.StreamStats{Received: 6, Forwarded: 6},
		}
		if got := ended(t, r); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

// Much passes unchanged, both ways at once, whatever the buffers and however it is slowed down, stalled and resumed.
func TestForwardsMuch(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		for seed := range uint64(4) {
			rng := rand.New(rand.NewPCG(seed, 1))
			cfg := relay.Config{Buffer: 1 + rng.IntN(64<<10), SocketBuffer: 32 << 10 << rng.IntN(4)}
			r, client, server := connected(t, scheme, cfg)
			var wg sync.WaitGroup
			for _, way := range []struct{ from, to net.Conn }{{client, server}, {server, client}} {
				data := randomBytes(rng, 1<<20)
				wg.Go(func() {
					if _, err := way.from.Write(data); err != nil {
						t.Error(err)
					}
					closeWrite(t, way.from)
				})
				wg.Go(func() {
					if b, err := io.ReadAll(way.to); err != nil || !bytes.Equal(b, data) {
						t.Errorf("seed %d: %d bytes, %v, want the %d that were written", seed, len(b), err, len(data))
					}
				})
			}
			plan := relay.NewPlan(seed, 8, relay.PlanConfig{
				Faults:  []relay.Fault{relay.FaultSlow, relay.FaultStall, relay.FaultPartition},
				MaxWait: 2 * time.Millisecond, MaxFor: 10 * time.Millisecond, MinRate: 1 << 20,
			})
			check(t, r.Play(within(t), plan, nil))
			wg.Wait()
			if got := ended(t, r); got.End != relay.Closed || got.ToTarget.Lost+got.ToClient.Lost > 0 {
				t.Errorf("seed %d: %+v, want nothing destroyed", seed, got)
			}
		}
	})
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestCut(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		r, client, server := connected(t, scheme, relay.Config{})
		r.Cut()
		expectEnd(t, client)
		expectEnd(t, server)
		if got := ended(t, r); got.End != relay.WasCut {
			t.Errorf("%+v, want it to be cut", got)
		}
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		r, client, server := connected(t, scheme, relay.Config{})
		r.Reset()
		for _, nc := range []net.Conn{client, server} {
			_, err := io.ReadAll(nc)
			if scheme == "tcp" && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%v, want a reset", err)
			}
		}
		if got := ended(t, r); got.End != relay.WasReset {
			t.Errorf("%+v, want it to be reset", got)
		}
	})
}

// A side that fails makes the other side fail, when it has what came before.
func TestPassesFailureOn(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		for _, byClient := range []bool{true, false} {
			r, one, other := connected(t, scheme, relay.Config{})
			if !byClient {
				one, other = other, one
			}
			write(t, other, "unread, so that a Unix domain socket resets too")
			eventually(t, "it has arrived", func() bool {
				s := r.Stats()[0]
				return s.ToTarget.Forwarded+s.ToClient.Forwarded > 0
			})
			write(t, one, "last words")
			if tcp, ok := one.(*net.TCPConn); ok {
				expect(t, other, "last words") // which the reset could overtake
				check(t, tcp.SetLinger(0))
			}
			one.Close()
			if scheme == "ipc" {
				expect(t, other, "last words")
			}
			if _, err := io.ReadAll(other); !errors.Is(err, syscall.ECONNRESET) && scheme == "tcp" {
				t.Errorf("%v, want a reset", err)
			}
			if got := ended(t, r); got.End != relay.ResetByPeer {
				t.Errorf("%+v, want it to be reset by a peer", got)
			}
		}
	})
}

// One direction is closed, the other one goes on, and what is sent into the closed one is destroyed.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		for _, d := range []relay.Direction{relay.ToTarget, relay.ToClient} {
			r, from, to := connected(t, scheme, relay.Config{})
			stream := func(s relay.ConnStats) relay.StreamStats { return s.ToTarget }
			if d == relay.ToClient {
				from, to = to, from
				stream = func(s relay.ConnStats) relay.StreamStats { return s.ToClient }
			}
			write(t, from, "before")
			expect(t, to, "before")
			r.HalfClose(d)
			expectEnd(t, to)
			write(t, from, "after")
			write(t, to, "back")
			expect(t, from, "back")
			eventually(t, "it is taken", func() bool { return stream(r.Stats()[0]).Received == 11 })
			closeWrite(t, to)
			expectEnd(t, from)
			if got, want := stream(ended(t, r)), (relay.StreamStats{Received: 11, Forwarded: 6, Lost: 5}); got != want {
				t.Errorf("%v: %+v, want %+v", d, got, want)
			}
		}
	})
}

// A direction that is stalled passes nothing, not even the end, and the other one goes on.
func TestStall(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		r, client, server := connected(t, scheme, relay.Config{})
		r.Stall(relay.ToTarget)
		write(t, client, "late")
		closeWrite(t, client)
		expectSilence(t, server)
		write(t, server, "on time")
		expect(t, client, "on time")
		if taken := r.Stats()[0].ToTarget.Received; taken > 0 {
			t.Errorf("%d bytes were taken of a stalled direction", taken)
		}
		r.Resume(relay.ToTarget)
		expect(t, server, "late")
		expectEnd(t, server)
	})
}

// What the relay keeps is bounded, so that the sender has to wait for the receiver.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		const buffer = 1000
		r, client, server := connected(t, scheme, relay.Config{Buffer: buffer, SocketBuffer: 128 << 10})
		check(t, client.SetWriteDeadline(time.Now().Add(5*briefly)))
		written, err := client.Write(make([]byte, 64<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%v, want the sender to wait", err)
		}
		if s := r.Stats()[0].ToTarget; s.Received > s.Forwarded+buffer {
			t.Errorf("%+v, want no more than %d bytes kept", s, buffer)
		}
		closeWrite(t, client)
		if b, err := io.ReadAll(server); err != nil || len(b) != written {
			t.Errorf("%d bytes, %v, want %d", len(b), err, written)
		}
	})
}

// What is slow takes its time at least.
func TestShape(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		r, client, server := connected(t, scheme, relay.Config{})
		const delay = 30 * time.Millisecond
		r.Shape(relay.ToClient, relay.Shape{Delay: delay})
		begin := time.Now()
		write(t, client, "ping")
		expect(t, server, "ping")
		write(t, server, "pong")
		expect(t, client, "pong")
		if took := time.Since(begin); took < delay {
			t.Errorf("%v, want at least %v", took, delay)
		}

		r.Shape(relay.Both, relay.Shape{Rate: 100_000})
		text := strings.Repeat("x", 5000)
		begin = time.Now()
		write(t, client, text)
		expect(t, server, text)
		if took := time.Since(begin); took < 39*time.Millisecond { // the first hundredth of a second is free
			t.Errorf("%v, want 40 ms or more", took)
		}
	})
}

// Nothing passes a partition, and everything afterwards. New connections hang meanwhile.
func TestPartitionHang(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		at := newTarget(t, scheme)
		r := start(t, relay.Config{Target: at.endpoint})
		client := dial(t, r)
		server := at.accept(t)
		r.Partition(relay.Hang)
		write(t, client, "up")
		write(t, server, "down")
		expectSilence(t, client)
		expectSilence(t, server)
		second := dial(t, r)
		write(t, second, "second")
		expectSilence(t, second)
		r.Heal()
		expect(t, server, "up")
		expect(t, client, "down")
		expect(t, at.accept(t), "second")
	})
}

func TestPartitionRefuse(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		r, client, server := connected(t, scheme, relay.Config{})
		r.Partition(relay.Refuse)
		expectRefusal(t, r)
		write(t, client, "patience")
		r.Heal()
		expect(t, server, "patience")
	})
}

// On Linux the peer's system gets no acknowledgement during a partition.
func TestPartitionLikeAPulledCable(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs a socket filter")
	}
	r, client, server := connected(t, "tcp", relay.Config{})
	r.Partition(relay.Hang)
	write(t, client, "up")
	check(t, client.(*net.TCPConn).SetLinger(0)) // the reset does not pass either
	client.Close()
	expectSilence(t, server)
	r.Cut()
	expectEnd(t, server)
	if got := ended(t, r).ToTarget; got.Lost > 0 {
		t.Errorf("%+v: the relay's system has acknowledged something", got)
	}
}

func TestSetTarget(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		first, second := newTarget(t, scheme), newTarget(t, scheme)
		r := start(t, relay.Config{Target: first.endpoint})
		client := dial(t, r)
		write(t, client, "first")
		server := first.accept(t)
		check(t, r.SetTarget(second.endpoint))
		other := dial(t, r)
		write(t, other, "second")
		expect(t, second.accept(t), "second")
		expect(t, server, "first") // which has stayed
	})
}

func TestNoTarget(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		at := newTarget(t, scheme)
		at.Close()
		r := start(t, relay.Config{Target: at.endpoint})
		expectRefusal(t, r)
		if got := ended(t, r); got.End != relay.NoTarget {
			t.Errorf("%+v, want that there is no target", got)
		}
	})
}

// Bytes that the relay's system has acknowledged and that are lost with the connection are counted as destroyed.
func TestLost(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only there the system's buffers are looked into")
	}
	overEach(t, func(t *testing.T, scheme string) {
		for name, end := range map[string]func(*relay.Relay){
			"cut": (*relay.Relay).Cut, "reset": (*relay.Relay).Reset, "close": func(r *relay.Relay) { check(t, r.Close()) },
		} {
			r, client, server := connected(t, scheme, relay.Config{Buffer: 7})
			r.Stall(relay.ToClient)
			write(t, client, "before ")
			expect(t, server, "before ")
			write(t, server, "in the system's buffer")
			r.Shape(relay.ToTarget, relay.Shape{Delay: time.Hour})
			write(t, client, "in both buffers")
			eventually(t, "the relay's buffer is full", func() bool { return r.Stats()[0].ToTarget.Received == 14 })
			end(r)
			got := ended(t, r)
			got.End, got.ID, got.Target = "", 0, ""
			want := relay.ConnStats{
				ToTarget: relay.StreamStats{Received: 14, Forwarded: 7, Lost: 15}, ToClient: relay.StreamStats{Lost: 22},
			}
			if got != want {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
	})
}

// Inspect sees what passes, and may change it.
func TestInspect(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		_, client, server := connected(t, scheme, relay.Config{Inspect: func(d relay.Direction) func(uint64, []byte) {
			if d == relay.ToClient {
				return nil
			}
			return func(position uint64, b []byte) {
				for i := range b {
					b[i] += byte(position) + byte(i)
				}
			}
		}})
		write(t, client, "aaa")
		expect(t, server, "abc")
		write(t, client, "aa")
		expect(t, server, "de")
		write(t, server, "aa")
		expect(t, client, "aa")
	})
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for _, bad := range []relay.Config{
		{},
		{Target: "127.0.0.1:1"},
		{Target: "udp://127.0.0.1:1"},
		{Target: "tcp://127.0.0.1:1", Listen: "here"},
		{Target: "tcp://127.0.0.1:1", Listen: "tcp://127.0.0.1:no"},
	} {
		if r, err := relay.New(bad); err == nil {
			check(t, r.Close())
			t.Errorf("%+v: want an error", bad)
		}
	}
	r := start(t, relay.Config{Target: "ipc:///nowhere", Listen: "tcp://127.0.0.1:0"})
	if !strings.HasPrefix(r.Endpoint(), "tcp://127.0.0.1:") {
		t.Errorf("%s, want a tcp endpoint", r.Endpoint())
	}
	if r.SetTarget("nowhere") == nil {
		t.Error("want an error for a target that is no endpoint")
	}
}

// Close may be called by many at once, in the middle of everything, and leaves nothing.
func TestClose(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		r, client, server := connected(t, scheme, relay.Config{})
		r.Stall(relay.ToClient)
		write(t, server, "stuck")
		r.Partition(relay.Hang)
		hanging := dial(t, r)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { check(t, r.Close()) })
		}
		wg.Wait()
		for _, nc := range []net.Conn{client, server, hanging} {
			_, _ = io.ReadAll(nc) // it ends
		}
		for _, s := range r.Stats() {
			if s.End == relay.Open {
				t.Errorf("%+v has not ended", s)
			}
		}
	})
}
