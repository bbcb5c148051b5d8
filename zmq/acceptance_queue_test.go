package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// count says how many messages fit between a PUSH and a PULL that does not receive, up to a limit, and receives them.
func count(t testing.TB, push *zmq.Push, pull *zmq.Pull, limit int) int {
	t.Helper()
	sent := 0
	for sent < limit && push.Send(now(), fmt.Append(nil, sent)) == nil {
		sent++
	}
	for i := range sent {
		expect(t, pull, fmt.Sprint(i))
	}
	nothing(t, pull)
	send(t, push, "one more")
	expect(t, pull, "one more")
	return sent
}

// Over inproc exactly as many messages fit as both high-water marks allow together, whoever was there first.
func TestCase_hwm(t *testing.T) {
	t.Parallel()
	on(t, "inproc", func(t *testing.T, endpoint string) {
		const without, limit = -1, 10_000
		for i, c := range []struct{ send, receive, want int }{
			{0, 0, 2000}, // the defaults
			{without, without, limit},
			{1, without, limit},
			{without, 1, limit},
			{1, 1, 2},
			{7, 5, 12},
		} {
			for _, first := range []string{"bind", "connect"} {
				at := fmt.Sprint(endpoint, i, first)
				push, pull := newPush(t, zmq.Config{SendHWM: c.send}), newPull(t, zmq.Config{RecvHWM: c.receive})
				if first == "bind" {
					bind(t, pull, at)
					check(t, push.Connect(at))
				} else {
					check(t, push.Connect(at))
					bind(t, pull, at)
				}
				if got := count(t, push, pull, limit); got != c.want {
					t.Errorf("%d to %d, %s first: %d messages fit, want %d", c.send, c.receive, first, got, c.want)
				}
			}
		}
		// What was sent before there was a peer counts for the sender alone, and outlives its Close for as long as that lingers.
		push := newPush(t, zmq.Config{SendHWM: 1})
		check(t, push.Connect(endpoint))
		if n := fills(t, push, nil, 1); n != 1 {
			t.Errorf("%d messages fit without a peer, want 1", n)
		}
		closed := inBackground(func() error { return push.Shutdown(within(t)) })
		pull := newPull(t, zmq.Config{})
		bind(t, pull, endpoint)
		expect(t, pull, "0|\x00")
		check(t, await(t, "the end of Shutdown", closed))
	})
}

// A high-water mark is set when a socket is made, holds from then on, and is out of reach later.
func TestCase_sockopt_hwm(t *testing.T) {
	t.Parallel()
	on(t, "inproc", func(t *testing.T, endpoint string) {
		cfg := zmq.Config{SendHWM: 3, RecvHWM: 4}
		push, pull := newPush(t, cfg), newPull(t, cfg)
		bind(t, pull, endpoint)
		cfg.SendHWM, cfg.RecvHWM = 500, 500
		check(t, push.Connect(endpoint))
		if got := count(t, push, pull, 1000); got != 7 {
			t.Errorf("%d messages fit, want 7", got)
		}
	})
}

// Without Immediate an endpoint takes its share of messages as soon as it is connected to; with it, only peers do, and while
// there is none Send waits.
func TestCase_immediate(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		const n = 10
		for i, immediate := range []bool{false, true} {
			push, pull := newPush(t, zmq.Config{Immediate: immediate, Linger: -1}), newPull(t, zmq.Config{})
			check(t, push.Connect("inproc://"+t.Name()+"/nobody"))
			check(t, push.Connect(bind(t, pull, numbered(endpoint, i))))
			check(t, push.WaitPeers(within(t), 1))
			for i := range n {
				send(t, push, fmt.Sprint(i))
			}
			want := map[bool]int{false: n / 2, true: n}[immediate]
			for range want {
				recv(t, pull)
			}
			check(t, push.Close())
			peers(t, pull, 0)
			nothing(t, pull)
		}
		front, back := open(t, zmq.NewDealer, zmq.Config{Immediate: true, ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax}), open(t, zmq.NewDealer, zmq.Config{})
		at := bind(t, back, numbered(endpoint, 2))
		check(t, front.Connect(at))
		send(t, back, "ping")
		expect(t, front, "ping")
		send(t, front, "pong")
		expect(t, back, "pong")
		check(t, back.Close())
		peers(t, front, 0)
		if err := front.Send(shortly(), []byte("nobody")); !errors.Is(err, zmq.ErrNoPeer) {
			t.Errorf("sent to nobody: %v", err)
		}
		again := open(t, zmq.NewDealer, zmq.Config{})
		eventually(t, "the endpoint is free again", func() bool {
			_, err := again.Bind(at)
			return err == nil
		})
		send(t, again, "ping")
		expect(t, front, "ping")
		send(t, front, "pong")
		expect(t, again, "pong")
	})
}

