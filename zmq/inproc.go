package zmq

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/experimance/experimance-go/internal/zmtp"
)

// inprocLink joins the two ends of an inproc connection. There is no goroutine and no wire between them: the receiving
// socket takes what waits in the sender's queue, as a connection's writer would.
type inprocLink struct {
	dialed, bound *pipe
	unwanted      chan struct{} // of capacity one: one of the sockets refuses the other from now on
	gone          chan struct{} // closed when the link was parted
	parted        bool          // guarded by the registry's mu
}

// other returns the pipe at the other end from p.
func (l *inprocLink) other(p *pipe) *pipe {
	if p == l.dialed {
		return l.bound
	}
	return l.dialed
}

// notify tells the socket at the other end that there are messages in p's queue.
func (l *inprocLink) notify(p *pipe) {
	if in := l.other(p).in; in != nil {
		in.notify()
	}
}

// senderFirst returns both pipes, first the one whose socket may get subscriptions through it: it must know the peer from
// before the first to after the last of them.
func (l *inprocLink) senderFirst() [2]*pipe {
	if l.dialed.s.publishes {
		return [2]*pipe{l.dialed, l.bound}
	}
	return [2]*pipe{l.bound, l.dialed}
}

// join puts the link into use. It fails where one of the sockets refuses the other. The registry's mu is held, so that
// nobody parts the link meanwhile.
func (l *inprocLink) join() error {
	pipes := l.senderFirst()
	for _, p := range pipes {
		p.linkTo(l)
	}
	l.bound.s.emit(EventAccepted, l.bound.endpoint, "", nil)
	l.dialed.s.emit(EventConnected, l.dialed.endpoint, "", nil)
	for _, p := range pipes {
		if err := p.s.pat.admit(p); err != nil {
			l.abort(err)
			return err
		}
	}
	for _, p := range pipes {
		p.s.attached(p)
	}
	for _, p := range pipes {
		p.s.emit(EventHandshakeSucceeded, p.endpoint, "", nil)
		p.follow(l.other(p))
	}
	return nil
}

// abort takes back what was done of a join.
func (l *inprocLink) abort(err error) {
	for _, p := range l.senderFirst() {
		p.setPeer(nil, nil)
		p.flow(false)
		p.s.pat.detach(p)
		p.s.emit(EventHandshakeFailed, p.endpoint, "", &HandshakeError{Kind: HandshakeProtocol, Err: err})
	}
	l.bound.s.dropPipe(l.bound)
}

// refuse has the link parted soon.
func (l *inprocLink) refuse() {
	select {
	case l.unwanted <- struct{}{}:
	default:
	}
}

// part ends the link. What was sent is received still, however much it is, unless the receiving socket is closed.
func (l *inprocLink) part() {
	inprocs.mu.Lock()
	defer inprocs.mu.Unlock()
	if l.parted {
		return
	}
	l.parted = true
	pipes := l.senderFirst()
	slices.Reverse(pipes[:])
	for _, p := range pipes {
		p.unlink(l.other(p))
	}
	for _, p := range pipes {
		p.s.detached(p)
		p.s.emit(EventDisconnected, p.endpoint, "", nil)
	}
	l.bound.s.dropPipe(l.bound)
	l.dialed.s.announceRoom()
	close(l.gone)
}

// unlink takes over what other sent to p and forgets other, and its part of the bounds.
func (p *pipe) unlink(other *pipe) {
	p.setPeer(nil, nil)
	p.flow(false)
	if p.in != nil {
		p.in.adopt(other)
	}
}

// link makes p an end of l.
func (p *pipe) linkTo(l *inprocLink) {
	other := l.other(p)
	p.out.mu.Lock()
	p.out.shut = false
	p.out.note()
	if other.s.in != nil {
		maxN := addBounds(p.s.cfg.SendHWM, other.s.cfg.RecvHWM)
		p.out.maxN = int32(min(maxN, math.MaxInt32))
		p.out.maxSize = addBounds(p.s.cfg.SendHWMBytes, other.s.cfg.RecvHWMBytes)
	}
	p.out.mu.Unlock()
	p.setPeer(nil, l)
	p.setFrom(l.describe(p))
	if p.in != nil {
		p.in.setLocal()
	}
}

// setLocal notes that the peer is in this process.
func (in *inbox) setLocal() {
	in.q.mu.Lock()
	defer in.q.mu.Unlock()
	in.local = true
}

// addBounds adds two bounds; without end plus anything is without end.
func addBounds(a, b int) int {
	if sum := a + b; sum > 0 {
		return sum
	}
	return unlimited
}

// follow makes p receive what waits in other's queue.
func (p *pipe) follow(other *pipe) {
	if p.in == nil {
		return
	}
	p.in.q.addSource(nil)
	p.in.q.mu.Lock()
	p.in.source = other
	p.in.q.mu.Unlock()
	p.in.notify()
}

// adopt takes over everything that other has sent, beyond any bound, and forgets it.
func (in *inbox) adopt(other *pipe) {
	in.q.mu.Lock()
	followed := in.source != nil
	in.source = nil
	if !in.q.closed {
		in.fetch(other)
		if in.n > 0 {
			in.q.join(in)
		}
	}
	in.q.mu.Unlock()
	if followed {
		in.q.removeSource(nil)
	}
	in.q.arrived.wake(1)
}

