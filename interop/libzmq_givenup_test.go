package interop_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/experimance/experimance-go/zmq"
)

// TestLibzmqGivenUp has a REQ give requests up before a REP or ROUTER of libzmq is there, and while it has them. The peer is
// not sent the former, and its late replies to the latter are not taken for others.
func TestLibzmqGivenUp(t *testing.T) {
	t.Parallel()
	for _, trust := range append(trusts(), noTrust) {
		for _, peerType := range []string{"REP", "ROUTER"} {
			for _, correlate := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, %s, Correlate=%v", peerType, trust.name, correlate), func(t *testing.T) {
					t.Parallel()
					givenUp(t, peerType, trust, correlate)
				})
			}
		}
	}
}

func givenUp(t *testing.T, peerType string, trust trust, correlate bool) {
	args := append([]string{"type=" + peerType}, trust.args...)
	p := inC.start(t, append(args, "bind="+wildcard())...)
	endpoint := p.endpoint("socket")
	p.kill()
	req := open(t, zmq.NewReq, zmq.Config{Relaxed: true, Correlate: correlate, Security: trust.security, ReconnectInterval: 20 * time.Millisecond, ReconnectMax: 20 * time.Millisecond})
	connect(t, req, endpoint)
	for range 3 {
		send(t, req, []byte("given up"))
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := req.Recv(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a reply from nobody: %v", err)
		}
		cancel()
	}
	send(t, req, []byte("first"))
	p = inC.start(t, append(args, "bind="+endpoint)...)
	if peerType == "ROUTER" {
		expectLast(t, p, "first")
		p.have("echo")
		send(t, req, []byte("second"))
		recvFrames(t, req, [][]byte{[]byte("second")})
		return
	}
	expectLast(t, p, "first")
	p.order("send", "=reply")
	recvFrames(t, req, [][]byte{[]byte("reply")})
	for round := range 10 {
		send(t, req, []byte("held"))
		expectLast(t, p, "held")
		next, reply := fmt.Sprint("request ", round), fmt.Sprint("reply-", round)
		send(t, req, []byte(next))
		p.order("send", "=late")
		expectLast(t, p, next)
		p.order("send", "="+reply)
		recvFrames(t, req, [][]byte{[]byte(reply)})
	}
}

// expectLast waits for libzmq to report a message, whose last frame must be this text.
func expectLast(t *testing.T, p *peer, want string) {
	t.Helper()
	frames := p.expect("received").Frames
	if got := frames[len(frames)-1].Text; got != want {
		t.Fatalf("libzmq got %q, want %q", got, want)
	}
}
