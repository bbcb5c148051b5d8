package zmq

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
)

// distributor is the pattern that sends each message to every peer with a matching subscription.
//
// Send takes mu. A change of subscriptions holds changing, and takes mu only for one node of the
// trie at a time. Work that is proportional to a peer's subscriptions is done in steps, between
// which it releases changing too.
type distributor struct {
	noPattern
	s     *socket
	ended func(s *subscriptions[*pipe], topic string) // of an XPUB: reports the end of a subscription of a peer that has gone; else nil

	changing sync.Mutex // comes before mu
	sieve    sieve      // of the trie's prefixes
	departed []departed // whose subscriptions are to be taken away
	removing bool       // a goroutine does that

	mu     sync.Mutex
	prefix trie[*pipe]                     // changed with changing held too
	peers  map[*pipe]*subscriptions[*pipe] // likewise
	found  []*pipe                         // scratch for send
	run    []*pipe                         // scratch for sendEach
	round  uint64                          // of send: marks the pipes that it has seen
}

func (d *distributor) init(s *socket) {
	d.s, d.peers = s, map[*pipe]*subscriptions[*pipe]{}
	d.prefix.mu = &d.mu
}

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
	run := d.found
	d.found, d.run = d.run, nil
	defer func() { d.run = run }()
	for n = 1; n < len(bodies) && encodedSize(bodies[n:n+1]) < limit && d.isWanted(bodies[n]); n++ {
		if d.match(bodies[n]); !slices.Equal(d.found, run) {
			break
		}
	}
	if len(run) == 0 {
		return n
	}
	most, all := 0, 0
	for _, p := range run {
		put := p.out.putEach(bodies[:n], limit)
		most, all = max(most, put), all+put
	}
	if most < n { // every queue is full: what none has taken is tried again when the writers have had the processor
		n = max(most, 1)
		runtime.Gosched()
	}
	d.s.dropped.Add(uint64(n*len(run) - all))
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

