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

// relaxed runs a test with a REQ that may give requests up, with Correlate and without.
func relaxed(t *testing.T, test func(t *testing.T, cfg zmq.Config)) {
	for _, correlate := range []bool{true, false} {
		t.Run(fmt.Sprintf("Correlate=%v", correlate), func(t *testing.T) {
			t.Parallel()
			test(t, zmq.Config{Relaxed: true, Correlate: correlate, ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax})
		})
	}
}

// account waits until nothing is queued, and compares what became of the messages.
func account(t testing.TB, s socket, sent, dropped uint64) {
	t.Helper()
	if st := settled(t, s); st.MessagesSent != sent || st.Dropped != dropped {
		t.Errorf("%d messages sent, %d dropped, want %d and %d", st.MessagesSent, st.Dropped, sent, dropped)
	}
}

// answer receives a request and echoes it. It returns the body.
func answer(t testing.TB, router *zmq.Router) string {
	t.Helper()
	m := must(router.Recv(within(t)))(t)
	defer m.Release()
	check(t, router.Send(within(t), m.Frames()...))
	return string(m.Frame(m.Len() - 1))
}

// away returns an endpoint at which nobody is, and a function that binds the socket there.
func away(t testing.TB, s socket, endpoint string) (at string, back func()) {
	t.Helper()
	if endpoint == wildcard { // another test could take the port
		r := newRelay(t, closedEndpoint(t))
		return r.Endpoint(), func() { check(t, r.SetTarget(bind(t, s, endpoint))) }
	}
	at = bind(t, s, endpoint)
	check(t, s.Unbind(at))
	return at, func() {
		t.Helper()
		eventually(t, "the endpoint is free again", func() bool { _, err := s.Bind(at); return err == nil })
	}
}

// huge is a request's body that the system does not take at once if the peer does not read.
var huge = strings.Repeat("x", 32<<20)

// Requests that are given up before there is a peer are not sent.
func TestGivenUpBeforeThePeerCame(t *testing.T) {
	t.Parallel()
	all := trusts(t)
	relaxed(t, func(t *testing.T, cfg zmq.Config) {
		for name, sec := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				overEach(t, func(t *testing.T, endpoint string) {
					cfg := cfg
					cfg.Security = sec.client
					router, req := open(t, zmq.NewRouter, zmq.Config{Security: sec.server}), open(t, zmq.NewReq, cfg)
					at, back := away(t, router, endpoint)
					check(t, req.Connect(at))
					for i := range 3 {
						send(t, req, fmt.Sprint("given up ", i))
						if _, err := req.Recv(now()); !errors.Is(err, context.DeadlineExceeded) {
							t.Fatalf("a reply from nobody: %v", err)
						}
					}
					send(t, req, "first")
					back()
					for _, want := range []string{"first", "second"} {
						if want == "second" {
							send(t, req, want)
						}
						if got := answer(t, router); got != want {
							t.Fatalf("the peer got the request %q, want %q", got, want)
						}
						expect(t, req, want)
					}
					nothing(t, router)
					account(t, req, 2, 3)
				})
			})
		}
	})
}

// Requests that are given up are sent to none of several peers that come late.
func TestGivenUpAmongSeveral(t *testing.T) {
	t.Parallel()
	relaxed(t, func(t *testing.T, cfg zmq.Config) {
		req := open(t, zmq.NewReq, cfg)
		var routers []*zmq.Router
		var back []func()
		for range 3 {
			router := open(t, zmq.NewRouter, zmq.Config{})
			at, again := away(t, router, wildcard)
			check(t, req.Connect(at))
			routers, back = append(routers, router), append(back, again)
		}
		for i := range 10 {
			send(t, req, fmt.Sprint("given up ", i))
		}
		for _, again := range back {
			again()
		}
		check(t, req.WaitPeers(within(t), len(routers)))
		const requests = 6
		counts := map[string]int{}
		for i := range requests {
			body := fmt.Sprint("request ", i)
			if i > 0 {
				send(t, req, body)
			} else if st := req.Stats(); st.Queued == 0 && st.MessagesSent == 0 {
				t.Fatalf("the last request is nowhere: %+v", st)
			}
			eventually(t, "one has received a request", func() bool {
				for _, router := range routers {
					if m, err := router.Recv(now()); err == nil {
						counts[string(m.Frame(m.Len()-1))]++
						check(t, router.Send(within(t), m.Frames()...))
						m.Release()
						return true
					}
				}
				return false
			})
			recv(t, req)
		}
		if counts["given up 9"] != 1 || len(counts) != requests {
			t.Errorf("the peers got %v", counts)
		}
		account(t, req, requests, 9)
	})
}

