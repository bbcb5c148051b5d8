package zmq

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// failingListener is a listener that fails some times before it hands over connections.
type failingListener struct {
	net.Listener
	failures chan error
}

func (l failingListener) Accept() (net.Conn, error) {
	select {
	case err := <-l.failures:
		return nil, err
	default:
		return l.Listener.Accept()
	}
}

// A listener that fails for a while, for want of descriptors for instance, serves again afterwards. The failures are told once.
func TestAcceptFails(t *testing.T) {
	t.Parallel()
	events := make(chan Event, 10)
	pull, err := NewPull(Config{Events: events})
	fatal(t, err)
	defer func() { fatal(t, pull.Close()) }()
	l, at, err := pull.listenStream(endpoint{transport: "tcp", host: "127.0.0.1", port: "0"})
	fatal(t, err)
	failures := make(chan error, 2)
	failures <- errors.New("too many open files")
	failures <- errors.New("too many open files")
	tcp := l.(*streamListener)
	tcp.l = failingListener{tcp.l, failures}
	fatal(t, pull.addListener(tcp, at))
	push, err := NewPush(Config{})
	fatal(t, err)
	defer func() { fatal(t, push.Close()) }()
	fatal(t, push.Connect(at))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	fatal(t, pull.WaitPeers(ctx, 1))
	for _, want := range []EventKind{EventListening, EventAcceptFailed, EventAccepted} {
		if e := <-events; e.Kind != want || want == EventAcceptFailed && e.Err == nil {
			t.Errorf("event %+v, want %q", e, want)
		}
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
