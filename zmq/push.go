package zmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Push is a PUSH socket: it deals messages out to its PULL peers, each message to one of them (RFC 30).
type Push struct {
	*socket
	balancer
}

// NewPush makes a PUSH socket. Bind or Connect it next, and Close it in the end.
func NewPush(cfg Config) (*Push, error) {
	s, err := newSocket("PUSH", cfg, false)
	if err != nil {
		return nil, err
	}
	p := &Push{socket: s}
	p.balancer.s = s
	s.pat = &p.balancer
	return p, nil
}

// Send sends one message of one or more frames to the next peer in turn that has room. Where none has, it waits until one
// has, or ctx ends: the error then holds the context's error and ErrNoPeer, and nothing was sent. A message that was
// accepted is never given to two peers, and is given to another one if its peer goes away before it was written; what was
// written to a peer that dies is lost with it, since PUSH and PULL have no acknowledgement.
//
// The frames are copied: they may be used again when Send returns. Any number of goroutines may send at once; the messages
// of one goroutine reach one peer in their order.
func (p *Push) Send(ctx context.Context, frames ...[]byte) error {
	return p.balancer.send(ctx, frames)
}

// balancer is the pattern that deals messages out to peers in turn.
type balancer struct {
	noPattern
	s    *socket
	turn atomic.Uint32
	ring atomic.Pointer[[]*pipe] // those that may be sent to; replaced, never changed

	mu   sync.Mutex
	lost []segment // messages whose peer went away, and for which no other had room yet
}

func (b *balancer) pipes() []*pipe {
	if ring := b.ring.Load(); ring != nil {
		return *ring
	}
	return nil
}

func (b *balancer) send(ctx context.Context, frames [][]byte) error {
	size, err := b.s.checkSend(ctx, frames)
	if err != nil {
		return err
	}
	if sent := b.try(frames, size, false); sent {
		return nil
	}
	w := b.s.room.add()
	defer b.s.room.remove(w)
	for {
		if b.s.closing.Load() {
			return b.s.opError("send", "", ErrClosed)
		}
		if sent := b.try(frames, size, true); sent {
			return nil
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return b.s.opError("send", "", fmt.Errorf("%w (%d known, all full): %w", ErrNoPeer, len(b.pipes()), ctx.Err()))
		}
	}
}

// try puts the message into the queue of the next pipe that has room.
func (b *balancer) try(frames [][]byte, size int, ask bool) bool {
	return b.each(func(q *outQueue) bool { return q.put(frames, size, ask) == putDone })
}

// each offers something to every queue in turn, until one takes it.
func (b *balancer) each(offer func(q *outQueue) bool) bool {
	pipes := b.pipes()
	if len(pipes) == 0 {
		return false
	}
	turn := 0
	if len(pipes) > 1 {
		turn = int(b.turn.Add(1) % uint32(len(pipes)))
	}
	for range pipes {
		if offer(&pipes[turn].out) {
			return true
		}
		if turn++; turn == len(pipes) {
			turn = 0
		}
	}
	return false
}

func (b *balancer) open(p *pipe) {
	b.mu.Lock()
	defer b.mu.Unlock()
	pipes := b.pipes()
	if !p.over.Load() && !slices.Contains(pipes, p) {
		pipes = append(slices.Clip(pipes), p)
		b.ring.Store(&pipes)
	}
}

func (b *balancer) attach(p *pipe) { b.open(p) }

// detach takes a pipe out of the ring, unless its queue lives on for the next connection.
func (b *balancer) detach(p *pipe) {
	if p.keeps() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	pipes := slices.DeleteFunc(slices.Clone(b.pipes()), func(other *pipe) bool { return other == p })
	b.ring.Store(&pipes)
}

func (b *balancer) orphaned(segs []segment) {
	b.mu.Lock()
	b.lost = append(b.lost, segs...)
	b.mu.Unlock()
	b.roomMade()
}

func (b *balancer) orphans() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, _ := weigh(b.lost)
	return n
}

// roomMade gives the messages of lost peers to others.
func (b *balancer) roomMade() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.lost) > 0 {
		seg := b.lost[0]
		if b.s.life.Err() != nil {
			b.s.drop(b.lost[:1])
		} else if !b.each(func(q *outQueue) bool { return q.putSegment(seg, true) == putDone }) {
			return
		}
		b.lost = b.lost[1:]
	}
}

var errNoFrames = errors.New("a message has at least one frame; give it an empty one to send nothing")

// checkSend refuses what can never be sent. It returns the message's encoded size.
func (s *socket) checkSend(ctx context.Context, frames [][]byte) (size int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, s.opError("send", "", err)
	}
	if s.closing.Load() {
		return 0, s.opError("send", "", ErrClosed)
	}
	if len(frames) == 0 {
		return 0, s.opError("send", "", errNoFrames)
	}
	size = encodedSize(frames)
	if int64(size) > s.cfg.MaxMessageSize {
		return 0, s.opError("send", "", fmt.Errorf("%w: %d bytes with headers, the limit is %d", ErrMessageTooLarge, size, s.cfg.MaxMessageSize))
	}
	return size, nil
}