// A request that is being written when it is given up is ignored when it is answered, or its connection is closed; if the
// connection ends, it is not sent again.
func TestGivenUpWhileWritten(t *testing.T) {
	t.Parallel()
	relaxed(t, func(t *testing.T, cfg zmq.Config) {
		for _, ends := range []bool{false, true} {
			t.Run(fmt.Sprintf("the connection ends=%v", ends), func(t *testing.T) {
				t.Parallel()
				listener := listenRaw(t)
				req := open(t, zmq.NewReq, cfg)
				check(t, req.Connect(listener.endpoint()))
				peer := listener.accept().greet("ROUTER", 1)
				send(t, req, huge)
				peer.read(9) // it is under way
				send(t, req, "request")
				sent, dropped := uint64(1), uint64(1)
				switch {
				case ends:
					peer.reset()
					peer = listener.accept().greet("ROUTER", 1)
				case cfg.Correlate:
					// What was read are the number, the delimiter, and the first byte of the body's header.
					sent, dropped = 2, 0
					peer.read(len(huge) + 8)
					peer.write(message("none", "", "reply to the wrong number"))
				default:
					eventually(t, "the request is dropped", func() bool { return req.Stats().Dropped == 1 }) // before more is read
					peer.expectEnd()
					peer = listener.accept().greet("ROUTER", 1)
				}
				got := peer.frames()
				if body := got[len(got)-1]; body != "request" {
					t.Fatalf("the peer got the request %.20q", body)
				}
				got[len(got)-1] = "reply"
				peer.write(message(got...))
				expect(t, req, "reply")
				account(t, req, sent, dropped)
			})
		}
	})
}

// A request that returned to the queue when its peer went away is not sent to the peer's next connection once it is given up.
func TestGivenUpBetweenConnections(t *testing.T) {
	t.Parallel()
	relaxed(t, func(t *testing.T, cfg zmq.Config) {
		listener := listenRaw(t)
		req := open(t, zmq.NewReq, cfg)
		check(t, req.Connect(listener.endpoint()))
		for i := range 5 {
			peer := listener.accept().greet("ROUTER", 1)
			send(t, req, huge)
			peer.read(9)
			peer.reset()
			peers(t, req, 0)
			if _, err := req.Recv(now()); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("a request that is still queued: %v", err)
			}
			send(t, req, "request")
			peer = listener.accept().greet("ROUTER", 1)
			got := peer.frames()
			if body := got[len(got)-1]; body != "request" {
				t.Fatalf("the peer got the request %.20q", body)
			}
			peer.write(message(got...))
			expect(t, req, "request")
			account(t, req, uint64(i+1), uint64(i+1))
			peer.reset()
			peers(t, req, 0)
		}
	})
}

// A Send that cannot succeed does not give up the last request, and one that waits for a peer does.
func TestGivenUpByWhichSend(t *testing.T) {
	t.Parallel()
	relaxed(t, func(t *testing.T, cfg zmq.Config) {
		cfg.MaxMessageSize = 1000
		router, req := open(t, zmq.NewRouter, zmq.Config{}), open(t, zmq.NewReq, cfg)
		at := pair(t, router, req, wildcard)
		send(t, req, "request")
		if err := req.Send(ended(), []byte("too late")); !errors.Is(err, context.Canceled) {
			t.Fatalf("sent with an ended context: %v", err)
		}
		if err := req.Send(within(t), make([]byte, 1001)); !errors.Is(err, zmq.ErrMessageTooLarge) {
			t.Fatalf("sent a request that is too large: %v", err)
		}
		if got := answer(t, router); got != "request" {
			t.Fatalf("the peer got the request %q", got)
		}
		expect(t, req, "request")
		account(t, req, 1, 0)

		check(t, req.Disconnect(at))
		bind(t, req, wildcard)
		if err := req.Send(shortly(), []byte("to nobody")); !errors.Is(err, zmq.ErrNoPeer) {
			t.Fatalf("sent to nobody: %v", err)
		}
		if _, err := req.Recv(now()); !errors.Is(err, zmq.ErrState) {
			t.Fatalf("received the reply to a request that was not sent: %v", err)
		}
	})
}