// inprocs are the inproc endpoints of this process.
var inprocs = inprocRegistry{bound: map[string]*inprocListener{}, waiting: map[string][]*dialer{}}

type inprocRegistry struct {
	mu      sync.Mutex
	bound   map[string]*inprocListener
	waiting map[string][]*dialer // those whose endpoint is not bound yet
}

// settle returns when the links that peers were parting have been parted. Who parts a link tells both of its sockets.
func (r *inprocRegistry) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
}

// inprocListener is a bound inproc endpoint.
type inprocListener struct {
	s        *socket
	name     string
	endpoint string
}

var errInprocTaken = errors.New("name is bound already in this process")

// listenInproc binds a name.
func (s *socket) listenInproc(ep endpoint) (listener, string, error) {
	l := &inprocListener{s: s, name: ep.name, endpoint: "inproc://" + ep.name}
	inprocs.mu.Lock()
	defer inprocs.mu.Unlock()
	if inprocs.bound[ep.name] != nil {
		return nil, "", errInprocTaken
	}
	inprocs.bound[ep.name] = l
	return l, l.endpoint, nil
}

// start links those that wait for the name.
func (l *inprocListener) start() {
	r := &inprocs
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := r.waiting[l.name]
	delete(r.waiting, l.name)
	for _, d := range waiting {
		if link, refused := l.link(d); link != nil || refused {
			d.linked <- link
		} else {
			r.waiting[l.name] = append(r.waiting[l.name], d)
		}
	}
}

func (l *inprocListener) stop() {
	inprocs.mu.Lock()
	defer inprocs.mu.Unlock()
	delete(inprocs.bound, l.name)
}

// link joins a dialer's pipe to a new pipe of the listener's socket. It returns nil where the two do not fit. It tells
// whether one refuses the other for now.
func (l *inprocListener) link(d *dialer) (link *inprocLink, refused bool) {
	if !zmtp.Compatible(d.s.kind, l.s.kind) {
		err := &HandshakeError{Kind: HandshakeProtocol, Err: fmt.Errorf("a %s cannot talk to a %s", d.s.kind, l.s.kind)}
		d.s.emit(EventHandshakeFailed, d.endpoint, "", err)
		l.s.emit(EventHandshakeFailed, l.endpoint, "", err)
		return nil, false
	}
	link = &inprocLink{
		dialed:   d.pipe,
		bound:    newPipe(l.s, l.endpoint),
		unwanted: make(chan struct{}, 1),
		gone:     make(chan struct{}),
	}
	if l.s.addPipe(link.bound, false) != nil {
		return nil, false
	}
	if link.join() != nil {
		return nil, true
	}
	return link, false
}

// connect links d if its endpoint is bound to a socket that fits. Otherwise d.linked gets the link when it is, unless one of
// the two sockets refuses the other: then connect is to be called again.
func (r *inprocRegistry) connect(d *dialer) (link *inprocLink, refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.bound[d.ep.name]; l != nil {
		if link, refused = l.link(d); link != nil || refused {
			return link, refused
		}
	}
	r.waiting[d.ep.name] = append(r.waiting[d.ep.name], d)
	return nil, false
}

// forget takes d off the list of those that wait, and returns a link that was made in the meantime.
func (r *inprocRegistry) forget(d *dialer) *inprocLink {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := r.waiting[d.ep.name]
	for i, other := range waiting {
		if other == d {
			r.waiting[d.ep.name] = append(waiting[:i:i], waiting[i+1:]...)
			if len(r.waiting[d.ep.name]) == 0 {
				delete(r.waiting, d.ep.name)
			}
			break
		}
	}
	select {
	case link := <-d.linked:
		return link
	default:
		return nil
	}
}

// keepInproc waits for the endpoint to be bound, and again when the link was parted. It takes what connect returned.
func (d *dialer) keepInproc(link *inprocLink, refused bool) {
	waits := newBackoff(d.s.cfg.ReconnectInterval, d.s.cfg.ReconnectMax)
	for {
		if link == nil && !refused {
			if link, refused = d.awaitLink(); link == nil && !refused {
				return // there will be no other
			}
		}
		if link != nil {
			start := time.Now()
			refused = d.keepLink(link)
			waits.succeeded(time.Since(start))
		}
		d.retire()
		if d.life.Err() != nil || d.finished() {
			return
		}
		if waits.first < 0 || d.tries.Err() != nil {
			d.giveUp(nil)
			return
		}
		d.s.emit(EventConnectRetried, d.endpoint, "", nil)
		if refused {
			if !pause(d.tries, spread(waits.next(nil))) {
				continue
			}
		}
		link, refused = inprocs.connect(d)
	}
}

// awaitLink waits for the endpoint to be bound. It returns nothing when the dialer is stopped.
func (d *dialer) awaitLink() (link *inprocLink, refused bool) {
	select {
	case link = <-d.linked:
		return link, link == nil
	case <-d.tries.Done():
		if link = inprocs.forget(d); link != nil {
			link.part()
		}
		return nil, false
	}
}

// keepLink waits until the link is parted. It reports whether one of the sockets refused the other.
func (d *dialer) keepLink(link *inprocLink) (refused bool) {
	if d.pipe.out.isDraining() {
		link.part() // which hands over all that waits
	}
	select {
	case <-link.gone:
	case <-link.unwanted:
		link.part()
		refused = true
	case <-d.life.Done():
		link.part()
	}
	return refused
}
