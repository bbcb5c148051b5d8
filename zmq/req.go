package zmq

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/experimance/experimance-go/internal/wire"
)

// Req is a REQ socket: it sends a request to the next peer in turn, and must receive the reply before it sends the next
// request (RFC 28). Its peers are REP and ROUTER.
type Req struct {
	*socket
	requester
}

// NewReq makes a REQ socket. Bind or Connect it next, and Close it in the end.
func NewReq(cfg Config) (*Req, error) {
	if cfg.Relaxed && !cfg.Correlate && len(cfg.Identity) > 0 {
		return nil, &ConfigError{"Relaxed", "needs Correlate if there is an Identity, which late replies would follow to the next connection"}
	}
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
// reply it fails with ErrState, unless Config.Relaxed is set: then the old request is given up, also when Send has to wait and
// ctx ends. The frames are copied.
func (r *Req) Send(ctx context.Context, frames ...[]byte) error { return r.request(ctx, frames) }

// Recv returns the reply to the last request, and waits for it until ctx ends or the socket is closed; the reply can still
// be received later then. Without a request it fails with ErrState. When the peer goes away with the request it fails with
// ErrPeerGone, and the next request can be sent: the old one will not be sent again. Messages that are no reply to the last
// request are dropped. Without Config.Correlate that is decided by the connection they come by: see Config.Relaxed.
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
	all, size, err := r.begin(ctx, frames)
	if err != nil {
		return err
	}
	if !r.hand(all, size, false) {
		err = r.untilSent(ctx, func() bool { return r.hand(all, size, true) })
	}
	r.turnMu.Lock()
	defer r.turnMu.Unlock()
	r.keepScratch(all)
	if err != nil {
		r.phase = mayRequest
	}
	return err
}

// begin prepends the envelope to a request and returns it with its encoded size. It gives up the last request if that has no
// reply yet, unless the new one cannot be sent at all.
func (r *requester) begin(ctx context.Context, frames [][]byte) (all [][]byte, size int, err error) {
	r.turnMu.Lock()
	all, size, err = r.prepare(ctx, frames)
	if err != nil {
		r.turnMu.Unlock()
		return nil, 0, err
	}
	var old *pipe
	if r.phase == mayReply {
		old = r.giveUp()
	}
	r.phase = requesting
	r.id++
	r.turnMu.Unlock()
	if old != nil { // without turnMu, which detach takes
		r.balancer.detach(old) // the next request would be lost in a queue that ends with the connection
		old.cut(errGivenUp)
	}
	return all, size, nil
}

// prepare prepends the envelope to a request. It fails if it is not a request's turn, or if the request can never be sent.
// turnMu is held.
func (r *requester) prepare(ctx context.Context, frames [][]byte) (all [][]byte, size int, err error) {
	if r.phase != mayRequest && !(r.phase == mayReply && r.s.cfg.Relaxed) {
		return nil, 0, r.s.outOfTurn("send", "the last request has no reply yet")
	}
	all = append(r.envelope(), frames...)
	if size, err = r.s.checkSend(ctx, all); err != nil {
		r.keepScratch(all)
		return nil, 0, err
	}
	return all, size, nil
}

// outOfTurn returns the error of a call out of turn. On a closed socket no call has a turn.
func (s *socket) outOfTurn(op, why string) error {
	if s.closing.Load() {
		return s.opError(op, "", ErrClosed)
	}
	return s.opError(op, "", fmt.Errorf("%w: %s", ErrState, why))
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

// giveUp withdraws the last request from its peer's queue. If the request was written, or is being written, giveUp returns the
// peer to disconnect, so that its reply cannot be taken for that to the next request; nil if the reply can be told by its
// number, or will not come. turnMu is held.
func (r *requester) giveUp() (old *pipe) {
	withdrawn := r.server.out.withdraw(isRequest, r.s.drop)
	if withdrawn > 0 {
		r.s.changed.wakeAll() // the queue may be one that is drained
	}
	if withdrawn > 0 || r.lost || r.s.cfg.Correlate {
		return nil
	}
	r.stale = r.server.from()
	return r.server
}

// isRequest tells an encoded request from a probe: a request has a delimiter, so that its first frame is not its last.
func isRequest(encoded []byte) bool { return encoded[0]&wire.FlagMore != 0 }

// envelope returns the frames that go before the next request. turnMu is held.
func (r *requester) envelope() [][]byte {
	all := r.scratch[:0]
	r.scratch = nil // another request may begin before this one's Send is at its end
	if r.s.cfg.Correlate {
		all = append(all, binary.BigEndian.AppendUint32(nil, r.id+1))
	}
	return append(all, nil)
}

// keepScratch keeps the memory of a request's frames for the next one. turnMu is held.
func (r *requester) keepScratch(all [][]byte) {
	clear(all)
	r.scratch = all[:0]
}

func (r *requester) reply(ctx context.Context) (Message, error) {
	r.turnMu.Lock()
	if r.phase != mayReply {
		r.turnMu.Unlock()
		return Message{}, r.s.outOfTurn("receive", "there is no request that waits for a reply")
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

func (r *requester) attach(p *pipe) {
	p.probe()
	r.balancer.attach(p)
}

// detach finds out whether the peer took the request along. One that is still queued is either sent to the next connection
// or dropped with the queue, and one whose endpoint is given up may have its reply until the connection has ended.
func (r *requester) detach(p *pipe) {
	r.turnMu.Lock()
	if p == r.server && !p.live() && !p.out.holds(isRequest) {
		r.lost = true
	}
	r.turnMu.Unlock()
	r.balancer.detach(p)
	r.s.in.rouseAll()
}

// orphaned drops the request that a peer did not get, and tells Recv that it is lost. A Send may have given it up just before:
// then another peer has the last request.
func (r *requester) orphaned(segs []segment) {
	r.turnMu.Lock()
	if r.server != nil && r.server.out.isShut() {
		r.lost = true
	}
	r.turnMu.Unlock()
	r.s.drop(segs)
	r.s.in.rouseAll()
}
