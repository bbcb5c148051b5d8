package zmtp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
	"pgregory.net/rapid"
)

func ExampleHandshake() {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	ctx := context.Background()

	done := make(chan *zmtp.Peer)
	go func() {
		peer, _ := zmtp.Handshake(ctx, theirs, false, zmtp.Config{SocketType: "SUB"})
		done <- peer
	}()
	peer, err := zmtp.Handshake(ctx, ours, true, zmtp.Config{SocketType: "PUB"})
	fmt.Printf("a %s of ZMTP 3.%d, %v\n", peer.SocketType, peer.Minor, err)
	fmt.Printf("a %s of ZMTP 3.%d\n", (<-done).SocketType, peer.Minor)
	// Output:
	// a SUB of ZMTP 3.1, <nil>
	// a PUB of ZMTP 3.1
}

// TestHandshakeWithScriptedPeers meets peers that differ in when they send and read
// what. None of them reads and writes at once, so each would wait for ever for an end
// that itself waits to be read, or for more than a step of the greeting takes.
func TestHandshakeWithScriptedPeers(t *testing.T) {
	t.Parallel()
	v30, v31 := greetingOf(3, 0), greetingOf(3, 1)
	all := len(pubGreeting + pubReady)
	for _, tt := range []struct {
		name   string
		minor  byte
		script []step
	}{
		{"3.0, greeting first", 0, []step{send(v30), receive(64), send(subReady), receive(len(pubReady))}},
		{"3.1, greeting first", 1, []step{send(v31), receive(64), send(subReady), receive(len(pubReady))}},
		{"3.7", 1, []step{send(greetingOf(3, 7)), receive(64), send(subReady), receive(len(pubReady))}},
		{"4.0", 1, []step{send(greetingOf(4, 0)), receive(64), send(subReady), receive(len(pubReady))}},
		{"writes all, then reads all", 1, []step{send(v31 + subReady), receive(all)}},
		{"reads our signature before its own", 1, []step{receive(10), send(v31 + subReady), receive(all - 10)}},
		{"reads our version before its own", 1, []step{send(v31[:10]), receive(11), send(v31[10:] + subReady), receive(all - 11)}},
		{"reads our mechanism before its own", 1, []step{send(v31[:11]), receive(64), send(v31[11:] + subReady), receive(len(pubReady))}},
		{"reads our greeting before its READY", 1, []step{send(v31), receive(64), send(subReady), receive(all - 64)}},
		{"libzmq 4.3.4", 1, []step{
			send("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f"), receive(10),
			send("\x03"), receive(1), send(v31[11:]), receive(53),
			send(subReady), receive(len(pubReady)),
		}},
		{"byte for byte", 1, slices.Concat(
			alternating(v31), []step{send(subReady), receive(all - len(v31))})},
		{"lower case and more properties", 1, []step{
			send(v31), send(readyOf("X-a", "", "socket-type", "SUB", "X-b", "c")), receive(all),
		}},
		{"READY as a long frame", 1, []step{
			send(v31 + "\x06\x00\x00\x00\x00\x00\x00\x00\x19" + subReady[2:]), receive(all),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
				played := play(theirs, tt.script...)
				peer, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
				if err != nil {
					t.Fatal(err)
				}
				if peer.SocketType != "SUB" || peer.Minor != tt.minor || peer.Identity != nil ||
					peer.Sealer != nil || peer.Buffered != nil {
					t.Errorf("peer %+v; want a SUB of minor version %d", peer, tt.minor)
				}
				if err := played(); err != nil {
					t.Errorf("peer's script: %v", err)
				}
			})
		})
	}
}

// TestWhoSendsReadyFirst meets a peer that waits for READY before it sends its own. The
// end that connected sends it, the other one waits.
func TestWhoSendsReadyFirst(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		played := play(theirs, send(greetingOf(3, 1)), receive(len(pubGreeting+pubReady)), send(subReady))
		if _, err := zmtp.Handshake(t.Context(), ours, false, zmtp.Config{SocketType: "PUB"}); err != nil {
			t.Fatal(err)
		}
		if err := played(); err != nil {
			t.Errorf("peer's script: %v", err)
		}
	})
	t.Run("accepted", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := pipe(t)
			shaking := handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
			sent := collect(theirs)
			if err := send(greetingOf(3, 1))(theirs); err != nil {
				t.Fatal(err)
			}
			failed := <-shaking
			if !errors.Is(failed.err, os.ErrDeadlineExceeded) {
				t.Errorf("%v; want os.ErrDeadlineExceeded", failed.err)
			}
			ours.Close()
			if got := sent(); got != pubGreeting {
				t.Errorf("sent %q, want the greeting", got)
			}
		})
	})
}

