package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// All that is queued arrives when the sender is closed and the receiver goes on, however slowly.
func TestCloseSendsWhatIsQueued(t *testing.T) {
	t.Parallel()
	for _, binds := range []bool{true, false} {
		t.Run(fmt.Sprintf("sender binds=%v", binds), func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				const n = 800
				push, pull := newPush(t, zmq.Config{Linger: time.Hour}), newPull(t, zmq.Config{RecvHWM: 1})
				if binds {
					pair(t, push, pull, endpoint)
				} else {
					pair(t, pull, push, endpoint)
				}
				body := make([]byte, 1<<10)
				for i := range n {
					check(t, push.Send(within(t), fmt.Append(nil, i), body))
				}
				closed := inBackground(push.Close)
				for i := range n {
					m, err := pull.Recv(within(t))
					check(t, err)
					if string(m.Bytes()) != fmt.Sprint(i) || len(m.Frame(1)) != len(body) {
						t.Fatalf("message %d: %q, %d bytes", i, m.Bytes(), len(m.Frame(1)))
					}
				}
				check(t, await(t, "the end of Close", closed))
				if st := push.Stats(); st.MessagesSent != n || st.Dropped != 0 || st.Queued != 0 || st.Peers != 0 {
					t.Errorf("statistics after Close: %+v", st)
				}
			})
		})
	}
}

func TestClosePublishesWhatIsQueued(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		pub, sub := newPub(t, zmq.Config{}), newSub(t, zmq.Config{}, "")
		publishing(t, endpoint, "", pub, sub)
		for i := range 500 {
			send(t, pub, fmt.Sprint(i))
		}
		check(t, pub.Close())
		for i := range 500 {
			expect(t, sub, fmt.Sprint(i))
		}
	})
}

// What is queued for an endpoint waits for a peer to come, within the linger time.
func TestCloseWaitsForPeer(t *testing.T) {
	t.Parallel()
	for _, immediate := range []bool{false, true} {
		t.Run(fmt.Sprintf("immediate=%v", immediate), func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				cfg := quick
				cfg.Linger, cfg.Immediate, cfg.SendHWM = time.Hour, immediate, 10
				push, first := newPush(t, cfg), newPull(t, zmq.Config{RecvHWM: 1})
				at := pair(t, first, push, endpoint)
				accepted := fill(t, push)
				check(t, first.Close())
				taken := settledWithoutPeer(t, push, accepted)
				closed := inBackground(push.Close)
				second := newPull(t, zmq.Config{})
				eventually(t, "the endpoint is free again", func() bool {
					_, err := second.Bind(at)
					return err == nil
				})
				for range accepted - taken {
					recv(t, second)
				}
				check(t, await(t, "the end of Close", closed))
				if st := push.Stats(); st.MessagesSent != uint64(accepted) || st.Dropped != 0 {
					t.Errorf("%d messages were accepted: %+v", accepted, st)
				}
			})
		})
	}
}

// settledWithoutPeer waits until a lost peer was noticed. It returns how many of the accepted messages went with it.
func settledWithoutPeer(t *testing.T, push *zmq.Push, accepted int) (taken int) {
	t.Helper()
	eventually(t, "the pusher has noticed", func() bool {
		st := push.Stats()
		taken = int(st.MessagesSent)
		return st.Peers == 0 && taken+st.Queued == accepted
	})
	return taken
}

// What cannot be sent in time is counted as dropped.
func TestLingerEnds(t *testing.T) {
	t.Parallel()
	for name, shut := range map[string]struct {
		cfg zmq.Config
		how func(s socket) error
	}{
		"linger":           {zmq.Config{Linger: 10 * time.Millisecond}, socket.Close},
		"no linger":        {zmq.Config{Linger: -1}, socket.Close},
		"shutdown":         {zmq.Config{Linger: time.Hour}, func(s socket) error { return s.Shutdown(ended()) }},
		"shutdown in time": {zmq.Config{Linger: time.Hour}, func(s socket) error { return shutdownAfter(s, time.Millisecond) }},
		"second shutdown": {zmq.Config{Linger: time.Hour}, func(s socket) error {
			closed := inBackground(s.Close)
			return errors.Join(s.Shutdown(ended()), <-closed)
		}},
	} {
		for _, immediate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/immediate=%v", name, immediate), func(t *testing.T) {
				t.Parallel()
				overEach(t, func(t *testing.T, endpoint string) {
					cfg := shut.cfg
					cfg.Immediate, cfg.SendHWM = immediate, 10
					push, pull := newPush(t, cfg), newPull(t, zmq.Config{RecvHWM: 1})
					pair(t, pull, push, endpoint)
					accepted := fill(t, push)
					check(t, pull.Close())
					taken := settledWithoutPeer(t, push, accepted)
					check(t, shut.how(push))
					if st := push.Stats(); st.Dropped != uint64(accepted-taken) || st.Queued != 0 {
						t.Errorf("%d messages accepted, %d taken, and at the end %+v", accepted, taken, st)
					}
				})
			})
		}
	}
}

