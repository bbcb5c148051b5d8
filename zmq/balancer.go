package zmq

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// balancer is the pattern that deals messages out to peers in turn.
type balancer struct {
	noPattern
	s    *socket
	turn atomic.Uint32
	ring atomic.Pointer[[]*pipe] // those that are sent to; replaced, never changed

	mu      sync.Mutex
	known   []*pipe   // all
	limit   int       // how many peers are served; 0 means any number
	moves   bool      // while other peers are there, one that has gone gets nothing, and what waits for it is given to them
	lost    []segment // messages whose peer went away, and for which no other had room yet
	dealing bool      // a roomMade is under way
	again   bool      // room was made meanwhile
}

func (b *balancer) pipes() []*pipe {
	if ring := b.ring.Load(); ring != nil {
		return *ring
	}
	return nil
}

// send gives the message to the next pipe that has room.
func (b *balancer) send(ctx context.Context, frames [][]byte) error {
	size, err := b.s.checkSend(ctx, frames)
	if err != nil {
		return err
	}
	if pipes := b.pipes(); len(pipes) == 1 {
		if pipes[0].out.put(frames, size, false) == putDone {
			return nil
		}
	} else if b.try(frames, size, false) != nil {
		return nil
	}
	runtime.Gosched() // a writer that was woken may be about to make room, which is faster than being woken in turn
	return b.untilSent(ctx, func() bool { return b.try(frames, size, true) != nil })
}

// sendEach is send for each of several messages of one frame. To the only peer they go many at a time.
func (b *balancer) sendEach(ctx context.Context, bodies [][]byte) (n int, err error) {
	for n < len(bodies) {
		run := bodies[n:min(n+eachRun, len(bodies))]
		if pipes := b.pipes(); len(pipes) == 1 && ctx.Err() == nil && !b.s.closing.Load() {
			put := pipes[0].out.putEach(run, b.s.eachLimit())
			if n += put; put == len(run) {
				continue
			}
		}
		if err := b.send(ctx, bodies[n:n+1]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// eachRun is how many messages are put under one lock.
const eachRun = 64

// eachLimit is for messages that are put many at a time: longer ones are sent one by one.
func (s *socket) eachLimit() int { return int(min(largeMessage, s.cfg.MaxMessageSize)) }

// try puts the message into the queue of the next pipe that has room, and returns the pipe. It returns nil where none has.
func (b *balancer) try(frames [][]byte, size int, ask bool) *pipe {
	return b.each(func(p *pipe) bool { return p.out.put(frames, size, ask) == putDone })
}

// untilSent tries again and again, whenever there is new room, until ctx ends or the socket is closed.
func (b *balancer) untilSent(ctx context.Context, try func() bool) error {
	w := b.s.room.add()
	defer b.s.room.remove(w)
	for {
		if b.s.closing.Load() {
			return b.s.opError("send", "", ErrClosed)
		}
		if try() {
			return nil
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return b.s.opError("send", "", fmt.Errorf("%w (%d known, all full): %w", ErrNoPeer, len(b.pipes()), ctx.Err()))
		}
	}
}

// each offers something to every pipe in turn, until one takes it.
func (b *balancer) each(offer func(p *pipe) bool) *pipe {
	pipes := b.pipes()
	if len(pipes) == 0 {
		return nil
	}
	turn := 0
	if len(pipes) > 1 {
		turn = int(b.turn.Add(1) % uint32(len(pipes)))
	}
	for range pipes {
		if p := pipes[turn]; offer(p) {
			return p
		}
		if turn++; turn == len(pipes) {
			turn = 0
		}
	}
	return nil
}

func (b *balancer) open(p *pipe) { _ = b.join(p) } // if there is a limit, admit is called with the peer

var errTaken = errors.New("the socket has its peer already")

// admit refuses a peer beyond the limit.
func (b *balancer) admit(p *pipe) error {
	if b.limit == 0 {
		return nil
	}
	return b.join(p)
}

func (b *balancer) attach(p *pipe) { _ = b.join(p) } // which admit has done if there is a limit

// join makes a pipe known. It fails if the limit is reached.
func (b *balancer) join(p *pipe) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case p.over.Load():
		return nil
	case slices.Contains(b.known, p):
	case b.limit > 0 && len(b.known) >= b.limit:
		return errTaken
	default:
		b.known = append(b.known, p)
	}
	p.away = false
	b.turnTo()
	return nil
}

// detach forgets a pipe, unless its queue lives on for the next connection.
func (b *balancer) detach(p *pipe) {
	b.mu.Lock()
	if p.keeps() {
		p.away = b.moves
	} else {
		b.known = slices.DeleteFunc(b.known, func(other *pipe) bool { return other == p })
	}
	b.turnTo()
	moves := p.away && !slices.Contains(b.pipes(), p)
	b.mu.Unlock()
	if moves {
		b.s.abandon(p) // which also refuses what a sender is about to put there
	}
}

// turnTo chooses who is sent to: those that are not away, or all, if there are no others. mu is held.
func (b *balancer) turnTo() {
	ring := slices.DeleteFunc(slices.Clone(b.known), func(p *pipe) bool { return p.away })
	if len(ring) == 0 {
		ring = slices.Clone(b.known)
		for _, p := range ring {
			p.out.reopen()
		}
	}
	b.ring.Store(&ring)
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

// roomMade gives the messages of lost peers to others. It may be called by itself, since putting one can make room at once.
func (b *balancer) roomMade() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dealing {
		b.again = true
		return
	}
	defer b.s.changed.wakeAll() // for a Close that waits until none is left
	for b.dealing = true; len(b.lost) > 0; {
		seg := b.lost[0]
		b.again = false
		b.mu.Unlock()
		dealt := b.deal(seg)
		b.mu.Lock()
		if dealt {
			b.lost[0] = segment{} // the array may stay for long
			b.lost = b.lost[1:]
		} else if !b.again {
			break
		}
	}
	b.dealing = false
}

// deal gives the messages of a lost peer to another, or drops those of a closed socket. It
// reports false if no peer has room.
func (b *balancer) deal(seg segment) bool {
	if b.s.life.Err() != nil {
		b.s.drop([]segment{seg})
		return true
	}
	return b.each(func(p *pipe) bool { return p.out.putSegment(seg, true, true) == putDone }) != nil
}

var errNoFrames = errors.New("a message has at least one frame; give it an empty one to send nothing")

// checkSend refuses what can never be sent. It returns the message's encoded size.
func (s *socket) checkSend(ctx context.Context, frames [][]byte) (size int, err error) {
	size = encodedSize(frames)
	if ctx.Err() == nil && !s.closing.Load() && len(frames) > 0 && !s.cfg.Conflate && int64(size) <= s.cfg.MaxMessageSize {
		return size, nil
	}
	return size, s.refuseSend(ctx, frames, size)
}

// refuseSend is checkSend for what is not plain to see.
func (s *socket) refuseSend(ctx context.Context, frames [][]byte, size int) error {
	switch {
	case ctx.Err() != nil:
		return s.opError("send", "", ctx.Err())
	case s.closing.Load():
		return s.opError("send", "", ErrClosed)
	case len(frames) == 0:
		return s.opError("send", "", errNoFrames)
	case s.cfg.Conflate && len(frames) > 1:
		return s.opError("send", "", ErrMultipart)
	case int64(size) > s.cfg.MaxMessageSize:
		return s.opError("send", "", fmt.Errorf("%w: %d bytes with headers, the limit is %d", ErrMessageTooLarge, size, s.cfg.MaxMessageSize))
	}
	return nil
}