// With Conflate a queue holds the last message only, at whichever side it is set. Messages have one frame.
func TestCase_conflate(t *testing.T) {
	t.Parallel()
	conflate := zmq.Config{Conflate: true}
	sides := map[string]func(t *testing.T) (sender, receiver){
		"PULL": func(t *testing.T) (sender, receiver) { return newPush(t, zmq.Config{}), newPull(t, conflate) },
		"SUB": func(t *testing.T) (sender, receiver) {
			return newPub(t, zmq.Config{}), newSub(t, conflate, "")
		},
		"DEALER": func(t *testing.T) (sender, receiver) {
			return open(t, zmq.NewDealer, zmq.Config{}), open(t, zmq.NewDealer, conflate)
		},
	}
	on(t, every, func(t *testing.T, endpoint string) {
		const n = 20
		for kind, make := range sides {
			from, to := make(t)
			at := bind(t, to, numbered(endpoint, len(kind)))
			check(t, from.Connect(at))
			if pub, ok := from.(*zmq.Pub); ok {
				check(t, pub.WaitSubscribers(within(t), "", 1))
			}
			for i := range n {
				send(t, from, fmt.Sprint(i))
			}
			check(t, from.Shutdown(within(t)))
			peers(t, to, 0) // so that everything has arrived
			expect(t, to, fmt.Sprint(n-1))
			nothing(t, to)
			if s, ok := to.(sender); ok {
				if err := s.Send(within(t), []byte("two"), []byte("frames")); !errors.Is(err, zmq.ErrMultipart) {
					t.Errorf("%s sent two frames: %v", kind, err)
				}
			}
		}
		push, pull := newPush(t, conflate), newPull(t, zmq.Config{})
		at := bind(t, pull, endpoint)
		check(t, pull.Unbind(at))
		check(t, push.Connect(at))
		for i := range n {
			check(t, push.Send(now(), fmt.Append(nil, i))) // never full
		}
		if q := push.Stats().Queued; q != 1 {
			t.Errorf("%d messages are queued, want the last", q)
		}
		eventually(t, "the endpoint is free again", func() bool {
			_, err := pull.Bind(at)
			return err == nil
		})
		expect(t, pull, fmt.Sprint(n-1))
		nothing(t, pull)
		if err := push.Send(within(t), []byte("two"), []byte("frames")); !errors.Is(err, zmq.ErrMultipart) {
			t.Errorf("PUSH sent two frames: %v", err)
		}
	})
}

// A call waits exactly as long as its context lets it, whatever happens meanwhile, and the socket is as good as before.
func TestCase_timeo(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		at := bind(t, pull, endpoint)
		timesOut := func(what string, call func(ctx context.Context) error) {
			t.Helper()
			ctx := shortly()
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		receive := func(ctx context.Context) error { _, err := pull.Recv(ctx); return err }
		if err := receive(ended()); !errors.Is(err, context.Canceled) {
			t.Errorf("a call that must not wait: %v", err)
		}
		timesOut("nobody sends", receive)
		timesOut("there is nobody to send to", func(ctx context.Context) error { return push.Send(ctx, nil) })
		timesOut("a peer comes, and sends nothing", func(ctx context.Context) error {
			received := inBackground(func() error { return receive(ctx) })
			check(t, push.Connect(at))
			check(t, pull.WaitPeers(within(t), 1))
			return await(t, "the end of the wait", received)
		})
		send(t, push, "after all")
		expect(t, pull, "after all")
	})
}