// Close sends the last request, if it has the time, and none that was given up.
func TestGivenUpBeforeClose(t *testing.T) {
	t.Parallel()
	relaxed(t, func(t *testing.T, cfg zmq.Config) {
		overEach(t, func(t *testing.T, endpoint string) {
			router, req := open(t, zmq.NewRouter, zmq.Config{}), open(t, zmq.NewReq, cfg)
			at, back := away(t, router, endpoint)
			check(t, req.Connect(at))
			for i := range 5 {
				send(t, req, fmt.Sprint(i))
			}
			closing := inBackground(func() error { return req.Shutdown(within(t)) })
			back()
			m := must(router.Recv(within(t)))(t)
			if got := string(m.Frame(m.Len() - 1)); got != "4" {
				t.Errorf("the peer got the request %q", got)
			}
			check(t, await(t, "the end of Shutdown", closing))
			nothing(t, router)
			account(t, req, 1, 4)
		})
	})
}

// Replies to requests that were given up come late, from peers of ours. None is taken for another.
func TestGivenUpAndAnsweredLate(t *testing.T) {
	t.Parallel()
	all := trusts(t)
	relaxed(t, func(t *testing.T, cfg zmq.Config) {
		for _, binds := range []bool{true, false} {
			for _, name := range []string{"NULL", "CURVE"} {
				t.Run(fmt.Sprintf("%s, REQ binds=%v", name, binds), func(t *testing.T) {
					t.Parallel()
					overEach(t, func(t *testing.T, endpoint string) {
						cfg, server := cfg, quick
						server.Security, cfg.Security = all[name].server, all[name].client
						if binds {
							server.Security, cfg.Security = cfg.Security, server.Security
						}
						rep, req := open(t, zmq.NewRep, server), open(t, zmq.NewReq, cfg)
						if binds {
							pair(t, req, rep, endpoint)
						} else {
							pair(t, rep, req, endpoint)
						}
						for round := range 30 {
							want := fmt.Sprint("request ", round)
							send(t, req, "given up")
							expect(t, rep, "given up")
							replied := inBackground(func() error { return rep.Send(within(t), []byte("late reply")) })
							send(t, req, want)
							check(t, await(t, "the late reply is sent", replied))
							expect(t, rep, want)
							send(t, rep, "reply to "+want)
							expect(t, req, "reply to "+want)
						}
					})
				})
			}
		}
	})
}

// A reply that was not written when its connection ended is not sent to a REQ by the next one: it would be taken for the
// reply to another request. A DEALER gets it, since it may expect several.
func TestReplyDoesNotOutliveItsConnection(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"REQ", "DEALER"} {
		for name, newSocket := range map[string]func(zmq.Config) (exchanger, error){
			"REP":    func(cfg zmq.Config) (exchanger, error) { return zmq.NewRep(cfg) },
			"ROUTER": func(cfg zmq.Config) (exchanger, error) { return zmq.NewRouter(cfg) },
		} {
			if kind == "DEALER" && name == "ROUTER" {
				continue
			}
			t.Run(name+" to "+kind, func(t *testing.T) {
				t.Parallel()
				listener := listenRaw(t)
				server := open(t, newSocket, zmq.Config{ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax, MaxMessageSize: -1})
				check(t, server.Connect(listener.endpoint()))
				early := listener.accept().greet(kind, 1)
				early.write(message("", "early"))
				m := must(server.Recv(within(t)))(t)
				reply := [][]byte{[]byte(huge)}
				if name == "ROUTER" {
					reply = append(m.Frames()[:2:2], reply...)
				}
				check(t, server.Send(within(t), reply...))
				early.read(9)
				early.reset()
				late := listener.accept().greet(kind, 1)
				if kind == "DEALER" {
					if got := late.message(); got != "|"+huge {
						t.Errorf("the DEALER got %.20q", got)
					}
					account(t, server, 1, 0)
					return
				}
				late.write(message("", "late"))
				m = must(server.Recv(within(t)))(t)
				reply[len(reply)-1] = []byte("reply")
				if name == "ROUTER" {
					reply[0] = m.Frame(0)
				}
				check(t, server.Send(within(t), reply...))
				if got := late.message(); got != "|reply" {
					t.Errorf("the REQ got %.20q", got)
				}
				account(t, server, 1, 1)
			})
		}
	}
}

