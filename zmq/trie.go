package zmq

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
)

// trie is a radix tree of prefixes, each with the values that are subscribed to it. All prefixes of
// a topic are found by one walk down. Edges have runs of bytes as labels, so that the size of the
// tree is that of the prefixes.
//
// matches needs no lock. match is called with mu held. The caller serializes changes. A change
// takes mu only to replace one thing in one node, so that a search waits for one node at most,
// however deep the tree and however large the change. Peers choose the depth: no operation is
// recursive over more than a few levels.
type trie[T any] struct {
	mu      sync.Locker
	root    node[T]
	changes atomic.Uint64 // nodes changed since the trie was made
	ended   int           // subscriptions whose end is noted and that are still in the trie; guarded by mu
}

// maxLabel bounds the label of an edge: what a change copies does not grow with prefixes that
// others chose.
const maxLabel = 4 << 10

// node is the end of a prefix, or a place where prefixes part. It stays the same as long as it is
// in the trie, so that subscriptions can refer to it.
type node[T any] struct {
	edges    atomic.Pointer[edges[T]] // nil for a leaf
	occupied atomic.Bool              // there are values
	length   int                      // of the prefix

	// Guarded by mu.
	values []T
	owners []*subscriptions[T] // of the values, in the same order

	// Used by changes only.
	parent *node[T]
	key    byte // the first byte of the label that leads here
}

// edges are those that lead down from a node. They are never changed, only replaced.
type edges[T any] struct {
	keys []byte // the first byte of each label, in order
	list []edge[T]
	few  [8]byte // memory for keys
}

type edge[T any] struct {
	word  uint64 // a label of up to eight bytes, to be compared in one go with what mask leaves of a topic
	mask  uint64 // 0 for longer ones
	label []byte
	to    *node[T]
}

// subscriptions are all those of one value. Only changes use them.
type subscriptions[T any] struct {
	value T
	at    map[*node[T]]int // the nodes of the prefixes, and where in their values this one is
	cost  int              // bytes that all of this takes, or more
	ended bool             // guarded by the trie's mu: no longer to be found
}

// subscriptionCost is what a subscription takes beside the bytes of its prefix, at most: two nodes
// (its own and one where its prefix parts from others), their edges, and its places in the node and
// in the subscriptions.
const subscriptionCost = 512

func newSubscriptions[T any](value T) *subscriptions[T] {
	return &subscriptions[T]{value: value, at: map[*node[T]]int{}}
}

// search is a walk down along a topic. It can be made in several steps.
type search[T any] struct {
	next     *node[T] // nil at the end
	topic    []byte   // the rest of it, below next
	prefixes int      // found so far
}

// begin returns the search for the prefixes of topic.
func (t *trie[T]) begin(topic []byte) search[T] { return search[T]{next: &t.root, topic: topic} }

// searchStep is how many nodes match visits at most.
const searchStep = 1000

// match goes on with a search, and appends to dst the values of every prefix that it finds. A value
// that is subscribed to several of them is there several times, which cannot be if only one prefix
// was found. mu is held. If the trie has changed since the last step, the search may miss some.
func (t *trie[T]) match(dst []T, s *search[T]) (found []T) {
	n, topic := s.next, s.topic
	for left := searchStep; n != nil && left > 0; left-- {
		if len(n.values) > 0 {
			before := len(dst)
			if dst = t.appendValues(dst, n); len(dst) > before {
				s.prefixes++
			}
		}
		e := n.edgeTo(topic)
		if e == nil {
			n = nil
			break
		}
		n, topic = e.to, topic[len(e.label):]
	}
	s.next, s.topic = n, topic
	return dst
}

// appendValues appends the values of n whose subscriptions have not ended.
func (t *trie[T]) appendValues(dst []T, n *node[T]) []T {
	if t.ended == 0 {
		return append(dst, n.values...)
	}
	for i, s := range n.owners {
		if !s.ended {
			dst = append(dst, n.values[i])
		}
	}
	return dst
}

// matches reports whether there is a value at a prefix of topic. If the trie is being changed, or
// subscriptions have ended, it may report true when there is none. It is asked for each message, so
// it makes no calls if there are few edges.
func (t *trie[T]) matches(topic []byte) bool {
	before := t.changes.Load()
	n := &t.root
	for !n.occupied.Load() {
		all := n.edges.Load()
		if all == nil || len(topic) == 0 {
			return t.changes.Load() != before // a subscription may have moved up behind this walk, or down ahead of it
		}
		i := 0
		if len(all.keys) <= 16 {
			for i < len(all.keys) && all.keys[i] != topic[0] {
				i++
			}
		} else {
			i = bytes.IndexByte(all.keys, topic[0])
		}
		if uint(i) >= uint(len(all.list)) || !all.list[i].begins(topic) {
			return t.changes.Load() != before
		}
		e := &all.list[i]
		n, topic = e.to, topic[len(e.label):]
	}
	return true
}

