package zmq

import (
	"context"
	"errors"
	"sync"

	"github.com/experimance/experimance-go/internal/zmtp"
)

// inprocLink joins the two ends of an inproc connection. There is no goroutine and no wire between them: the receiving
// socket takes what waits in the sender's queue, as a connection's writer would.
type inprocLink struct {
	dialed, bound *pipe
	once          sync.Once
	gone          chan struct{} // closed when the link was parted
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

// part ends the link. What was sent is received still, however much it is, unless the receiving socket is closed.
func (l *inprocLink) part() {
	l.once.Do(func() {
		l.bound.unlink(l.dialed)
		l.dialed.unlink(l.bound)
		l.dialed.s.detached(l.dialed)
		l.bound.s.detached(l.bound)
		l.dialed.s.emit(EventDisconnected, l.dialed.endpoint, "", nil)
		l.bound.s.emit(EventDisconnected, l.bound.endpoint, "", nil)
		l.bound.s.dropPipe(l.bound)
		l.dialed.s.announceRoom()
		close(l.gone)
	})
}

// unlink takes over what other sent to p and forgets other.
func (p *pipe) unlink(other *pipe) {
	p.setPeer(nil, nil)
	if p.in != nil {
		p.in.adopt(other)
	}
}

// link makes p an end of l.
func (p *pipe) linkTo(l *inprocLink) {
	other := l.other(p)
	p.out.mu.Lock()
	p.out.shut = false
	if other.s.in != nil {
		p.out.maxN = addBounds(p.s.cfg.SendHWM, other.s.cfg.RecvHWM)
		p.out.maxSize = addBounds(p.s.cfg.SendHWMBytes, other.s.cfg.RecvHWMBytes)
	}
	p.out.mu.Unlock()
	p.setPeer(nil, l)
	if p.in != nil {
		p.in.follow(other)
	}
}

// addBounds adds two bounds; without end plus anything is without end.
func addBounds(a, b int) int {
	if sum := a + b; sum > 0 {
		return sum
	}
	return unlimited
}

// follow makes the inbox take what waits in other's queue.
func (in *inbox) follow(other *pipe) {
	in.q.mu.Lock()
	in.source = other
	in.q.mu.Unlock()
	in.notify()
}

// adopt takes over everything that other has sent, beyond any bound, and forgets it.
func (in *inbox) adopt(other *pipe) {
	in.q.mu.Lock()
	in.source = nil
	if !in.q.closed {
		in.fetch(other)
		if in.n > 0 {
			in.q.join(in)
		}
	}
	in.q.mu.Unlock()
	in.q.arrived.wake(1)
}

// inprocs are the inproc endpoints of this process.
var inprocs = inprocRegistry{bound: map[string]*inprocListener{}, waiting: map[string][]*dialer{}}

type inprocRegistry struct {
	mu      sync.Mutex
	bound   map[string]*inprocListener
	waiting map[string][]*dialer // those whose endpoint is not bound yet
}

// inprocListener is a bound inproc endpoint.
type inprocListener struct {
	s        *socket
	name     string
	endpoint string
}

var errInprocTaken = errors.New("name is bound already in this process")

// listenInproc binds a name, and links those that wait for it.
func (s *socket) listenInproc(ep endpoint) (listener, string, error) {
	l := &inprocListener{s: s, name: ep.name, endpoint: "inproc://" + ep.name}
	r := &inprocs
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bound[ep.name] != nil {
		return nil, "", errInprocTaken
	}
	r.bound[ep.name] = l
	waiting := r.waiting[ep.name]
	delete(r.waiting, ep.name)
	for _, d := range waiting {
		if link := l.link(d); link != nil {
			d.linked <- link
		} else {
			r.waiting[ep.name] = append(r.waiting[ep.name], d)
		}
	}
	return l, l.endpoint, nil
}

func (l *inprocListener) stop() {
	inprocs.mu.Lock()
	defer inprocs.mu.Unlock()
	delete(inprocs.bound, l.name)
}

// link joins a dialer's pipe to a new pipe of the listener's socket. It returns nil where the two do not fit.
func (l *inprocListener) link(d *dialer) *inprocLink {
	if !zmtp.Compatible(d.s.kind, l.s.kind) {
		err := &OpError{Op: "connect", Socket: d.s.kind, Endpoint: d.endpoint, Err: errors.New("cannot talk to a " + l.s.kind)}
		d.s.emit(EventHandshakeFailed, d.endpoint, "", err)
		return nil
	}
	link := &inprocLink{dialed: d.pipe, bound: newPipe(l.s, l.endpoint), gone: make(chan struct{})}
	if !l.s.addPipe(link.bound) {
		return nil
	}
	link.bound.linkTo(link)
	link.dialed.linkTo(link)
	l.s.emit(EventAccepted, l.endpoint, "", nil)
	d.s.emit(EventConnected, d.endpoint, "", nil)
	l.s.attached(link.bound)
	d.s.attached(link.dialed)
	l.s.emit(EventHandshakeSucceeded, l.endpoint, "", nil)
	d.s.emit(EventHandshakeSucceeded, d.endpoint, "", nil)
	return link
}

// connect links d if its endpoint is bound; otherwise d.linked gets the link when it is.
func (r *inprocRegistry) connect(d *dialer) *inprocLink {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.bound[d.ep.name]; l != nil {
		if link := l.link(d); link != nil {
			return link
		}
	}
	r.waiting[d.ep.name] = append(r.waiting[d.ep.name], d)
	return nil
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

// keepInproc waits for the endpoint to be bound, and again when the link was parted.
func (d *dialer) keepInproc(ctx context.Context, link *inprocLink) {
	for {
		if link == nil {
			select {
			case link = <-d.linked:
			case <-ctx.Done():
				if link = inprocs.forget(d); link != nil {
					link.part()
				}
				return
			}
		}
		select {
		case <-link.gone:
		case <-ctx.Done():
			link.part()
			return
		}
		d.retire()
		d.s.emit(EventConnectRetried, d.endpoint, "", nil)
		link = inprocs.connect(d)
	}
}
