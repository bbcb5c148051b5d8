package zmq

import "github.com/experimance/experimance-go/internal/wire"

// Peer is what is known of a socket at the other end. It is shared, and must not be changed.
type Peer struct {
	Address    string // network address; for inproc there is none
	SocketType string // "PUB", "DEALER" and so on
	Identity   []byte // the routing id that the peer brought; nil for none

	// UserID and Metadata are what the Authenticator decided about the peer; empty where there is none.
	UserID   string
	Metadata map[string]string

	claims wire.Properties
	route  []byte // the routing id that a ROUTER puts first
}

// Property returns what the peer says about itself, in the handshake, under a name whose case does not matter. Nobody has
// checked whether it is true.
func (p *Peer) Property(name string) (value string, ok bool) {
	b, ok := p.claims.Get(name)
	return string(b), ok
}

var unknownPeer = &Peer{}

// Peer returns what is known of the peer that sent the message, for as long as it was connected the way it was then.
func (m Message) Peer() *Peer {
	if from := m.slab.peer(); from != nil {
		return from
	}
	return unknownPeer
}

// describe returns what is known of the peer of a connection.
func (c *conn) describe() *Peer {
	return &Peer{
		Address:    remoteAddress(c.nc),
		SocketType: c.peer.SocketType,
		Identity:   c.peer.Identity,
		UserID:     c.peer.User.ID,
		Metadata:   c.peer.User.Metadata,
		claims:     c.peer.Properties,
	}
}

// describe returns what is known of the peer of p, which is in the same process.
func (l *inprocLink) describe(p *pipe) *Peer {
	other := l.other(p).s
	if other.publishes {
		return other.self
	}
	return other.describe()
}

// propertiesSize returns how much memory properties take.
func propertiesSize(all wire.Properties) (n int) {
	const each = 64 // the struct, and what the least string takes
	for _, p := range all {
		n += each + len(p.Name) + len(p.Value)
	}
	return n
}

// describe returns what an inproc peer knows of the socket.
func (s *socket) describe() *Peer {
	peer := &Peer{SocketType: s.kind}
	if len(s.cfg.Identity) > 0 {
		peer.Identity = s.cfg.Identity
	}
	return peer
}

// setFrom notes who sends the messages that come from now on.
func (p *pipe) setFrom(peer *Peer) {
	if p.in == nil {
		return
	}
	p.in.q.mu.Lock()
	p.in.from = peer
	p.in.q.mu.Unlock()
}

// from returns who sends the messages that come now: another one for each connection.
func (p *pipe) from() *Peer {
	p.in.q.mu.Lock()
	defer p.in.q.mu.Unlock()
	return p.in.from
}
