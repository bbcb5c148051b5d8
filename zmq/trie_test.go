package zmq

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// testTrie is a trie with the subscriptions of some values.
type testTrie struct {
	trie[int]
	lock countingLock
	of   map[int]*subscriptions[int]
}

// countingLock counts how many nodes are changed at most while it is held.
type countingLock struct {
	sync.Locker
	changes *atomic.Uint64
	began   uint64
	most    uint64
}

func (l *countingLock) Lock() {
	l.Locker.Lock()
	l.began = l.changes.Load()
}

func (l *countingLock) Unlock() {
	l.most = max(l.most, l.changes.Load()-l.began)
	l.Locker.Unlock()
}

func newTestTrie() *testTrie {
	t := &testTrie{of: map[int]*subscriptions[int]{}}
	t.lock = countingLock{Locker: &sync.Mutex{}, changes: &t.changes}
	t.mu = &t.lock
	return t
}

// subs returns the subscriptions of v.
func (t *testTrie) subs(v int) *subscriptions[int] {
	if t.of[v] == nil {
		t.of[v] = newSubscriptions(v)
	}
	return t.of[v]
}

// add subscribes v to prefix. It reports whether it was not subscribed yet, and whether it is the
// first.
func (t *testTrie) add(prefix []byte, v int) (added, first bool) {
	n, s := t.reach(prefix), t.subs(v)
	if _, ok := s.at[n]; ok {
		return false, false
	}
	return true, t.put(n, s)
}

// remove undoes add. It reports whether v was subscribed, and whether it was the last.
func (t *testTrie) remove(prefix []byte, v int) (removed, last bool) {
	n, s := t.find(prefix), t.subs(v)
	if _, ok := s.at[n]; !ok {
		return false, false
	}
	return true, t.take(n, s)
}

// all returns the values of every prefix of topic, and in how many steps they were found.
func (t *testTrie) all(topic []byte) (found []int, steps int) {
	t.lock.Lock()
	defer t.lock.Unlock()
	for search := t.begin(topic); search.next != nil; steps++ {
		found = t.match(found, &search)
	}
	return found, steps
}

// entry is one value at one prefix, in a trie or in the model of one.
type entry struct {
	prefix string
	value  int
}

// trieModel is what a trie should have.
type trieModel struct {
	entries map[entry]bool
	count   map[string]int        // values at each prefix, of those too that have ended
	ended   []*subscriptions[int] // whose prefixes are being taken away
}

// A trie does what a set of entries would do that is looked through each time, and takes no more than that needs.
func TestTrie(t *testing.T) {
	t.Parallel()
	for name, topics := range map[string]*rapid.Generator[string]{
		"short labels": rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00\xff")), 0, 6, -1),
		"long labels": rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "1234567", "12345678", "123456789012345"}), 0, 4),
			func(parts []string) string { return strings.Join(parts, "") }),
		"more than a label holds": rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", strings.Repeat("c", 1500), strings.Repeat("d", maxLabel)}), 0, 5),
			func(parts []string) string { return strings.Join(parts, "") }),
		"many children": rapid.Map(rapid.SliceOfN(rapid.IntRange(0, 40), 0, 2),
			func(at []int) string {
				var b []byte
				for _, i := range at {
					b = append(b, byte(6*i))
				}
				return string(b)
			}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { checkTrie(t, topics) })
		})
	}
}