func shutdownAfter(s socket, d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return s.Shutdown(ctx)
}

// An idle pair is closed by word and answer: nobody waits for a timer.
func TestCloseOfIdlePair(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"PUSH", "PUB"} {
		for _, binds := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s binds=%v", kind, binds), func(t *testing.T) {
				t.Parallel()
				events := make(chan zmq.Event, 100)
				s, peer := newSocket(t, kind, zmq.Config{Events: events, Linger: time.Hour}), newSocket(t, partner[kind], quick)
				if binds {
					pair(t, s, peer, wildcard)
				} else {
					pair(t, peer, s, wildcard)
				}
				check(t, s.Close())
				if e := untilEvent(t, events, zmq.EventDisconnected); !errors.Is(e.Err, io.EOF) {
					t.Errorf("the connection ended with %v, want the peer's end of it", e.Err)
				}
			})
		}
	}
}

// Close does not wait for who is not there, connects, or says nothing.
func TestCloseWithoutPeer(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newSocket(t, kind, zmq.Config{Linger: time.Hour, HandshakeTimeout: time.Hour})
			silent := listenRaw(t)
			check(t, s.Connect(silent.endpoint()))
			silent.accept()
			check(t, s.Connect(closedEndpoint(t)))
			check(t, s.Connect("inproc://"+t.Name()))
			half := dialRaw(t, bind(t, s, wildcard))
			half.write(greeting(1)[:20])
			half.read(64)
			check(t, s.Close())
			half.expectEnd()
		})
	}
}

// A PUSH that is closed while its peer has stopped reading gives up in time.
func TestCloseWithDeafPeer(t *testing.T) {
	t.Parallel()
	push := newPush(t, zmq.Config{Linger: time.Millisecond})
	peer := dialRaw(t, bind(t, push, wildcard)).greet("PULL", 1)
	check(t, push.WaitPeers(within(t), 1))
	accepted := fill(t, push)
	check(t, push.Close())
	st := push.Stats()
	if st.Dropped == 0 || st.MessagesSent+st.Dropped != uint64(accepted) {
		t.Errorf("%d messages accepted, at the end %+v", accepted, st)
	}
	for i := range int(st.MessagesSent) { // what was sent is on its way still
		if got := peer.message(); len(got) < 256<<10 {
			t.Fatalf("message %d has %d bytes", i, len(got))
		}
	}
}

// A peer that goes on sending, heartbeats here, is not met by a closed connection before it has read everything and ends it.
func TestCloseWaitsForPeerThatSends(t *testing.T) {
	t.Parallel()
	for stream, endpoint := range streams {
		for name, before := range map[string]bool{"heartbeats": true, "first word after the end": false} {
			t.Run(stream+"/"+name, func(t *testing.T) {
				t.Parallel()
				push := newPush(t, zmq.Config{Linger: time.Hour})
				raw := dialPeer(t, bind(t, push, endpoint)).greet("PULL", 1)
				check(t, push.WaitPeers(within(t), 1))
				if before {
					raw.write(wire.AppendPing(nil, 0, nil))
					raw.command()
				}
				send(t, push, "last")
				closed := inBackground(push.Close)
				if m := raw.message(); m != "last" {
					t.Fatalf("received %q", m)
				}
				raw.expectEnd() // of what the socket sends
				raw.write(wire.AppendPing(nil, 0, nil))
				tick := time.NewTicker(time.Second) // longer than a silent peer is given
				defer tick.Stop()
				<-tick.C
				for range 10 { // a closed connection shows at the second at the latest
					raw.write(wire.AppendPing(nil, 0, nil))
				}
				raw.Close()
				check(t, await(t, "the end of Close", closed))
			})
		}
	}
}

