package zmq

import (
	"bytes"
	"slices"
)

// trie maps prefixes to the values that hold them. Finding those whose prefix begins a topic takes one walk down, however
// many prefixes there are. Its edges are labelled with runs of bytes, so that its size is that of the prefixes.
type trie[T comparable] struct {
	label    []byte
	values   []T
	children []*trie[T] // sorted by the first byte of their labels
}

// child returns the child whose label begins with c, and where it is or would be.
func (t *trie[T]) child(c byte) (int, bool) {
	return slices.BinarySearchFunc(t.children, c, func(n *trie[T], c byte) int { return int(n.label[0]) - int(c) })
}

// add puts v at prefix. It reports whether v was not there yet, and whether nothing was.
func (t *trie[T]) add(prefix []byte, v T) (added, first bool) {
	if len(prefix) == 0 {
		if slices.Contains(t.values, v) {
			return false, false
		}
		t.values = append(t.values, v)
		return true, len(t.values) == 1
	}
	i, ok := t.child(prefix[0])
	if !ok {
		leaf := &trie[T]{label: bytes.Clone(prefix), values: []T{v}}
		t.children = slices.Insert(t.children, i, leaf)
		return true, true
	}
	n := t.children[i]
	common := commonPrefix(n.label, prefix)
	if common < len(n.label) { // in memory of its own: the longer label may go away and this one stay
		upper := &trie[T]{label: bytes.Clone(n.label[:common]), children: []*trie[T]{n}}
		n.label = n.label[common:]
		t.children[i] = upper
		n = upper
	}
	return n.add(prefix[common:], v)
}

// remove takes v away from prefix. It reports whether v was there, and whether nothing is there any more.
func (t *trie[T]) remove(prefix []byte, v T) (removed, last bool) {
	if len(prefix) == 0 {
		i := slices.Index(t.values, v)
		if i >= 0 {
			t.values = slices.Delete(t.values, i, i+1)
		}
		return i >= 0, i >= 0 && len(t.values) == 0
	}
	i, ok := t.child(prefix[0])
	if !ok || !bytes.HasPrefix(prefix, t.children[i].label) {
		return false, false
	}
	n := t.children[i]
	if removed, last = n.remove(prefix[len(n.label):], v); removed {
		t.prune(i)
	}
	return removed, last
}

// prune removes the child at i where it has become superfluous.
func (t *trie[T]) prune(i int) {
	n := t.children[i]
	switch {
	case len(n.values) > 0:
	case len(n.children) == 0:
		t.children = slices.Delete(t.children, i, i+1)
	case len(n.children) == 1: // join the two edges
		below := n.children[0]
		below.label = append(bytes.Clone(n.label), below.label...)
		t.children[i] = below
	}
}

// match appends to dst the values of every prefix of topic. A value that holds several of them is there several times.
func (t *trie[T]) match(dst []T, topic []byte) []T {
	for {
		dst = append(dst, t.values...)
		if len(topic) == 0 {
			return dst
		}
		i, ok := t.child(topic[0])
		if !ok || !bytes.HasPrefix(topic, t.children[i].label) {
			return dst
		}
		t = t.children[i]
		topic = topic[len(t.label):]
	}
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