func checkTrie(t *rapid.T, topics *rapid.Generator[string]) {
	tree := newTestTrie()
	model := trieModel{map[entry]bool{}, map[string]int{}, nil}
	values := rapid.IntRange(0, 40)
	anEntry := rapid.Custom(func(t *rapid.T) entry { return entry{topics.Draw(t, "prefix"), values.Draw(t, "value")} })
	t.Repeat(map[string]func(*rapid.T){
		"add": func(t *rapid.T) {
			e := anEntry.Draw(t, "entry")
			prefix := []byte(e.prefix)
			if added, first := tree.add(prefix, e.value); added == model.entries[e] || first != (model.count[e.prefix] == 0) {
				t.Fatalf("add %+v: %v, first: %v", e, added, first)
			}
			if !model.entries[e] {
				model.entries[e] = true
				model.count[e.prefix]++
			}
			for i := range prefix { // the trie keeps no memory of its callers
				prefix[i] = '?'
			}
		},
		"remove": func(t *rapid.T) {
			e := anEntry.Draw(t, "entry")
			had := model.entries[e]
			if had {
				delete(model.entries, e)
				model.count[e.prefix]--
			}
			removed, last := tree.remove([]byte(e.prefix), e.value)
			if removed != had || last != (had && model.count[e.prefix] == 0) {
				t.Fatalf("remove %+v: %v, last: %v", e, removed, last)
			}
		},
		"end": func(t *rapid.T) {
			v := values.Draw(t, "value")
			s := tree.subs(v)
			tree.end(s)
			delete(tree.of, v) // it may subscribe again at once
			model.ended = append(model.ended, s)
			maps.DeleteFunc(model.entries, func(e entry, _ bool) bool { return e.value == v })
		},
		"take one of those that have ended": func(t *rapid.T) { model.takeOne(t, tree) },
		"match": func(t *rapid.T) {
			topic := topics.Draw(t, "topic")
			var want []int
			for e := range model.entries {
				if strings.HasPrefix(topic, e.prefix) {
					want = append(want, e.value)
				}
			}
			got, _ := tree.all([]byte(topic))
			if has := tree.matches([]byte(topic)); has != (len(got) > 0) && (!has || len(model.ended) == 0) {
				t.Fatalf("matches %q: %v, there are %v", topic, has, got)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("match %q: %v, want %v", topic, got, want)
			}
		},
		"": func(t *rapid.T) { checkShape(t, tree, &tree.root, nil) },
	})
	if tree.lock.most > 1 {
		t.Fatalf("%d nodes were changed under one lock", tree.lock.most)
	}
}

// takeOne takes a prefix of ended subscriptions away, if there are any.
func (m *trieModel) takeOne(t *rapid.T, tree *testTrie) {
	if len(m.ended) == 0 {
		return
	}
	for n, i := range m.ended[0].at {
		b, _ := n.prefix()
		prefix := string(b)
		if n.owners[i] != m.ended[0] {
			t.Fatalf("the place of %q is lost", prefix)
		}
		m.count[prefix]--
		if last := tree.take(n, m.ended[0]); last != (m.count[prefix] == 0) {
			t.Fatalf("take %q: last: %v", prefix, last)
		}
		return
	}
	if m.ended[0].cost != 0 {
		t.Fatalf("without subscriptions they cost %d", m.ended[0].cost)
	}
	tree.forget()
	m.ended = m.ended[1:]
}

// checkShape checks what keeps a trie small and its walks right.
func checkShape(t *rapid.T, tree *testTrie, n *node[int], prefix []byte) {
	if got, _ := n.prefix(); !bytes.Equal(got, prefix) || n.length != len(prefix) || n.occupied.Load() != (len(n.values) > 0) || len(n.owners) != len(n.values) {
		t.Fatalf("the node at %.20q believes to be at %.20q", prefix, got)
	}
	all := n.edges.Load()
	if all == nil {
		if n != &tree.root && len(n.values) == 0 {
			t.Fatalf("the leaf at %.20q has no values", prefix)
		}
		return
	}
	if up := n.parent; up != nil && len(n.values) == 0 && len(all.list) == 1 {
		at, _ := up.edges.Load().index(n.key)
		if len(up.edges.Load().list[at].label)+len(all.list[0].label) <= maxLabel {
			t.Fatalf("the node at %.20q is of no use", prefix)
		}
	}
	for i, e := range all.list {
		if len(e.label) == 0 || len(e.label) > maxLabel || all.keys[i] != e.label[0] || len(all.keys) != len(all.list) || e.to.parent != n || e.to.key != e.label[0] {
			t.Fatalf("the edge %.20q below %.20q with the keys %q", e.label, prefix, all.keys)
		}
		if i > 0 && all.keys[i-1] >= all.keys[i] {
			t.Fatalf("the edges below %.20q are out of order", prefix)
		}
		checkShape(t, tree, e.to, slices.Concat(prefix, e.label))
	}
}