// A PUSH that waits for long before it connects again does so at once if it is closed with messages, since its peer may be back.
func TestCloseConnectsAgain(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		events := make(chan zmq.Event, 100)
		push := newPush(t, zmq.Config{Linger: time.Minute, ReconnectInterval: time.Hour, Events: events})
		pull := newPull(t, zmq.Config{})
		other := bind(t, pull, endpoint) // a free endpoint
		check(t, pull.Close())
		check(t, push.Connect(other))
		untilEvent(t, events, zmq.EventConnectRetried)
		again := newPull(t, zmq.Config{})
		bind(t, again, other)
		send(t, push, "late")
		closed := inBackground(push.Close)
		expect(t, again, "late")
		check(t, await(t, "the end of Close", closed))
	})
}

// Close frees everybody who waits in a call, and every later call fails likewise.
func TestCloseFreesEverybody(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newSocket(t, kind, zmq.Config{})
			calls := map[string]func(context.Context) error{
				"wait for peers": func(ctx context.Context) error { return s.WaitPeers(ctx, 1) },
			}
			switch s := s.(type) {
			case *zmq.Push:
				calls["send"] = func(ctx context.Context) error { return s.Send(ctx, nil) }
			case *zmq.Pub:
				calls["wait for subscribers"] = func(ctx context.Context) error { return s.WaitSubscribers(ctx, "", 1) }
			case receiver:
				calls["receive"] = func(ctx context.Context) error {
					_, err := s.Recv(ctx)
					return err
				}
			}
			var started sync.WaitGroup
			results := make(chan error)
			const each = 5
			for _, call := range calls {
				for range each {
					started.Add(1)
					go func() {
						started.Done()
						results <- call(context.Background())
					}()
				}
			}
			started.Wait()
			for range 3 {
				go func() { results <- s.Close() }()
			}
			closes := 0
			for range len(calls)*each + 3 {
				err := await(t, "the end of a call", results)
				if err == nil {
					closes++
				} else if !errors.Is(err, zmq.ErrClosed) || !errors.Is(err, net.ErrClosed) {
					t.Errorf("a call ended with %v", err)
				}
			}
			if closes != 3 {
				t.Errorf("%d calls succeeded, want the 3 of Close", closes)
			}
			for name, call := range calls {
				if err := call(t.Context()); !errors.Is(err, zmq.ErrClosed) {
					t.Errorf("%s on a closed socket: %v", name, err)
				}
			}
			_, err := s.Bind(wildcard)
			isClosed(t, err)
			isClosed(t, s.Connect("inproc://x"))
			isClosed(t, s.Unbind("inproc://x"))
			isClosed(t, s.Disconnect("inproc://x"))
			if sub, ok := s.(*zmq.Sub); ok {
				isClosed(t, sub.Subscribe("x"))
				isClosed(t, sub.Unsubscribe(""))
			}
			if pub, ok := s.(*zmq.Pub); ok {
				isClosed(t, pub.Send(t.Context(), nil))
			}
			check(t, s.Close())
			if n := len(s.Endpoints()); n != 0 {
				t.Errorf("a closed socket has %d endpoints", n)
			}
		})
	}
}

// What waits to be received is given up when the receiver is closed.
func TestCloseWithMessagesWaiting(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push, pull := newPush(t, zmq.Config{Linger: -1, SendHWM: 10}), newPull(t, zmq.Config{RecvHWM: 1})
		pair(t, pull, push, endpoint)
		fill(t, push)
		recv(t, pull)
		check(t, pull.Close())
		_, err := pull.Recv(t.Context())
		isClosed(t, err)
	})
}

// A message that Send accepted while the socket was being closed is sent or counted as dropped, and what was sent arrives.
func TestSendWhileClosing(t *testing.T) {
	t.Parallel()
	for _, linger := range []time.Duration{-1, time.Minute} {
		t.Run(fmt.Sprint("linger ", linger), func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				for range 30 {
					sendWhileClosing(t, endpoint, linger)
				}
			})
		})
	}
}

