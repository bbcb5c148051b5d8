package zmtp_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// TestHandshakeRefuses sends the bytes and nothing more: what is refused must be
// refused at once, and not for want of further bytes.
func TestHandshakeRefuses(t *testing.T) {
	t.Parallel()
	v31 := greetingOf(3, 1)
	plain := string(wire.AppendGreeting(nil, wire.Greeting{Major: 3, Minor: 1, Mechanism: "PLAIN"}))
	errorOf := func(reason string) string { return string(wire.AppendError(nil, reason)) }
	for _, tt := range []struct {
		name  string
		bytes string
		stage zmtp.Stage
		kind  zmtp.Kind
		says  string // part of the error
		reply string // what this end says to that
	}{
		{"ZMTP 1.0", "\x01", zmtp.StageGreeting, zmtp.KindProtocol, "ZMTP 1.0", ""},
		{"ZMTP 1.0 with a long identity", "\xff\x00\x00\x00\x00\x00\x00\x01\x2d\x00", zmtp.StageGreeting, zmtp.KindProtocol, "ZMTP 1.0", ""},
		{"ZMTP 1.0 with a revision", v31[:10] + "\x00", zmtp.StageGreeting, zmtp.KindProtocol, "too old: 1.0", ""},
		{"between ZMTP 2.0 and 3.0", v31[:10] + "\x02", zmtp.StageGreeting, zmtp.KindProtocol, "too old: a draft of 3.0", ""},
		{"HTTP", "G", zmtp.StageGreeting, zmtp.KindProtocol, "another protocol", ""},
		{"PLAIN", plain, zmtp.StageGreeting, zmtp.KindProtocol, `"PLAIN", ours "NULL"`, ""},
		{"mechanism with more behind a zero", v31[:20] + "x" + v31[21:], zmtp.StageGreeting, zmtp.KindProtocol, `"NULL\x00\x00\x00\x00x"`, ""},

		{"type of no partner", v31 + readyOf("Socket-Type", "PUSH"), zmtp.StageSecurity, zmtp.KindProtocol, `a peer of type "PUSH"`, errorOf(`socket type PUB does not accept a peer of type "PUSH"`)},
		{"unknown type", v31 + readyOf("Socket-Type", "MAGIC"), zmtp.StageSecurity, zmtp.KindProtocol, `"MAGIC"`, errorOf(`socket type PUB does not accept a peer of type "MAGIC"`)},
		{"type in lower case", v31 + readyOf("Socket-Type", "sub"), zmtp.StageSecurity, zmtp.KindProtocol, `"sub"`, errorOf(`socket type PUB does not accept a peer of type "sub"`)},
		{"type of great length", v31 + readyOf("Socket-Type", strings.Repeat("S", 9999)), zmtp.StageSecurity, zmtp.KindProtocol, "SSS", errorOf(`socket type PUB does not accept a peer of type "` + strings.Repeat("S", 32) + `"`)},
		{"no type", v31 + readyOf("X-a", "b"), zmtp.StageSecurity, zmtp.KindProtocol, "does not say its socket type", errorOf("peer does not say its socket type")},

		{"truncated metadata", v31 + "\x04\x0b\x05READY\x0bSock", zmtp.StageSecurity, zmtp.KindProtocol, "cut off", ""},
		{"garbage for metadata", v31 + "\x04\x0b\x05READY\x01a\xff\xff\xff", zmtp.StageSecurity, zmtp.KindProtocol, "cut off", ""},
		{"empty command", v31 + "\x04\x00\x04", zmtp.StageSecurity, zmtp.KindProtocol, "empty", ""},
		{"command without a name", v31 + "\x04\x01\x00", zmtp.StageSecurity, zmtp.KindProtocol, "empty name", ""},
		{"reserved flags", v31 + "\xf0", zmtp.StageSecurity, zmtp.KindProtocol, "reserved", ""},
		{"unknown command", v31 + "\x04\x06\x05HOWDY", zmtp.StageSecurity, zmtp.KindProtocol, "HOWDY", ""},
		{"message", v31 + "\x00\x05", zmtp.StageSecurity, zmtp.KindProtocol, "message before the handshake", ""},
		{"command above the limit", v31 + "\x06\x00\x00\x00\x00\x00\x01\x00\x01", zmtp.StageSecurity, zmtp.KindProtocol, "65537 bytes", ""},
		{"command of 2^62 bytes", v31 + "\x06\x40\x00\x00\x00\x00\x00\x00\x00", zmtp.StageSecurity, zmtp.KindProtocol, "4611686018427387904 bytes", ""},
		{"command of 2^63 bytes", v31 + "\x06\x80\x00\x00\x00\x00\x00\x00\x00", zmtp.StageSecurity, zmtp.KindProtocol, "above 2^63-1", ""},

		{"ERROR", v31 + errorOf("busy"), zmtp.StageSecurity, zmtp.KindProtocol, `reason "busy"`, ""},
		{"ERROR with a status", v31 + errorOf("400"), zmtp.StageSecurity, zmtp.KindAuthentication, "refused the connection: authentication failed (400)", ""},
	} {
		for _, server := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, server %t", tt.name, server), func(t *testing.T) {
				t.Parallel()
				onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
					sent := collect(theirs)
					played := play(theirs, send(tt.bytes))
					begun := time.Now()
					peer, err := zmtp.Handshake(t.Context(), ours, server, zmtp.Config{SocketType: "PUB"})
					if peer != nil || err == nil {
						t.Fatalf("agreed: %+v, %v", peer, err)
					}
					if took := time.Since(begun); took >= zmtp.DefaultTimeout {
						t.Errorf("took %v", took)
					}
					checkFailure(t, err, tt.stage, tt.kind)
					if !strings.Contains(err.Error(), tt.says) {
						t.Errorf("error %q does not say %q", err, tt.says)
					}
					checkExpired(t, ours)
					if err := played(); err != nil {
						t.Error(err)
					}
					ours.Close()
					want := pubGreeting + tt.reply
					if len(tt.bytes) < wire.GreetingSize {
						want = pubGreeting[:wire.SignatureSize]
					}
					if tt.stage == zmtp.StageSecurity && !server {
						want = pubGreeting + pubReady + tt.reply
					}
					if got := sent(); got != want {
						t.Errorf("sent\n     %q\nwant %q", got, want)
					}
				})
			})
		}
	}
}

