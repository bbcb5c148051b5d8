package zmq

import (
	"sync"
	"sync/atomic"
)

// pipe is one peer, as its socket sees it: the queue of messages for it, and where those from it go. The pipe of a bound
// socket lives as long as its connection. That of a connecting socket stays the same from one connection to the next.
type pipe struct {
	out      outQueue // first, for its place in memory
	s        *socket
	endpoint string
	dialed   bool   // by a connecting socket
	in       *inbox // nil where the pattern consumes what peers send
	account  *account
	counted  bool   // it counts against Config.MaxPeers; guarded by the socket's mu
	round    uint64 // of the last message for this peer; guarded by the distributor's mu

	away bool // the peer has gone, and others are sent to instead; guarded by the balancer's mu

	alias []byte // routing id that the user gave the peer: ROUTER

	hurry chan struct{} // of capacity one: a dialed pipe drains, and its dialer is not to wait any longer; nil for others

	over atomic.Bool // the endpoint was given up: there will be no further connection

	mu   sync.Mutex
	conn *conn       // the present connection; nil between connections, and for inproc
	link *inprocLink // to the other end of an inproc pipe, while there is one
}

// newPipe makes a pipe to a peer over a network connection.
func newPipe(s *socket, endpoint string) *pipe {
	p := &pipe{s: s, endpoint: endpoint}
	p.out.limit(s.cfg.SendHWM, s.cfg.SendHWMBytes)
	p.out.conflate = s.cfg.Conflate
	p.out.note()
	p.out.wake = p.wake
	p.out.back.L = &p.out.mu
	p.account = s.budget.newAccount(p.cut)
	if s.in != nil {
		p.in = newInbox(p)
	}
	return p
}

// warmBytes is how much waits at most between two live peers of which neither drops messages. More would be no use to them,
// and leave the processor's caches.
const warmBytes = 4 << 20

// flow bounds the queue for as long as there is a connection.
func (p *pipe) flow(live bool) {
	size := p.s.cfg.SendHWMBytes
	if live && p.s.waits {
		size = min(size, warmBytes)
	}
	p.out.limit(p.s.cfg.SendHWM, size)
}

// peer returns what is at the other end at present: a connection, an inproc link, or neither.
func (p *pipe) peer() (*conn, *inprocLink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn, p.link
}

// setPeer notes what is at the other end from now on.
func (p *pipe) setPeer(c *conn, l *inprocLink) {
	p.mu.Lock()
	p.conn, p.link = c, l
	p.mu.Unlock()
}

// peerIdentity returns the routing id that the peer brings, or none.
func (p *pipe) peerIdentity() []byte {
	c, l := p.peer()
	switch {
	case c != nil:
		return c.peer.Identity
	case l != nil:
		return l.other(p).s.cfg.Identity
	}
	return nil
}

// keeps reports whether the queue lives on when the peer goes away.
func (p *pipe) keeps() bool { return p.dialed && !p.s.cfg.Immediate && !p.over.Load() }

// live reports whether there is a peer behind the pipe.
func (p *pipe) live() bool {
	c, l := p.peer()
	return c != nil || l != nil
}

// wake tells whoever consumes the queue that there is something in it.
func (p *pipe) wake() {
	c, l := p.peer()
	if c != nil {
		c.wakeWriter()
	}
	if l != nil {
		l.notify(p)
	}
}

// sent counts messages that have left the queue for good.
func (p *pipe) sent(n, size int) {
	p.s.messagesSent.Add(uint64(n))
	p.s.bytesSent.Add(uint64(size))
}

// subscribe tells the peer of a subscription, or of its end. It returns how many bytes of such news the peer has not taken
// yet.
func (p *pipe) subscribe(topic []byte, cancel bool) (waiting int) {
	c, l := p.peer()
	if c != nil {
		waiting = c.subscribe(topic, cancel)
	}
	if l != nil {
		other := l.other(p)
		other.s.pat.subscription(other, topic, cancel)
	}
	return waiting
}

// drain has the queue sent to its end, after which the connection is closed. What the peer has under way until it learns of
// that is received.
func (p *pipe) drain() {
	p.out.drain()
	if p.in != nil {
		p.in.acceptRest()
	}
	if _, l := p.peer(); l != nil {
		l.part()
	}
	if p.hurry != nil {
		select {
		case p.hurry <- struct{}{}:
		default:
		}
	}
}

// draining reports whether something is left to be done for a pipe that drains.
func (p *pipe) draining() bool { return p.live() || p.out.waiting() > 0 }

// cut ends the present connection at once, for the reason err.
func (p *pipe) cut(err error) {
	c, l := p.peer()
	if c != nil {
		c.abort(err)
	}
	if l != nil {
		l.part()
	}
}

// refuse ends the present connection soon, for the reason err. Unlike cut it may be called while the connection is being
// made.
func (p *pipe) refuse(err error) {
	c, l := p.peer()
	if c != nil {
		c.abort(err)
	}
	if l != nil {
		l.refuse()
	}
}

// joins reports whether whoever consumes the queue needs messages in one piece.
func (p *pipe) joins() bool {
	c, l := p.peer()
	return l != nil || c != nil && c.peer.Sealer != nil
}
