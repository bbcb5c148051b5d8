package zmq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// eachReceiver is a socket that receives many messages with one call.
type eachReceiver interface {
	looping
	RecvEach(ctx context.Context, into []zmq.Message) (int, error)
}

var (
	_ eachReceiver = (*zmq.Pull)(nil)
	_ eachReceiver = (*zmq.Sub)(nil)
	_ eachReceiver = (*zmq.XSub)(nil)
	_ eachReceiver = (*zmq.Dealer)(nil)
	_ eachReceiver = (*zmq.Router)(nil)
	_ eachReceiver = (*zmq.Pair)(nil)
)

// batch receives with one call, up to n messages.
func batch(t testing.TB, s eachReceiver, n int) (got []string) {
	t.Helper()
	into := make([]zmq.Message, n)
	n, err := s.RecvEach(within(t), into)
	check(t, err)
	if n == 0 || n > len(into) {
		t.Fatalf("RecvEach returned %d of %d messages", n, len(into))
	}
	for _, m := range into[:n] {
		got = append(got, text(m.Clone()))
	}
	zmq.ReleaseEach(into) // those that were not filled are passed over
	for i, m := range into {
		if m.Len() != 0 {
			t.Fatalf("message %d has %d frames after its release", i, m.Len())
		}
	}
	return got
}

// Whatever the sizes of messages and batches, all arrive once, in their order, with one frame or several.
func TestRecvEachInOrder(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		check(t, push.Connect(bind(t, pull, endpoint)))
		bodies := mixed(5000)
		ctx := within(t)
		sent := inBackground(func() error {
			for i, b := range bodies {
				frames := [][]byte{b, []byte("more")}[:1+i%3/2]
				if err := push.Send(ctx, frames...); err != nil {
					return err
				}
			}
			return nil
		})
		for next := 0; next < len(bodies); {
			into := make([]zmq.Message, 1+rand.IntN(300))
			n, err := pull.RecvEach(within(t), into)
			check(t, err)
			for _, m := range into[:n] {
				if !bytes.Equal(m.Bytes(), bodies[next]) || m.Len() != 1+next%3/2 {
					t.Fatalf("received %d frames, %.20q, want %.20q", m.Len(), m.Bytes(), bodies[next])
				}
				next++
			}
			zmq.ReleaseEach(into[:n])
			if st := pull.Stats(); st.MessagesReceived != uint64(next) {
				t.Fatalf("%d messages are counted, %d were received", st.MessagesReceived, next)
			}
		}
		check(t, await(t, "the end of sending", sent))
	})
}

// A batch has up to eight messages of each peer in turn, and each peer's in their order.
func TestRecvEachInTurn(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		const peers, each = 3, 100
		pull := newPull(t, zmq.Config{})
		at := bind(t, pull, endpoint)
		for i := range peers {
			push := newPush(t, zmq.Config{})
			check(t, push.Connect(at))
			for k := range each {
				send(t, push, fmt.Sprint(i, " ", k))
			}
		}
		var next [peers]int
		came := func(m string) (peer int) {
			t.Helper()
			var k int
			must(fmt.Sscan(m, &peer, &k))(t)
			if k != next[peer] {
				t.Fatalf("message %d of peer %d came when %d was due", k, peer, next[peer])
			}
			next[peer]++
			return peer
		}
		n := 0
		if strings.HasPrefix(endpoint, "inproc:") { // where nothing is still on its way
			var first [peers]int
			for i := range first {
				first[i] = came(recv(t, pull))
			}
			for i, m := range batch(t, pull, 48) {
				if peer, want := came(m), first[i/8%peers]; peer != want {
					t.Fatalf("message %d of the batch is of peer %d, want %d", i, peer, want)
				}
			}
			n = peers + 48
		}
		for n < peers*each {
			for _, m := range batch(t, pull, 64) {
				came(m)
				n++
			}
		}
	})
}

// Messages that a loop has taken come before those that wait, and what a call returned is nobody else's.
func TestRecvEachWithinMessages(t *testing.T) {
	t.Parallel()
	pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
	pair(t, pull, push, "inproc://"+t.Name())
	check(t, await(t, "the end of sending", sendNumbers(t, push, 300)))
	next := 0
	want := func(got ...string) {
		t.Helper()
		for _, m := range got {
			if m != fmt.Sprint(next) {
				t.Fatalf("received %s, want %d", m, next)
			}
			next++
		}
	}
	for m, err := range pull.Messages(within(t)) {
		check(t, err)
		want(text(m))
		if next < 300 {
			want(batch(t, pull, 10)...)
		}
		if next < 300 {
			want(recv(t, pull))
		}
		if next == 300 {
			break
		}
	}
}