// TestAdmit has a peer refused that passes all else: it sees neither READY nor ERROR.
func TestAdmit(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	for _, refuse := range []bool{true, false} {
		onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
			sent := collect(theirs)
			played := play(theirs, send(greetingOf(3, 1)+readyOf("Socket-Type", "DEALER", "Identity", "me")))
			var asked *zmtp.Peer
			peer, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "ROUTER", Admit: func(peer *zmtp.Peer) error {
				asked = peer
				if refuse {
					return full
				}
				return nil
			}})
			if err := played(); err != nil {
				t.Error(err)
			}
			ours.Close()
			got, want := sent(), strings.Replace(pubGreeting, "PUB", "ROUTER", 1)
			if asked == nil || string(asked.Identity) != "me" || asked.SocketType != "DEALER" {
				t.Errorf("asked about %+v", asked)
			}
			if refuse {
				checkFailure(t, err, zmtp.StageSecurity, zmtp.KindProtocol)
				if !errors.Is(err, full) {
					t.Errorf("%v, want %v", err, full)
				}
			} else {
				want += readyOf("Socket-Type", "ROUTER", "Identity", "")
				if err != nil || peer != asked {
					t.Errorf("%+v, %v; want the peer that was asked about", peer, err)
				}
			}
			if got != want {
				t.Errorf("sent %q, want %q", got, want)
			}
		})
	}
	t.Run("a peer of the wrong type is not asked about", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := pipe(t)
			sent := collect(theirs)
			play(theirs, send(greetingOf(3, 1)+readyOf("Socket-Type", "PULL")))
			_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB", Admit: func(peer *zmtp.Peer) error {
				t.Errorf("asked about %+v", peer)
				return nil
			}})
			checkFailure(t, err, zmtp.StageSecurity, zmtp.KindProtocol)
			ours.Close()
			if got := sent(); !strings.Contains(got, "\x05ERROR") {
				t.Errorf("sent %q, want an ERROR, since that will never be right", got)
			}
		})
	})
}

// alternating sends s byte for byte, each after a byte of the other end.
func alternating(s string) (script []step) {
	for i := range s {
		script = append(script, send(s[i:i+1]), receive(1))
	}
	return script
}

func TestHandshakeSendsExactly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg   zmtp.Config
		peer  string
		ready string
	}{
		{zmtp.Config{SocketType: "PUB"}, "SUB", pubReady},
		{zmtp.Config{SocketType: "PULL", Identity: []byte("me")}, "PUSH", readyOf("Socket-Type", "PULL")},
		{zmtp.Config{SocketType: "DEALER"}, "ROUTER", readyOf("Socket-Type", "DEALER", "Identity", "")},
		{
			zmtp.Config{SocketType: "REQ", Identity: []byte("me")},
			"REP", readyOf("Socket-Type", "REQ", "Identity", "me"),
		},
	} {
		t.Run(tt.cfg.SocketType, func(t *testing.T) {
			t.Parallel()
			onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
				sent := collect(theirs)
				played := play(theirs, send(greetingOf(3, 1)+readyOf("Socket-Type", tt.peer)))
				if _, err := zmtp.Handshake(t.Context(), ours, false, tt.cfg); err != nil {
					t.Fatal(err)
				}
				if err := played(); err != nil {
					t.Fatal(err)
				}
				ours.Close()
				if got, want := sent(), pubGreeting+tt.ready; got != want {
					t.Errorf("sent\n     %q\nwant %q", got, want)
				}
			})
		})
	}
}

