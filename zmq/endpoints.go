package zmq

import (
	"context"
	"errors"
	"net"
	"slices"
)

// Bind makes the socket accept peers at an endpoint:
//
//	tcp://127.0.0.1:5555   one interface, by address or host name
//	tcp://*:5555           every interface
//	tcp://127.0.0.1:*      any free port
//	tcp://[::1]:5555       IPv6
//	ipc:///run/x.sock      a Unix domain socket
//	ipc://@name            the same in Linux's abstract name space
//	ipc://*                the same at any free path
//	inproc://name          peers within this process
//
// It returns the endpoint as it was resolved, with the real port or path, which is the one to give to Unbind and to peers. A
// socket may be bound to any number of endpoints, and be connected as well.
//
// The file of an ipc path has the mode 0777 without the bits of the process's umask: as a rule 0755, so that only processes
// of the same user, and of root, can connect. To admit others, change the mode after Bind, or the umask before. To keep
// others out for certain, use a directory that only its owner may enter. The longest path has 107 bytes (103 on macOS and the
// BSDs). A stale socket, which a dead process left at the path, is replaced; if there is any other file, the error is EADDRINUSE.
// Several processes may try at once: one succeeds. While Bind runs there may be two more files, with ".zmq-lock" and
// "~" after the path. Unbind and Close remove the socket's file, unless it is another socket's by then.
func (s *socket) Bind(endpoint string) (resolved string, err error) {
	ep, err := parseEndpoint(endpoint, true)
	if err != nil {
		return "", s.opError("bind", endpoint, err)
	}
	if !s.begin() {
		return "", s.opError("bind", endpoint, ErrClosed)
	}
	defer s.wg.Done()
	listen := s.listenStream
	if ep.transport == "inproc" {
		listen = s.listenInproc
	}
	l, resolved, err := listen(ep)
	if err == nil {
		err = s.addListener(l, resolved)
	}
	if err != nil {
		return "", s.opError("bind", endpoint, err)
	}
	return resolved, nil
}

// addListener puts a new listener into service.
func (s *socket) addListener(l listener, resolved string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	err := s.refuseEndpoint()
	if err == nil {
		s.listeners[resolved] = l
	}
	s.mu.Unlock()
	if err != nil {
		l.stop()
		return err
	}
	s.emit(EventListening, resolved, "", nil)
	l.start()
	return nil
}

// refuseEndpoint returns why no endpoint can be added any more. mu is held.
func (s *socket) refuseEndpoint() error {
	switch {
	case s.closing.Load():
		return ErrClosed
	case s.drained:
		return ErrDrained
	}
	return nil
}

// Connect makes the socket connect to an endpoint, and again whenever the connection is lost, until Disconnect or Close.
// It does not wait for the peer, which need not be there yet: only an endpoint that can never be right is an error.
// For PUB, SUB, XPUB, XSUB, DEALER and REQ a second Connect to the same endpoint does nothing; others get a second connection.
func (s *socket) Connect(endpoint string) error { return s.connect(endpoint, nil) }

// connect is Connect, with the routing id that a ROUTER is to know the peer by.
func (s *socket) connect(endpoint string, alias []byte) error {
	ep, err := parseEndpoint(endpoint, false)
	if err != nil {
		return s.opError("connect", endpoint, err)
	}
	if !s.begin() {
		return s.opError("connect", endpoint, ErrClosed)
	}
	defer s.wg.Done()
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	if err := s.refuseEndpoint(); err != nil {
		s.mu.Unlock()
		return s.opError("connect", endpoint, err)
	}
	if s.connectOnce && len(s.dialers[endpoint]) > 0 {
		s.mu.Unlock()
		return nil
	}
	d := newDialer(s, ep, endpoint, alias)
	s.pipes[d.pipe] = struct{}{}
	s.dialers[endpoint] = append(s.dialers[endpoint], d)
	s.mu.Unlock()
	d.start()
	return nil
}

var (
	errNotBound     = errors.New("not bound there; take the endpoint that Bind returned")
	errNotConnected = errors.New("not connected there; take the endpoint that was given to Connect")
)

// Unbind undoes a Bind, by the endpoint that Bind returned. Peers that came in there are disconnected, after what is
// queued for them was sent as far as Config.Linger allows.
func (s *socket) Unbind(resolved string) error {
	if !s.begin() {
		return s.opError("unbind", resolved, ErrClosed)
	}
	defer s.wg.Done()
	l, pipes := s.removeListener(resolved)
	if l == nil {
		return s.opError("unbind", resolved, errNotBound)
	}
	l.stop()
	s.finish(pipes)
	_ = s.await(s.life, func() bool { return s.allDropped(pipes) }) // or Close drops them
	s.emit(EventClosed, resolved, "", nil)
	return nil
}

// removeListener takes away a listener and returns it with the pipes to its peers. It returns nil where there is none.
func (s *socket) removeListener(resolved string) (l listener, pipes []*pipe) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	l = s.listeners[resolved]
	delete(s.listeners, resolved)
	for p := range s.pipes {
		if p.endpoint == resolved && !p.dialed {
			pipes = append(pipes, p)
		}
	}
	return l, pipes
}

// Disconnect undoes a Connect, by the same endpoint. The peer is disconnected after what is queued for it was sent as far
// as Config.Linger allows. Where there were several connections to the endpoint, the oldest ends.
func (s *socket) Disconnect(endpoint string) error {
	if !s.begin() {
		return s.opError("disconnect", endpoint, ErrClosed)
	}
	defer s.wg.Done()
	d := s.removeDialer(endpoint)
	if d == nil {
		return s.opError("disconnect", endpoint, errNotConnected)
	}
	s.finish([]*pipe{d.pipe})
	d.stop()
	s.dropPipe(d.pipe)
	s.emit(EventClosed, endpoint, "", nil)
	return nil
}

// removeDialer takes away the oldest dialer for an endpoint. It returns nil where there is none.
func (s *socket) removeDialer(endpoint string) *dialer {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	ds := s.dialers[endpoint]
	if len(ds) == 0 {
		return nil
	}
	if s.dialers[endpoint] = slices.Clone(ds[1:]); len(ds) == 1 {
		delete(s.dialers, endpoint)
	}
	return ds[0]
}

// finish disconnects pipes after what is queued in them was sent, as far as the linger time allows.
func (s *socket) finish(pipes []*pipe) {
	for _, p := range pipes {
		p.over.Store(true)
		s.pat.detach(p) // nothing new for it from here on
	}
	ctx, cancel := context.WithTimeout(s.life, s.cfg.Linger)
	defer cancel()
	s.drain(ctx, pipes, func() bool { return true })
	for _, p := range pipes {
		p.cut(net.ErrClosed)
	}
}

// Endpoints returns the endpoints that the socket is bound (resolved) and connected to, in alphabetical order.
func (s *socket) Endpoints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for endpoint := range s.listeners {
		all = append(all, endpoint)
	}
	for endpoint, ds := range s.dialers {
		for range ds {
			all = append(all, endpoint)
		}
	}
	slices.Sort(all)
	return all
}
