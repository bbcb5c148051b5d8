package zmq

import (
	"context"
	"net"
	"sync"
	"time"
)

// crowd bounds how many connections of a bound endpoint are in their handshake at once. If there are as many, the next
// one waits, and another has to make room: see pendingSet.
type crowd struct {
	places chan struct{} // holds one for each connection; its elements take no memory
	freed  chan struct{} // of capacity one: a handshake has ended

	mu  sync.Mutex
	all pendingSet // without those that have to go
}

func newCrowd(limit int) *crowd {
	return &crowd{places: make(chan struct{}, limit), freed: make(chan struct{}, 1)}
}

// visit is a connection in its handshake.
type visit struct {
	crowd *crowd
	ctx   context.Context // of the handshake
	entry *pendingHandshake
}

// enter waits for a place for a connection. It returns nil when ctx ends.
func (c *crowd) enter(ctx context.Context, nc net.Conn) *visit {
	select {
	case c.places <- struct{}{}:
	default:
		if !c.makeRoom(ctx) {
			return nil
		}
	}
	handshake, end := context.WithCancelCause(ctx)
	v := &visit{c, handshake, &pendingHandshake{address: hostOf(nc), since: time.Now(), end: end}}
	c.mu.Lock()
	c.all.add(v.entry)
	c.mu.Unlock()
	return v
}

// hostOf returns the address of the peer without its port. Peers over ipc have none.
func hostOf(nc net.Conn) string {
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return ""
}

// heard notes that the peer has sent something.
func (v *visit) heard() {
	v.crowd.mu.Lock()
	defer v.crowd.mu.Unlock()
	v.crowd.all.hear(v.entry)
}

// leave ends the visit. If the handshake has failed, the connection is closed before.
func (v *visit) leave() {
	c := v.crowd
	c.mu.Lock()
	c.all.remove(v.entry)
	c.mu.Unlock()
	v.entry.end(nil)
	<-c.places
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// makeRoom waits for a place. It ends a handshake as soon as one is old enough, and one more each time when that was of no
// avail. It reports false when ctx ends.
func (c *crowd) makeRoom(ctx context.Context) bool {
	t := time.NewTimer(c.evict())
	defer t.Stop()
	for {
		select {
		case c.places <- struct{}{}:
			return true
		case <-t.C:
			t.Reset(c.evict())
		case <-ctx.Done():
			return false
		}
	}
}

// spare ends a handshake, if there is one that is old enough, and returns when a handshake has ended, so that its descriptor
// can be used again; or after a short time. It reports false when ctx ends.
func (c *crowd) spare(ctx context.Context) bool {
	select {
	case <-c.freed:
	default:
	}
	c.evict()
	t := time.NewTimer(crowdedGrace)
	defer t.Stop()
	select {
	case <-c.freed:
		return true
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// evict ends the handshake that has to make room, which gives its place back soon. It returns when to look again.
func (c *crowd) evict() (wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	chosen, wait := c.all.choose(time.Now())
	if chosen == nil {
		return wait
	}
	c.all.remove(chosen)
	chosen.end(ErrTooManyHandshakes)
	return grace
}
