package zmq

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// trie maps prefixes to the values that hold them. Finding those whose prefix begins a topic takes one walk down, however
// many prefixes there are. Its edges are labelled with runs of bytes, so that its size is that of the prefixes.
//
// A label has no more than maxLabel bytes: what a change copies does not grow with prefixes that others chose.
//
// A change replaces the nodes on its path, so that match needs no lock. Changes themselves must come one after the other.
type trie[T comparable] struct {
	root atomic.Pointer[node[T]] // nil for an empty trie
}

const maxLabel = 4 << 10

// node is a node of a trie. It is never changed.
type node[T comparable] struct {
	label    []byte
	word     uint64 // a label of up to eight bytes, to be compared in one go with what mask leaves of a topic
	mask     uint64 // 0 for longer ones
	values   []T
	keys     []byte // the first byte of each child's label, in order
	children []*node[T]
}

// match appends to dst the values of every prefix of topic. A value that holds several of them is there several times, which
// is not so where there was one prefix only.
func (t *trie[T]) match(dst []T, topic []byte) (found []T, prefixes int) {
	for n := t.root.Load(); n != nil; n = n.next(topic) {
		topic = topic[len(n.label):]
		if len(n.values) > 0 {
			dst = append(dst, n.values...)
			prefixes++
		}
	}
	return dst, prefixes
}

// matches reports whether there is a value at a prefix of topic. It is asked for each message, most of which nobody may want:
// so it makes no calls where there are few children.
func (t *trie[T]) matches(topic []byte) bool {
	n := t.root.Load()
	for n != nil && len(n.values) == 0 && len(topic) > 0 {
		i := 0
		if len(n.keys) <= 16 {
			for i < len(n.keys) && n.keys[i] < topic[0] {
				i++
			}
		} else {
			i, _ = slices.BinarySearch(n.keys, topic[0])
		}
		if i == len(n.keys) || n.keys[i] != topic[0] {
			return false
		}
		if n = n.children[i]; !n.begins(topic) {
			return false
		}
		topic = topic[len(n.label):]
	}
	return n != nil && len(n.values) > 0
}

// beginnings yields the first bytes of the prefixes, at most so many of each, in memory that is used again. Of those that are as
// long and the same it yields one.
func (t *trie[T]) beginnings(most int, yield func([]byte)) {
	if root := t.root.Load(); root != nil {
		root.beginnings(nil, most, yield)
	}
}

func (n *node[T]) beginnings(above []byte, most int, yield func([]byte)) {
	beginning := append(above, n.label[:min(len(n.label), most-len(above))]...)
	if len(n.values) > 0 || len(beginning) == most {
		yield(beginning)
	}
	if len(beginning) == most {
		return
	}
	for _, child := range n.children {
		child.beginnings(beginning, most, yield)
	}
}

// next returns the child whose label begins topic, nil where there is none.
func (n *node[T]) next(topic []byte) *node[T] {
	if len(topic) == 0 {
		return nil
	}
	i := bytes.IndexByte(n.keys, topic[0])
	if i < 0 || !n.children[i].begins(topic) {
		return nil
	}
	return n.children[i]
}

// begins reports whether topic begins with the node's label. Their first bytes are the same.
func (n *node[T]) begins(topic []byte) bool {
	if len(n.label) == 1 {
		return true
	}
	if n.mask != 0 && len(topic) >= 8 {
		return binary.LittleEndian.Uint64(topic)&n.mask == n.word
	}
	return bytes.HasPrefix(topic, n.label)
}

// labelled returns the node with another label.
func (n node[T]) labelled(label []byte) *node[T] {
	n.label, n.word, n.mask = label, 0, 0
	if len(label) <= 8 {
		var word [8]byte
		copy(word[:], label)
		n.word, n.mask = binary.LittleEndian.Uint64(word[:]), ^uint64(0)>>(64-8*len(label))
	}
	return &n
}

// add puts v at prefix. It reports whether v was not there yet, and whether nothing was.
func (t *trie[T]) add(prefix []byte, v T) (added, first bool) {
	root := t.root.Load()
	if root == nil {
		root = &node[T]{}
	}
	root, added, first = root.with(prefix, v)
	t.root.Store(root)
	return added, first
}

// remove takes v away from prefix. It reports whether v was there, and whether nothing is there any more.
func (t *trie[T]) remove(prefix []byte, v T) (removed, last bool) {
	root := t.root.Load()
	if root == nil {
		return false, false
	}
	root, removed, last = root.without(prefix, v)
	t.root.Store(root)
	return removed, last
}

// with returns the node with v at prefix below it.
func (n *node[T]) with(prefix []byte, v T) (changed *node[T], added, first bool) {
	if len(prefix) == 0 {
		if slices.Contains(n.values, v) {
			return n, false, false
		}
		c := *n
		c.values = append(slices.Clip(n.values), v)
		return &c, true, len(c.values) == 1
	}
	i, ok := slices.BinarySearch(n.keys, prefix[0])
	if !ok {
		c := *n
		c.keys = slices.Insert(slices.Clone(n.keys), i, prefix[0])
		c.children = slices.Insert(slices.Clone(n.children), i, leaf(prefix, v))
		return &c, true, true
	}
	child := n.children[i]
	common := commonPrefix(child.label, prefix)
	if common < len(child.label) { // in memory of its own: the longer label may go away and this one stay
		lower := child.labelled(bytes.Clone(child.label[common:]))
		child = node[T]{keys: []byte{lower.label[0]}, children: []*node[T]{lower}}.labelled(bytes.Clone(child.label[:common]))
	}
	below, added, first := child.with(prefix[common:], v)
	if !added {
		return n, false, false
	}
	return n.replace(i, below), true, first
}

// leaf returns the nodes of a prefix that none has begun, in memory of their own.
func leaf[T comparable](prefix []byte, v T) *node[T] {
	last := (len(prefix) - 1) / maxLabel * maxLabel
	n := node[T]{values: []T{v}}.labelled(bytes.Clone(prefix[last:]))
	for last > 0 {
		last -= maxLabel
		n = node[T]{keys: []byte{n.label[0]}, children: []*node[T]{n}}.labelled(bytes.Clone(prefix[last : last+maxLabel]))
	}
	return n
}

// without returns the node without v at prefix below it.
func (n *node[T]) without(prefix []byte, v T) (changed *node[T], removed, last bool) {
	if len(prefix) == 0 {
		i := slices.Index(n.values, v)
		if i < 0 {
			return n, false, false
		}
		c := *n
		c.values = slices.Delete(slices.Clone(n.values), i, i+1)
		return &c, true, len(c.values) == 0
	}
	child := n.next(prefix)
	if child == nil {
		return n, false, false
	}
	below, removed, last := child.without(prefix[len(child.label):], v)
	if !removed {
		return n, false, false
	}
	i := bytes.IndexByte(n.keys, prefix[0])
	switch {
	case len(below.values) == 0 && len(below.children) == 0:
		c := *n
		c.keys = slices.Delete(slices.Clone(n.keys), i, i+1)
		c.children = slices.Delete(slices.Clone(n.children), i, i+1)
		return &c, true, last
	case len(below.values) == 0 && len(below.children) == 1 && len(below.label)+len(below.children[0].label) <= maxLabel:
		lower := below.children[0] // join the two edges
		below = lower.labelled(append(slices.Clip(below.label), lower.label...))
	}
	return n.replace(i, below), true, last
}

// replace returns the node with another child at index i.
func (n *node[T]) replace(i int, child *node[T]) *node[T] {
	c := *n
	c.children = slices.Clone(n.children)
	c.children[i] = child
	return &c
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