func TestHandshakeBetweenOurEnds(t *testing.T) {
	t.Parallel()
	types := []string{"REQ", "REP", "DEALER", "ROUTER", "PUB", "XPUB", "SUB", "XSUB", "PUSH", "PULL", "PAIR"}
	for _, a := range types {
		for _, b := range types {
			t.Run(a+" to "+b, func(t *testing.T) {
				t.Parallel()
				onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
					accepting := handshake(t.Context(), theirs, true, zmtp.Config{SocketType: b})
					connecting := handshake(t.Context(), ours, false, zmtp.Config{SocketType: a})
					atA, atB := <-connecting, <-accepting
					if !zmtp.Compatible(a, b) {
						if atA.err == nil || atB.err == nil {
							t.Errorf("agreed: %v at %s, %v at %s", atA.err, a, atB.err, b)
						}
						return
					}
					if atA.err != nil || atB.err != nil {
						t.Fatalf("%v at %s, %v at %s", atA.err, a, atB.err, b)
					}
					if atA.peer.SocketType != b || atB.peer.SocketType != a {
						t.Errorf("%s met a %q, %s met a %q", a, atA.peer.SocketType, b, atB.peer.SocketType)
					}
				})
			})
		}
	}
}

// TestCompatible holds the table against that of the RFC, in which each pair stands
// twice.
func TestCompatible(t *testing.T) {
	t.Parallel()
	pairs := []string{
		"REQ-REP", "REQ-ROUTER", "REP-DEALER", "DEALER-DEALER", "DEALER-ROUTER", "ROUTER-ROUTER",
		"PUB-SUB", "PUB-XSUB", "XPUB-SUB", "XPUB-XSUB", "PUSH-PULL", "PAIR-PAIR",
	}
	types := []string{"REQ", "REP", "DEALER", "ROUTER", "PUB", "XPUB", "SUB", "XSUB", "PUSH", "PULL", "PAIR", "", "pub", "RADIO"}
	for _, a := range types {
		for _, b := range types {
			want := slices.Contains(pairs, a+"-"+b) || slices.Contains(pairs, b+"-"+a)
			if got := zmtp.Compatible(a, b); got != want {
				t.Errorf("Compatible(%q, %q) = %t", a, b, got)
			}
		}
	}
}

func TestIdentityOfPeer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, ready, want string
	}{
		{"given", readyOf("Socket-Type", "DEALER", "Identity", "worker-1"), "worker-1"},
		{"given in lower case", readyOf("socket-type", "REQ", "identity", "worker-1"), "worker-1"},
		{"empty", readyOf("Socket-Type", "DEALER", "Identity", ""), ""},
		{"none", readyOf("Socket-Type", "DEALER"), ""},
		{"of a type without", readyOf("Socket-Type", "PULL", "Identity", "worker-1"), ""},
		{"reserved", readyOf("Socket-Type", "ROUTER", "Identity", "\x00abcd"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
				collect(theirs)
				played := play(theirs, send(greetingOf(3, 1)+tt.ready))
				peer, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{
					SocketType: "ROUTER",
					Accepts:    func(string) bool { return true },
				})
				if err != nil {
					t.Fatal(err)
				}
				if string(peer.Identity) != tt.want {
					t.Errorf("identity %q, want %q", peer.Identity, tt.want)
				}
				if err := played(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestHandshakeKeepsTraffic cuts the bytes of a peer at random places: where they are
// cut must change neither what was agreed nor what is left to be read.
func TestHandshakeKeepsTraffic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		traffic := string(rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "traffic"))
		stream := greetingOf(3, 1) + subReady + traffic
		cuts := rapid.SliceOfNDistinct(rapid.IntRange(1, len(stream)-1), 0, 20, rapid.ID[int]).Draw(t, "cuts")
		slices.Sort(cuts)
		var script []step
		last := 0
		for _, cut := range append(cuts, len(stream)) {
			script = append(script, send(stream[last:cut]))
			last = cut
		}

		ours, theirs := net.Pipe()
		defer ours.Close()
		sent := collect(theirs)
		defer theirs.Close()
		played := play(theirs, script...)
		peer, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
		if err != nil {
			t.Fatal(err)
		}
		rest := make([]byte, len(traffic)-len(peer.Buffered))
		if _, err := io.ReadFull(ours, rest); err != nil {
			t.Fatal(err)
		}
		if got := string(peer.Buffered) + string(rest); got != traffic {
			t.Fatalf("traffic is %q, want %q", got, traffic)
		}
		if peer.Buffered != nil && len(peer.Buffered) == 0 {
			t.Fatal("Buffered is empty, not nil")
		}
		if err := played(); err != nil {
			t.Fatal(err)
		}
		ours.Close()
		if got := sent(); got != pubGreeting+pubReady {
			t.Fatalf("sent %q", got)
		}
	})
}

