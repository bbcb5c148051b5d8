package zmq_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/zmq"
)

// services makes n sockets that connect to an endpoint, one after the other, so that a bound socket knows them in this order.
func services[S socket](t testing.TB, n int, bound socket, at string, newSocket func(zmq.Config) (S, error), cfg zmq.Config) []S {
	t.Helper()
	all := make([]S, n)
	for i := range all {
		all[i] = open(t, newSocket, cfg)
		check(t, all[i].Connect(at))
		check(t, bound.WaitPeers(within(t), i+1))
		check(t, all[i].WaitPeers(within(t), 1))
	}
	return all
}

// whoGot finds the socket that has a message now, which must be this one.
func whoGot[S receiver](t testing.TB, sockets []S, want string) S {
	t.Helper()
	var who S
	eventually(t, "one has received "+want, func() bool {
		for _, s := range sockets {
			if m, err := s.Recv(now()); err == nil {
				if got := text(m); got != want {
					t.Fatalf("received %q, want %q", got, want)
				}
				who = s
				return true
			}
		}
		return false
	})
	return who
}

// REQ as RFC 28 has it.
func TestCase_spec_req(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		t.Run("requests go out in turn", func(t *testing.T) {
			req := open(t, zmq.NewReq, zmq.Config{})
			reps := services(t, 5, req, bind(t, req, numbered(endpoint, 0)), zmq.NewRep, zmq.Config{})
			asked := map[*zmq.Rep]int{}
			for range 2 * len(reps) {
				send(t, req, "ABC")
				rep := whoGot(t, reps, "ABC")
				asked[rep]++
				send(t, rep, "DEF")
				expect(t, req, "DEF")
			}
			for _, rep := range reps {
				if asked[rep] != 2 {
					t.Errorf("of two rounds a peer had %d requests", asked[rep])
				}
			}
		})
		t.Run("a delimiter goes before the request", func(t *testing.T) {
			req, router := open(t, zmq.NewReq, zmq.Config{}), open(t, zmq.NewRouter, zmq.Config{})
			check(t, router.Connect(bind(t, req, numbered(endpoint, 1))))
			check(t, req.WaitPeers(within(t), 1))
			send(t, req, "ABC", "DEF")
			m := must(router.Recv(within(t)))(t)
			if m.Len() != 4 || len(m.Frame(0)) == 0 || m.Frame(0)[0] != 0 || len(m.Frame(1)) != 0 {
				t.Fatalf("the request arrived as %q", m.Frames())
			}
			check(t, router.Send(within(t), m.Frame(0), nil, []byte("GHI")))
			expect(t, req, "GHI")
		})
		t.Run("a request waits for a peer", func(t *testing.T) {
			req := open(t, zmq.NewReq, zmq.Config{})
			for _, ctx := range []context.Context{now(), shortly()} {
				if err := req.Send(ctx, nil); !errors.Is(err, zmq.ErrNoPeer) {
					t.Errorf("sent to nobody: %v", err)
				}
			}
			if _, err := req.Recv(now()); !errors.Is(err, zmq.ErrState) {
				t.Errorf("received the reply to no request: %v", err)
			}
		})
		t.Run("only the peer that was asked is listened to", func(t *testing.T) {
			req := open(t, zmq.NewReq, zmq.Config{Identity: []byte("A")})
			at := bind(t, req, numbered(endpoint, 2))
			if !isInproc(at) {
				onlyTheAsked(t, req, at)
				return
			}
			routers := services(t, 3, req, at, zmq.NewRouter, zmq.Config{})
			for round := range 6 {
				send(t, req, "ABC", fmt.Sprint(round))
				asked := whoGot(t, routers, fmt.Sprint("A||ABC|", round))
				for _, router := range routers {
					if router != asked {
						send(t, router, "A", "", "WRONG") // which is there when the next request is sent
					}
				}
				send(t, asked, "A", "", "GOOD")
				expect(t, req, "GOOD")
			}
		})
		t.Run("a peer that goes with a request says so", func(t *testing.T) {
			req := open(t, zmq.NewReq, zmq.Config{})
			at := bind(t, req, numbered(endpoint, 3))
			for round := range 20 {
				goWithRequest(t, req, at, round%2 == 0)
			}
		})
	})
}

