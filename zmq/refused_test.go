package zmq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
	"github.com/experimance/experimance-go/zmq"
)

// untilRefused reads events until the handshake has failed n times, and returns the last cause.
func untilRefused(t testing.TB, events <-chan zmq.Event, n int) *zmq.HandshakeError {
	t.Helper()
	var failed *zmq.HandshakeError
	for range n {
		if e := untilEvent(t, events, zmq.EventHandshakeFailed); !errors.As(e.Err, &failed) {
			t.Fatalf("%v, want a HandshakeError", e.Err)
		}
	}
	return failed
}

// overAllTrusts runs a test over each carrier, with each kind of security.
func overAllTrusts(t *testing.T, test func(t *testing.T, endpoint string, sec trust)) {
	for name, sec := range trusts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overEach(t, func(t *testing.T, endpoint string) { test(t, endpoint, sec) })
		})
	}
}

// A DEALER whose identity is in use keeps its messages until its identity is free.
func TestRefusedForItsIdentity(t *testing.T) {
	t.Parallel()
	const messages = 500
	overAllTrusts(t, func(t *testing.T, endpoint string, sec trust) {
		atRouter, atDealer := make(chan zmq.Event, 1000), make(chan zmq.Event, 1000)
		router := open(t, zmq.NewRouter, zmq.Config{Security: sec.server, Events: atRouter})
		cfg := quick
		cfg.Security, cfg.Identity = sec.client, []byte("worker")
		first := open(t, zmq.NewDealer, cfg)
		at := pair(t, router, first, endpoint)
		cfg.Events = atDealer
		second := open(t, zmq.NewDealer, cfg)
		check(t, second.Connect(at))
		for i := range messages {
			send(t, second, fmt.Sprint(i))
		}
		failed := untilRefused(t, atDealer, 3)
		if !isInproc(at) && (failed.Kind != zmq.HandshakeNetwork || failed.Refused || !strings.Contains(failed.Error(), "instead of answering with READY: it may have a peer with this identity already")) {
			t.Errorf("the peer learns %q: %v", failed.Kind, failed)
		}
		untilEvent(t, atDealer, zmq.EventConnectRetried)
		if failed := untilRefused(t, atRouter, 3); failed.Kind != zmq.HandshakeProtocol || !strings.Contains(failed.Error(), `another peer has the routing id: "worker"`) {
			t.Errorf("the reason is said to be %q: %v", failed.Kind, failed)
		}
		if st := second.Stats(); st.MessagesSent != 0 || st.Queued != messages || st.Peers != 0 {
			t.Errorf("while it is refused: %+v", st)
		}
		send(t, first, "last")
		expect(t, router, "worker|last")
		if n := router.Stats().Peers; n != 1 {
			t.Errorf("the ROUTER has %d peers, want 1", n)
		}
		check(t, first.Close())
		for i := range messages {
			expect(t, router, fmt.Sprint("worker|", i))
		}
		account(t, second, messages, 0)
	})
}

// A second PAIR keeps its messages until the first has gone.
func TestRefusedByAPair(t *testing.T) {
	t.Parallel()
	const messages = 500
	overAllTrusts(t, func(t *testing.T, endpoint string, sec trust) {
		atFirst, atSecond := make(chan zmq.Event, 1000), make(chan zmq.Event, 1000)
		bound := open(t, zmq.NewPair, zmq.Config{Security: sec.server, Events: atFirst})
		cfg := quick
		cfg.Security = sec.client
		first := open(t, zmq.NewPair, cfg)
		at := pair(t, bound, first, endpoint)
		cfg.Events = atSecond
		second := open(t, zmq.NewPair, cfg)
		check(t, second.Connect(at))
		for i := range messages {
			send(t, second, fmt.Sprint(i))
		}
		_ = untilRefused(t, atSecond, 3)
		if failed := untilRefused(t, atFirst, 3); !strings.Contains(failed.Error(), "the socket has its peer already") {
			t.Errorf("the reason is said to be %v", failed)
		}
		if st := second.Stats(); st.MessagesSent != 0 || st.Queued != messages || st.Peers != 0 {
			t.Errorf("while it is refused: %+v", st)
		}
		bounce(t, bound, first)
		check(t, first.Close())
		for i := range messages {
			expect(t, bound, fmt.Sprint(i))
		}
		account(t, second, messages, 0)
		bounce(t, bound, second)
	})
}