// edgeTo returns the edge whose label begins topic, or nil.
func (n *node[T]) edgeTo(topic []byte) *edge[T] {
	all := n.edges.Load()
	if all == nil || len(topic) == 0 {
		return nil
	}
	i := bytes.IndexByte(all.keys, topic[0])
	if i < 0 || !all.list[i].begins(topic) {
		return nil
	}
	return &all.list[i]
}

// begins reports whether topic begins with the edge's label. Their first bytes are the same.
func (e *edge[T]) begins(topic []byte) bool {
	if len(e.label) == 1 {
		return true
	}
	if e.mask != 0 && len(topic) >= 8 {
		return binary.LittleEndian.Uint64(topic)&e.mask == e.word
	}
	return bytes.HasPrefix(topic, e.label)
}

// find returns the node of a prefix, or nil.
func (t *trie[T]) find(prefix []byte) *node[T] {
	n := &t.root
	for len(prefix) > 0 {
		e := n.edgeTo(prefix)
		if e == nil {
			return nil
		}
		n, prefix = e.to, prefix[len(e.label):]
	}
	return n
}

// reach returns the node of a prefix, which it makes if there is none. Such a node is to be given a
// value before the next change.
func (t *trie[T]) reach(prefix []byte) *node[T] {
	n := &t.root
	for len(prefix) > 0 {
		n, prefix = t.descend(n, prefix)
	}
	return n
}

// descend goes from n one edge down towards prefix, makes that edge if there is none, and returns
// the rest of the prefix.
func (t *trie[T]) descend(n *node[T], prefix []byte) (below *node[T], rest []byte) {
	all := n.edges.Load()
	i, ok := all.index(prefix[0])
	if !ok {
		label := bytes.Clone(prefix[:min(len(prefix), maxLabel)])
		below = newNode(n, label)
		t.setEdges(n, all.insert(i, newEdge(label, below)))
		return below, prefix[len(label):]
	}
	e := all.list[i]
	common := commonPrefix(e.label, prefix)
	if common < len(e.label) { // both parts in memory of their own: the longer may go and the shorter stay
		upper, lower := bytes.Clone(e.label[:common]), bytes.Clone(e.label[common:])
		middle := newNode(n, upper)
		middle.edges.Store((*edges[T])(nil).insert(0, newEdge(lower, e.to)))
		t.setEdges(n, all.replace(i, newEdge(upper, middle)))
		e.to.parent, e.to.key = middle, lower[0]
		t.prune(e.to) // these two may be there only because the whole label was too long to be joined
		t.prune(n)
		return middle, prefix[common:]
	}
	return e.to, prefix[common:]
}

func newNode[T any](parent *node[T], label []byte) *node[T] {
	return &node[T]{parent: parent, key: label[0], length: parent.length + len(label)}
}

// put subscribes s to the prefix of n. The caller has checked that it is not subscribed yet. put
// reports whether the prefix had no value before.
func (t *trie[T]) put(n *node[T], s *subscriptions[T]) (first bool) {
	s.at[n] = len(n.values)
	s.cost += n.length + subscriptionCost
	t.lock()
	n.values, n.owners = append(n.values, s.value), append(n.owners, s)
	n.occupied.Store(true)
	t.mu.Unlock()
	return len(n.values) == 1
}

// take undoes put. It reports whether the prefix has no values any more; then n is no longer part
// of the trie.
func (t *trie[T]) take(n *node[T], s *subscriptions[T]) (last bool) {
	i, end := s.at[n], len(n.values)-1
	delete(s.at, n)
	s.cost -= n.length + subscriptionCost
	t.lock()
	moved := n.owners[end]
	n.values[i], n.owners[i] = n.values[end], moved
	n.values, n.owners = shorten(n.values), shorten(n.owners)
	n.occupied.Store(end > 0)
	t.mu.Unlock()
	if i < end {
		moved.at[n] = i
	}
	if end == 0 {
		t.prune(n)
	}
	return end == 0
}

// shorten returns list without its last element, in less memory if most of that is not used.
func shorten[E any](list []E) []E {
	const small = 16
	end := len(list) - 1
	clear(list[end:])
	list = list[:end]
	switch {
	case end == 0:
		return nil
	case cap(list) > small && end <= cap(list)/4:
		return slices.Clone(list)
	}
	return list
}

// end has match no longer find s, whose prefixes are to be taken one by one. forget is to be called
// when that is done.
func (t *trie[T]) end(s *subscriptions[T]) {
	t.lock()
	s.ended = true
	t.ended++
	t.mu.Unlock()
}

// forget notes that none of the prefixes of ended subscriptions is left.
func (t *trie[T]) forget() {
	t.mu.Lock()
	t.ended--
	t.mu.Unlock()
}