func checkFailure(tb testing.TB, err error, stage zmtp.Stage, kind zmtp.Kind) {
	tb.Helper()
	var failed *zmtp.HandshakeError
	if !errors.As(err, &failed) {
		tb.Fatalf("%T is no HandshakeError: %v", err, err)
	}
	if failed.Stage != stage || failed.Kind != kind {
		tb.Errorf("stage %q, kind %q: want %q, %q (%v)", failed.Stage, failed.Kind, stage, kind, err)
	}
	if failed.Peer == "" || failed.Err == nil {
		tb.Errorf("peer %q, cause %v", failed.Peer, failed.Err)
	}
}

// checkExpired finds out that conn is still open, with a deadline in the past.
func checkExpired(tb testing.TB, conn net.Conn) {
	tb.Helper()
	var failed net.Error
	if _, err := conn.Write([]byte("x")); !errors.As(err, &failed) || !failed.Timeout() {
		tb.Errorf("write after the failure: %v; want a timeout, for an open connection", err)
	}
}

func TestRefusalOfOldVersionIsErrVersion(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		collect(theirs)
		play(theirs, send(greetingOf(0, 0)[:11]))
		_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
		if !errors.Is(err, wire.ErrVersion) {
			t.Errorf("%v; want ErrVersion", err)
		}
	})
}

func TestIdentityTooLongIsRefused(t *testing.T) {
	t.Parallel()
	for size, refused := range map[int]bool{255: false, 256: true} {
		onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
			collect(theirs)
			play(theirs, send(greetingOf(3, 1)+
				readyOf("Socket-Type", "DEALER", "Identity", strings.Repeat("i", size))))
			peer, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "ROUTER"})
			if refused {
				checkFailure(t, err, zmtp.StageSecurity, zmtp.KindProtocol)
			} else if err != nil || len(peer.Identity) != size {
				t.Errorf("peer %+v, %v", peer, err)
			}
		})
	}
}

func TestHandshakeErrorOfPeersError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		bytes   string
		reason  string
		refused bool
	}{
		{"with a reason", "\x04\x0b\x05ERROR\x04busy", "busy", true},
		{"without", "\x04\x07\x05ERROR\x00", "", true},
		{"something else", "\x04\x06\x05HOWDY", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
				collect(theirs)
				play(theirs, send(greetingOf(3, 1)+tt.bytes))
				_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
				var failed *zmtp.HandshakeError
				if !errors.As(err, &failed) {
					t.Fatal(err)
				}
				if reason, refused := failed.Reason(); reason != tt.reason || refused != tt.refused {
					t.Errorf("reason %q, %t; want %q, %t", reason, refused, tt.reason, tt.refused)
				}
				if failed.Fatal() != tt.refused {
					t.Errorf("fatal %t, want %t", failed.Fatal(), tt.refused)
				}
			})
		})
	}
}

