package zmq

import (
	"context"
	"sync"
)

// Pub is a PUB socket: it sends each message to every SUB peer that has a matching subscription (RFC 29).
type Pub struct {
	*socket
	distributor
}

// NewPub makes a PUB socket. Bind or Connect it next, and Close it in the end.
func NewPub(cfg Config) (*Pub, error) {
	s, err := newSocket("PUB", cfg, false)
	if err != nil {
		return nil, err
	}
	s.connectOnce = true
	p := &Pub{socket: s}
	p.distributor = distributor{s: s, wishes: map[*pipe]*wishes{}}
	s.pat = &p.distributor
	return p, nil
}

// Send sends one message of one or more frames to every peer with a subscription that the first frame begins with. It
// never waits: for a peer whose queue is full the message is dropped, and counted in Stats.Dropped. Where nobody has
// subscribed the message goes nowhere; WaitSubscribers avoids that. It fails where ctx has ended or the socket is closed.
//
// The frames are copied: they may be used again when Send returns. Any number of goroutines may send at once; the messages
// of one goroutine reach each peer in their order.
func (p *Pub) Send(ctx context.Context, frames ...[]byte) error {
	return p.send(ctx, frames)
}

// WaitSubscribers waits until at least n peers have a subscription that matches topic. A message that is sent then reaches
// them all. It fails with the context's error, or ErrClosed.
func (p *Pub) WaitSubscribers(ctx context.Context, topic string, n int) error {
	err := p.await(ctx, func() bool { return p.closing.Load() || p.subscribers([]byte(topic)) >= n })
	if err == nil && p.closing.Load() {
		err = ErrClosed
	}
	if err != nil {
		return p.opError("wait for subscribers", "", err)
	}
	return nil
}

// distributor is the pattern that sends each message to all who want it.
type distributor struct {
	noPattern
	s *socket

	mu     sync.Mutex
	prefix trie[*pipe]
	wishes map[*pipe]*wishes
	found  []*pipe // scratch for send
	round  uint64  // of send: marks the pipes that it has seen
}

func (d *distributor) send(ctx context.Context, frames [][]byte) error {
	size, err := d.s.checkSend(ctx, frames)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.match(frames[0])
	if size < largeMessage {
		for _, p := range d.found {
			d.count(p.out.put(frames, size, false))
		}
		return nil
	}
	shared := newSlab(size) // encoded once, and held by each queue
	seg := segment{appendFrames(shared.b[:0], frames), shared, 1}
	for _, p := range d.found {
		shared.retain(1)
		r := p.out.putSegment(seg, false)
		if r != putDone {
			shared.release(1)
		}
		d.count(r)
	}
	shared.release(1)
	return nil
}

// count counts a message that a peer's queue had no room for, or that came too late for it.
func (d *distributor) count(r putResult) {
	if r != putDone {
		d.s.dropped.Add(1)
	}
}

// match puts the peers that want topic into d.found, each once. mu is held.
func (d *distributor) match(topic []byte) {
	d.round++
	d.found = d.prefix.match(d.found[:0], topic)
	unique := d.found[:0]
	for _, p := range d.found {
		if p.round != d.round {
			p.round = d.round
			unique = append(unique, p)
		}
	}
	d.found = unique
}

// subscribers counts the peers that want topic.
func (d *distributor) subscribers(topic []byte) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.match(topic)
	return len(d.found)
}

// wishes is what one peer has subscribed to.
type wishes struct {
	topics map[string]struct{}
	cost   int
}

// wishCost is what a subscription costs beside twice its length: once in the trie, once in the peer's wishes.
const wishCost = 256

// attach makes the peer known.
func (d *distributor) attach(p *pipe) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !p.over.Load() {
		d.wishes[p] = &wishes{topics: map[string]struct{}{}}
	}
}

// subscription keeps one entry for each peer and prefix, however often the peer subscribes.
func (d *distributor) subscription(p *pipe, topic []byte, cancel bool) (cost int) {
	d.mu.Lock()
	defer d.s.changed.wakeAll()
	defer d.mu.Unlock()
	w := d.wishes[p]
	switch {
	case w == nil: // nothing new for a peer that is about to be disconnected
		return 0
	case cancel && d.prefix.remove(topic, p):
		delete(w.topics, string(topic))
		w.cost -= 2*len(topic) + wishCost
	case !cancel && d.prefix.add(topic, p):
		w.topics[string(topic)] = struct{}{}
		w.cost += 2*len(topic) + wishCost
	}
	return w.cost
}

// detach forgets what the peer had subscribed to: it will subscribe again if it comes back.
func (d *distributor) detach(p *pipe) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.wishes[p]
	if w == nil {
		return
	}
	for topic := range w.topics {
		d.prefix.remove([]byte(topic), p)
	}
	delete(d.wishes, p)
}

// orphaned counts the messages of a subscriber that is gone.
func (d *distributor) orphaned(segs []segment) { d.s.drop(segs) }
