package zmq

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
)

// Req is a REQ socket: it sends a request to the next peer in turn, and must receive the reply before it sends the next
// request (RFC 28). Its peers are REP and ROUTER.
type Req struct {
	*socket
	requester
}

// NewReq makes a REQ socket. Bind or Connect it next, and Close it in the end.
func NewReq(cfg Config) (*Req, error) {
	s, err := newSocket("REQ", cfg, true)
	if err != nil {
		return nil, err
	}
	s.connectOnce = true
	r := &Req{socket: s}
	r.balancer.s, r.id = s, rand.Uint32()
	s.pat = &r.requester
	return r, nil
}

// Send sends a request to the next peer in turn that has room, and waits for one until ctx ends. While a request has no
// reply it fails with ErrState, unless Config.Relaxed is set: then the old request is given up. The frames are copied.
func (r *Req) Send(ctx context.Context, frames ...[]byte) error { return r.request(ctx, frames) }

// Recv returns the reply to the last request, and waits for it until ctx ends or the socket is closed; the reply can still
// be received later then. Without a request it fails with ErrState. When the peer goes away with the request it fails with
// ErrPeerGone, and the next request can be sent. Messages that are no reply to the last request are dropped.
func (r *Req) Recv(ctx context.Context) (Message, error) { return r.reply(ctx) }

// requester is the pattern of a REQ.
type requester struct {
	balancer

	turnMu  sync.Mutex
	phase   requestPhase
	server  *pipe  // who has the request
	lost    bool   // the server went away with it
	stale   *Peer  // the connection that had a request that was given up: what still comes by it is no reply to the next
	id      uint32 // of the last request, with Config.Correlate
	scratch [][]byte
}

type requestPhase int

const (
	mayRequest requestPhase = iota
	requesting              // a Send is under way
	mayReply
	replying // a Recv is under way
)

func (r *requester) request(ctx context.Context, frames [][]byte) error {
	if len(frames) == 0 {
		return r.s.opError("send", "", errNoFrames)
	}
	all, err := r.begin(frames)
	if err != nil {
		return err
	}
	size, err := r.s.checkSend(ctx, all)
	if err == nil && !r.hand(all, size, false) {
		err = r.untilSent(ctx, func() bool { return r.hand(all, size, true) })
	}
	r.turnMu.Lock()
	defer r.turnMu.Unlock()
	clear(all)
	r.scratch = all[:0]
	if err != nil {
		r.phase = mayRequest
	}
	return err
}

// begin puts the envelope before a request, if it is a request's turn.
func (r *requester) begin(frames [][]byte) ([][]byte, error) {
	r.turnMu.Lock()
	old, err := r.mayRequest()
	if err != nil {
		r.turnMu.Unlock()
		return nil, err
	}
	r.phase = requesting
	all := append(r.envelope(), frames...)
	r.turnMu.Unlock()
	if old != nil { // without turnMu, which detach takes
		old.cut(errGivenUp)
	}
	return all, nil
}

// hand gives the request to the next peer in turn that has room. What has come before cannot be its reply.
func (r *requester) hand(all [][]byte, size int, ask bool) bool {
	if r.s.in.catchUp() {
		return false // the server is gone: it will be tried again when that is settled
	}
	r.s.in.discard()
	r.turnMu.Lock() // detach is to see the request either in the queue and noted, or not at all
	defer r.turnMu.Unlock()
	p := r.try(all, size, ask)
	if p != nil {
		r.phase, r.server, r.lost = mayReply, p, false
	}
	return p != nil
}

var errGivenUp = errors.New("the last request was given up for a new one")

// mayRequest fails where it is not a request's turn. It returns the peer to be disconnected first, so that its reply to the
// old request cannot be taken for that to the new one; nil for none. turnMu is held.
func (r *requester) mayRequest() (old *pipe, err error) {
	switch {
	case r.phase == mayRequest:
		return nil, nil
	case r.phase == mayReply && r.s.cfg.Relaxed && r.s.cfg.Correlate:
		return nil, nil
	case r.phase == mayReply && r.s.cfg.Relaxed:
		r.stale = r.server.from()
		return r.server, nil
	}
	return nil, r.s.opError("send", "", fmt.Errorf("%w: the last request has no reply yet", ErrState))
}

// envelope returns the frames that go before the next request. turnMu is held.
func (r *requester) envelope() [][]byte {
	all := r.scratch[:0]
	r.scratch = nil // another request may begin before this one's Send is at its end
	if r.s.cfg.Correlate {
		r.id++
		all = append(all, binary.BigEndian.AppendUint32(nil, r.id))
	}
	return append(all, nil)
}

func (r *requester) reply(ctx context.Context) (Message, error) {
	r.turnMu.Lock()
	if r.phase != mayReply {
		r.turnMu.Unlock()
		return Message{}, r.s.opError("receive", "", fmt.Errorf("%w: there is no request that waits for a reply", ErrState))
	}
	r.phase = replying
	r.turnMu.Unlock()
	m, err := r.await(ctx)
	r.turnMu.Lock()
	defer r.turnMu.Unlock()
	if err != nil && !errors.Is(err, ErrPeerGone) {
		r.phase = mayReply
	} else {
		r.phase = mayRequest
	}
	if err != nil {
		return Message{}, r.s.opError("receive", "", err)
	}
	return m, nil
}

// await returns the reply to the last request.
func (r *requester) await(ctx context.Context) (Message, error) {
	w := r.s.in.arrived.add()
	defer r.s.in.arrived.remove(w)
	for {
		lost := r.isLost() // before looking: the reply may have come just before the peer went
		m, p, err := r.s.in.tryRecv()
		size := len(m.wire)
		switch {
		case err != nil:
			return Message{}, err
		case m.slab != nil && r.isReply(&m, p):
			return m, nil
		case m.slab != nil:
			r.s.reject(&m, size)
			continue
		case lost:
			return Message{}, ErrPeerGone
		}
		if r.s.in.readSelf(ctx, w) {
			if err := ctx.Err(); err != nil {
				return Message{}, err
			}
			continue
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// isReply takes the envelope off a message. It reports false where m is not the reply to the last request.
func (r *requester) isReply(m *Message, p *pipe) bool {
	r.turnMu.Lock()
	defer r.turnMu.Unlock()
	if p != r.server || r.stale != nil && m.slab.peer() == r.stale {
		return false
	}
	if r.s.cfg.Correlate {
		if id := m.Frame(0); len(id) != 4 || binary.BigEndian.Uint32(id) != r.id || m.Len() < 2 {
			return false
		}
		m.skip()
	}
	if m.Len() < 2 || len(m.Frame(0)) != 0 {
		return false
	}
	m.skip()
	return true
}

func (r *requester) isLost() bool {
	r.turnMu.Lock()
	defer r.turnMu.Unlock()
	return r.lost
}

func (r *requester) attach(p *pipe) error {
	p.probe()
	return r.balancer.attach(p)
}

// detach finds out whether the peer took the request along. One that was not written yet stays in the queue.
func (r *requester) detach(p *pipe) {
	r.turnMu.Lock()
	if p == r.server && !(p.keeps() && p.out.waiting() > 0) {
		r.lost = true
	}
	r.turnMu.Unlock()
	r.balancer.detach(p)
	r.s.in.rouseAll()
}

// orphaned drops the requests that a peer did not get: whoever sent them is told by ErrPeerGone.
func (r *requester) orphaned(segs []segment) { r.s.drop(segs) }
