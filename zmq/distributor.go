package zmq

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
)

// distributor is the pattern that sends each message to all who want it.
type distributor struct {
	noPattern
	s *socket

	mu     sync.Mutex
	prefix trie[*pipe]
	sieve  sieve // of the trie's prefixes
	wishes map[*pipe]*wishes
	found  []*pipe // scratch for send
	run    []*pipe // scratch for sendEach
	round  uint64  // of send: marks the pipes that it has seen
}

func (d *distributor) init(s *socket) { d.s, d.wishes = s, map[*pipe]*wishes{} }

func (d *distributor) send(ctx context.Context, frames [][]byte) error {
	size, err := d.s.checkSend(ctx, frames)
	if err != nil {
		return err
	}
	if !d.isWanted(frames[0]) {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.match(frames[0])
	return d.distribute(frames, size)
}

// sendEach is send for each of several messages of one frame. Those that the same peers want one after the other go to each
// of them many at a time.
func (d *distributor) sendEach(ctx context.Context, bodies [][]byte) (n int, err error) {
	for n < len(bodies) {
		run := 0
		if ctx.Err() == nil && !d.s.closing.Load() {
			next := bodies[n:min(n+eachRun, len(bodies))]
			if run = d.unwanted(next); run == 0 {
				run = d.distributeRun(next)
			}
		}
		if run == 0 {
			if err := d.send(ctx, bodies[n:n+1]); err != nil {
				return n, err
			}
			run = 1
		}
		n += run
	}
	return n, nil
}

// unwanted returns how many of the first messages nobody wants.
func (d *distributor) unwanted(bodies [][]byte) (n int) {
	limit := d.s.eachLimit()
	for n < len(bodies) && !d.isWanted(bodies[n]) && encodedSize(bodies[n:n+1]) < limit {
		n++
	}
	return n
}

// isWanted reports whether anybody may want a message on the topic.
func (d *distributor) isWanted(topic []byte) bool {
	return d.s.cfg.InvertMatching || d.sieve.passes(topic) && d.prefix.matches(topic)
}

// distributeRun gives the first messages, as many as the same peers want, to these. It returns how many that were; 0 where the
// first is to be sent by itself.
func (d *distributor) distributeRun(bodies [][]byte) (n int) {
	limit := d.s.eachLimit()
	if d.s.cfg.NoDrop || d.s.cfg.Conflate || encodedSize(bodies[:1]) >= limit {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.match(bodies[0])
	d.run, d.found = d.found, d.run
	for n = 1; n < len(bodies) && encodedSize(bodies[n:n+1]) < limit && d.isWanted(bodies[n]); n++ {
		if d.match(bodies[n]); !slices.Equal(d.found, d.run) {
			break
		}
	}
	if len(d.run) == 0 {
		return n
	}
	most, all := 0, 0
	for _, p := range d.run {
		put := p.out.putEach(bodies[:n], limit)
		most, all = max(most, put), all+put
	}
	if most < n { // every queue is full: what none has taken is tried again when the writers have had the processor
		n = max(most, 1)
		runtime.Gosched()
	}
	d.s.dropped.Add(uint64(n*len(d.run) - all))
	return n
}

// wouldDrop returns the error of a message that may not be dropped, where one that was found has no room. mu is held.
func (d *distributor) wouldDrop() error {
	if d.s.cfg.NoDrop && slices.ContainsFunc(d.found, func(p *pipe) bool { return !p.out.hasRoom() }) {
		return d.s.opError("send", "", ErrWouldDrop)
	}
	return nil
}

// distribute gives the message to all that were found. mu is held.
func (d *distributor) distribute(frames [][]byte, size int) error {
	if err := d.wouldDrop(); err != nil {
		return err
	}
	if size < largeMessage {
		taken := len(d.found) == 0
		for _, p := range d.found {
			r := p.out.put(frames, size, false)
			d.count(r)
			taken = taken || r == putDone
		}
		if !taken {
			runtime.Gosched() // every queue is full: let the writers have the processor
		}
		return nil
	}
	shared := newSlab(size) // encoded once, and held by each queue
	shared.from = d.s.self
	d.share(segment{b: appendFrames(shared.b[:0], frames), slab: shared, n: 1})
	return nil
}

// share puts a message into the queues of all that were found, and drops the caller's reference to it. mu is held.
func (d *distributor) share(seg segment) {
	var whole segment // for those that need it in one piece: joined once
	for _, p := range d.found {
		one := seg
		if seg.tail != nil && p.joins() {
			if whole.slab == nil {
				seg.slab.retain(1)
				whole = seg.joined()
				whole.slab.from = d.s.self
			}
			one = whole
		}
		one.slab.retain(1)
		r := p.out.putSegment(one, false, false)
		if r != putDone {
			one.slab.release(1)
		}
		d.count(r)
	}
	if whole.slab != nil {
		whole.slab.release(1)
	}
	seg.slab.release(1)
}

// sendPatiently is send, but with Config.NoDrop it waits for room where that fails.
func (d *distributor) sendPatiently(ctx context.Context, frames [][]byte) error {
	return d.patiently(ctx, func() error { return d.send(ctx, frames) })
}

// patiently calls send again and again, whenever there is new room, as long as it would drop a message.
func (d *distributor) patiently(ctx context.Context, send func() error) error {
	err := send()
	if !errors.Is(err, ErrWouldDrop) {
		return err
	}
	w := d.s.room.add()
	defer d.s.room.remove(w)
	for {
		if err := send(); !errors.Is(err, ErrWouldDrop) {
			return err
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return d.s.opError("send", "", ctx.Err())
		}
	}
}

// count counts a message that a peer's queue had no room for, or that came too late for it.
func (d *distributor) count(r putResult) {
	if r != putDone {
		d.s.dropped.Add(1)
	}
}

// match puts the peers that want topic into d.found, each once. mu is held.
func (d *distributor) match(topic []byte) {
	found, prefixes := d.prefix.match(d.found[:0], topic)
	d.found = found
	if prefixes <= 1 && !d.s.cfg.InvertMatching {
		return
	}
	d.round++
	if d.s.cfg.InvertMatching {
		d.invert()
		return
	}
	unique := d.found[:0]
	for _, p := range d.found {
		if p.round != d.round {
			p.round = d.round
			unique = append(unique, p)
		}
	}
	d.found = unique
}

// invert puts the peers that were not found into d.found. mu is held.
func (d *distributor) invert() {
	for _, p := range d.found {
		p.round = d.round
	}
	d.found = d.found[:0]
	for p := range d.wishes {
		if p.round != d.round {
			d.found = append(d.found, p)
		}
	}
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

func newWishes() *wishes { return &wishes{topics: map[string]struct{}{}} }

func (w *wishes) add(topic string) {
	if _, ok := w.topics[topic]; !ok {
		w.topics[topic] = struct{}{}
		w.cost += 2*len(topic) + wishCost
	}
}

func (w *wishes) remove(topic string) {
	if _, ok := w.topics[topic]; ok {
		delete(w.topics, topic)
		w.cost -= 2*len(topic) + wishCost
	}
}

// wishCost is what a subscription costs beside twice its length: once in the trie, once in the peer's wishes.
const wishCost = 256

// attach makes the peer known, and welcomes it.
func (d *distributor) attach(p *pipe) {
	d.mu.Lock()
	if !p.over.Load() {
		d.wishes[p] = newWishes()
	}
	d.mu.Unlock()
	if w := d.s.cfg.WelcomeMessage; w != nil {
		frames := [][]byte{w}
		d.count(p.out.put(frames, encodedSize(frames), false))
	}
}

// subscription keeps one entry for each peer and prefix, however often the peer subscribes.
func (d *distributor) subscription(p *pipe, topic []byte, cancel bool) (cost int) {
	cost, _ = d.change(p, topic, cancel)
	return cost
}

// change notes a subscription or its end. It returns what the peer's subscriptions cost, and whether this one is the first
// to its prefix, or the end of the last.
func (d *distributor) change(p *pipe, topic []byte, cancel bool) (cost int, edge bool) {
	defer d.s.changed.wakeAll()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.note(p, topic, cancel)
}

// note is change with mu held, and without telling anybody who waits.
func (d *distributor) note(p *pipe, topic []byte, cancel bool) (cost int, edge bool) {
	w := d.wishes[p]
	if w == nil { // nothing new for a peer that is about to be disconnected
		return 0, false
	}
	if cancel {
		edge = d.unwant(topic, p)
		w.remove(string(topic))
	} else {
		if _, edge = d.prefix.add(topic, p); edge {
			d.sieve.add(topic, &d.prefix)
		}
		w.add(string(topic))
	}
	return w.cost, edge
}

// unwant takes a subscription away, and reports whether it was the last to its prefix. mu is held.
func (d *distributor) unwant(topic []byte, p *pipe) (last bool) {
	if _, last = d.prefix.remove(topic, p); last {
		d.sieve.remove(&d.prefix)
	}
	return last
}

// detach forgets what the peer had subscribed to: it will subscribe again if it comes back.
func (d *distributor) detach(p *pipe) { d.forget(p, func(string, bool) {}) }

// forget takes all subscriptions of a peer away and tells each to gone, with whether it was the last to its prefix.
func (d *distributor) forget(p *pipe, gone func(topic string, last bool)) {
	defer d.s.room.wakeAll() // nobody has to wait for room at this peer any more
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.wishes[p]
	if w == nil {
		return
	}
	for topic := range w.topics {
		gone(topic, d.unwant([]byte(topic), p))
	}
	delete(d.wishes, p)
}

// orphaned counts the messages of a subscriber that is gone.
func (d *distributor) orphaned(segs []segment) { d.s.drop(segs) }

// WaitSubscribers waits until at least n peers have a subscription that matches topic. A message that is sent then reaches
// them all. It fails with the context's error, or ErrClosed.
func (d *distributor) WaitSubscribers(ctx context.Context, topic string, n int) error {
	err := d.s.await(ctx, func() bool { return d.s.closing.Load() || d.subscribers([]byte(topic)) >= n })
	if err == nil && d.s.closing.Load() {
		err = ErrClosed
	}
	if err != nil {
		return d.s.opError("wait for subscribers", "", err)
	}
	return nil
}
