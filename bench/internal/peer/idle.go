package peer

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// dialers is how many connections are made at once: fewer than the 100 that libzmq's listener lets wait.
const dialers = 32

// idle makes many connections that subscribe to everything and then keep still. It says Ready when all have subscribed,
// and again when all have received a message.
func (p *player) idle() error {
	crowd := &crowd{spec: p.spec, served: make(chan struct{})}
	crowd.missing.Store(int64(p.spec.Sockets))
	var group errgroup.Group
	group.SetLimit(dialers)
	for range p.spec.Sockets {
		group.Go(func() error { return crowd.join(p.fail) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("idle subscriber: %w", err)
	}
	p.control.say(Ready)
	select {
	case <-crowd.served:
		p.control.say(Ready)
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	return p.leave()
}

// crowd is the idle subscribers.
type crowd struct {
	spec    Spec
	missing atomic.Int64  // subscribers that have not received a message
	served  chan struct{} // closed when there are none

	mu    sync.Mutex
	conns []net.Conn // kept: a connection that nobody holds is closed by the collector
}

// join subscribes once more, and waits for a message in the background.
func (c *crowd) join(fail func(error)) error {
	s, err := subscribe(c.spec.Endpoint)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.conns = append(c.conns, s.conn)
	c.mu.Unlock()
	go func() {
		if err := s.awaitMessage(); err != nil {
			fail(fmt.Errorf("idle subscriber waits for a message: %w", err))
		} else if c.missing.Add(-1) == 0 {
			close(c.served)
		}
	}()
	return nil
}
