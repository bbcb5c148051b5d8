package zmq_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// DEALER as RFC 28 has it.
func TestCase_spec_dealer(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		t.Run("messages go out in turn", func(t *testing.T) {
			dealer := open(t, zmq.NewDealer, zmq.Config{})
			reps := services(t, 5, dealer, bind(t, dealer, numbered(endpoint, 0)), zmq.NewRep, zmq.Config{})
			for range reps {
				send(t, dealer, "", "ABC")
			}
			for _, rep := range reps {
				expect(t, rep, "ABC")
				send(t, rep, "DEF")
			}
			for range reps {
				expect(t, dealer, "|DEF")
			}
		})
		t.Run("messages come in turn", func(t *testing.T) {
			const n = 5
			receiver := open(t, zmq.NewDealer, zmq.Config{})
			at := bind(t, receiver, numbered(endpoint, 1))
			for i := range n {
				dealer := open(t, zmq.NewDealer, zmq.Config{})
				check(t, dealer.Connect(at))
				for range 3 {
					send(t, dealer, fmt.Sprint(i))
				}
				check(t, dealer.Shutdown(within(t)))
			}
			peers(t, receiver, 0)
			checkTurns(t, receiver, n, 3)
		})
		t.Run("a message waits for a peer", func(t *testing.T) {
			dealer := open(t, zmq.NewDealer, zmq.Config{})
			for _, ctx := range []context.Context{now(), shortly()} {
				if err := dealer.Send(ctx, nil); !errors.Is(err, zmq.ErrNoPeer) {
					t.Errorf("sent to nobody: %v", err)
				}
			}
		})
		t.Run("a second Connect does nothing", func(t *testing.T) {
			bound, dealer := open(t, zmq.NewDealer, zmq.Config{}), open(t, zmq.NewDealer, zmq.Config{})
			at := bind(t, bound, numbered(endpoint, 2))
			for range 3 {
				check(t, dealer.Connect(at))
			}
			bounce(t, dealer, bound)
			if n := bound.Stats().Peers; n != 1 || len(dealer.Endpoints()) != 1 {
				t.Errorf("%d peers, connected to %q", n, dealer.Endpoints())
			}
		})
		t.Run("the queue ends with the peer", func(t *testing.T) {
			bound, leaving := open(t, zmq.NewDealer, zmq.Config{}), open(t, zmq.NewDealer, zmq.Config{})
			at := pair(t, bound, leaving, numbered(endpoint, 3))
			send(t, leaving, "DEF")
			check(t, leaving.Disconnect(at)) // after what was queued is sent
			peers(t, bound, 0)
			if err := bound.Send(now(), []byte("nobody")); !errors.Is(err, zmq.ErrNoPeer) {
				t.Errorf("sent to nobody: %v", err)
			}
			expect(t, bound, "DEF")
			nothing(t, bound, leaving)
			check(t, leaving.Connect(at))
			bounce(t, bound, leaving)
		})
	})
}

