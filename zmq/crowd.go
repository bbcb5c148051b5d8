package zmq

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// crowd bounds how many connections of a bound endpoint are in their handshake at once. Where there are as many, the next
// one waits, and the oldest has to make room: an honest peer needs but a few round trips, so that it is the silent ones who
// go.
type crowd struct {
	places chan struct{} // holds one for each connection; its elements take no memory

	mu  sync.Mutex
	all list.List // of *visit, the oldest first, without those that have to go
}

// visit is a connection in its handshake.
type visit struct {
	since time.Time
	end   context.CancelCauseFunc
}

// grace is how long nobody has to make room, so that peers are not turned away who are only slowed down by all the others.
const grace = 100 * time.Millisecond

func newCrowd(limit int) *crowd { return &crowd{places: make(chan struct{}, limit)} }

// enter waits for a place. It returns the context of the handshake, and what gives the place back. It reports false when ctx
// ends.
func (c *crowd) enter(ctx context.Context) (handshake context.Context, leave func(), ok bool) {
	select {
	case c.places <- struct{}{}:
	default:
		if !c.makeRoom(ctx) {
			return nil, nil, false
		}
	}
	handshake, end := context.WithCancelCause(ctx)
	c.mu.Lock()
	e := c.all.PushBack(&visit{time.Now(), end})
	c.mu.Unlock()
	return handshake, func() {
		c.mu.Lock()
		c.all.Remove(e)
		c.mu.Unlock()
		end(nil)
		<-c.places
	}, true
}

// makeRoom waits for a place. It ends the oldest handshake as soon as that is old enough, and one more each time when that
// was of no avail. It reports false when ctx ends.
func (c *crowd) makeRoom(ctx context.Context) bool {
	t := time.NewTimer(c.untilOld())
	defer t.Stop()
	for {
		select {
		case c.places <- struct{}{}:
			return true
		case <-t.C:
			c.evict()
			t.Reset(grace)
		case <-ctx.Done():
			return false
		}
	}
}

// untilOld returns how long it takes until the oldest handshake is old enough.
func (c *crowd) untilOld() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.all.Front(); e != nil {
		return grace - time.Since(e.Value.(*visit).since)
	}
	return grace
}

// evict ends the oldest handshake, which gives its place back soon.
func (c *crowd) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.all.Front(); e != nil {
		c.all.Remove(e).(*visit).end(ErrTooManyHandshakes)
	}
}