func sendWhileClosing(t *testing.T, endpoint string, linger time.Duration) {
	push, pull := newPush(t, zmq.Config{SendHWM: 10, Linger: linger}), newPull(t, zmq.Config{RecvHWM: 10})
	pair(t, pull, push, endpoint)
	var accepted, received atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				err := push.Send(context.Background(), []byte("x"), make([]byte, 1000))
				if err != nil {
					isClosed(t, err)
					return
				}
				accepted.Add(1)
			}
		})
	}
	ctx, stop := context.WithCancel(within(t))
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			m, err := pull.Recv(ctx)
			if err != nil {
				return
			}
			m.Release()
			received.Add(1)
		}
	})
	eventually(t, "messages flow", func() bool { return received.Load() > 20 })
	check(t, push.Close())
	wg.Wait()
	st := push.Stats()
	if st.MessagesSent+st.Dropped != uint64(accepted.Load()) || st.Queued != 0 {
		t.Errorf("%d messages accepted, at the end %+v", accepted.Load(), st)
	}
	if linger > 0 && st.Dropped > 0 {
		t.Errorf("%d messages were dropped", st.Dropped)
	}
	eventually(t, "all that was sent has arrived", func() bool { return received.Load() >= int64(st.MessagesSent) })
	eventually(t, "the pusher is gone", func() bool { return pull.Stats().Peers == 0 })
	stop()
	reader.Wait()
	if got := received.Load(); got < int64(st.MessagesSent) || got > accepted.Load() {
		t.Errorf("%d messages accepted, %d sent for certain, %d received", accepted.Load(), st.MessagesSent, got)
	}
	check(t, pull.Close())
}

// Sockets come and go in any order, with traffic under way: nothing hangs, and TestMain finds no goroutine left.
func TestShutdownStress(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"PUSH", "PUB"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				for round := range 40 {
					cfg := zmq.Config{Linger: time.Millisecond}
					bound, connected := newSocket(t, kind, cfg), newSocket(t, partner[kind], cfg)
					if round%2 == 0 {
						bound, connected = connected, bound
					}
					at := bind(t, bound, endpoint)
					check(t, connected.Connect(at))
					if round%4 < 2 {
						check(t, bound.WaitPeers(within(t), 1))
					}
					var wg sync.WaitGroup
					for _, s := range []socket{bound, connected} {
						wg.Go(func() { traffic(s) })
						wg.Go(func() {
							if err := s.Close(); err != nil {
								t.Error(err)
							}
						})
					}
					wg.Wait()
				}
			})
		})
	}
}

// traffic sends or receives until the socket is closed.
func traffic(s socket) {
	for err := error(nil); err == nil; {
		switch s := s.(type) {
		case sender:
			err = s.Send(context.Background(), []byte("x"), make([]byte, 100))
		case receiver:
			_, err = s.Recv(context.Background())
		}
	}
}

// A closing socket does not wait for a peer for which nobody looks any more.
func TestCloseAfterGivingUp(t *testing.T) {
	t.Parallel()
	l := listenRaw(t)
	push := newPush(t, zmq.Config{ReconnectInterval: -1, Linger: time.Hour})
	check(t, push.Connect(l.endpoint()))
	send(t, push, "for nobody")
	peer := l.accept()
	closing := inBackground(func() error { return push.WaitPeers(within(t), 1) })
	closed := inBackground(push.Close)
	isClosed(t, await(t, "the beginning of Close", closing))
	peer.Close()
	check(t, await(t, "the end of Close", closed))
	if st := push.Stats(); st.Dropped != 1 {
		t.Errorf("%d messages were dropped, want 1", st.Dropped)
	}
}

// A connection is given up also while messages that came by it wait for room that nobody makes.
func TestDisconnectWithFullInbox(t *testing.T) {
	t.Parallel()
	overStreams(t, func(t *testing.T, endpoint string) {
		bound, connected := must(zmq.NewDealer(zmq.Config{SendHWM: 1}))(t), must(zmq.NewDealer(zmq.Config{RecvHWM: 1, Linger: time.Hour}))(t)
		closing(t, bound)
		closing(t, connected)
		at := pair(t, bound, connected, endpoint)
		fill(t, bound)
		check(t, await(t, "the end of Disconnect", inBackground(func() error { return connected.Disconnect(at) })))
	})
}

// When Close has returned, the socket sends no more events: their channel may be closed. A peer in
// the same process may be leaving at the time, which takes a while if it has many subscriptions.
func TestNoEventAfterClose(t *testing.T) {
	t.Parallel()
	endpoint := "inproc://" + t.Name()
	for range 30 {
		events := make(chan zmq.Event, 100)
		pub, sub := newPub(t, zmq.Config{Events: events}), newSub(t, zmq.Config{})
		bind(t, pub, endpoint)
		for range 10 {
			bind(t, pub, wildcard) // which takes time to close
		}
		for i := range 500 {
			check(t, sub.Subscribe(fmt.Sprint(i)))
		}
		check(t, sub.Connect(endpoint))
		closed := inBackground(sub.Close)
		check(t, pub.Close())
		close(events)
		check(t, await(t, "the end of Close", closed))
	}
}