// goWithRequest sends a request to a peer that goes away, after it has replied or before. Then the next one can be sent.
func goWithRequest(t *testing.T, req *zmq.Req, at string, before bool) {
	t.Helper()
	rep := open(t, zmq.NewRep, zmq.Config{})
	check(t, rep.Connect(at))
	check(t, req.WaitPeers(within(t), 1))
	send(t, req, "question")
	waiting := inBackground(func() error { _, err := req.Recv(within(t)); return err })
	if before {
		check(t, rep.Close())
		if err := await(t, "the end of Recv", waiting); !errors.Is(err, zmq.ErrPeerGone) {
			t.Fatalf("the peer went away: %v", err)
		}
		if _, err := req.Recv(now()); !errors.Is(err, zmq.ErrState) {
			t.Fatalf("received twice: %v", err)
		}
	} else {
		expect(t, rep, "question")
		send(t, rep, "answer")
		check(t, rep.Shutdown(within(t)))
		check(t, await(t, "the reply", waiting))
	}
	peers(t, req, 0)
}

// onlyTheAsked plays two peers of a REQ, of which both answer each request, and say something in between.
func onlyTheAsked(t *testing.T, req *zmq.Req, at string) {
	t.Helper()
	peers := map[string]*rawPeer{"first": dialPeer(t, at).greet("ROUTER", 1), "second": dialPeer(t, at).greet("ROUTER", 1)}
	check(t, req.WaitPeers(within(t), len(peers)))
	for round := range 6 {
		for _, p := range peers {
			p.write(message("", "too early"))
			p.barrier()
		}
		send(t, req, "ABC", fmt.Sprint(round))
		for name, p := range peers {
			p.write(message("", name))
		}
		got := recv(t, req)
		if peers[got] == nil {
			t.Fatalf("the reply is %q", got)
		}
		if request := peers[got].message(); request != fmt.Sprint("|ABC|", round) { // the other one has none
			t.Fatalf("the request is %q", request)
		}
	}
}

// dialPeer connects to a socket that is bound over tcp or ipc.
func dialPeer(t testing.TB, endpoint string) *rawPeer {
	t.Helper()
	if path, ok := strings.CutPrefix(endpoint, "ipc://"); ok {
		return newRaw(t, must(net.Dial("unix", path))(t))
	}
	return dialRaw(t, endpoint)
}

// barrier returns when the socket has taken note of everything that was written before.
func (p *rawPeer) barrier() {
	p.t.Helper()
	for range 2 { // the first answer may be given just before what came ahead of it is handed on
		p.write(wire.AppendPing(nil, 0, nil))
		if name, _ := p.command(); name != wire.CommandPong {
			p.t.Fatalf("received %s, want PONG", name)
		}
	}
}

