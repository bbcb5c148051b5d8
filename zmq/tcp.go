package zmq

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// tcpListener accepts connections for one bound endpoint.
type tcpListener struct {
	s        *socket
	endpoint string
	l        net.Listener
	bound    context.Context // ends with stop, and the handshakes with it
	unbind   context.CancelFunc
	pending  sync.WaitGroup // the accept loop, and handshakes
}

// listenTCP binds. Connections wait with the system until start.
func (s *socket) listenTCP(ep endpoint) (listener, string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(s.life, "tcp", ep.address())
	if err != nil {
		return nil, "", err
	}
	t := &tcpListener{s: s, endpoint: resolvedTCP(ep.host, l.Addr()), l: l}
	t.bound, t.unbind = context.WithCancel(s.life)
	return t, t.endpoint, nil
}

func (t *tcpListener) start() { t.pending.Go(t.accept) }

func (t *tcpListener) stop() {
	t.l.Close()
	t.unbind()
	t.pending.Wait()
}

// accept hands each connection to a goroutine of its own at once, so that a silent peer holds up nobody.
func (t *tcpListener) accept() {
	s := t.s
	for {
		nc, err := t.l.Accept()
		switch {
		case err == nil:
			s.emit(EventAccepted, t.endpoint, nc.RemoteAddr().String(), nil)
			t.pending.Add(1)
			s.wg.Go(func() { t.serve(nc) })
		case errors.Is(err, net.ErrClosed):
			return
		default: // out of descriptors, for instance: the listener is as good as before
			s.emit(EventAcceptFailed, t.endpoint, "", err)
			if !pause(t.bound, 10*time.Millisecond) {
				return
			}
		}
	}
}

// serve does a connection's handshake, and serves it to its end.
func (t *tcpListener) serve(nc net.Conn) {
	defer nc.Close()
	c := t.s.welcome(t.bound, nc, t.endpoint)
	t.pending.Done()
	if c != nil {
		t.s.serveAccepted(c)
	}
}

// pause waits for d. It reports false, at once, when ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
