package zmtp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// v2Steps are the ways in which a peer of ZMTP 2.0 greets an end that answers with so
// many bytes.
func v2Steps(greeting string, answer int) map[string][]step {
	return map[string][]step{
		"all at once": {send(greeting), receive(answer)},
		"as libzmq 3.2": {
			send(greeting[:10]), receive(10), send(greeting[10:12]), receive(2), send(greeting[12:]), receive(answer - 12),
		},
		"reads ours first": {send(greeting[:11]), receive(answer), send(greeting[11:])},
		"byte for byte": func() (script []step) {
			for i := range greeting {
				script = append(script, send(greeting[i:i+1]))
			}
			return append(script, receive(answer))
		}(),
	}
}

func TestV2(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ours     zmtp.Config
		number   byte
		kind     string
		identity string // as the peer sends it
		want     string // as it counts
		answer   string
	}{
		{zmtp.Config{SocketType: "PUB"}, subV2, "SUB", "", "", greetingV2(1, "")},
		{zmtp.Config{SocketType: "PUB", Identity: []byte("us")}, xsubV2, "XSUB", "me", "", greetingV2(1, "")},
		{zmtp.Config{SocketType: "ROUTER", Identity: []byte("us")}, dealerV2, "DEALER", "me", "me", greetingV2(6, "us")},
		{zmtp.Config{SocketType: "ROUTER"}, reqV2, "REQ", strings.Repeat("i", 255), strings.Repeat("i", 255), greetingV2(6, "")},
		{zmtp.Config{SocketType: "ROUTER"}, reqV2, "REQ", "\x00reserved", "", greetingV2(6, "")},
	} {
		answer := strings.Replace(tt.answer, "\x7f\x01", "\x7f\x03", 1)
		answer = strings.Replace(answer, "\x01\x7f", "\x00\x7f", 1) // our padding is zeros
		for name, script := range v2Steps(greetingV2(tt.number, tt.identity), len(answer)) {
			for _, server := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s and %s %.8q, %s, server %t", tt.ours.SocketType, tt.kind, tt.identity, name, server), func(t *testing.T) {
					t.Parallel()
					onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
						recorded := &recordedConn{Conn: ours}
						played := play(theirs, script...)
						peer, err := zmtp.Handshake(t.Context(), recorded, server, tt.ours)
						if err != nil {
							t.Fatal(err)
						}
						if err := played(); err != nil {
							t.Error(err)
						}
						if peer.Major != 2 || peer.Minor != 0 || peer.SocketType != tt.kind || string(peer.Identity) != tt.want || peer.Sealer != nil || peer.Buffered != nil {
							t.Errorf("peer %+v", peer)
						}
						if got := string(recorded.written); got != answer {
							t.Errorf("answered\n     %q\nwant %q", got, answer)
						}
					})
				})
			}
		}
	}
}

// recordedConn keeps what was written.
type recordedConn struct {
	net.Conn
	written []byte
}

func (c *recordedConn) Write(b []byte) (int, error) {
	c.written = append(c.written, b...)
	return c.Conn.Write(b)
}

// TestV2KeepsTraffic meets a peer that sends messages behind its greeting.
func TestV2KeepsTraffic(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		collect(theirs)
		played := play(theirs, send(greetingV2(subV2, "me")+"\x00\x06\x01topic"))
		peer, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
		if err != nil || string(peer.Buffered) != "\x00\x06\x01topic" {
			t.Errorf("peer %+v, %v", peer, err)
		}
		if err := played(); err != nil {
			t.Error(err)
		}
	})
}

