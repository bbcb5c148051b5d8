package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/relay"
	"github.com/experimance/experimance-go/zmq"
)

// overStreamsAndTrusts runs a test over tcp and ipc, each with NULL and with CURVE.
func overStreamsAndTrusts(t *testing.T, test func(t *testing.T, endpoint string, sec trust)) {
	t.Helper()
	all := trusts(t)
	overStreams(t, func(t *testing.T, endpoint string) {
		for _, name := range []string{"NULL", "CURVE"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, endpoint, all[name])
			})
		}
	})
}

// What has arrived is received, although the peer has closed its connection and answers to it fail.
func TestArrivedIsReceived(t *testing.T) {
	t.Parallel()
	const n = 10
	overStreamsAndTrusts(t, func(t *testing.T, endpoint string, sec trust) {
		connected := zmq.Config{Security: sec.client, RecvHWM: 1, ReconnectInterval: -1}
		beating := connected
		beating.HeartbeatInterval, beating.HeartbeatTimeout = time.Millisecond, time.Minute
		for name, new := range map[string]func(bound zmq.Config) (sender, receiver){
			"PAIR": func(bound zmq.Config) (sender, receiver) {
				return open(t, zmq.NewPair, bound), open(t, zmq.NewPair, connected)
			},
			"DEALER": func(bound zmq.Config) (sender, receiver) {
				return open(t, zmq.NewDealer, bound), open(t, zmq.NewDealer, connected)
			},
			"PULL, beating": func(bound zmq.Config) (sender, receiver) {
				return open(t, zmq.NewPush, bound), open(t, zmq.NewPull, beating)
			},
		} {
			for size, linger := range map[int]time.Duration{100: 0, 50_000: time.Minute} {
				t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
					t.Parallel()
					from, to := new(zmq.Config{Security: sec.server, Linger: linger})
					pair(t, from, to, endpoint)
					for i := range n {
						check(t, from.Send(within(t), []byte(fmt.Sprint(i)), make([]byte, size)))
					}
					ended := make(chan struct{})
					closed := inBackground(func() error {
						defer close(ended)
						return from.Close()
					})
					if size < 1000 { // everything has room in the receiver's system
						await(t, "the end of Close", ended)
					}
					for i := range n {
						m := must(to.Recv(within(t)))(t)
						if string(m.Bytes()) != fmt.Sprint(i) || len(m.Frame(1)) != size {
							t.Fatalf("received %q, want message %d", m.Bytes(), i)
						}
						m.Release()
						if s, ok := to.(sender); ok {
							_ = s.Send(shortly(), []byte("answer")) // which nobody will get
						}
					}
					check(t, await(t, "the end of Close", closed))
					if st := from.Stats(); st.MessagesSent != n || st.Dropped+st.Unconfirmed != 0 {
						t.Errorf("the sender says %+v", st)
					}
				})
			}
		}
	})
}

// A slow receiver gets everything that a closing sender had, although it goes on talking to it.
func TestSlowReceiverOfAClosingSender(t *testing.T) {
	t.Parallel()
	const n, size = 300, 64 << 10
	overStreamsAndTrusts(t, func(t *testing.T, endpoint string, sec trust) {
		push := newPush(t, zmq.Config{Security: sec.server, Linger: time.Minute})
		pull := newPull(t, zmq.Config{
			Security: sec.client, RecvHWM: 2,
			HeartbeatInterval: time.Millisecond, HeartbeatTimeout: time.Minute,
		})
		pair(t, push, pull, endpoint)
		closed := inBackground(func() error {
			body := make([]byte, size)
			for i := range n {
				if err := push.Send(within(t), []byte(fmt.Sprint(i)), body); err != nil {
					return err
				}
			}
			return push.Close()
		})
		for i := range n {
			if i%10 == 0 { // the peer's heartbeats go on meanwhile
				received := pull.Stats().MessagesReceived
				eventually(t, "nothing more fits", func() bool { return pull.Stats().MessagesReceived == received })
			}
			m := must(pull.Recv(within(t)))(t)
			if string(m.Bytes()) != fmt.Sprint(i) {
				t.Fatalf("received %q, want message %d", m.Bytes(), i)
			}
			m.Release()
		}
		check(t, await(t, "the end of Close", closed))
		if st := push.Stats(); st.MessagesSent != n || st.Dropped+st.Unconfirmed != 0 {
			t.Errorf("the sender says %+v", st)
		}
	})
}

// What is not known to have left at the end of the linger time is counted as dropped.
func TestLingerEndsWithDataUnderWay(t *testing.T) {
	t.Parallel()
	overStreamsAndTrusts(t, func(t *testing.T, endpoint string, sec trust) {
		push := newPush(t, zmq.Config{Security: sec.server, Linger: 10 * time.Millisecond})
		pull := newPull(t, zmq.Config{Security: sec.client, RecvHWM: 1})
		at := bind(t, push, endpoint)
		network := openRelay(t, relay.Config{Target: at, SocketBuffer: 64 << 10})
		check(t, pull.Connect(network.Endpoint()))
		check(t, push.WaitPeers(within(t), 1))
		accepted := fill(t, push)
		check(t, push.Close())
		st := push.Stats()
		if st.MessagesSent+st.Dropped != uint64(accepted) || st.Dropped == 0 {
			t.Errorf("%d messages accepted, at the end %+v", accepted, st)
		}
		received := uint64(0)
		for network.Stats()[0].End == "" || pull.Stats().Peers > 0 || received < st.MessagesSent-lostInRelay(network, 256<<10) {
			m, err := pull.Recv(shortly())
			if err == nil {
				received++
				m.Release()
			}
		}
		if received > uint64(accepted) {
			t.Errorf("%d messages accepted, %d received", accepted, received)
		}
	})
}

