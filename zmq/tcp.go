package zmq

import (
	"context"
	"errors"
	"net"
	"time"
)

// tcpListener accepts connections for one bound endpoint.
type tcpListener struct {
	s        *socket
	endpoint string
	l        net.Listener
	stopped  chan struct{} // closed when the accept loop has ended
}

// listenTCP binds, and serves every connection that comes in until stop.
func (s *socket) listenTCP(ep endpoint) (listener, string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(s.life, "tcp", ep.address())
	if err != nil {
		return nil, "", err
	}
	t := &tcpListener{s: s, endpoint: resolvedTCP(ep.host, l.Addr()), l: l, stopped: make(chan struct{})}
	s.wg.Add(1)
	go t.accept()
	return t, t.endpoint, nil
}

func (t *tcpListener) stop() {
	t.l.Close()
	<-t.stopped
}

// accept hands each connection to a goroutine of its own at once, so that a silent peer holds up nobody.
func (t *tcpListener) accept() {
	s := t.s
	defer s.wg.Done()
	defer close(t.stopped)
	for {
		nc, err := t.l.Accept()
		switch {
		case err == nil:
			s.emit(EventAccepted, t.endpoint, nc.RemoteAddr().String(), nil)
			s.wg.Add(1)
			go func() {
				defer s.wg.Done()
				_, _ = s.serve(s.life, nc, t.endpoint, nil) // the reason is in the event
			}()
		case errors.Is(err, net.ErrClosed):
			return
		default: // out of descriptors, for instance: the listener is as good as before
			s.emit(EventAcceptFailed, t.endpoint, "", err)
			if !pause(s.life, 10*time.Millisecond) {
				return
			}
		}
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