// ROUTER as RFC 28 has it.
func TestCase_spec_router(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		t.Run("messages come in turn, each with its peer's id", func(t *testing.T) {
			const n = 5
			router := open(t, zmq.NewRouter, zmq.Config{})
			at := bind(t, router, numbered(endpoint, 0))
			for i := range n {
				dealer := open(t, zmq.NewDealer, zmq.Config{Identity: fmt.Append(nil, "dealer ", i)})
				check(t, dealer.Connect(at))
				for range 3 {
					send(t, dealer, "M", fmt.Sprint(i))
				}
				check(t, dealer.Shutdown(within(t)))
			}
			peers(t, router, 0)
			for round := range 3 {
				seen := map[string]bool{}
				for range n {
					m := recv(t, router)
					seen[m] = true
					if i := m[len(m)-1:]; m != "dealer "+i+"|M|"+i {
						t.Fatalf("received %q", m)
					}
				}
				if len(seen) != n {
					t.Errorf("round %d: messages of %d peers, want %d", round, len(seen), n)
				}
			}
			if m := router.Stats(); m.MessagesReceived != 3*n {
				t.Errorf("statistics: %+v", m)
			}
		})
		t.Run("messages go to the peer that is named", func(t *testing.T) {
			router := open(t, zmq.NewRouter, zmq.Config{})
			at := bind(t, router, numbered(endpoint, 1))
			ids := map[string]*zmq.Dealer{}
			for _, id := range []string{"", "A", "", "B", strings.Repeat("x", 255)} {
				dealer := open(t, zmq.NewDealer, zmq.Config{Identity: []byte(id)})
				check(t, dealer.Connect(at))
				send(t, dealer, "hello")
				m := must(router.Recv(within(t)))(t)
				if got := string(m.Bytes()); (id != "" && got != id) || (id == "" && got[0] != 0) {
					t.Errorf("peer %q is known as %q", id, got)
				}
				ids[string(m.Bytes())] = dealer
			}
			if len(ids) != 5 {
				t.Errorf("5 peers have %d ids", len(ids))
			}
			for id, dealer := range ids {
				send(t, router, id, "you are", id)
				expect(t, dealer, "you are|"+id)
			}
		})
		t.Run("the queue ends with the peer", func(t *testing.T) {
			router := open(t, zmq.NewRouter, zmq.Config{Mandatory: true})
			at := bind(t, router, numbered(endpoint, 2))
			dealer := open(t, zmq.NewDealer, zmq.Config{Identity: []byte("B")})
			check(t, dealer.Connect(at))
			check(t, router.WaitPeers(within(t), 1))
			send(t, dealer, "DEF")
			check(t, dealer.Disconnect(at))
			peers(t, router, 0)
			if err := router.Send(within(t), []byte("B"), []byte("nobody")); !errors.Is(err, zmq.ErrUnroutable) {
				t.Errorf("sent to nobody: %v", err)
			}
			expect(t, router, "B|DEF") // what has come still has its sender's name
			nothing(t, router, dealer)
			check(t, dealer.Connect(at))
			check(t, router.WaitPeers(within(t), 1))
			send(t, router, "B", "back")
			expect(t, dealer, "back")
		})
	})
}

// With Mandatory a message for nobody is an error; without it, it is dropped.
func TestCase_router_mandatory(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		for i, mandatory := range []bool{false, true} {
			router := open(t, zmq.NewRouter, zmq.Config{Mandatory: mandatory})
			at := bind(t, router, numbered(endpoint, i))
			err := router.Send(within(t), []byte("UNKNOWN"), []byte("DATA"))
			if mandatory != errors.Is(err, zmq.ErrUnroutable) || (err != nil) != mandatory {
				t.Errorf("mandatory=%v: sent to nobody: %v", mandatory, err)
			}
			if dropped := router.Stats().Dropped; dropped != map[bool]uint64{false: 1}[mandatory] {
				t.Errorf("mandatory=%v: %d messages were dropped", mandatory, dropped)
			}
			dealer := open(t, zmq.NewDealer, zmq.Config{Identity: []byte("X")})
			check(t, dealer.Connect(at))
			send(t, dealer, "Hello")
			expect(t, router, "X|Hello")
			send(t, router, "X", "Hello")
			expect(t, dealer, "Hello")
			for _, frames := range [][]string{nil, {"X"}} {
				if err := router.Send(within(t), encode(frames)...); err == nil {
					t.Errorf("sent %q", frames)
				}
			}
		}
	})
}

