package peer

import (
	"context"
	"errors"
	"fmt"

	"github.com/experimance/experimance-go/zmq"
)

// proxied is a socket behind a proxy. The frontend has the peers, and the backend is connected to the
// socket over inproc.
type proxied struct {
	socket   // the frontend
	backend  socket
	inner    socket
	receiver // inner
	sender   // inner; nil if it does not send
	proxy    *zmq.Proxy
	end      context.CancelFunc
	ended    chan struct{} // closed when the proxy has ended and err is set
	err      error
}

// newProxied opens a PULL, a SUB or a REP behind a proxy.
func newProxied(cfg Config, zcfg zmq.Config) (socket, error) {
	front, back := "PULL", "PUSH"
	switch cfg.Type {
	case "SUB":
		front, back = "XSUB", "XPUB"
	case "REP":
		front, back = "ROUTER", "DEALER"
	}
	inside := zmq.Config{SendHWM: zcfg.SendHWM, RecvHWM: zcfg.RecvHWM, Linger: linger}
	p := &proxied{ended: make(chan struct{})}
	var made []socket
	for _, s := range []struct {
		kind string
		cfg  zmq.Config
		into *socket
	}{{back, inside, &p.backend}, {cfg.Type, inside, &p.inner}, {front, zcfg, &p.socket}} {
		one, err := newSocket(s.kind, s.cfg)
		if err != nil {
			return nil, errors.Join(err, closeAll(made))
		}
		*s.into = one
		made = append(made, one)
	}
	p.receiver = p.inner.(receiver)
	p.sender, _ = p.inner.(sender)
	var err error
	if p.proxy, err = zmq.NewProxy(p.socket, p.backend, nil); err == nil {
		at := fmt.Sprintf("inproc://soak-proxy-%p", p)
		if _, err = p.backend.Bind(at); err == nil {
			err = p.inner.Connect(at)
		}
	}
	if err != nil {
		return nil, errors.Join(err, closeAll(made))
	}
	var ctx context.Context
	ctx, p.end = context.WithCancel(context.Background())
	go func() {
		defer close(p.ended)
		p.err = p.proxy.Run(ctx)
	}()
	return p, nil
}

// closeAll closes sockets without lingering.
func closeAll(sockets []socket) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	for _, s := range sockets {
		errs = append(errs, s.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// Drain drains the frontend and then the socket.
func (p *proxied) Drain(ctx context.Context) error {
	err := p.socket.(drainer).Drain(ctx)
	if _, streams := p.backend.(*zmq.Push); !streams || err != nil {
		p.end() // an XPUB cannot be drained, and a DEALER not to an end: the proxy may lose a message
	}
	<-p.ended
	_ = p.backend.Shutdown(ctx) // always nil
	return errors.Join(err, p.err, p.inner.(drainer).Drain(ctx))
}

// Shutdown closes all sockets.
func (p *proxied) Shutdown(ctx context.Context) error {
	p.end()
	<-p.ended
	return errors.Join(p.socket.Shutdown(ctx), p.backend.Shutdown(ctx), p.inner.Shutdown(ctx))
}

// Stats adds up the counters of all sockets. A message that was lost between the frontend and the socket
// counts as discarded.
func (p *proxied) Stats() zmq.Stats {
	front, back, inner := p.socket.Stats(), p.backend.Stats(), p.inner.Stats()
	st := inner
	st.Dropped += front.Dropped
	st.Unconfirmed += front.Unconfirmed
	st.Discarded += front.Discarded + back.Dropped + back.Discarded + p.proxy.Stats().Lost
	st.EventsDropped, st.Queued, st.Peers = front.EventsDropped, st.Queued+front.Queued+back.Queued, st.Peers+front.Peers+back.Peers
	return st
}
