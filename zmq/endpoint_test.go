package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

func TestEndpointsThatAreWrong(t *testing.T) {
	t.Parallel()
	s := newPull(t, zmq.Config{})
	for _, c := range []struct{ endpoint, says string }{
		{"", "no transport"},
		{"127.0.0.1:5555", "no transport"},
		{"udp://127.0.0.1:5555", `unknown transport "udp"`},
		{"inproc://", "no name"},
		{"tcp://", "port"},
		{"tcp://127.0.0.1", "port"},
		{"tcp://127.0.0.1:", "port"},
		{"tcp://127.0.0.1:http", "port"},
		{"tcp://127.0.0.1:65536", "port"},
		{"tcp://127.0.0.1:-1", "port"},
		{"tcp://::1:5555", "brackets"},
	} {
		_, err := s.Bind(c.endpoint)
		checkOpError(t, err, "bind", c.endpoint, c.says)
		checkOpError(t, s.Connect(c.endpoint), "connect", c.endpoint, c.says)
	}
	for _, c := range []struct{ endpoint, says string }{
		{"tcp://*:5555", "wildcard host"},
		{"tcp://:5555", "wildcard host"},
		{"tcp://127.0.0.1:*", "port"},
		{"tcp://127.0.0.1:0", "port"},
	} {
		checkOpError(t, s.Connect(c.endpoint), "connect", c.endpoint, c.says)
	}
	if got := s.Endpoints(); len(got) != 0 {
		t.Errorf("endpoints after nothing but errors: %q", got)
	}
}

// checkOpError fails the test unless err tells what was tried, on what, and why it failed.
func checkOpError(t *testing.T, err error, op, endpoint, says string) {
	t.Helper()
	var opErr *zmq.OpError
	switch {
	case !errors.As(err, &opErr) || opErr.Op != op || opErr.Endpoint != endpoint:
		t.Errorf("%s %q: %#v", op, endpoint, err)
	case !strings.Contains(err.Error(), says):
		t.Errorf("%s %q: %v, want it to say %q", op, endpoint, err, says)
	}
}

func TestResolvedEndpoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ endpoint, prefix string }{
		{"tcp://127.0.0.1:*", "tcp://127.0.0.1:"},
		{"tcp://127.0.0.1:0", "tcp://127.0.0.1:"},
		{"tcp://localhost:*", "tcp://localhost:"},
		{"tcp://*:*", "tcp://0.0.0.0:"},
		{"tcp://0.0.0.0:*", "tcp://0.0.0.0:"},
		{"tcp://[::1]:*", "tcp://[::1]:"},
		{"inproc://" + t.Name(), "inproc://" + t.Name()},
	} {
		t.Run(c.endpoint, func(t *testing.T) {
			t.Parallel()
			push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{})
			at, err := pull.Bind(c.endpoint)
			if errors.Is(err, syscall.EADDRNOTAVAIL) {
				t.Skip("this machine has no such address")
			}
			check(t, err)
			if !strings.HasPrefix(at, c.prefix) || strings.HasSuffix(at, ":0") {
				t.Errorf("resolved to %q", at)
			}
			if got := pull.Endpoints(); !slices.Equal(got, []string{at}) {
				t.Errorf("the socket's endpoints are %q, want %q", got, at)
			}
			check(t, push.Connect(at))
			send(t, push, "x")
			expect(t, pull, "x")
			check(t, pull.Unbind(at))
		})
	}
}

func TestEndpointTaken(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		first, second := newPull(t, zmq.Config{}), newPull(t, zmq.Config{})
		at := bind(t, first, endpoint)
		for _, s := range []socket{first, second} {
			if _, err := s.Bind(at); err == nil {
				t.Error("an endpoint was bound twice")
			} else if endpoint == wildcard && !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("the cause is hidden: %v", err)
			}
		}
		check(t, first.Unbind(at))
		eventually(t, "the endpoint is free again", func() bool {
			_, err := second.Bind(at)
			return err == nil
		})
	})
}

