package zmq

import (
	"container/list"
	"context"
	"sync"
)

// crowd bounds how many connections of a bound endpoint are in their handshake at once. Beyond that the oldest has to make
// room: an honest peer needs but a few round trips, so that it is the silent ones who go.
type crowd struct {
	places chan struct{} // holds one for each connection; its elements take no memory

	mu     sync.Mutex
	oldest list.List // of the connections' context.CancelCauseFunc
}

func newCrowd(limit int) *crowd { return &crowd{places: make(chan struct{}, limit)} }

// enter waits for a place, which it makes where there is none. It returns the context of the handshake, and what gives the
// place back. It reports false when ctx ends.
func (c *crowd) enter(ctx context.Context) (handshake context.Context, leave func(), ok bool) {
	select {
	case c.places <- struct{}{}:
	default:
		c.evict()
		select {
		case c.places <- struct{}{}:
		case <-ctx.Done():
			return nil, nil, false
		}
	}
	handshake, cancel := context.WithCancelCause(ctx)
	c.mu.Lock()
	e := c.oldest.PushBack(cancel)
	c.mu.Unlock()
	return handshake, func() {
		c.mu.Lock()
		c.oldest.Remove(e)
		c.mu.Unlock()
		cancel(nil)
		<-c.places
	}, true
}

// evict ends the oldest handshake, which gives its place back soon.
func (c *crowd) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.oldest.Front(); e != nil {
		c.oldest.Remove(e).(context.CancelCauseFunc)(ErrTooManyHandshakes)
	}
}