func TestPeerClosesInEachStage(t *testing.T) {
	t.Parallel()
	stream := greetingOf(3, 1) + subReady
	for _, server := range []bool{true, false} {
		for n := range len(stream) {
			onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
				// It reads all that is said, so that a connection of TCP is closed and not reset.
				answers := 10
				switch {
				case n >= 64 && !server:
					answers = len(pubGreeting + pubReady)
				case n > 10:
					answers = len(pubGreeting)
				case n == 10:
					answers = 11
				}
				script := []step{send(stream[:n]), receive(answers), net.Conn.Close}
				if n == 0 {
					script = script[1:]
				}
				play(theirs, script...)
				_, err := zmtp.Handshake(t.Context(), ours, server, zmtp.Config{SocketType: "PUB"})
				stage := zmtp.StageGreeting
				if n >= 64 {
					stage = zmtp.StageSecurity
				}
				checkFailure(t, err, stage, zmtp.KindNetwork)
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("closed after %d bytes: %v", n, err)
				}
				if got, want := strings.Contains(err.Error(), "instead of answering with READY"), n >= 64 && !server; got != want {
					t.Errorf("closed after %d bytes: %v; that READY was due is said %t, want %t", n, err, got, want)
				}
			})
		}
	}
}

func TestPeerResets(t *testing.T) {
	t.Parallel()
	ours, theirs := tcp(t)
	play(theirs, receive(10), send("\xff"), func(conn net.Conn) error {
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
		return conn.Close()
	})
	_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
	checkFailure(t, err, zmtp.StageGreeting, zmtp.KindNetwork)
	var failed *net.OpError
	if !errors.As(err, &failed) {
		t.Errorf("%v; want the network's error", err)
	}
}

// brokenWrites is a connection that can be read only.
type brokenWrites struct{ net.Conn }

var errBroken = errors.New("wire cut")

func (brokenWrites) Write([]byte) (int, error) { return 0, errBroken }

func TestFailedWriteIsReported(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		play(theirs, send(greetingOf(3, 1)+subReady))
		_, err := zmtp.Handshake(t.Context(), brokenWrites{ours}, true, zmtp.Config{SocketType: "PUB"})
		checkFailure(t, err, zmtp.StageSecurity, zmtp.KindNetwork)
		if !errors.Is(err, errBroken) {
			t.Errorf("%v; want %v", err, errBroken)
		}
	})
}

// countedConn counts the calls on a connection and the largest room offered to a read.
type countedConn struct {
	net.Conn
	reads, writes, largest int
}

func (c *countedConn) Read(b []byte) (int, error) {
	c.reads++
	c.largest = max(c.largest, len(b))
	return c.Conn.Read(b)
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.writes++
	return c.Conn.Write(b)
}

func TestHandshakeTakesFewCalls(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		counted := &countedConn{Conn: ours}
		play(theirs, send(greetingOf(3, 1)+subReady), receive(len(pubGreeting+pubReady)))
		if _, err := zmtp.Handshake(t.Context(), counted, true, zmtp.Config{SocketType: "PUB"}); err != nil {
			t.Fatal(err)
		}
		if counted.reads != 1 || counted.writes != 3 {
			t.Errorf("%d reads and %d writes, want 1 and 3", counted.reads, counted.writes)
		}
	})
}

// TestClaimsTakeNoMemory meets a peer that announces a large command, allowed by the
// limit, and goes away.
func TestClaimsTakeNoMemory(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		counted := &countedConn{Conn: ours}
		header := binary.BigEndian.AppendUint64([]byte{wire.FlagCommand | wire.FlagLong}, 1<<30)
		play(theirs, send(greetingOf(3, 1)+string(header)), receive(64), net.Conn.Close)
		_, err := zmtp.Handshake(t.Context(), counted, true, zmtp.Config{SocketType: "PUB", MaxCommand: 1 << 30})
		checkFailure(t, err, zmtp.StageSecurity, zmtp.KindNetwork)
		if counted.largest > 4096 {
			t.Errorf("%d bytes were made ready for a claim", counted.largest)
		}
	})
}

func TestLargeMetadataWithinLimit(t *testing.T) {
	t.Parallel()
	ready := readyOf("Socket-Type", "SUB", "X-large", strings.Repeat("x", 60_000))
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		collect(theirs)
		play(theirs, send(greetingOf(3, 1)+ready))
		peer, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := peer.Properties.Get("x-LARGE"); len(v) != 60_000 {
			t.Errorf("property has %d bytes", len(v))
		}
	})
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		collect(theirs)
		play(theirs, send(greetingOf(3, 1)+ready))
		_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB", MaxCommand: 1000})
		checkFailure(t, err, zmtp.StageSecurity, zmtp.KindProtocol)
	})
}

func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg  zmtp.Config
		says string
	}{
		{zmtp.Config{}, "Config.SocketType"},
		{zmtp.Config{SocketType: "REQ", Identity: make([]byte, 256)}, "Config.Identity"},
		{zmtp.Config{SocketType: "REQ", Identity: []byte("\x00id")}, "Config.Identity"},
	} {
		ours, _ := pipe(t)
		_, err := zmtp.Handshake(t.Context(), ours, true, tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v; want an error that names %s", tt.cfg, err, tt.says)
		}
		var failed *zmtp.HandshakeError
		if errors.As(err, &failed) {
			t.Errorf("%v blames the peer", err)
		}
	}
}