// A request whose peer refuses the connection waits until it is accepted.
func TestRefusedRequest(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		events := make(chan zmq.Event, 1000)
		router := open(t, zmq.NewRouter, zmq.Config{})
		cfg := quick
		cfg.Identity = []byte("worker")
		first := open(t, zmq.NewReq, cfg)
		at := pair(t, router, first, endpoint)
		cfg.Events = events
		second := open(t, zmq.NewReq, cfg)
		check(t, second.Connect(at))
		send(t, second, "request")
		_ = untilRefused(t, events, 3)
		if _, err := second.Recv(now()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a request that waits: %v", err)
		}
		check(t, first.Close())
		if got := answer(t, router); got != "request" {
			t.Errorf("the peer got the request %q", got)
		}
		expect(t, second, "request")
		account(t, second, 1, 0)
	})
}

// A ROUTER that connects, and is the server of its security, refuses a peer before that believes to be accepted.
func TestRefusedByTheServerThatConnects(t *testing.T) {
	t.Parallel()
	for name, sec := range trusts(t) {
		if name != "PLAIN" && name != "CURVE" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := make(chan zmq.Event, 1000)
			router := open(t, zmq.NewRouter, zmq.Config{Security: sec.server, ReconnectInterval: quick.ReconnectInterval, ReconnectMax: quick.ReconnectMax, Events: events})
			cfg := zmq.Config{Security: sec.client, Identity: []byte("worker")}
			first, second := open(t, zmq.NewDealer, cfg), open(t, zmq.NewDealer, cfg)
			check(t, router.Connect(bind(t, first, wildcard)))
			check(t, first.WaitPeers(within(t), 1))
			check(t, router.Connect(bind(t, second, wildcard)))
			waiting := inBackground(func() error { return second.Send(within(t), []byte("message")) })
			_ = untilRefused(t, events, 3)
			if st := second.Stats(); st.MessagesSent != 0 || st.Queued != 0 || st.Peers != 0 {
				t.Errorf("while it is refused: %+v", st)
			}
			check(t, first.Close())
			expect(t, router, "worker|message")
			check(t, await(t, "the end of Send", waiting))
			account(t, second, 1, 0)
		})
	}
}

// While a socket with Immediate is refused it accepts no messages: they are not queued for a connection that is not there.
func TestRefusedImmediate(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, endpoint string) {
		events := make(chan zmq.Event, 1000)
		bound, first := open(t, zmq.NewPair, zmq.Config{}), open(t, zmq.NewPair, quick)
		at := pair(t, bound, first, endpoint)
		cfg := quick
		cfg.Immediate, cfg.Events = true, events
		second := open(t, zmq.NewPair, cfg)
		check(t, second.Connect(at))
		_ = untilRefused(t, events, 2)
		if err := second.Send(shortly(), []byte("to nobody")); !errors.Is(err, zmq.ErrNoPeer) {
			t.Errorf("sent while it is refused: %v", err)
		}
		check(t, first.Close())
		send(t, second, "accepted")
		expect(t, bound, "accepted")
		account(t, second, 1, 0)
	})
}

// A program that is started anew again and again, before the ROUTER has noticed the end of the one before, loses nothing.
func TestRestartsWithOneIdentity(t *testing.T) {
	t.Parallel()
	const lives, each = 20, 50
	overAllTrusts(t, func(t *testing.T, endpoint string, sec trust) {
		router := open(t, zmq.NewRouter, zmq.Config{Security: sec.server})
		at := bind(t, router, endpoint)
		cfg := quick
		cfg.Security, cfg.Identity = sec.client, []byte("worker")
		var ends sync.WaitGroup
		defer ends.Wait()
		for life := range lives {
			dealer := must(zmq.NewDealer(cfg))(t)
			check(t, dealer.Connect(at))
			for i := range each {
				send(t, dealer, fmt.Sprint(life), fmt.Sprint(i))
			}
			ends.Go(func() { // while the next one comes
				if err := dealer.Shutdown(within(t)); err != nil {
					t.Error(err)
				}
				if st := dealer.Stats(); st.MessagesSent != each || st.Dropped != 0 {
					t.Errorf("life %d: %+v", life, st)
				}
			})
		}
		next := map[string]int{}
		for range lives * each {
			m := must(router.Recv(within(t)))(t)
			life, i := string(m.Frame(1)), string(m.Frame(2))
			if want := fmt.Sprint(next[life]); i != want {
				t.Fatalf("life %s: message %s, want %s", life, i, want)
			}
			next[life]++
			m.Release()
		}
	})
}

// record is a connection that keeps what was read.
type record struct {
	net.Conn
	read bytes.Buffer
}

func (r *record) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.read.Write(b[:n])
	return n, err
}

// greetAs is a peer's part of a handshake, with an identity of its own.
func (r *record) greetAs(ctx context.Context, kind, identity string, newMechanism func(mechanism.Params) mechanism.Mechanism) error {
	_, err := zmtp.Handshake(ctx, r, false, zmtp.Config{SocketType: kind, Identity: []byte(identity), NewMechanism: newMechanism})
	return err
}

