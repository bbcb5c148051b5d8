package zmtp_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// newMechanism returns a mechanism's constructor.
func newMechanism(t *testing.T, s mechanism.Security) func(mechanism.Params) mechanism.Mechanism {
	t.Helper()
	if s == nil {
		return nil
	}
	factory, err := s.Factory()
	if err != nil {
		t.Fatal(err)
	}
	return factory
}

func newPair(t *testing.T) mechanism.KeyPair {
	t.Helper()
	pair, err := mechanism.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// greetingFor is the greeting of a peer with this mechanism, as libzmq sends it.
func greetingFor(name string) string {
	return string(wire.AppendGreeting(nil, wire.Greeting{Major: 3, Minor: 1, Mechanism: name}))
}

// TestHangUpIsExplained has a peer go in each stage, in good order and by a reset, and another say
// no more until the time is up.
func TestHangUpIsExplained(t *testing.T) {
	t.Parallel()
	server, client := newPair(t), newPair(t)
	plain := mechanism.PlainClient{Username: "a", Password: "b"}
	curve := mechanism.CurveClient{Keys: client, ServerKey: server.Public()}
	plainServer := mechanism.PlainServer{Authenticator: mechanism.AllowAny}
	curveServer := mechanism.CurveServer{Keys: server, Authenticator: mechanism.AllowAny}
	v31, unready := greetingFor("NULL"), "it may have a peer with this identity already, take no more peers at present, or not accept this socket type"
	welcome := string(wire.AppendCommand(nil, "WELCOME"))
	for _, tt := range []struct {
		name     string
		security mechanism.Security
		server   bool
		bytes    string
		answers  int // bytes that the peer reads before it goes
		missing  string
		answer   bool // what is missing is an answer
		causes   string
		stage    zmtp.Stage
	}{
		{"nothing, accepted", nil, true, "", 10, "anything", false, ": it may be a port scan, a health check or a peer that has given up", zmtp.StageGreeting},
		{"nothing, connected", nil, false, "", 10, "anything", false, ": it may not speak ZMTP, or take no more connections at present", zmtp.StageGreeting},
		{"half a signature", nil, true, v31[:9], 10, "the whole signature of ZMTP", false, "", zmtp.StageGreeting},
		{"a signature", nil, false, v31[:10], 11, "its version", false, ": it may only speak an older ZMTP", zmtp.StageGreeting},
		{"a version", nil, false, v31[:11], 64, "its security mechanism", false, `: that is likely to be another one than ours, "NULL"`, zmtp.StageGreeting},
		{"a version to CURVE", curve, false, v31[:12], 64, "its security mechanism", false, `: that is likely to be another one than ours, "CURVE"`, zmtp.StageGreeting},
		{"NULL connected", nil, false, v31, len(pubGreeting + pubReady), "READY", true, ": " + unready, zmtp.StageSecurity},
		{"NULL accepted", nil, true, v31, 64, "READY", false, "", zmtp.StageSecurity},
		{"PLAIN client, no WELCOME", plain, false, greetingFor("PLAIN"), 64 + 12, "WELCOME", true, ": it may be a client, too, or not be able to check credentials at present", zmtp.StageSecurity},
		{"PLAIN client, no READY", plain, false, greetingFor("PLAIN") + welcome, 64 + 12 + 30, "READY", true, ": " + unready, zmtp.StageSecurity},
		{"PLAIN server, no HELLO", plainServer, true, greetingFor("PLAIN"), 64, "HELLO", false, ": it may be the server, too", zmtp.StageSecurity},
		{"PLAIN server, no INITIATE", plainServer, true, greetingFor("PLAIN") + "\x04\x0a\x05HELLO\x01a\x01b", 64 + 10, "INITIATE", true, "", zmtp.StageSecurity},
		{"CURVE client, no WELCOME", curve, false, greetingFor("CURVE"), 64 + 202, "WELCOME", true, ": the server's key is likely to be another one than " + server.Public().String() + ", or the peer is a client, too", zmtp.StageSecurity},
		{"CURVE server, no HELLO", curveServer, true, greetingFor("CURVE"), 64, "HELLO", false, ": it may be the server, too", zmtp.StageSecurity},
	} {
		cfg := zmtp.Config{SocketType: "PUB", NewMechanism: newMechanism(t, tt.security)}
		for _, how := range []string{"closed", "reset", "silent"} {
			t.Run(tt.name+", "+how, func(t *testing.T) {
				t.Parallel()
				how := how
				test := func(t *testing.T, ours, theirs net.Conn) {
					cause, says := io.ErrUnexpectedEOF, "peer closed the connection before it sent "+tt.missing+tt.causes
					if tt.answer {
						says = "peer closed the connection instead of answering with " + tt.missing + tt.causes
					}
					script := []step{send(tt.bytes), receive(tt.answers), net.Conn.Close}
					switch how {
					case "reset":
						cause, says = nil, strings.Replace(says, "peer closed the connection", "the connection broke (read tcp", 1)
						says = strings.Replace(says, "before it sent", "before the peer sent", 1)
						script[2] = func(conn net.Conn) error {
							_ = conn.(*net.TCPConn).SetLinger(0) // fails only on a closed connection
							return conn.Close()
						}
					case "silent":
						cause, says = os.ErrDeadlineExceeded, fmt.Sprintf("peer was not done within 30s: it has not sent %s%s", tt.missing, tt.causes)
						script = script[:2]
					}
					if tt.bytes == "" {
						script = script[1:]
					}
					play(theirs, script...)
					_, err := zmtp.Handshake(t.Context(), ours, tt.server, cfg)
					checkFailure(t, err, tt.stage, zmtp.KindNetwork)
					if cause != nil && !errors.Is(err, cause) {
						t.Errorf("%v; want %v", err, cause)
					}
					begin, end, _ := strings.Cut(says, "(read tcp")
					if !strings.Contains(err.Error(), begin) || how == "reset" && !strings.HasSuffix(err.Error(), end) || how != "reset" && !strings.HasSuffix(err.Error(), says) {
						t.Errorf("error\n     %q\nwant %q", err, says)
					}
					var failed *zmtp.HandshakeError
					if errors.As(err, &failed) && failed.Silent != (tt.name == "nothing, accepted") {
						t.Errorf("silent: %t", failed.Silent)
					}
				}
				if how == "reset" {
					ours, theirs := tcp(t)
					test(t, ours, theirs)
					return
				}
				synctest.Test(t, func(t *testing.T) {
					ours, theirs := pipe(t)
					test(t, ours, theirs)
				})
			})
		}
	}
}

// TestReadsBeforeReset meets peers that say what is wrong and reset the connection before this end
// has read it, or while it is writing: what has arrived is read all the same.
func TestReadsBeforeReset(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, bytes, says string
		kind              zmtp.Kind
	}{
		{"another mechanism", greetingFor("CURVE"), `peer's security mechanism is "CURVE", ours "NULL"`, zmtp.KindProtocol},
		{"ERROR", greetingFor("NULL") + string(wire.AppendError(nil, "400")), "authentication failed (400)", zmtp.KindAuthentication},
		{"an old version", greetingFor("NULL")[:10] + "\x00\x05", "too old: 1.0", zmtp.KindProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := tcp(t)
			if _, err := io.WriteString(theirs, tt.bytes); err != nil {
				t.Fatal(err)
			}
			if err := theirs.(*net.TCPConn).SetLinger(0); err != nil {
				t.Fatal(err)
			}
			theirs.Close()
			_, err := zmtp.Handshake(t.Context(), &lateConn{TCPConn: ours.(*net.TCPConn)}, false, zmtp.Config{SocketType: "PUB"})
			if tt.kind == zmtp.KindAuthentication {
				checkFailure(t, err, zmtp.StageSecurity, tt.kind)
			} else {
				checkFailure(t, err, zmtp.StageGreeting, tt.kind)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
		})
	}
}

