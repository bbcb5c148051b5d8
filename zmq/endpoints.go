package zmq

import (
	"context"
	"errors"
	"slices"
)

// Bind makes the socket accept peers at an endpoint:
//
//	tcp://127.0.0.1:5555   one interface, by address or host name
//	tcp://*:5555           every interface
//	tcp://127.0.0.1:*      any free port
//	inproc://name          peers within this process
//
// It returns the endpoint as it was resolved, with the real port, which is the one to give to Unbind and to peers. A
// socket may be bound to any number of endpoints, and be connected as well.
func (s *socket) Bind(endpoint string) (resolved string, err error) {
	ep, err := parseEndpoint(endpoint, true)
	if err != nil {
		return "", s.opError("bind", endpoint, err)
	}
	if s.closing.Load() {
		return "", s.opError("bind", endpoint, ErrClosed)
	}
	listen := s.listenTCP
	if ep.transport == "inproc" {
		listen = s.listenInproc
	}
	l, resolved, err := listen(ep)
	if err != nil {
		return "", s.opError("bind", endpoint, err)
	}
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		l.stop()
		return "", s.opError("bind", endpoint, ErrClosed)
	}
	s.listeners[resolved] = l
	s.mu.Unlock()
	s.emit(EventListening, resolved, "", nil)
	return resolved, nil
}

// Connect makes the socket connect to an endpoint, and again whenever the connection is lost, until Disconnect or Close.
// It does not wait for the peer, which need not be there yet: only an endpoint that can never be right is an error.
// For PUB and SUB a second Connect to the same endpoint does nothing; PUSH and PULL then get a second connection.
func (s *socket) Connect(endpoint string) error {
	ep, err := parseEndpoint(endpoint, false)
	if err != nil {
		return s.opError("connect", endpoint, err)
	}
	s.connectMu.Lock()
	defer s.connectMu.Unlock()
	if s.connectOnce && s.connectedTo(endpoint) {
		return nil
	}
	d, err := s.dial(ep, endpoint)
	if err != nil {
		return s.opError("connect", endpoint, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialers[endpoint] = append(s.dialers[endpoint], d)
	return nil
}

func (s *socket) connectedTo(endpoint string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dialers[endpoint]) > 0
}

var errNotBound = errors.New("not bound there; take the endpoint that Bind returned")
var errNotConnected = errors.New("not connected there; take the endpoint that was given to Connect")

// Unbind undoes a Bind, by the endpoint that Bind returned. Peers that came in there are disconnected, after what is
// queued for them was sent as far as Config.Linger allows.
func (s *socket) Unbind(resolved string) error {
	s.mu.Lock()
	l, ok := s.listeners[resolved]
	delete(s.listeners, resolved)
	var pipes []*pipe
	for p := range s.pipes {
		if p.endpoint == resolved && !p.dialed {
			pipes = append(pipes, p)
		}
	}
	s.mu.Unlock()
	if !ok {
		return s.opError("unbind", resolved, errNotBound)
	}
	l.stop()
	s.finish(pipes)
	s.emit(EventClosed, resolved, "", nil)
	return nil
}

// Disconnect undoes a Connect, by the same endpoint. The peer is disconnected after what is queued for it was sent as far
// as Config.Linger allows. Where there were several connections to the endpoint, the oldest ends.
func (s *socket) Disconnect(endpoint string) error {
	s.mu.Lock()
	ds := s.dialers[endpoint]
	if len(ds) == 0 {
		s.mu.Unlock()
		return s.opError("disconnect", endpoint, errNotConnected)
	}
	d := ds[0]
	if s.dialers[endpoint] = ds[1:]; len(ds) == 1 {
		delete(s.dialers, endpoint)
	}
	s.mu.Unlock()
	d.pipe.over.Store(true)
	s.pat.detach(d.pipe) // nothing new for it from here on
	s.finish([]*pipe{d.pipe})
	d.stop()
	s.dropPipe(d.pipe)
	s.emit(EventClosed, endpoint, "", nil)
	return nil
}

// finish disconnects pipes after what is queued in them was sent, as far as the linger time allows.
func (s *socket) finish(pipes []*pipe) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Linger)
	defer cancel()
	s.drain(ctx, pipes)
	for _, p := range pipes {
		p.cut()
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