// PUSH and PULL as RFC 30 has them.
func TestCase_spec_pushpull(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		t.Run("PUSH deals out in turn", func(t *testing.T) {
			push, pulls := newPush(t, zmq.Config{}), make([]*zmq.Pull, 5)
			at := bind(t, push, numbered(endpoint, 0))
			for i := range pulls {
				pulls[i] = newPull(t, zmq.Config{})
				check(t, pulls[i].Connect(at))
			}
			check(t, push.WaitPeers(within(t), len(pulls)))
			for _, m := range []string{"ABC", "DEF"} {
				for range pulls {
					send(t, push, m)
				}
			}
			check(t, push.Shutdown(within(t)))
			for _, pull := range pulls {
				expect(t, pull, "ABC", "DEF")
				peers(t, pull, 0)
				nothing(t, pull)
			}
		})
		t.Run("PULL receives in turn", func(t *testing.T) {
			const n = 5
			pull := newPull(t, zmq.Config{})
			at := bind(t, pull, numbered(endpoint, 1))
			for i := range n {
				push := newPush(t, zmq.Config{})
				check(t, push.Connect(at))
				send(t, push, fmt.Sprint(i))
				send(t, push, fmt.Sprint(i))
				check(t, push.Shutdown(within(t)))
			}
			peers(t, pull, 0)
			checkTurns(t, pull, n, 2)
		})
		t.Run("PUSH waits for a peer", func(t *testing.T) {
			push := newPush(t, zmq.Config{})
			for _, ctx := range []context.Context{now(), shortly()} {
				if err := push.Send(ctx, nil); !errors.Is(err, zmq.ErrNoPeer) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("sent to nobody: %v", err)
				}
			}
		})
		// RFC 30 would have the messages of a peer that disconnects thrown away. Here nothing is: what has reached the peer can
		// be received, and what has not goes to another peer.
		t.Run("the queue ends with the peer", func(t *testing.T) {
			push := newPush(t, zmq.Config{SendHWM: 1})
			at := bind(t, push, numbered(endpoint, 2))
			leaving := newPull(t, zmq.Config{RecvHWM: 1})
			check(t, leaving.Connect(at))
			check(t, push.WaitPeers(within(t), 1))
			sent := fill(t, push)
			check(t, leaving.Disconnect(at))
			peers(t, push, 0)
			if err := push.Send(now(), nil); !errors.Is(err, zmq.ErrNoPeer) {
				t.Errorf("sent to nobody: %v", err)
			}
			waited := settledOrphans(t, push, sent)
			for i := 0; ; i++ {
				m, err := leaving.Recv(now())
				if err != nil {
					break
				}
				if got := string(m.Bytes()); got != fmt.Sprint(i) || i >= sent-waited {
					t.Fatalf("received message %s, want %d; the last %d of %d waited", got, i, waited, sent)
				}
				m.Release()
			}
			heir := newPull(t, zmq.Config{})
			check(t, heir.Connect(at))
			for i := sent - waited; i < sent; i++ {
				m := must(heir.Recv(within(t)))(t)
				if got := string(m.Bytes()); got != fmt.Sprint(i) {
					t.Fatalf("received message %s, want %d", got, i)
				}
				m.Release()
			}
			if st := settled(t, push); st.Dropped != 0 {
				t.Errorf("%d messages were dropped", st.Dropped)
			}
		})
		t.Run("messages are whole or lost", func(t *testing.T) {
			push := newPush(t, zmq.Config{SendHWM: 1})
			pull := newPull(t, zmq.Config{RecvHWM: 1})
			at := bind(t, push, numbered(endpoint, 3))
			big := make([]byte, 4<<20)
			check(t, pull.Connect(at))
			ctx, arrived := context.WithCancel(within(t))
			defer arrived()
			sent := inBackground(func() error {
				for i := range 6 {
					if err := push.Send(ctx, fmt.Append(nil, i), []byte("middle"), big); err != nil {
						return err
					}
					if i%2 == 1 {
						if err := errors.Join(pull.Disconnect(at), pull.Connect(at)); err != nil {
							return err
						}
					}
				}
				for ctx.Err() == nil { // the first of them may be lost with the last connection
					_ = push.Send(ctx, []byte("end"), []byte("middle"), nil)
				}
				return nil
			})
			for last := ""; last != "end"; {
				m := must(pull.Recv(within(t)))(t)
				if m.Len() != 3 || string(m.Frame(1)) != "middle" {
					t.Fatalf("a message of %d frames came after message %s", m.Len(), last)
				}
				last = string(m.Bytes())
				m.Release()
			}
			arrived()
			check(t, await(t, "the sender's end", sent))
		})
	})
}

// settledOrphans waits until all messages that were accepted are either sent or wait for another peer, and returns how many
// wait.
func settledOrphans(t testing.TB, push *zmq.Push, accepted int) (waiting int) {
	t.Helper()
	eventually(t, "each message is in one place", func() bool {
		st := push.Stats()
		waiting = st.Queued
		return st.MessagesSent+uint64(st.Queued) == uint64(accepted)
	})
	return waiting
}
