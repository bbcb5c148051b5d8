package zmq

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
)

// Router is a ROUTER socket: each message it receives has the routing id of its peer as an additional first frame, and each
// message it sends goes to the peer that its first frame names (RFC 28). Its peers are REQ, DEALER and ROUTER. A peer that
// brings no id of its own (Config.Identity) is given one that begins with a zero byte.
type Router struct {
	*socket
	router
}

// NewRouter makes a ROUTER socket. Bind or Connect it next, and Close it in the end.
func NewRouter(cfg Config) (*Router, error) {
	s, err := newSocket("ROUTER", cfg, true)
	if err != nil {
		return nil, err
	}
	r := &Router{socket: s}
	r.router.s, r.routes, r.ids, r.next = s, map[string]*pipe{}, map[*pipe]string{}, rand.Uint32()
	s.pat = &r.router
	return r, nil
}

// Recv returns the next message, with the peer's routing id as its first frame. It waits for one until ctx ends or the
// socket is closed. Messages of one peer come in the order in which it sent them, those of several peers in turn.
func (r *Router) Recv(ctx context.Context) (Message, error) { return r.receive(ctx) }

// Messages returns a loop over the messages that arrive: see Pull.Messages.
func (r *Router) Messages(ctx context.Context) iter.Seq2[Message, error] { return r.messages(ctx) }

// RecvEach receives as many messages as wait: see Pull.RecvEach.
func (r *Router) RecvEach(ctx context.Context, into []Message) (n int, err error) {
	return r.recvEach(ctx, into)
}

// Send sends the frames after the first to the peer whose routing id the first frame is. It does not wait: a message for a
// peer that is not known, or whose queue is full, is dropped and counted in Stats.Dropped. With Config.Mandatory it fails
// with ErrUnroutable for the one, and waits for the other until ctx ends.
//
// The frames are copied: they may be used again when Send returns. Any number of goroutines may send at once; the messages
// of one goroutine reach one peer in their order.
func (r *Router) Send(ctx context.Context, frames ...[]byte) error { return r.send(ctx, frames) }

// ConnectPeer is Connect with the routing id by which the peer at the endpoint will be known here, whatever id it brings.
// Messages for it are queued from now on, unless Config.Immediate is set; when a REQ disconnects, those queued for it are
// dropped and counted. It fails where another peer has the id, unless Config.Handover is set.
func (r *Router) ConnectPeer(endpoint string, id []byte) error {
	if len(id) == 0 || len(id) > 255 || id[0] == 0 {
		return r.opError("connect", endpoint, fmt.Errorf("routing id %q: needs 1 to 255 bytes, of which the first is not zero", id))
	}
	if !r.s.cfg.Handover && r.route(id) != nil {
		return r.opError("connect", endpoint, fmt.Errorf("%w: %q", errIDTaken, id))
	}
	return r.connect(endpoint, id)
}

// router is the pattern of a ROUTER.
type router struct {
	noPattern
	s *socket

	mu     sync.Mutex
	routes map[string]*pipe
	ids    map[*pipe]string
	next   uint32 // generated id
}

var errNoRoute = errors.New("a message for a ROUTER has a routing id and at least one frame after it")

func (r *router) send(ctx context.Context, frames [][]byte) error {
	if len(frames) < 2 {
		return r.s.opError("send", "", errNoRoute)
	}
	body := frames[1:]
	size, err := r.s.checkSend(ctx, body)
	if err != nil {
		return err
	}
	if !r.s.cfg.Mandatory {
		if p := r.route(frames[0]); p == nil || p.out.put(body, size, false) != putDone {
			r.s.dropped.Add(1)
		}
		return nil
	}
	return r.sendMandatory(ctx, frames[0], body, size)
}

// sendMandatory waits for room at the peer, as long as there is one.
func (r *router) sendMandatory(ctx context.Context, id []byte, body [][]byte, size int) error {
	w := r.s.room.add()
	defer r.s.room.remove(w)
	for {
		if r.s.closing.Load() {
			return r.s.opError("send", "", ErrClosed)
		}
		p := r.route(id)
		if p == nil {
			return r.s.opError("send", "", fmt.Errorf("%w: %q", ErrUnroutable, id))
		}
		if p.out.put(body, size, true) == putDone {
			return nil
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return r.s.opError("send", "", fmt.Errorf("peer %q is full: %w", id, ctx.Err()))
		}
	}
}

func (r *router) route(id []byte) *pipe {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routes[string(id)]
}

// open gives a pipe its route before there is a peer, where the user has named it.
func (r *router) open(p *pipe) {
	if p.alias != nil {
		r.claim(p, string(p.alias))
	}
}

// admit gives the pipe a route by the peer's id.
func (r *router) admit(p *pipe) error {
	id := string(p.peerIdentity())
	if p.alias != nil {
		id = string(p.alias)
	}
	if !r.claim(p, id) {
		return fmt.Errorf("%w: %q", errIDTaken, id)
	}
	return nil
}

func (r *router) attach(p *pipe) { p.probe() }

var errIDTaken = errors.New("another peer has the routing id")

var errTakenOver = errors.New("another peer took the routing id over")

// claim notes that id leads to p. It makes an id up where there is none, and reports false where the id is another's.
func (r *router) claim(p *pipe, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == "" {
		r.next++
		id = string(binary.BigEndian.AppendUint32([]byte{0}, r.next))
	}
	if p.over.Load() { // no route to a peer that is about to be disconnected
		p.in.setRoute([]byte(id))
		return true
	}
	if old := r.routes[id]; old != nil && old != p {
		if !r.s.cfg.Handover {
			return false
		}
		delete(r.ids, old)
		old.refuse(errTakenOver)
	}
	r.routes[id], r.ids[p] = p, id
	p.in.setRoute([]byte(id))
	return true
}

// detach takes the route away, unless the queue lives on for the next connection.
func (r *router) detach(p *pipe) {
	p.dropReplies()
	if p.keeps() && p.alias != nil {
		return
	}
	r.mu.Lock()
	if id, ok := r.ids[p]; ok {
		delete(r.routes, id)
		delete(r.ids, p)
	}
	r.mu.Unlock()
	r.s.room.wakeAll() // those who wait for room at this peer find that it is gone
}

// orphaned counts the messages of a peer that is gone.
func (r *router) orphaned(segs []segment) { r.s.drop(segs) }

// setRoute makes the inbox put a routing id before each message that comes from now on.
func (in *inbox) setRoute(id []byte) {
	in.q.mu.Lock()
	defer in.q.mu.Unlock()
	from := Peer{}
	if in.from != nil {
		from = *in.from
	}
	from.route = slices.Clip(id)
	in.from = &from
}