// prune removes n if it has no values and does not part prefixes, and then each node above for which
// that is so too.
func (t *trie[T]) prune(n *node[T]) {
	for n != &t.root && len(n.values) == 0 {
		below, up := n.edges.Load(), n.parent
		all := up.edges.Load()
		i, _ := all.index(n.key)
		switch {
		case below == nil:
			t.setEdges(up, all.remove(i))
			n = up
			continue
		case len(below.list) == 1 && len(all.list[i].label)+len(below.list[0].label) <= maxLabel:
			lower := below.list[0]
			label := slices.Concat(all.list[i].label, lower.label)
			t.setEdges(up, all.replace(i, newEdge(label, lower.to)))
			lower.to.parent, lower.to.key = up, n.key
		}
		return
	}
}

// prefix returns the prefix of the node, and how many nodes are above it.
func (n *node[T]) prefix() (p []byte, depth int) {
	p = make([]byte, n.length)
	for ; n.parent != nil; n = n.parent {
		depth++
		all := n.parent.edges.Load()
		i, _ := all.index(n.key)
		copy(p[n.parent.length:], all.list[i].label)
	}
	return p, depth
}

// beginnings yields the first bytes of the prefixes, at most so many of each, in order and each
// once, in memory that is used again. It yields those only that come after the given one, unless
// that is nil. It reports false if yield did, and stops then.
func (t *trie[T]) beginnings(after []byte, most int, yield func([]byte) bool) bool {
	return t.root.beginnings(make([]byte, 0, most), after, most, yield)
}

// beginnings is that of trie for the prefixes at and below n. here is that of n, or its first
// bytes. A level down is a byte or more, so that it calls itself no deeper than most.
func (n *node[T]) beginnings(here, after []byte, most int, yield func([]byte) bool) bool {
	switch {
	case after == nil || bytes.Compare(here, after) > 0:
		if (n.occupied.Load() || len(here) == most) && !yield(here) {
			return false
		}
	case !bytes.HasPrefix(after, here):
		return true // everything below comes before too
	}
	all := n.edges.Load()
	if all == nil || len(here) == most {
		return true
	}
	for i := range all.list {
		e := &all.list[i]
		if !e.to.beginnings(append(here, e.label[:min(len(e.label), most-len(here))]...), after, most, yield) {
			return false
		}
	}
	return true
}

// lock takes mu to change one node.
func (t *trie[T]) lock() {
	t.mu.Lock()
	t.changes.Add(1)
}

func (t *trie[T]) setEdges(n *node[T], all *edges[T]) {
	t.lock()
	n.edges.Store(all)
	t.mu.Unlock()
}

func newEdge[T any](label []byte, to *node[T]) edge[T] {
	e := edge[T]{label: label, to: to}
	if len(label) <= 8 {
		var word [8]byte
		copy(word[:], label)
		e.word, e.mask = binary.LittleEndian.Uint64(word[:]), ^uint64(0)>>(64-8*len(label))
	}
	return e
}

// newEdges returns n edges without content.
func newEdges[T any](n int) *edges[T] {
	all := &edges[T]{list: make([]edge[T], n)}
	if n <= len(all.few) {
		all.keys = all.few[:n:n]
	} else {
		all.keys = make([]byte, n)
	}
	return all
}

// index returns the index of the edge whose label begins with a byte, or the index at which to
// insert it.
func (all *edges[T]) index(key byte) (i int, ok bool) {
	if all == nil {
		return 0, false
	}
	return slices.BinarySearch(all.keys, key)
}

// insert returns the edges with one more at index i.
func (all *edges[T]) insert(i int, e edge[T]) *edges[T] {
	if all == nil {
		all = &edges[T]{}
	}
	more := newEdges[T](len(all.list) + 1)
	copy(more.list, all.list[:i])
	copy(more.list[i+1:], all.list[i:])
	copy(more.keys, all.keys[:i])
	copy(more.keys[i+1:], all.keys[i:])
	more.list[i], more.keys[i] = e, e.label[0]
	return more
}

// replace returns the edges with another one at index i, whose label begins with the same byte.
func (all *edges[T]) replace(i int, e edge[T]) *edges[T] {
	other := newEdges[T](len(all.list))
	copy(other.list, all.list)
	copy(other.keys, all.keys)
	other.list[i] = e
	return other
}

// remove returns the edges without that at index i, nil for none.
func (all *edges[T]) remove(i int) *edges[T] {
	if len(all.list) == 1 {
		return nil
	}
	fewer := newEdges[T](len(all.list) - 1)
	copy(fewer.list, all.list[:i])
	copy(fewer.list[i:], all.list[i+1:])
	copy(fewer.keys, all.keys[:i])
	copy(fewer.keys[i:], all.keys[i+1:])
	return fewer
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