// REP as RFC 28 has it.
func TestCase_spec_rep(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		t.Run("requests come in turn", func(t *testing.T) {
			rep := open(t, zmq.NewRep, zmq.Config{})
			reqs := services(t, 5, rep, bind(t, rep, numbered(endpoint, 0)), zmq.NewReq, zmq.Config{})
			for round := range 3 {
				for i, req := range reqs {
					send(t, req, fmt.Sprint(round, i))
				}
				seen := map[string]bool{}
				for range reqs {
					m := recv(t, rep)
					seen[m] = true
					send(t, rep, m)
				}
				for i, req := range reqs {
					expect(t, req, fmt.Sprint(round, i)) // its own, as the others their own
				}
				if len(seen) != len(reqs) {
					t.Errorf("round %d: %d requests of %d", round, len(seen), len(reqs))
				}
			}
		})
		t.Run("the envelope goes back", func(t *testing.T) {
			rep, dealer := open(t, zmq.NewRep, zmq.Config{}), open(t, zmq.NewDealer, zmq.Config{})
			check(t, dealer.Connect(bind(t, rep, numbered(endpoint, 1))))
			for _, envelope := range [][]string{{""}, {"X", "Y", ""}, {"X", ""}, {""}} {
				for _, body := range [][]string{{"A"}, {"A", "B"}, {""}, {"", "A"}} {
					send(t, dealer, slices.Concat(envelope, body)...)
					expect(t, rep, strings.Join(body, "|"))
					send(t, rep, "R", "S")
					expect(t, dealer, strings.Join(slices.Concat(envelope, []string{"R", "S"}), "|"))
				}
			}
		})
		t.Run("reply follows request", func(t *testing.T) {
			rep, req := open(t, zmq.NewRep, zmq.Config{}), open(t, zmq.NewReq, zmq.Config{})
			check(t, req.Connect(bind(t, rep, numbered(endpoint, 2))))
			if err := rep.Send(now(), nil); !errors.Is(err, zmq.ErrState) {
				t.Errorf("replied to no request: %v", err)
			}
			send(t, req, "A")
			expect(t, rep, "A")
			if _, err := rep.Recv(now()); !errors.Is(err, zmq.ErrState) {
				t.Errorf("received before replying: %v", err)
			}
			if err := rep.Send(ended(), nil); !errors.Is(err, context.Canceled) {
				t.Errorf("replied with an ended context: %v", err)
			}
			send(t, rep, "B")
			expect(t, req, "B")
		})
		t.Run("a message without envelope is no request", func(t *testing.T) {
			rep, dealer := open(t, zmq.NewRep, zmq.Config{}), open(t, zmq.NewDealer, zmq.Config{})
			check(t, dealer.Connect(bind(t, rep, numbered(endpoint, 3))))
			for _, m := range [][]string{{"A"}, {""}, {"A", "B"}, {"A", ""}, {"", "good"}} {
				send(t, dealer, m...)
			}
			expect(t, rep, "good")
			if st := rep.Stats(); st.Discarded != 4 || st.MessagesReceived != 1 {
				t.Errorf("of 4 bad messages and a good one: %+v", st)
			}
		})
		t.Run("a reply to nobody is dropped", func(t *testing.T) {
			rep, req := open(t, zmq.NewRep, zmq.Config{}), open(t, zmq.NewReq, zmq.Config{Linger: -1})
			check(t, req.Connect(bind(t, rep, numbered(endpoint, 4))))
			send(t, req, "A")
			expect(t, rep, "A")
			check(t, req.Close())
			peers(t, rep, 0)
			send(t, rep, "B")
			if st := settled(t, rep); st.Dropped != 1 || st.MessagesSent != 0 {
				t.Errorf("statistics: %+v", st)
			}
		})
	})
}

// With Correlate a reply must bear the number of the last request.
func TestCase_req_correlate(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		req, router := open(t, zmq.NewReq, zmq.Config{Correlate: true}), open(t, zmq.NewRouter, zmq.Config{})
		check(t, req.Connect(bind(t, router, endpoint)))
		numbers := map[string]bool{}
		for round := range 3 {
			send(t, req, "ABC", "DEF")
			m := must(router.Recv(within(t)))(t)
			if m.Len() != 5 || len(m.Frame(1)) != 4 || len(m.Frame(2)) != 0 || string(m.Frame(3)) != "ABC" || string(m.Frame(4)) != "DEF" {
				t.Fatalf("the request arrived as %q", m.Frames())
			}
			peer, number := m.Frame(0), m.Frame(1)
			numbers[string(number)] = true
			wrong := binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(number)+1)
			for _, reply := range [][][]byte{
				{wrong, nil, []byte("another number")},
				{nil, []byte("no number")},
				{number[:3], nil, []byte("a short number")},
				{number, []byte("no delimiter")},
				{number, nil},
				{number},
				{number, nil, []byte("GHI")},
			} {
				check(t, router.Send(within(t), append([][]byte{peer}, reply...)...))
			}
			expect(t, req, "GHI")
			if st := req.Stats(); st.Discarded != uint64(6*(round+1)) || st.MessagesReceived != uint64(round+1) {
				t.Errorf("of 6 bad replies and a good one in each of %d rounds: %+v", round+1, st)
			}
		}
		if len(numbers) != 3 {
			t.Errorf("%d different numbers in 3 requests", len(numbers))
		}
	})
}

