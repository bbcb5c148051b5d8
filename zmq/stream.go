package zmq

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// streamListener accepts connections, over tcp or ipc, for one bound endpoint.
type streamListener struct {
	s        *socket
	endpoint string
	l        net.Listener
	bound    context.Context // ends with stop, and the handshakes with it
	unbind   context.CancelFunc
	pending  sync.WaitGroup // the accept loop, and handshakes
	crowd    *crowd         // of those in their handshake
}

// listenStream binds. Connections wait with the system until start.
func (s *socket) listenStream(ep endpoint) (listener, string, error) {
	t := &streamListener{s: s, crowd: newCrowd(s.cfg.MaxHandshakes)}
	if ep.transport == "ipc" && ep.name == "*" {
		var err error
		if ep.name, err = anyPath(); err != nil {
			return nil, "", err
		}
	}
	lc := net.ListenConfig{KeepAliveConfig: s.cfg.KeepAlive}
	l, err := listen(s.life, &lc, ep)
	if err != nil {
		return nil, "", err
	}
	t.l, t.endpoint = l, ep.resolved(l.Addr())
	t.bound, t.unbind = context.WithCancel(s.life)
	return t, t.endpoint, nil
}

func listen(ctx context.Context, lc *net.ListenConfig, ep endpoint) (net.Listener, error) {
	network, address := ep.address()
	if network == "unix" {
		return listenIPC(ctx, lc, address)
	}
	return lc.Listen(ctx, network, address)
}

func (t *streamListener) start() { t.pending.Go(t.accept) }

func (t *streamListener) stop() {
	t.l.Close()
	t.unbind()
	t.pending.Wait()
}

// accept hands each connection to a goroutine of its own at once, so that a silent peer holds up nobody. When there are no
// descriptors left, a handshake in progress makes room, as at Config.MaxHandshakes.
func (t *streamListener) accept() {
	s := t.s
	var told time.Time // when a failure was told last
	for {
		nc, err := t.l.Accept()
		switch {
		case err == nil:
			s.emit(EventAccepted, t.endpoint, nc.RemoteAddr().String(), nil)
			v := t.crowd.enter(t.bound, nc)
			if v == nil {
				nc.Close()
				return
			}
			t.pending.Add(1)
			s.wg.Go(func() { t.serve(v, nc) })
		case errors.Is(err, net.ErrClosed):
			return
		default: // the listener is as good as before
			if now := time.Now(); now.Sub(told) >= acceptTold {
				told = now
				s.emit(EventAcceptFailed, t.endpoint, "", err)
			}
			wait := t.crowd.spare
			if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
				wait = func(ctx context.Context) bool { return pause(ctx, acceptPause) }
			}
			if !wait(t.bound) {
				return
			}
		}
	}
}

// acceptPause is the wait after an accept that failed, and acceptTold is how often such failures are told.
const (
	acceptPause = 10 * time.Millisecond
	acceptTold  = time.Second
)

// serve does a connection's handshake and serves it to its end.
func (t *streamListener) serve(v *visit, nc net.Conn) {
	defer nc.Close()
	c := t.s.welcome(v.ctx, nc, t.endpoint, v.heard)
	if c == nil {
		nc.Close() // before leave: another connection may need the descriptor
	}
	v.leave()
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