// openRelay opens a relay that is closed when the test ends.
func openRelay(t testing.TB, cfg relay.Config) *relay.Relay {
	t.Helper()
	r := must(relay.New(cfg))(t)
	t.Cleanup(func() { check(t, r.Close()) })
	return r
}

// lostInRelay returns how many messages of a size the relay may have lost at most.
func lostInRelay(r *relay.Relay, size uint64) uint64 {
	var n uint64
	for _, c := range r.Stats() {
		for _, stream := range []relay.StreamStats{c.ToTarget, c.ToClient} {
			if stream.Lost > 0 {
				n += stream.Lost/size + 2
			}
		}
	}
	return n
}

// Messages that were under way when a connection broke are told.
func TestBrokenConnectionIsTold(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"NULL", "CURVE"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sec := trusts(t)[name]
			events := make(chan zmq.Event, 100)
			push := newPush(t, zmq.Config{Security: sec.server, Events: events})
			pull := newPull(t, zmq.Config{Security: sec.client, RecvHWM: 1, ReconnectInterval: -1})
			network := openRelay(t, relay.Config{Target: bind(t, push, wildcard)})
			check(t, pull.Connect(network.Endpoint()))
			check(t, push.WaitPeers(within(t), 1))
			accepted := fill(t, push)
			network.Reset()
			if e := untilEvent(t, events, zmq.EventDisconnected); e.Err == nil {
				t.Error("the event does not say why")
			}
			peers(t, push, 0)
			received := uint64(0)
			for over := false; ; {
				m, err := pull.Recv(shortly())
				if err == nil {
					received++
					m.Release()
					continue
				}
				if over {
					break
				}
				over = pull.Stats().Peers == 0 // then once more
			}
			st := push.Stats()
			if st.MessagesSent+uint64(st.Queued) != uint64(accepted) || st.Unconfirmed == 0 || st.Unconfirmed > st.MessagesSent {
				t.Errorf("%d messages accepted, at the end %+v", accepted, st)
			}
			if missing := st.MessagesSent - received; missing > st.Unconfirmed+lostInRelay(network, 256<<10) {
				t.Errorf("%d messages are missing; the relay lost %d at most; the sender says %+v", missing, lostInRelay(network, 256<<10), st)
			}
		})
	}
}

// A receiver that disconnects, or unbinds, gets what its peers had begun to send.
func TestReceiverLeaves(t *testing.T) {
	t.Parallel()
	const n = 2000
	for _, binds := range []bool{false, true} {
		t.Run(fmt.Sprintf("receiver binds=%v", binds), func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				push, pull := newPush(t, zmq.Config{SendHWM: 10}), newPull(t, zmq.Config{RecvHWM: 10, Linger: time.Minute})
				leave := func(at string) error { return pull.Disconnect(at) }
				var at string
				if binds {
					at = pair(t, pull, push, endpoint)
					leave = func(at string) error { return pull.Unbind(at) }
				} else {
					at = pair(t, push, pull, endpoint)
				}
				var accepted, received atomic.Uint64
				sending, stop := context.WithCancel(within(t))
				defer stop()
				sent := inBackground(func() error {
					body := make([]byte, 2000)
					for {
						if err := push.Send(sending, body); err != nil {
							return err
						}
						accepted.Add(1)
					}
				})
				receiving, stopReceiving := context.WithCancel(within(t))
				got := inBackground(func() error {
					for {
						m, err := pull.Recv(receiving)
						if err != nil {
							return err
						}
						m.Release()
						received.Add(1)
					}
				})
				eventually(t, "messages flow", func() bool { return received.Load() > n })
				check(t, leave(at))
				stop()
				if err := await(t, "the sender", sent); !errors.Is(err, context.Canceled) {
					t.Errorf("the sender failed: %v", err)
				}
				eventually(t, "all that was sent has arrived", func() bool {
					st := push.Stats()
					return st.Peers == 0 && st.MessagesSent == received.Load() && uint64(st.Queued) == accepted.Load()-received.Load()
				})
				if st := push.Stats(); st.Unconfirmed != 0 || st.Dropped != 0 {
					t.Errorf("%d accepted, %d received, the sender says %+v", accepted.Load(), received.Load(), st)
				}
				stopReceiving()
				if err := await(t, "the receiver", got); !errors.Is(err, context.Canceled) {
					t.Errorf("the receiver failed: %v", err)
				}
				check(t, push.Shutdown(ended()))
			})
		})
	}
}

// A proxy ends in good order when the socket from which it receives is drained.
func TestProxyIsDrained(t *testing.T) {
	t.Parallel()
	const n = 1000
	overEach(t, func(t *testing.T, endpoint string) {
		push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
		front, back := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, front, push, numbered(endpoint, 1))
		pair(t, back, pull, numbered(endpoint, 2))
		proxy := must(zmq.NewProxy(front, back, nil))(t)
		ran := inBackground(func() error { return proxy.Run(within(t)) })
		for i := range n {
			send(t, push, fmt.Sprint(i))
		}
		if !isInproc(endpoint) {
			settled(t, push)
		}
		check(t, front.Drain(within(t)))
		check(t, await(t, "the end of Run", ran))
		closed := inBackground(func() error { return back.Shutdown(within(t)) })
		for i := range n {
			expect(t, pull, fmt.Sprint(i))
		}
		check(t, await(t, "the end of Shutdown", closed))
		if st := proxy.Stats(); st.ToBackend != n || st.Lost != 0 {
			t.Errorf("the proxy says %+v", st)
		}
	})
}
