package zmq

import (
	"context"
	"fmt"
	"net"
)

// Drain receives what is on its way and ends the connections, so that nothing is lost when the socket stops receiving. It
// takes no new connections, and tells each peer that it will be sent nothing more (it half-closes). Peers of this library
// then write what they have begun to write, give the rest to other peers, and close. Meanwhile Recv, RecvEach and Messages
// hand out what comes, and must go on being called; when all is handed out they fail with ErrDrained, and Drain returns nil.
// Close the socket then.
//
// When ctx ends before that, connections that are left are closed, what has arrived by then is still handed out, and Drain
// returns an error with the context's. Drain may be called any number of times, by many at once. Bind and Connect fail with
// ErrDrained once it has begun. What is sent to the socket until its peers learn of the end counts against
// Config.RecvHWMBytes alone.
//
// A PUSH of libzmq that is told so closes its connection, and throws away what it has queued for it; only one that connects to
// this socket keeps that, for the next socket that is bound there.
func (p *Pull) Drain(ctx context.Context) error { return p.drainPeers(ctx, true) }

// Drain receives what publishers have on its way and ends the connections: see Pull.Drain. Publishers stop sending when they
// learn of it.
func (s *Sub) Drain(ctx context.Context) error { return s.drainPeers(ctx, true) }

// Drain receives what publishers have on its way and ends the connections: see Pull.Drain. Nothing can be sent after it.
func (x *XSub) Drain(ctx context.Context) error { return x.drainPeers(ctx, true) }

// Drain hands out what comes until ctx ends, or all peers have gone, without taking new connections. Since answers are still to
// be sent, it does not end the connections: they are half-closed by Close, after what is queued. While it lasts, Recv,
// RecvEach and Messages must go on being called; afterwards nothing more is read, and they fail with ErrDrained when all that
// was read is handed out. Drain returns nil if all peers have gone and everything was handed out, else an error with the
// context's. Send works until Close. Bind and Connect fail with ErrDrained once it has begun.
func (d *Dealer) Drain(ctx context.Context) error { return d.drainPeers(ctx, false) }

// Drain hands out what comes until ctx ends, or all peers have gone: see Dealer.Drain.
func (r *Router) Drain(ctx context.Context) error { return r.drainPeers(ctx, false) }

// Drain hands out the requests that come until ctx ends, or all peers have gone: see Dealer.Drain.
func (r *Rep) Drain(ctx context.Context) error { return r.drainPeers(ctx, false) }

// drainPeers is Drain; with half the connections are half-closed first.
func (s *socket) drainPeers(ctx context.Context, half bool) error {
	if !s.begin() {
		return s.opError("drain", "", ErrClosed)
	}
	defer s.wg.Done()
	s.takeNoMore()
	if half {
		for _, p := range s.allPipes() {
			p.over.Store(true)
			p.drain()
		}
	}
	err := s.await(ctx, func() bool { return len(s.allPipes()) == 0 || s.closing.Load() })
	left := len(s.allPipes())
	if err != nil && half {
		for _, p := range s.allPipes() {
			p.cut(net.ErrClosed)
		}
	}
	s.in.finish()
	if err == nil {
		err = s.await(ctx, func() bool { return s.in.isEmpty() || s.closing.Load() })
	}
	switch {
	case s.closing.Load():
		err = ErrClosed
	case err != nil:
		err = fmt.Errorf("%d peers were left, %d messages not handed out: %w", left, s.in.waiting(), err)
	default:
		return nil
	}
	return s.opError("drain", "", err)
}

// takeNoMore ends listening and connecting for good. Connections that stand, or are in their handshake, go on.
func (s *socket) takeNoMore() {
	s.changing.Lock()
	s.mu.Lock()
	s.drained = true
	listeners, dialers := s.listeners, s.dialers
	s.listeners, s.dialers = map[string]listener{}, map[string][]*dialer{}
	s.mu.Unlock()
	s.changing.Unlock()
	for endpoint, l := range listeners {
		l.stop()
		s.emit(EventClosed, endpoint, "", nil)
	}
	for endpoint, ds := range dialers {
		for _, d := range ds {
			d.cease()
		}
		s.emit(EventClosed, endpoint, "", nil)
	}
}

// finish notes that nothing more is to come. What waits is handed out still.
func (q *inQueue) finish() {
	q.mu.Lock()
	q.finished = true
	if q.solo != nil {
		q.solo.recall()
	}
	q.mu.Unlock()
	q.arrived.wakeAll()
}

// isEmpty reports whether everything that came was handed out.
func (q *inQueue) isEmpty() bool {
	return q.waiting() == 0
}

// waiting returns how many messages were not handed out.
func (q *inQueue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.left()
}

// left is waiting with mu held.
func (q *inQueue) left() (n int) {
	n, _ = q.inHands()
	if first := q.cur; first != nil {
		n += first.n
		for in := first.next; in != first; in = in.next {
			n += in.n
		}
	}
	return n
}

// tellEmpty tells a Drain that the last message was handed out. mu is held.
func (q *inQueue) tellEmpty() {
	if q.finished && q.left() == 0 {
		q.emptied()
	}
}