// Of peers with one identity that come at the same moment exactly one is accepted. The others see neither READY nor ERROR.
func TestOneOfManyIsAccepted(t *testing.T) {
	t.Parallel()
	const rounds, many = 5, 8
	type peer struct {
		*record
		err error
	}
	router := func(cfg zmq.Config) (socket, error) { return zmq.NewRouter(cfg) }
	pair := func(cfg zmq.Config) (socket, error) { return zmq.NewPair(cfg) }
	for name, sec := range trusts(t) {
		var newMechanism func(mechanism.Params) mechanism.Mechanism
		if sec.client != nil {
			newMechanism = must(sec.client.Factory())(t)
		}
		for _, endpoint := range []string{wildcard, "ipc://*"} {
			for kind, newSocket := range map[string]func(zmq.Config) (socket, error){"DEALER": router, "PAIR": pair} {
				t.Run(fmt.Sprintf("%s, %s, %s", name, kind, endpoint), func(t *testing.T) {
					t.Parallel()
					s := open(t, newSocket, zmq.Config{Security: sec.server})
					at := bind(t, s, endpoint)
					for range rounds {
						ctx := within(t)
						done := make(chan peer, many)
						for range many {
							r := &record{Conn: dialPeer(t, at)}
							go func() { done <- peer{r, r.greetAs(ctx, kind, "worker", newMechanism)} }()
						}
						var accepted []peer
						for range many {
							p := <-done
							switch said := p.read.String(); {
							case p.err == nil:
								accepted = append(accepted, p)
							case !strings.Contains(p.err.Error(), "instead of answering with READY"):
								t.Errorf("refused with %v", p.err)
							case strings.Contains(said, "READY") || strings.Contains(said, "ERROR"):
								t.Errorf("refused after %q", said)
							}
						}
						if len(accepted) != 1 {
							t.Fatalf("%d of %d were accepted", len(accepted), many)
						}
						check(t, s.WaitPeers(within(t), 1))
						check(t, accepted[0].Close())
						peers(t, s, 0)
					}
				})
			}
		}
	}
}

// A peer that is refused sees the greeting, and nothing behind it.
func TestRefusedWithoutAWord(t *testing.T) {
	t.Parallel()
	router := open(t, zmq.NewRouter, zmq.Config{})
	at := bind(t, router, wildcard)
	known := wire.AppendCommand(nil, "READY", wire.AppendProperty(wire.AppendProperty(nil, "Socket-Type", []byte("DEALER")), "Identity", []byte("worker")))
	first := dialRaw(t, at)
	first.write(greeting(1), known)
	first.read(wire.GreetingSize)
	if name, _ := first.command(); name != "READY" {
		t.Fatalf("received %s, want READY", name)
	}
	second := dialRaw(t, at)
	second.write(greeting(1), known)
	if got := must(io.ReadAll(second))(t); !bytes.Equal(got, greeting(1)) {
		t.Errorf("received % x, want the greeting", got)
	}
	wrong := dialRaw(t, at)
	wrong.write(greeting(1), ready("PULL"))
	wrong.read(wire.GreetingSize)
	if name, _ := wrong.command(); name != "ERROR" { // since it will never be right
		t.Errorf("received %s, want ERROR", name)
	}
	wrong.expectEnd()
}

// A peer that goes while it is being accepted leaves nothing behind: neither its identity nor a PAIR's place is taken.
func TestPeerGoesWhileItIsAccepted(t *testing.T) {
	t.Parallel()
	known := wire.AppendCommand(nil, "READY", wire.AppendProperty(wire.AppendProperty(nil, "Socket-Type", []byte("DEALER")), "Identity", []byte("worker")))
	for kind, begin := range map[string][]byte{"DEALER": known, "PAIR": ready("PAIR")} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var s exchanger = open(t, zmq.NewRouter, zmq.Config{})
			if kind == "PAIR" {
				s = open(t, zmq.NewPair, zmq.Config{})
			}
			at := bind(t, s, wildcard)
			for range 300 {
				peer := dialRaw(t, at)
				peer.write(greeting(1), begin)
				peer.reset()
			}
			for i := range 3 {
				var peer *rawPeer
				eventually(t, "a peer is accepted", func() bool {
					peer = dialRaw(t, at)
					peer.write(greeting(1), begin)
					peer.read(wire.GreetingSize)
					_, err := peer.Read(make([]byte, 1))
					return err == nil
				})
				peer.write(message(fmt.Sprint(i)))
				if got := recv(t, s); !strings.HasSuffix(got, fmt.Sprint(i)) {
					t.Fatalf("received %q", got)
				}
				check(t, peer.Close())
				peers(t, s, 0)
			}
		})
	}
}
