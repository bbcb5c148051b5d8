package zmq

import (
	"context"
	"net"
	"slices"
	"time"
)

// dialer keeps one connected endpoint connected: it tries until it succeeds, and again when the connection ends.
type dialer struct {
	s        *socket
	pipe     *pipe
	ep       endpoint
	endpoint string          // as the user wrote it
	life     context.Context // ends with stop
	cancel   context.CancelFunc
	tries    context.Context // ends with cease: no connection is made any more
	cease    context.CancelFunc
	ended    chan struct{}
	linked   chan *inprocLink // of capacity one; inproc: the endpoint was bound
}

// newDialer makes a dialer for an endpoint that the user wrote as name. alias is the routing id that a ROUTER knows the peer
// by, nil for its own.
func newDialer(s *socket, ep endpoint, name string, alias []byte) *dialer {
	d := &dialer{s: s, ep: ep, endpoint: name, pipe: newPipe(s, name), ended: make(chan struct{}), linked: make(chan *inprocLink, 1)}
	d.pipe.dialed, d.pipe.alias, d.pipe.hurry = true, alias, make(chan struct{}, 1)
	d.life, d.cancel = context.WithCancel(s.life)
	d.tries, d.cease = context.WithCancel(d.life)
	if s.cfg.Immediate {
		d.pipe.out.close()
	}
	return d
}

// start begins to connect. An inproc endpoint that is bound is connected when start returns.
func (d *dialer) start() {
	s := d.s
	if !s.cfg.Immediate {
		s.pat.open(d.pipe)
		s.announceRoom()
	}
	s.emit(EventConnectDelayed, d.endpoint, "", nil)
	keep := d.keepStream
	if d.ep.transport == "inproc" {
		link, refused := inprocs.connect(d)
		keep = func() { d.keepInproc(link, refused) }
	}
	s.wg.Go(func() {
		keep()
		if d.tries.Err() != nil && d.life.Err() == nil {
			d.forget()
		}
		close(d.ended)
		s.changed.wakeAll()
	})
}

// running reports whether the dialer may still make connections.
func (d *dialer) running() bool {
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// stop ends the connection, and returns when that is done.
func (d *dialer) stop() {
	d.cancel()
	<-d.ended
}

func (d *dialer) keepStream() {
	s := d.s
	waits := newBackoff(s.cfg.ReconnectInterval, s.cfg.ReconnectMax)
	for {
		lasted, err := d.connect()
		if d.life.Err() != nil || d.finished() {
			return
		}
		if lasted > 0 {
			waits.succeeded(lasted)
		}
		if waits.first < 0 || d.tries.Err() != nil {
			d.giveUp(err)
			return
		}
		s.emit(EventConnectRetried, d.endpoint, "", err)
		if !d.pause(&waits, err) && d.life.Err() != nil {
			return
		}
	}
}

// pause waits before the next attempt. A pipe that drains has little time to find its peer: the waits are the shortest from
// then on. pause reports false, at once, when there is to be no other attempt.
func (d *dialer) pause(waits *backoff, err error) bool {
	t := time.NewTimer(spread(waits.next(err)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-d.pipe.hurry:
		waits.most = waits.first
		waits.succeeded(0)
	case <-d.tries.Done():
		return false
	}
	return true
}

// giveUp forgets an endpoint that is not to be connected again, as Disconnect would.
func (d *dialer) giveUp(err error) {
	s := d.s
	s.mu.Lock()
	ds := s.dialers[d.endpoint]
	mine := slices.Contains(ds, d)
	if ds = slices.DeleteFunc(slices.Clone(ds), func(other *dialer) bool { return other == d }); len(ds) > 0 {
		s.dialers[d.endpoint] = ds
	} else {
		delete(s.dialers, d.endpoint)
	}
	s.mu.Unlock()
	d.cancel()
	d.forget()
	if mine { // else somebody is about to end it, and waits for what is queued
		s.emit(EventClosed, d.endpoint, "", err)
	}
}

// forget gives up the pipe, when there will be no further connection.
func (d *dialer) forget() {
	d.pipe.over.Store(true)
	d.s.pat.detach(d.pipe)
	d.s.dropPipe(d.pipe)
}

// finished reports whether a closing socket, or one that disconnects, has no more to do here.
func (d *dialer) finished() bool {
	if d.s.sink {
		return d.pipe.over.Load()
	}
	if !d.pipe.over.Load() && d.s.pat.orphans() > 0 {
		return false // the next peer may take them
	}
	return d.pipe.out.finish()
}

// connect makes one connection and serves it to its end. It returns how long that was there after
// its handshake, 0 if the handshake was not completed. The host name is resolved anew each time.
func (d *dialer) connect() (lasted time.Duration, err error) {
	dial := net.Dialer{Timeout: d.s.cfg.HandshakeTimeout, KeepAliveConfig: d.s.cfg.KeepAlive}
	network, address := d.ep.address()
	if network == "tcp" {
		dial.Control = resetOnClose
	}
	nc, err := dial.DialContext(d.tries, network, address)
	if err != nil {
		return 0, err
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		if err := closeInOrder(tcp); err != nil {
			nc.Close()
			return 0, err
		}
	}
	d.s.emit(EventConnected, d.endpoint, remoteAddress(nc), nil)
	defer d.retire()
	return d.s.serveDialed(d.life, nc, d.pipe)
}

// retire takes back what waited in the pipe for a peer that went away, where messages wait for completed connections only.
func (d *dialer) retire() {
	if d.s.cfg.Immediate {
		d.s.abandon(d.pipe)
	}
}