// A socket may be bound to any number of endpoints and connected to any number, over each carrier.
func TestSeveralEndpoints(t *testing.T) {
	t.Parallel()
	hub, pushes := newPull(t, zmq.Config{}), []*zmq.Push{}
	var want []string
	for i, endpoint := range []string{wildcard, wildcard, "inproc://" + t.Name(), "inproc://" + t.Name() + "/2"} {
		push := newPush(t, zmq.Config{})
		if i%2 == 0 {
			want = append(want, pair(t, hub, push, endpoint))
		} else {
			want = append(want, pair(t, push, hub, endpoint))
		}
		pushes = append(pushes, push)
	}
	slices.Sort(want)
	if got := hub.Endpoints(); !slices.Equal(got, want) {
		t.Errorf("endpoints %q, want %q", got, want)
	}
	check(t, hub.WaitPeers(within(t), len(pushes)))
	for i, push := range pushes {
		send(t, push, fmt.Sprint(i))
		expect(t, hub, fmt.Sprint(i))
	}
	for i, endpoint := range want {
		undo := errors.Join(hub.Unbind(endpoint), hub.Disconnect(endpoint))
		if joined := undo.(interface{ Unwrap() []error }).Unwrap(); len(joined) != 1 {
			t.Errorf("%s: neither Unbind nor Disconnect knew it: %v", endpoint, undo)
		}
		if got := hub.Endpoints(); !slices.Equal(got, want[i+1:]) {
			t.Errorf("endpoints %q, want %q", got, want[i+1:])
		}
	}
	eventually(t, "all peers are gone", func() bool { return hub.Stats().Peers == 0 })
}

func TestEndpointsThatAreUnknown(t *testing.T) {
	t.Parallel()
	s := newPush(t, zmq.Config{})
	checkOpError(t, s.Unbind("tcp://127.0.0.1:1"), "unbind", "tcp://127.0.0.1:1", "not bound")
	checkOpError(t, s.Disconnect("tcp://127.0.0.1:1"), "disconnect", "tcp://127.0.0.1:1", "not connected")
}

// A second Connect to the same endpoint does nothing for PUB and SUB, and gives PUSH and PULL a second connection.
func TestConnectTwice(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				bound, s := newSocket(t, partner[kind], zmq.Config{}), newSocket(t, kind, zmq.Config{})
				at := bind(t, bound, endpoint)
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						if err := s.Connect(at); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				want := 1
				if kind == "PUSH" || kind == "PULL" {
					want = 3
				}
				check(t, bound.WaitPeers(within(t), want))
				if got := len(s.Endpoints()); got != want {
					t.Errorf("%d endpoints after 3 calls of Connect, want %d", got, want)
				}
				for left := want - 1; left >= 0; left-- {
					check(t, s.Disconnect(at))
					eventually(t, "a peer is gone", func() bool { return bound.Stats().Peers == left })
				}
				if err := s.Disconnect(at); err == nil {
					t.Error("disconnected from where there was no connection left")
				}
			})
		})
	}
}

// Unbind and Disconnect send what is queued, then end the connection, and leave all others alone. That senders go on
// does not keep them.
func TestUnbindAndDisconnectUnderLoad(t *testing.T) {
	t.Parallel()
	for _, binds := range []bool{true, false} {
		t.Run(fmt.Sprintf("binds=%v", binds), func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				push := newPush(t, zmq.Config{SendHWM: 50, Linger: time.Hour})
				leaving, staying := newPull(t, zmq.Config{}), newPull(t, zmq.Config{})
				var at string
				if binds {
					at = pair(t, push, leaving, endpoint)
					pair(t, push, staying, numbered(endpoint, 1))
				} else {
					at = pair(t, leaving, push, endpoint)
					pair(t, staying, push, numbered(endpoint, 1))
				}
				receivers, release := context.WithCancel(within(t))
				var wg sync.WaitGroup
				defer wg.Wait()
				defer release()
				for _, s := range []receiver{leaving, staying} {
					wg.Go(func() {
						for m, err := s.Recv(receivers); err == nil; m, err = s.Recv(receivers) {
							m.Release()
						}
					})
				}
				senders, stop := context.WithCancel(within(t))
				defer stop()
				sent := inBackground(func() (n uint64) {
					for push.Send(senders, []byte("x")) == nil {
						n++
					}
					return n
				})
				eventually(t, "messages flow", func() bool { return leaving.Stats().MessagesReceived > 100 })
				if binds {
					check(t, push.Unbind(at))
				} else {
					check(t, push.Disconnect(at))
				}
				before := staying.Stats().MessagesReceived
				eventually(t, "messages flow on", func() bool { return staying.Stats().MessagesReceived > before+100 })
				stop()
				accepted := await(t, "the sender", sent)
				check(t, push.Close())
				if st := push.Stats(); st.MessagesSent != accepted || st.Dropped != 0 {
					t.Errorf("%d messages accepted, at the end %+v", accepted, st)
				}
				eventually(t, "all have arrived", func() bool {
					return leaving.Stats().MessagesReceived+staying.Stats().MessagesReceived == accepted
				})
			})
		})
	}
}