// A request that Recv has told as lost is not sent later.
func TestLostRequestIsNotSent(t *testing.T) {
	t.Parallel()
	for _, immediate := range []bool{true, false} {
		t.Run(fmt.Sprintf("partly written, Immediate=%v", immediate), func(t *testing.T) {
			t.Parallel()
			listener := listenRaw(t)
			req := open(t, zmq.NewReq, zmq.Config{ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax, Immediate: immediate})
			check(t, req.Connect(listener.endpoint()))
			peer := listener.accept().greet("REP", 1)
			send(t, req, huge)
			peer.read(9)
			peer.reset()
			peer = listener.accept().greet("REP", 1)
			want := huge // which was not told as lost
			if immediate {
				if _, err := req.Recv(within(t)); !errors.Is(err, zmq.ErrPeerGone) {
					t.Fatalf("the queue was given up: %v", err)
				}
				want = "next"
				send(t, req, want)
			}
			if got := peer.message(); got != "|"+want {
				t.Fatalf("the peer got the request %.20q, want %.20q", got, "|"+want)
			}
			peer.write(message("", "reply"))
			expect(t, req, "reply")
		})
	}
	t.Run("disconnected before the peer came", func(t *testing.T) {
		t.Parallel()
		listener := listenRaw(t)
		req := open(t, zmq.NewReq, zmq.Config{Linger: 20 * time.Millisecond, ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax})
		at := closedEndpoint(t)
		check(t, req.Connect(at))
		send(t, req, "lost")
		check(t, req.Disconnect(at))
		if _, err := req.Recv(within(t)); !errors.Is(err, zmq.ErrPeerGone) {
			t.Fatalf("the request was dropped: %v", err)
		}
		check(t, req.Connect(listener.endpoint()))
		peer := listener.accept().greet("REP", 1)
		send(t, req, "next")
		if got := peer.message(); got != "|next" {
			t.Errorf("the peer got the request %q", got)
		}
		account(t, req, 1, 1)
	})
	t.Run("disconnected while it is sent", func(t *testing.T) {
		t.Parallel()
		listener := listenRaw(t)
		req := open(t, zmq.NewReq, zmq.Config{Linger: time.Minute, ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax})
		check(t, req.Connect(listener.endpoint()))
		peer := listener.accept().greet("REP", 1)
		send(t, req, huge)
		peer.read(9)
		disconnected := inBackground(func() error { return req.Disconnect(listener.endpoint()) })
		eventually(t, "the endpoint is given up", func() bool { return len(req.Endpoints()) == 0 })
		if _, err := req.Recv(now()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the request is still being sent: %v", err)
		}
		peer.read(len(huge) + 2)
		peer.write(message("", "reply"))
		expect(t, req, "reply")
		check(t, peer.Close())
		check(t, await(t, "the end of Disconnect", disconnected))
		account(t, req, 1, 0)
	})
}

// A REQ whose identity would lead late replies to its next connection can give up requests only if they are numbered.
func TestRelaxedWithIdentity(t *testing.T) {
	t.Parallel()
	cfg := zmq.Config{Relaxed: true, Identity: []byte("A")}
	var field *zmq.ConfigError
	if _, err := zmq.NewReq(cfg); !errors.As(err, &field) || field.Field != "Relaxed" {
		t.Errorf("made a REQ, with the error %v", err)
	}
	open(t, zmq.NewDealer, cfg)
	cfg.Correlate = true
	router, req := open(t, zmq.NewRouter, zmq.Config{}), open(t, zmq.NewReq, cfg)
	pair(t, router, req, wildcard)
	send(t, req, "given up")
	first := must(router.Recv(within(t)))(t)
	send(t, req, "request")
	check(t, router.Send(within(t), first.Frames()...))
	if got := answer(t, router); got != "request" {
		t.Errorf("the peer got the request %q", got)
	}
	expect(t, req, "request")
}