// With Mandatory a message for a full peer waits, while others get theirs; without it, it is dropped.
func TestCase_router_mandatory_hwm(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		for i, mandatory := range []bool{false, true} {
			router := open(t, zmq.NewRouter, zmq.Config{Mandatory: mandatory, SendHWM: 1, Linger: -1})
			at := bind(t, router, numbered(endpoint, i))
			full := open(t, zmq.NewDealer, zmq.Config{Identity: []byte("X"), RecvHWM: 1})
			other := open(t, zmq.NewDealer, zmq.Config{Identity: []byte("Y"), RecvHWM: 1})
			check(t, full.Connect(at))
			check(t, other.Connect(at))
			check(t, router.WaitPeers(within(t), 2))
			body := make([]byte, 256<<10)
			sent := 0
			for ; router.Stats().Dropped == 0; sent++ {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				err := router.Send(ctx, []byte("X"), fmt.Append(nil, sent), body)
				cancel()
				if err != nil {
					if !mandatory || !errors.Is(err, context.DeadlineExceeded) {
						t.Fatal(err)
					}
					break
				}
			}
			if isInproc(at) && mandatory && sent != 2 {
				t.Errorf("%d messages fit, want one at each side", sent)
			}
			send(t, router, "Y", "still there")
			expect(t, other, "still there")
			if !mandatory {
				continue
			}
			waiting := inBackground(func() error { return router.Send(within(t), []byte("X"), fmt.Append(nil, sent)) })
			for i := range sent {
				m := must(full.Recv(within(t)))(t)
				if got := string(m.Bytes()); got != fmt.Sprint(i) {
					t.Fatalf("received message %s, want %d", got, i)
				}
				m.Release()
			}
			check(t, await(t, "the end of Send", waiting))
			expect(t, full, fmt.Sprint(sent))
			fills(t, router, []string{"X"}, 256<<10)
			waiting = inBackground(func() error {
				for {
					if err := router.Send(within(t), []byte("X"), body); err != nil {
						return err
					}
				}
			})
			check(t, full.Close())
			if err := await(t, "the end of Send", waiting); !errors.Is(err, zmq.ErrUnroutable) {
				t.Errorf("the full peer went away: %v", err)
			}
		}
	})
}

// With Handover a new peer takes the routing id of another over; without it, it is refused.
func TestCase_router_handover(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		once := zmq.Config{Identity: []byte("X"), ReconnectInterval: -1}
		t.Run("with", func(t *testing.T) {
			router := open(t, zmq.NewRouter, zmq.Config{Handover: true})
			at := bind(t, router, numbered(endpoint, 0))
			one, two := open(t, zmq.NewDealer, once), open(t, zmq.NewDealer, once)
			check(t, one.Connect(at))
			send(t, one, "Hello")
			expect(t, router, "X|Hello")
			check(t, two.Connect(at))
			send(t, two, "Hello again")
			expect(t, router, "X|Hello again")
			send(t, router, "X", "to the second")
			expect(t, two, "to the second")
			peers(t, one, 0)
			peers(t, router, 1)
			nothing(t, one, router)
			bounceRouted(t, router, two)
		})
		t.Run("without", func(t *testing.T) {
			events := make(chan zmq.Event, 100)
			router := open(t, zmq.NewRouter, zmq.Config{Events: events})
			at := bind(t, router, numbered(endpoint, 1))
			one, two := open(t, zmq.NewDealer, once), open(t, zmq.NewDealer, zmq.Config{Identity: []byte("X"), ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax, Linger: -1})
			check(t, one.Connect(at))
			send(t, one, "Hello")
			expect(t, router, "X|Hello")
			check(t, two.Connect(at))
			send(t, two, "Hello again")
			for range 3 {
				e := untilEvent(t, events, zmq.EventHandshakeFailed)
				var failed *zmq.HandshakeError
				if !errors.As(e.Err, &failed) || failed.Kind != zmq.HandshakeProtocol {
					t.Errorf("refused because of %v", e.Err)
				}
			}
			nothing(t, router)
			bounceRouted(t, router, one)
			if st := router.Stats(); st.Peers != 1 {
				t.Errorf("statistics: %+v", st)
			}
			check(t, one.Close()) // now the id is free
			eventually(t, "the other has its turn", func() bool {
				m, err := router.Recv(now())
				if err != nil {
					_ = two.Send(now(), []byte("Hello again")) // what was sent to a peer that refused us may be lost
					return false
				}
				if got := text(m); got != "X|Hello again" {
					t.Fatalf("received %q", got)
				}
				return true
			})
		})
	})
}

