package zmtp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/experimance/experimance-go/internal/zmtp"
)

// drip sends s byte for byte, each after a pause.
func drip(s string, pause time.Duration) step {
	return func(conn net.Conn) error {
		for i := range s {
			time.Sleep(pause) // of the bubble's clock
			if _, err := io.WriteString(conn, s[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestOneDeadlineForAll meets peers that never finish, however busy they look. The
// clock is the bubble's, so the times are exact.
func TestOneDeadlineForAll(t *testing.T) {
	t.Parallel()
	v31 := greetingOf(3, 1)
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		want    time.Duration
		stage   zmtp.Stage
		script  []step
	}{
		{"silent", 0, 30 * time.Second, zmtp.StageGreeting, nil},
		{"silent, timeout given", 70 * time.Millisecond, 70 * time.Millisecond, zmtp.StageGreeting, nil},
		{"silent but reading", 0, 30 * time.Second, zmtp.StageGreeting, []step{receive(10)}},
		{"half a greeting", 0, 30 * time.Second, zmtp.StageGreeting, []step{send(v31[:40])}},
		{"slow greeting", 0, 30 * time.Second, zmtp.StageGreeting, []step{receive(10), drip(v31, time.Second)}},
		{"no READY", 0, 30 * time.Second, zmtp.StageSecurity, []step{send(v31), receive(64)}},
		{"slow READY", 0, 30 * time.Second, zmtp.StageSecurity, []step{send(v31), receive(64), drip(subReady, 2*time.Second)}},
		{"never reads", 0, 30 * time.Second, zmtp.StageSecurity, []step{send(v31 + subReady)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := pipe(t)
				played := play(theirs, tt.script...)
				begun := time.Now()
				_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB", Timeout: tt.timeout})
				if took := time.Since(begun); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
				checkFailure(t, err, tt.stage, zmtp.KindNetwork)
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%v; want os.ErrDeadlineExceeded", err)
				}
				checkExpired(t, ours)
				theirs.Close()
				_ = played() // the script may not have come to its end
			})
		})
	}
}

func TestDeadlineOverTCP(t *testing.T) {
	t.Parallel()
	ours, _ := tcp(t)
	_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB", Timeout: time.Millisecond})
	checkFailure(t, err, zmtp.StageGreeting, zmtp.KindNetwork)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v; want os.ErrDeadlineExceeded", err)
	}
	checkExpired(t, ours)
}

func TestContextEndsHandshake(t *testing.T) {
	t.Parallel()
	for name, script := range map[string][]step{
		"silent":      nil,
		"never reads": {send(greetingOf(3, 1) + subReady)},
		"no READY":    {send(greetingOf(3, 1)), receive(64)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
				if name == "never reads" && ours.LocalAddr().Network() == "tcp" {
					t.Skip("the system's buffers take what such a peer does not read")
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				played := play(theirs, script...)
				shaking := handshake(ctx, ours, true, zmtp.Config{SocketType: "PUB"})
				if err := played(); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				cancel()
				err := (<-shaking).err
				if took := time.Since(begun); took >= zmtp.DefaultTimeout {
					t.Errorf("took %v", took)
				}
				var failed *zmtp.HandshakeError
				if !errors.As(err, &failed) || failed.Kind != zmtp.KindNetwork || !errors.Is(err, context.Canceled) {
					t.Errorf("%v; want context.Canceled", err)
				}
				checkExpired(t, ours)
			})
		})
	}
}

func TestContextOverBeforehand(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
		ctx, cancel := context.WithCancelCause(t.Context())
		closing := errors.New("socket is closing")
		cancel(closing)
		play(theirs, send(greetingOf(3, 1)+subReady), receive(len(pubGreeting+pubReady)))
		_, err := zmtp.Handshake(ctx, ours, true, zmtp.Config{SocketType: "PUB"})
		var failed *zmtp.HandshakeError
		if !errors.As(err, &failed) || failed.Kind != zmtp.KindNetwork || !errors.Is(err, closing) {
			t.Errorf("%v; want the context's cause", err)
		}
		checkExpired(t, ours)
	})
}

func TestContextDeadlineCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, _ := pipe(t)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		_, err := zmtp.Handshake(ctx, ours, true, zmtp.Config{SocketType: "PUB"})
		if took := time.Since(begun); took != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// TestNothingIsLeftBehind lets the timeout pass and the context end after a success:
// neither may touch the connection any more.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := pipe(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if err := ours.SetDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		play(theirs, send(greetingOf(3, 1)+subReady), receive(len(pubGreeting+pubReady)))
		if _, err := zmtp.Handshake(ctx, ours, true, zmtp.Config{SocketType: "PUB"}); err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(2 * time.Hour) // of the bubble's clock
		play(theirs, send("later"))
		b := make([]byte, 5)
		if _, err := io.ReadFull(ours, b); err != nil || string(b) != "later" {
			t.Errorf("read %q, %v", b, err)
		}
	})
}

// TestRefusedPeerThatDoesNotRead is told why for no longer than a moment.
func TestRefusedPeerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := pipe(t)
		play(theirs, send(greetingOf(3, 1)+readyOf("Socket-Type", "PUSH")))
		begun := time.Now()
		_, err := zmtp.Handshake(t.Context(), ours, true, zmtp.Config{SocketType: "PUB"})
		checkFailure(t, err, zmtp.StageSecurity, zmtp.KindProtocol)
		if took := time.Since(begun); took != time.Second {
			t.Errorf("took %v, want a second", took)
		}
	})
}

// TestRefusedPeerThatDoesNotReadAtDeadline has less than that moment left.
func TestRefusedPeerThatDoesNotReadAtDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := pipe(t)
		play(theirs, send(greetingOf(3, 1)+string(wire.AppendError(nil, "busy"))))
		begun := time.Now()
		cfg := zmtp.Config{SocketType: "PUB", Timeout: 10 * time.Millisecond}
		_, err := zmtp.Handshake(t.Context(), ours, true, cfg)
		checkFailure(t, err, zmtp.StageSecurity, zmtp.KindProtocol)
		if took := time.Since(begun); took != cfg.Timeout {
			t.Errorf("took %v, want %v", took, cfg.Timeout)
		}
	})
}

// endingConn ends a context at the write that holds a text, before or after it, and goes on when
// that has reached the connection.
type endingConn struct {
	net.Conn
	text    string
	after   bool
	cancel  context.CancelFunc
	expired chan struct{} // closed by the first deadline that is set
	once    sync.Once
}

func (c *endingConn) SetDeadline(t time.Time) error {
	err := c.Conn.SetDeadline(t)
	c.once.Do(func() { close(c.expired) })
	return err
}

func (c *endingConn) Write(b []byte) (int, error) {
	now := strings.Contains(string(b), c.text)
	if now && !c.after {
		c.cancel()
		<-c.expired
	}
	n, err := c.Conn.Write(b)
	if now && c.after {
		c.cancel()
		<-c.expired
	}
	return n, err
}

// TestBothEndsAgree ends the server's context at each of its writes, as when a peer has to make
// room for others. A client that has been told that it is accepted sends at once, so a server must
// not refuse it afterwards.
func TestBothEndsAgree(t *testing.T) {
	t.Parallel()
	for _, write := range []string{"\xff", "FOUR", "WELCOME", "READY"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write of %q, after it: %t", write, after), func(t *testing.T) {
				t.Parallel()
				onCarriers(t, func(t *testing.T, ours, theirs net.Conn) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					conn := &endingConn{Conn: ours, text: write, after: after, cancel: cancel, expired: make(chan struct{})}
					client := handshake(t.Context(), theirs, false, zmtp.Config{SocketType: "PUSH", NewMechanism: withWord("sesame")})
					_, err := zmtp.Handshake(ctx, conn, true, zmtp.Config{SocketType: "PULL", NewMechanism: withWord("sesame")})
					if accepted := write == "READY" && after; accepted != (err == nil) {
						t.Errorf("the server's handshake ended with %v", err)
					}
					if err != nil {
						ours.Close()
					}
					if atClient := (<-client).err; (atClient == nil) != (err == nil) {
						t.Errorf("client: %v, server: %v", atClient, err)
					}
				})
			})
		}
	}
}
