package zmq_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay stands between two sockets, as a network does that can fail.
type relay struct {
	t testing.TB
	l net.Listener

	mu    sync.Mutex
	to    string
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

// newRelay makes a relay to an endpoint that is bound.
func newRelay(t testing.TB, to string) *relay {
	t.Helper()
	r := &relay{t: t, l: listenRaw(t), conns: map[net.Conn]struct{}{}}
	r.lead(to)
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		r.l.Close()
		r.cut()
		r.wg.Wait()
	})
	return r
}

func (r *relay) endpoint() string { return "tcp://" + r.l.Addr().String() }

// lead makes new connections lead to another endpoint.
func (r *relay) lead(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = address(to)
}

// cut resets every connection.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	clear(r.conns)
}

func (r *relay) accept() {
	for {
		in, err := r.l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		out, err := net.Dial("tcp", r.to)
		if err != nil {
			in.Close()
		} else {
			r.conns[in], r.conns[out] = struct{}{}, struct{}{}
			r.wg.Go(func() { r.pass(in, out) })
			r.wg.Go(func() { r.pass(out, in) })
		}
		r.mu.Unlock()
	}
}

// pass copies one direction to its end.
func (r *relay) pass(from, to net.Conn) {
	_, err := io.Copy(to, from)
	if err == nil {
		_ = to.(*net.TCPConn).CloseWrite()
		return
	}
	from.Close()
	to.Close()
}