// lateConn reads when writes have failed, which tells that the reset has arrived.
type lateConn struct {
	*net.TCPConn
	late bool
}

func (c *lateConn) Read(b []byte) (int, error) {
	for !c.late {
		_, err := c.TCPConn.Write([]byte{0})
		c.late = err != nil
	}
	return c.TCPConn.Read(b)
}

// TestMismatchIsNamedOnBothEnds has ends with different mechanisms meet: whatever the order of
// events, both know the other's.
func TestMismatchIsNamedOnBothEnds(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		accepting := handshake(t.Context(), theirs, true, zmtp.Config{SocketType: "PULL", NewMechanism: withWord("x")})
		_, err := zmtp.Handshake(t.Context(), ours, false, zmtp.Config{SocketType: "PUSH"})
		atServer := <-accepting
		checkFailure(t, err, zmtp.StageGreeting, zmtp.KindProtocol)
		checkFailure(t, atServer.err, zmtp.StageGreeting, zmtp.KindProtocol)
		if !strings.Contains(err.Error(), `"FOUR", ours "NULL"`) || !strings.Contains(atServer.err.Error(), `"NULL", ours "FOUR"`) {
			t.Errorf("client: %v\nserver: %v", err, atServer.err)
		}
	})
}

// TestBothAreServers has two servers of one mechanism meet, which would wait for each other.
func TestBothAreServers(t *testing.T) {
	t.Parallel()
	factory := newMechanism(t, mechanism.PlainServer{Authenticator: mechanism.AllowAny})
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		accepting := handshake(t.Context(), theirs, true, zmtp.Config{SocketType: "PULL", NewMechanism: factory})
		began := time.Now()
		_, err := zmtp.Handshake(t.Context(), ours, false, zmtp.Config{SocketType: "PUSH", NewMechanism: factory})
		for _, err := range []error{err, (<-accepting).err} {
			checkFailure(t, err, zmtp.StageGreeting, zmtp.KindProtocol)
			if !strings.Contains(err.Error(), "both ends are configured as the server of PLAIN") {
				t.Error(err)
			}
		}
		if time.Since(began) >= zmtp.DefaultTimeout {
			t.Error("they waited for each other")
		}
	})
}

// TestBothAreClients has two clients of one mechanism meet.
func TestBothAreClients(t *testing.T) {
	t.Parallel()
	factory := newMechanism(t, mechanism.PlainClient{Username: "a"})
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		accepting := handshake(t.Context(), theirs, true, zmtp.Config{SocketType: "PULL", NewMechanism: factory})
		_, err := zmtp.Handshake(t.Context(), ours, false, zmtp.Config{SocketType: "PUSH", NewMechanism: factory})
		for _, err := range []error{err, (<-accepting).err} {
			checkFailure(t, err, zmtp.StageSecurity, zmtp.KindProtocol)
			if !strings.Contains(err.Error(), "it is a client, too") {
				t.Error(err)
			}
		}
	})
}