// A call waits for the first message; it ends with its context, and with its socket, and takes nothing then.
func TestRecvEachEnds(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		into := make([]zmq.Message, 8)
		if n, err := pull.RecvEach(within(t), nil); n != 0 || err != nil {
			t.Errorf("with no room: %d, %v", n, err)
		}
		if n, err := pull.RecvEach(ended(), into); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %d, %v", n, err)
		}
		type result struct {
			n   int
			err error
		}
		ctx, cancel := context.WithCancel(within(t))
		begin := func(ctx context.Context) <-chan result {
			return inBackground(func() result {
				n, err := pull.RecvEach(ctx, into)
				return result{n, err}
			})
		}
		waiting := begin(ctx)
		send(t, push, "one")
		if r := await(t, "the first message", waiting); r.n != 1 || r.err != nil || text(into[0]) != "one" {
			t.Errorf("received %+v", r)
		}
		waiting = begin(ctx)
		cancel()
		if r := await(t, "the end of a call whose context ended", waiting); r.n != 0 || !errors.Is(r.err, context.Canceled) {
			t.Errorf("a call whose context ended: %+v", r)
		}
		waiting = begin(context.Background())
		check(t, pull.Close())
		r := await(t, "the end of a call whose socket was closed", waiting)
		isClosed(t, r.err)
		n, err := pull.RecvEach(within(t), into)
		isClosed(t, err)
		if r.n != 0 || n != 0 {
			t.Errorf("%d and %d messages of a closed socket", r.n, n)
		}
	})
}

// Of what came, a SUB's batch has only what it is subscribed to now.
func TestRecvEachOfSubscriptions(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "a", "b", "end")
		check(t, sub.Connect(bind(t, pub, endpoint)))
		check(t, pub.WaitSubscribers(within(t), "end", 1))
		for i := range 100 {
			send(t, pub, fmt.Sprint([]string{"a", "b", "c"}[i%3], " ", i))
		}
		send(t, pub, "end")
		first := batch(t, sub, 1)
		check(t, sub.Unsubscribe("b"))
		all := first
		for all[len(all)-1] != "end" {
			all = append(all, batch(t, sub, 7)...)
		}
		if len(all) != 35 || all[0] != "a 0" || all[33] != "a 99" {
			t.Errorf("received %d messages, from %q to %q", len(all), all[0], all[max(len(all)-2, 0)])
		}
	})
}

// Two goroutines that receive batches share all messages out between them.
func TestRecvEachByTwo(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		const messages = 20_000
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, pull, push, endpoint)
		ctx, cancel := context.WithCancel(within(t))
		defer cancel()
		came := make(chan string, messages)
		var done []<-chan error
		for range 2 {
			done = append(done, inBackground(func() error {
				for into := make([]zmq.Message, 50); ; {
					n, err := pull.RecvEach(ctx, into)
					if err != nil {
						return err
					}
					for _, m := range into[:n] {
						came <- string(m.Bytes())
					}
					zmq.ReleaseEach(into[:n])
				}
			}))
		}
		sent := sendNumbers(t, push, messages)
		seen := map[string]bool{}
		for range messages {
			m := await(t, "a message", came)
			if seen[m] {
				t.Fatalf("%s came twice", m)
			}
			seen[m] = true
		}
		check(t, await(t, "the end of sending", sent))
		cancel()
		for _, d := range done {
			if err := await(t, "the end of a receiver", d); !errors.Is(err, context.Canceled) {
				t.Errorf("a receiver ended with %v", err)
			}
		}
	})
}

// Messages that are released together give back what each of them holds, and no more.
func TestReleaseEach(t *testing.T) {
	t.Parallel()
	pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
	pair(t, pull, push, "tcp://127.0.0.1:*")
	bodies := mixed(400)
	sent := sendEach(t, push, bodies)
	var kept, all []zmq.Message
	for len(all) < len(bodies) {
		into := make([]zmq.Message, 64)
		n, err := pull.RecvEach(within(t), into)
		check(t, err)
		all = append(all, into[:n]...)
	}
	check(t, await(t, "the end of sending", sent))
	for i := 0; i < len(all); i += 3 {
		kept = append(kept, all[i])
		all[i] = zmq.Message{}
	}
	zmq.ReleaseEach(all)
	check(t, await(t, "the end of sending", sendEach(t, push, bodies[:200]))) // into the memory that was given back
	for range 200 {
		m, err := pull.Recv(within(t))
		check(t, err)
		m.Release()
	}
	for i, m := range kept {
		if !bytes.Equal(m.Bytes(), bodies[3*i]) {
			t.Fatalf("message %d has changed to %.20q", 3*i, m.Bytes())
		}
	}
	zmq.ReleaseEach(kept)
	zmq.ReleaseEach(nil)
}