func TestV2Refused(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	for _, tt := range []struct {
		name  string
		cfg   zmtp.Config
		bytes string // after which the peer is refused, without more
		stage zmtp.Stage
		kind  zmtp.Kind
		says  string
	}{
		{"security", zmtp.Config{SocketType: "PUB", NewMechanism: withWord("x")}, greetingV2(subV2, "")[:11], zmtp.StageGreeting, zmtp.KindProtocol, `peer speaks ZMTP 2.0, which has no security, and our security mechanism is "FOUR"`},
		{"type of no partner", zmtp.Config{SocketType: "PUB"}, greetingV2(pullV2, "")[:12], zmtp.StageGreeting, zmtp.KindProtocol, `socket type PUB does not accept a peer of type "PULL"`},
		{"unknown type", zmtp.Config{SocketType: "PUB"}, greetingV2(11, "")[:12], zmtp.StageGreeting, zmtp.KindProtocol, "unknown number 11"},
		{"our type is later", zmtp.Config{SocketType: "RADIO"}, greetingV2(subV2, "")[:11], zmtp.StageGreeting, zmtp.KindProtocol, "has no socket type RADIO"},
		{"identity with more", zmtp.Config{SocketType: "PUB"}, greetingV2(subV2, "")[:12] + "\x01\x00", zmtp.StageGreeting, zmtp.KindProtocol, "flags 0x01"},
		{"identity as a command", zmtp.Config{SocketType: "PUB"}, greetingV2(subV2, "")[:12] + "\x04\x01", zmtp.StageGreeting, zmtp.KindProtocol, "flags 0x04"},
		{"long identity", zmtp.Config{SocketType: "PUB"}, greetingV2(subV2, "")[:12] + "\x02\x00\x00\x00\x00\x00\x00\x01\x00", zmtp.StageGreeting, zmtp.KindProtocol, "identity has 256 bytes"},
		{"not admitted", zmtp.Config{SocketType: "PUB", Admit: func(*zmtp.Peer) error { return full }}, greetingV2(subV2, ""), zmtp.StageSecurity, zmtp.KindProtocol, "full"},
		{"not authenticated", zmtp.Config{SocketType: "PUB", NewMechanism: refusing(t)}, greetingV2(subV2, ""), zmtp.StageSecurity, zmtp.KindAuthentication, "authentication failed (400)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
				sent := collect(theirs)
				played := play(theirs, send(tt.bytes))
				_, err := zmtp.Handshake(t.Context(), ours, true, tt.cfg)
				checkFailure(t, err, tt.stage, tt.kind)
				if !strings.Contains(err.Error(), tt.says) {
					t.Errorf("error %q does not say %q", err, tt.says)
				}
				if err := played(); err != nil {
					t.Error(err)
				}
				ours.Close()
				if got := sent(); strings.Contains(got, "ERROR") || strings.Contains(got, "NULL") {
					t.Errorf("sent %q, which a peer of ZMTP 2.0 does not understand", got)
				}
			})
		})
	}
}

// refusing is NULL with an Authenticator that refuses all.
func refusing(t *testing.T) func(mechanism.Params) mechanism.Mechanism {
	t.Helper()
	newMechanism, err := mechanism.NullServer{Authenticator: func(_ context.Context, r mechanism.AuthRequest) (mechanism.Decision, error) {
		if r.Mechanism != "NULL" || r.Address == "" {
			t.Errorf("asked about %+v", r)
		}
		return mechanism.Refuse("not today"), nil
	}}.Factory()
	if err != nil {
		t.Fatal(err)
	}
	return newMechanism
}

// TestV2PeerCloses ends the connection after each byte of a greeting of ZMTP 2.0.
func TestV2PeerCloses(t *testing.T) {
	t.Parallel()
	greeting := greetingV2(dealerV2, "me")
	for n := wire.VersionSize; n < len(greeting); n++ {
		onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
			play(theirs, send(greeting[:n]), receive(len(greetingV2(0, ""))), net.Conn.Close)
			_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "ROUTER"})
			checkFailure(t, err, zmtp.StageGreeting, zmtp.KindNetwork)
			if !strings.Contains(err.Error(), "before it sent its socket type and identity") {
				t.Errorf("closed after %d bytes: %v", n, err)
			}
		})
	}
}