// With Relaxed a request may follow another that has no reply. Replies to those before the last are ignored.
func TestCase_req_relaxed(t *testing.T) {
	t.Parallel()
	relaxed := zmq.Config{Relaxed: true, Correlate: true}
	on(t, every, func(t *testing.T, endpoint string) {
		t.Run("of several peers", func(t *testing.T) {
			req := open(t, zmq.NewReq, relaxed)
			reps := services(t, 5, req, bind(t, req, numbered(endpoint, 0)), zmq.NewRep, zmq.Config{})
			send(t, req, "A", "B")
			first := whoGot(t, reps, "A|B")
			send(t, req, "C", "D")
			second := whoGot(t, reps, "C|D")
			if first == second {
				t.Error("the second request went to the peer of the first")
			}
			send(t, first, "WRONG")
			send(t, second, "OK")
			expect(t, req, "OK")
			send(t, req, "E")
			third := whoGot(t, reps, "E")
			send(t, third, "F", "G")
			expect(t, req, "F|G")

			send(t, req, "H")
			fourth := whoGot(t, reps, "H")
			send(t, fourth, "BAD") // and may have arrived when the next request is sent
			send(t, req, "I")
			fifth := whoGot(t, reps, "I")
			send(t, fifth, "GOOD")
			expect(t, req, "GOOD")
			if n := req.Stats().Peers; n != len(reps) {
				t.Errorf("%d peers of %d are left", n, len(reps))
			}
			send(t, req, "J")
			if sixth := whoGot(t, reps, "J"); sixth != first {
				t.Error("after a round it is not the first peer's turn")
			}
		})
		t.Run("of one peer that comes late", func(t *testing.T) {
			req, router := open(t, zmq.NewReq, relaxed), open(t, zmq.NewRouter, zmq.Config{})
			at := bind(t, router, numbered(endpoint, 1))
			check(t, router.Unbind(at))
			check(t, req.Connect(at))
			send(t, req, "TO BE DISCARDED")
			send(t, req, "TO BE ANSWERED")
			eventually(t, "the endpoint is free again", func() bool {
				_, err := router.Bind(at)
				return err == nil
			})
			m := must(router.Recv(within(t)))(t)
			check(t, router.Send(within(t), m.Frames()...))
			expect(t, req, "TO BE ANSWERED")
			nothing(t, router)
		})
		t.Run("without Correlate the old peer is disconnected", func(t *testing.T) {
			events := make(chan zmq.Event, 1000)
			req := open(t, zmq.NewReq, zmq.Config{Relaxed: true, Events: events})
			reps := services(t, 2, req, bind(t, req, numbered(endpoint, 2)), zmq.NewRep, zmq.Config{ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax})
			for round := range 4 {
				send(t, req, "A", fmt.Sprint(round))
				first := whoGot(t, reps, fmt.Sprint("A|", round))
				send(t, req, "B", fmt.Sprint(round))
				untilEvent(t, events, zmq.EventDisconnected)
				send(t, first, "WRONG") // over inproc it may be back already, and get the new request once it has answered the old
				second := whoGot(t, reps, fmt.Sprint("B|", round))
				send(t, second, "OK")
				expect(t, req, "OK")
				check(t, req.WaitPeers(within(t), len(reps)))
			}
		})
	})
}

// A reply without the delimiter is none, and does not spoil the one after it.
func TestCase_invalid_rep(t *testing.T) {
	t.Parallel()
	on(t, every, func(t *testing.T, endpoint string) {
		router, req := open(t, zmq.NewRouter, zmq.Config{}), open(t, zmq.NewReq, zmq.Config{})
		check(t, req.Connect(bind(t, router, endpoint)))
		for range 3 {
			send(t, req, "r")
			m := must(router.Recv(within(t)))(t)
			if m.Len() != 3 || len(m.Frame(1)) != 0 || string(m.Frame(2)) != "r" {
				t.Fatalf("the request arrived as %q", m.Frames())
			}
			id := string(m.Bytes())
			if err := router.Send(within(t), m.Bytes()); err == nil {
				t.Error("sent a routing id, and nothing after it")
			}
			send(t, router, id, "no delimiter")
			send(t, router, id, "no delimiter", "in two frames")
			send(t, router, id, "")
			send(t, router, id, "", "b")
			expect(t, req, "b")
		}
	})
}