// TestBufferedHoldsFrames meets a peer that does not wait for our READY before its
// first subscription.
func TestBufferedHoldsFrames(t *testing.T) {
	t.Parallel()
	subscribe := string(wire.AppendSubscribe(nil, 1, false, []byte("topic")))
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		collect(theirs)
		played := play(theirs, send(greetingOf(3, 1)+subReady+subscribe))
		peer, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
		if err != nil {
			t.Fatal(err)
		}
		if string(peer.Buffered) != subscribe {
			t.Errorf("buffered %q, want %q", peer.Buffered, subscribe)
		}
		if err := played(); err != nil {
			t.Error(err)
		}
	})
}

// A large command takes at most three times its size, however small the pieces in which
// it arrives. The test does not run beside others, since it counts what is allocated.
func TestLargeCommandCost(t *testing.T) {
	ready := []byte(readyOf("Socket-Type", "SUB", "X-Large", strings.Repeat("x", 60_000)))
	ours, theirs := pipe(t)
	result := handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
	inPieces := func(conn net.Conn) error {
		for piece := range slices.Chunk(ready, 100) {
			if _, err := conn.Write(piece); err != nil {
				return err
			}
		}
		return nil
	}
	steps := []step{send(greetingOf(3, 1)), receive(len(pubGreeting)), inPieces, receive(len(pubReady))}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := play(theirs, steps...)()
	r := <-result
	runtime.ReadMemStats(&after)
	if err != nil || r.err != nil {
		t.Fatal(err, r.err)
	}
	if taken := int(after.TotalAlloc - before.TotalAlloc); taken > 3*len(ready)+(16<<10) {
		t.Errorf("a READY of %d bytes took %d bytes", len(ready), taken)
	}
}

// padded is a greeting with the signature of libzmq.
func padded(greeting string) string {
	return "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f" + greeting[10:]
}

// TestHeadStart lets libzmq tell its mechanism first, for a moment. The clock is the bubble's, so
// the times are exact.
func TestHeadStart(t *testing.T) {
	t.Parallel()
	v31 := greetingOf(3, 1)
	for _, tt := range []struct {
		name   string
		begin  string // the peer's signature and version
		rest   time.Duration
		waited time.Duration // until the rest of our greeting comes
	}{
		{"libzmq", padded(v31)[:11], 5 * time.Millisecond, 5 * time.Millisecond},
		{"libzmq, in pieces", padded(v31)[:12], 5 * time.Millisecond, 0},
		{"libzmq that waits", padded(v31)[:11], time.Second, 20 * time.Millisecond},
		{"others", v31[:11], time.Second, 0},
	} {
		for _, server := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, server %t", tt.name, server), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ours, theirs := pipe(t)
					shaking := handshake(t.Context(), ours, server, zmtp.Config{SocketType: "PUB"})
					played := play(theirs, send(tt.begin), func(net.Conn) error {
						time.Sleep(tt.rest) // of the bubble's clock
						return nil
					}, send(v31[len(tt.begin):]+subReady))
					if err := receive(11)(theirs); err != nil {
						t.Fatal(err)
					}
					begun := time.Now()
					if err := receive(53)(theirs); err != nil {
						t.Fatal(err)
					}
					if waited := time.Since(begun); waited != tt.waited {
						t.Errorf("waited %v, want %v", waited, tt.waited)
					}
					if err := receive(len(pubReady))(theirs); err != nil {
						t.Fatal(err)
					}
					if r := <-shaking; r.err != nil || r.peer.Major != 3 || r.peer.Minor != 1 {
						t.Errorf("%+v, %v", r.peer, r.err)
					}
					if err := played(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
	t.Run("the context ends meanwhile", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := pipe(t)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			defer cancel()
			collect(theirs)
			play(theirs, send(padded(v31)[:11]))
			begun := time.Now()
			_, err := zmtp.Handshake(ctx, ours, true, zmtp.Config{SocketType: "PUB"})
			if took := time.Since(begun); took != 5*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after %v: %v", took, err)
			}
			checkExpired(t, ours)
		})
	})
}