// What Disconnect cannot send goes to other peers.
func TestDisconnectHandsOver(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		push, pull := newPush(t, zmq.Config{Linger: -1, SendHWM: 10}), newPull(t, zmq.Config{})
		nobody := "inproc://" + t.Name() + "/nobody"
		if endpoint == wildcard {
			nobody = closedEndpoint(t)
		}
		check(t, push.Connect(nobody))
		for i := range 10 {
			send(t, push, fmt.Sprint(i))
		}
		check(t, push.Disconnect(nobody))
		if q := push.Stats().Queued; q != 10 {
			t.Errorf("%d messages are queued after Disconnect, want 10", q)
		}
		pair(t, pull, push, endpoint)
		for i := range 10 {
			expect(t, pull, fmt.Sprint(i))
		}
	})
}

// After Unbind nobody comes in there, also those whose handshake was under way.
func TestUnbindEndsHandshakes(t *testing.T) {
	t.Parallel()
	events := make(chan zmq.Event, 100)
	pull := newPull(t, zmq.Config{Events: events, HandshakeTimeout: time.Hour})
	at := bind(t, pull, wildcard)
	peer := dialRaw(t, at)
	peer.write(greeting(1))
	peer.read(64)
	check(t, pull.Unbind(at))
	peer.expectEnd()
	for _, kind := range []zmq.EventKind{zmq.EventListening, zmq.EventAccepted, zmq.EventHandshakeFailed, zmq.EventClosed} {
		expectEvent(t, events, kind)
	}
	if conn, err := net.Dial("tcp", address(at)); err == nil {
		conn.Close()
		t.Error("connected to an endpoint that was unbound")
	}
	// And those that come in at the same moment.
	for range 50 {
		at := bind(t, pull, wildcard)
		peer := dialRaw(t, at)
		peer.write(greeting(1), ready("PUSH"))
		check(t, pull.Unbind(at))
		if n := pull.Stats().Peers; n != 0 {
			t.Fatalf("%d peers after Unbind", n)
		}
		peer.expectEnd()
	}
}

// A reader that waits for room, because nobody receives, is no hindrance to Disconnect, Unbind and Close.
func TestEndWithBlockedReader(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s socket, at string) error{
		"unbind":     func(s socket, at string) error { return s.Unbind(at) },
		"disconnect": func(s socket, at string) error { return s.Disconnect(at) },
		"close":      func(s socket, _ string) error { return s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) {
				push, pull := newPush(t, zmq.Config{SendHWM: 5, Linger: -1}), newPull(t, zmq.Config{RecvHWM: 2})
				var at string
				if name == "disconnect" {
					at = pair(t, push, pull, endpoint)
				} else {
					at = pair(t, pull, push, endpoint)
				}
				fill(t, push)
				check(t, end(pull, at))
				eventually(t, "the peers are gone", func() bool { return push.Stats().Peers+pull.Stats().Peers == 0 })
				if name != "close" { // what was read before is received still
					recv(t, pull)
					recv(t, pull)
				}
			})
		})
	}
}