// bounceRouted is bounce between a ROUTER and the peer that it knows as X.
func bounceRouted(t testing.TB, router *zmq.Router, dealer *zmq.Dealer) {
	t.Helper()
	for i := range 3 {
		send(t, dealer, fmt.Sprint(i))
		expect(t, router, fmt.Sprint("X|", i))
		send(t, router, "X", fmt.Sprint(i))
		expect(t, dealer, fmt.Sprint(i))
	}
}

// With ProbeRouter a peer that has sent nothing yet is known to a ROUTER.
func TestCase_probe_router(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		cfg := zmq.Config{Identity: []byte("X"), ProbeRouter: true}
		for i, open := range []func() exchanger{
			func() exchanger { return open(t, zmq.NewDealer, cfg) },
			func() exchanger { return open(t, zmq.NewReq, cfg) },
			func() exchanger { return open(t, zmq.NewRouter, cfg) },
		} {
			server, client := must(zmq.NewRouter(zmq.Config{Mandatory: true}))(t), open()
			closing(t, server)
			check(t, client.Connect(bind(t, server, numbered(endpoint, i))))
			expect(t, server, "X|")
			send(t, server, "X", "Hello")
			switch client.(type) {
			case *zmq.Dealer:
				expect(t, client, "Hello")
			case *zmq.Router:
				m := must(client.Recv(within(t)))(t)
				if m.Len() != 2 || m.Bytes()[0] != 0 || string(m.Frame(1)) != "Hello" {
					t.Errorf("the client received %q", m.Frames())
				}
			}
		}
	})
}

// A ROUTER that connects may name its peer itself.
func TestCase_connect_rid(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		for i, named := range []bool{false, true} {
			var bound, connected zmq.Config
			if named {
				bound.Identity, connected.Identity = []byte("X"), []byte("Y")
			}
			server, client := open(t, zmq.NewRouter, bound), open(t, zmq.NewRouter, connected)
			at := bind(t, server, numbered(endpoint, i))
			check(t, client.ConnectPeer(at, []byte("conn1")))
			if err := client.ConnectPeer(at, []byte("conn1")); err == nil {
				t.Error("two peers have the same id")
			}
			send(t, client, "conn1", "hi 1") // it is queued, if the connection is not there yet
			m := must(server.Recv(within(t)))(t)
			if id := m.Bytes(); m.Len() != 2 || string(m.Frame(1)) != "hi 1" || (named && string(id) != "Y") || (!named && id[0] != 0) {
				t.Fatalf("received %q", m.Frames())
			}
			check(t, server.Send(within(t), m.Bytes(), []byte("ok")))
			expect(t, client, "conn1|ok")
			for _, id := range []string{"", "\x00x", strings.Repeat("x", 256)} {
				if err := client.ConnectPeer(at, []byte(id)); err == nil {
					t.Errorf("connected with the id %.10q", id)
				}
			}
			check(t, client.Disconnect(at))
			if err := client.ConnectPeer(at, []byte("conn1")); err != nil {
				t.Errorf("the id was free again: %v", err)
			}
			send(t, client, "conn1", "hi 2")
			expectSuffix(t, server, "|hi 2")
		}
	})
}

// expectSuffix receives a message that ends so.
func expectSuffix(t testing.TB, s receiver, want string) {
	t.Helper()
	if got := recv(t, s); !strings.HasSuffix(got, want) {
		t.Fatalf("received %q, want something that ends with %q", got, want)
	}
}

// A peer whose id is known beforehand can be sent to as soon as it is there, each of many.
func TestCase_issue_566(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		router := open(t, zmq.NewRouter, zmq.Config{Mandatory: true})
		at := bind(t, router, endpoint)
		for cycle := range 100 {
			id := fmt.Sprintf("%09d", cycle)
			dealer := open(t, zmq.NewDealer, zmq.Config{Identity: []byte(id)})
			check(t, dealer.Connect(at))
			eventually(t, "the peer is routable", func() bool {
				err := router.Send(within(t), []byte(id), []byte("HELLO"))
				if err != nil && !errors.Is(err, zmq.ErrUnroutable) {
					t.Fatal(err)
				}
				return err == nil
			})
			expect(t, dealer, "HELLO")
			check(t, dealer.Close())
		}
	})
}