// match puts the peers that want topic into d.found, each once. mu is held. If topic has very many
// prefixes, it is released meanwhile.
func (d *distributor) match(topic []byte) {
	search := d.prefix.begin(topic)
	d.found = d.prefix.match(d.found[:0], &search)
	if search.next != nil {
		d.matchOn(topic, &search)
	}
	if search.prefixes <= 1 && !d.s.cfg.InvertMatching {
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

// maxRestarts is how often a long search begins again because subscriptions have changed. After
// that it goes on, and may miss a subscription that was changed meanwhile.
const maxRestarts = 10

// matchOn goes on with a search that is not at its end, and lets others have mu after each step.
func (d *distributor) matchOn(topic []byte, search *search[*pipe]) {
	found := d.found
	for restarts := 0; search.next != nil; {
		d.found = nil // another Send may use it meanwhile
		before := d.prefix.changes.Load()
		d.mu.Unlock()
		runtime.Gosched()
		d.mu.Lock()
		if d.prefix.changes.Load() != before && restarts < maxRestarts {
			restarts++
			found, *search = found[:0], d.prefix.begin(topic)
		}
		found = d.prefix.match(found, search)
	}
	d.found = found
}

// invert puts the peers that were not found into d.found. mu is held.
func (d *distributor) invert() {
	for _, p := range d.found {
		p.round = d.round
	}
	d.found = d.found[:0]
	for p := range d.peers {
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

// attach makes the peer known, and welcomes it.
func (d *distributor) attach(p *pipe) {
	d.changing.Lock()
	d.mu.Lock()
	if !p.over.Load() {
		d.peers[p] = newSubscriptions(p)
	}
	d.mu.Unlock()
	d.changing.Unlock()
	if w := d.s.cfg.WelcomeMessage; w != nil {
		frames := [][]byte{w}
		d.count(p.out.put(frames, encodedSize(frames), false))
	}
}

// subscription keeps one entry for each peer and prefix, however often the peer subscribes.
func (d *distributor) subscription(p *pipe, topic []byte, cancel bool) (cost, excess int) {
	d.changing.Lock()
	defer d.changing.Unlock()
	cost, _ = d.note(p, topic, cancel)
	d.noted()
	return cost, 0
}

// note notes a subscription or its end. It returns what the peer's subscriptions cost, and whether
// this one is the first to its prefix, or the end of the last. changing is held. The caller calls
// noted afterwards.
func (d *distributor) note(p *pipe, topic []byte, cancel bool) (cost int, edge bool) {
	s := d.peers[p]
	switch {
	case s == nil: // nothing new for a peer that is about to be disconnected
		return 0, false
	case cancel:
		if n := d.prefix.find(topic); n != nil {
			if _, ok := s.at[n]; ok {
				edge = d.remove(n, s)
			}
		}
	default:
		n := d.prefix.reach(topic)
		if _, ok := s.at[n]; ok {
			break
		}
		if len(n.values) == 0 { // first of all, so that nothing is rejected that is subscribed to
			d.sieve.add(topic)
		}
		edge = d.prefix.put(n, s)
	}
	return s.cost, edge
}

// remove takes a subscription away, and reports whether it was the last to its prefix. changing is
// held.
func (d *distributor) remove(n *node[*pipe], s *subscriptions[*pipe]) (last bool) {
	if last = d.prefix.take(n, s); last {
		d.sieve.remove(n.length)
	}
	return last
}

// noted wakes the callers of WaitSubscribers, and then improves the sieve, which may take long.
// changing is held, and released meanwhile.
func (d *distributor) noted() {
	d.s.changed.wakeAll()
	d.refine()
}

// refine improves the sieve if that is due. changing is held, and released meanwhile.
func (d *distributor) refine() { d.sieve.refine(&d.prefix, d.pause) }

// pause lets others change subscriptions. changing is held.
func (d *distributor) pause() {
	d.changing.Unlock()
	runtime.Gosched()
	d.changing.Lock()
}

// departed is a peer that has gone. Its subscriptions are still in the trie, but not found any
// more.
type departed struct {
	s     *subscriptions[*pipe]
	asked map[string]struct{} // with Manual: the peer's own subscriptions, whose end is reported instead; else nil
	kept  int64               // what counts against Config.MemoryLimit until they are removed
}

// removeStep is how many nodes of the trie are visited to remove subscriptions of peers that have
// gone, before others may make changes. The last subscription of a step may take more.
const removeStep = 1000

// removeAtOnce is how many subscriptions of a peer are removed by the goroutine that notes its end.
// That goroutine may hold locks, so there are few of them.
const removeAtOnce = 100

// detach ends the peer's subscriptions. A peer that comes back subscribes again.
func (d *distributor) detach(p *pipe) {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.leave(p, nil)
}

// leave ends the subscriptions of a peer, so that they are not found any more, and removes them
// from the trie; many in a goroutine, which also improves the sieve. If the pipe gets a peer again
// meanwhile, that peer has other subscriptions. changing is held.
func (d *distributor) leave(p *pipe, asked map[string]struct{}) {
	s := d.peers[p]
	if s == nil {
		return
	}
	d.mu.Lock()
	delete(d.peers, p)
	d.mu.Unlock()
	d.prefix.end(s)
	d.s.room.wakeAll() // senders no longer wait for room at this peer
	starts := !d.removing
	if starts && !d.s.begin() {
		return // the socket is closed, and forgotten as a whole
	}
	kept := p.account.kinds[keptSubscriptions].Load() // which the account is about to forget
	d.s.budget.add(keptSubscriptions, kept)
	d.departed = append(d.departed, departed{s, asked, kept})
	if !starts {
		return
	}
	if len(s.at)+len(asked) <= removeAtOnce && !d.removeSome() && !d.sieve.due {
		d.s.wg.Done()
		return
	}
	d.removing = true
	go func() {
		defer d.s.wg.Done()
		d.removeDeparted()
	}()
}

// removeDeparted removes the subscriptions of peers that have gone, unless the socket is closed.
func (d *distributor) removeDeparted() {
	d.changing.Lock()
	defer d.changing.Unlock()
	for !d.s.closing.Load() && d.removeSome() {
		d.pause()
	}
	d.removing = false
	if !d.s.closing.Load() {
		d.refine()
		return
	}
	for _, one := range d.departed {
		d.s.budget.add(keptSubscriptions, -one.kept)
	}
	d.departed = nil
}

// removeSome removes some subscriptions of peers that have gone. It reports whether there are more.
// changing is held.
func (d *distributor) removeSome() (more bool) {
	for left := removeStep; len(d.departed) > 0; {
		if left--; left <= 0 {
			return true
		}
		first := &d.departed[0]
		var all bool
		if left, all = d.removeOf(first, left); !all {
			return true
		}
		d.prefix.forget()
		d.s.budget.add(keptSubscriptions, -first.kept)
		d.departed[0] = departed{}
		d.departed = d.departed[1:]
	}
	return false
}

// removeOf removes subscriptions of a peer that has gone, until so many nodes have been visited: two
// for each subscription, and each node above it if its end is reported. It returns how many nodes
// are left, and whether all subscriptions are removed. changing is held.
func (d *distributor) removeOf(one *departed, nodes int) (left int, all bool) {
	left = nodes
	for n := range one.s.at {
		if left <= 0 {
			return left, false
		}
		left -= 2 + n.length/maxLabel
		if d.ended != nil && one.asked == nil && (len(n.values) == 1 || d.s.cfg.Verboser) {
			prefix, depth := n.prefix()
			left -= depth
			d.ended(one.s, string(prefix))
		}
		d.remove(n, one.s)
	}
	for topic := range one.asked {
		if left <= 0 {
			return left, false
		}
		left -= 2 + len(topic)/maxLabel
		delete(one.asked, topic)
		d.ended(one.s, topic)
	}
	return left, true
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