// A subscription that moves up or down along a topic is found at any time, without a lock.
func TestTrieMatchesDuringChanges(t *testing.T) {
	t.Parallel()
	tree := newTestTrie()
	topic := bytes.Repeat([]byte("t"), 300)
	for i := range topic { // others part from it everywhere
		tree.add(append(topic[:i+1:i+1], 'x'), 1)
		tree.add(append(topic[:i+1:i+1], 'y'), 1)
	}
	places := []*node[int]{tree.find(topic[:1]), tree.find(topic[:150]), tree.find(topic)}
	s := tree.subs(0)
	tree.put(places[0], s)
	done := make(chan struct{})
	var watchers sync.WaitGroup
	for range 2 {
		watchers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if !tree.matches(topic) {
					t.Error("a topic is not found that is subscribed to all the time")
					return
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(1, 2))
	at := 0
	for i := 0; i < 3000 && !t.Failed(); i++ {
		to := (at + 1 + r.IntN(2)) % 3
		tree.put(places[to], s)
		tree.take(places[at], s)
		at = to
		n := r.IntN(len(topic))
		tree.remove(append(topic[:n:n], 'x'), 1)
		tree.add(append(topic[:n:n], 'x'), 1)
	}
	close(done)
	watchers.Wait()
}

// What nests deeply is searched in steps, each of a bounded number of nodes.
func TestTrieSearchesInSteps(t *testing.T) {
	t.Parallel()
	const depth = 5000
	tree := newTestTrie()
	topic := bytes.Repeat([]byte("a"), depth)
	for i := range depth {
		tree.add(topic[:i+1], i)
	}
	search, found := tree.begin(topic), 0
	for search.next != nil {
		n := len(tree.match(nil, &search))
		if n > searchStep || n > 1000 {
			t.Fatalf("%d nodes in a step", n)
		}
		found += n
	}
	if found != depth || search.prefixes != depth {
		t.Errorf("found %d values at %d prefixes, want %d", found, search.prefixes, depth)
	}
}

// A short prefix does not keep the memory of a longer one that was taken away.
func TestTrieLetsGo(t *testing.T) {
	t.Parallel()
	tree := newTestTrie()
	long := bytes.Repeat([]byte("l"), 1<<20)
	tree.add(long, 1)
	tree.add(long[:3], 1)
	tree.remove(long, 1)
	if c := cap(tree.root.edges.Load().list[0].label); c > 64 {
		t.Errorf("a prefix of 3 bytes holds on to %d", c)
	}
	const values = 1000
	for v := range values {
		tree.add(long[:3], 1+v)
	}
	for v := range values - 1 {
		tree.remove(long[:3], 1+v)
	}
	if c := cap(tree.find(long[:3]).values); c > 64 {
		t.Errorf("one value takes the place of %d", c)
	}
}

// What a change allocates does not grow with prefixes that others have chosen, nor with the depth.
// Not parallel: it counts what all allocate.
func TestTrieChangesLittle(t *testing.T) {
	for name, c := range map[string]struct {
		prefix []byte
		build  func(tree *testTrie)
	}{
		"beside a long one": {[]byte("lll"), func(tree *testTrie) { tree.add(bytes.Repeat([]byte("l"), 1<<20), 1) }},
		"below many others": {bytes.Repeat([]byte("n"), 3000), func(tree *testTrie) {
			for i := range 3000 {
				tree.add(bytes.Repeat([]byte("n"), i), 1)
			}
		}},
		"beside many values": {[]byte("v"), func(tree *testTrie) {
			for i := range 10_000 {
				tree.add([]byte("v"), 3+i)
			}
		}},
	} {
		tree := newTestTrie()
		c.build(tree)
		tree.add(c.prefix, 2) // memory for growth is allocated
		tree.remove(c.prefix, 2)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const changes = 100
		for range changes {
			tree.add(c.prefix, 2)
			tree.remove(c.prefix, 2)
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / changes; each > 32<<10 {
			t.Errorf("%s: a prefix that comes and goes takes %d bytes", name, each)
		}
	}
}

// Subscriptions cost at least what they keep, whatever they look like. Not parallel: it counts what
// all keep.
func TestSubscriptionsCostWhatTheyKeep(t *testing.T) {
	for name, c := range map[string]struct {
		n     int
		topic func(i int) string
		peers int // that have a subscription each, instead of one that has all
	}{
		"long":        {20_000, func(i int) string { return fmt.Sprintf("%08d%242d", i*7919%100000007, 0) }, 0},
		"one chain":   {3000, func(i int) string { return strings.Repeat("a", i) }, 0},
		"short":       {20_000, func(i int) string { return string([]byte{byte(i), byte(i >> 8)}) }, 0},
		"two of each": {1 << 15, func(i int) string { return fmt.Sprintf("%015b", i) }, 0},
		"of others":   {20_000, func(i int) string { return fmt.Sprintf("%x", uint32(i/2)*0x9e3779b1) + "0"[:i%2] }, 0},
		"one topic":   {5000, func(int) string { return "t" }, 1},
	} {
		tree := newTestTrie()
		before := heapInUse()
		cost := 0
		for i := range c.n {
			tree.add([]byte(c.topic(i)), i*c.peers)
		}
		for _, s := range tree.of {
			cost += s.cost
		}
		kept := int(heapInUse() - before)
		t.Logf("%s: %d bytes a subscription are kept, it costs %d", name, kept/c.n, cost/c.n)
		if kept > cost {
			t.Errorf("%s: %d bytes are kept, at a cost of %d", name, kept, cost)
		}
		runtime.KeepAlive(tree)
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
