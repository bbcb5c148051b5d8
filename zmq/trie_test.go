package zmq

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// entry is one value at one prefix, in a trie or in the model of one.
type entry struct {
	prefix string
	value  int
}

// holds reports whether the model has a value at prefix.
func holds(model map[entry]bool, prefix string) bool {
	for e := range model {
		if model[e] && e.prefix == prefix {
			return true
		}
	}
	return false
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
			checkTrie(t, topics)
		})
	}
}

func checkTrie(t *testing.T, topics *rapid.Generator[string]) {
	rapid.Check(t, func(t *rapid.T) {
		var tree trie[int]
		model := map[entry]bool{}
		anEntry := rapid.Custom(func(t *rapid.T) entry {
			return entry{topics.Draw(t, "prefix"), rapid.IntRange(0, 2).Draw(t, "value")}
		})
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				e := anEntry.Draw(t, "entry")
				prefix := []byte(e.prefix)
				alone := !holds(model, e.prefix)
				if added, first := tree.add(prefix, e.value); added == model[e] || first != alone {
					t.Fatalf("add %+v: %v, first: %v", e, added, first)
				}
				model[e] = true
				for i := range prefix { // the trie keeps no memory of its callers
					prefix[i] = '?'
				}
			},
			"remove": func(t *rapid.T) {
				e := anEntry.Draw(t, "entry")
				removed, last := tree.remove([]byte(e.prefix), e.value)
				had := model[e]
				delete(model, e)
				if removed != had || last != (had && !holds(model, e.prefix)) {
					t.Fatalf("remove %+v: %v, last: %v", e, removed, last)
				}
			},
			"match": func(t *rapid.T) {
				topic := topics.Draw(t, "topic")
				var want []int
				for e := range model {
					if strings.HasPrefix(topic, e.prefix) {
						want = append(want, e.value)
					}
				}
				got, _ := tree.match(nil, []byte(topic))
				if tree.matches([]byte(topic)) != (len(got) > 0) {
					t.Fatalf("matches %q: %v, there are %v", topic, len(got) == 0, got)
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("match %q: %v, want %v", topic, got, want)
				}
			},
			"": func(t *rapid.T) {
				if root := tree.root.Load(); root != nil {
					checkShape(t, root, true)
				}
			},
		})
	})
}

// checkShape checks what keeps a trie small and its walks right.
func checkShape(t *rapid.T, n *node[int], root bool) {
	long := len(n.children) == 1 && len(n.label)+len(n.children[0].label) >= 1500 // two that are long may stay apart
	if !root && (len(n.label) == 0 || len(n.values) == 0 && len(n.children) < 2 && !long || len(n.label) > maxLabel) {
		t.Fatalf("the node %q has %d values and %d children", n.label, len(n.values), len(n.children))
	}
	for i, c := range n.children {
		if n.keys[i] != c.label[0] || len(n.keys) != len(n.children) {
			t.Fatalf("the keys of %q are %q", n.label, n.keys)
		}
		if i > 0 && n.children[i-1].label[0] >= c.label[0] {
			t.Fatalf("the children of %q are out of order", n.label)
		}
		checkShape(t, c, false)
	}
}

// A short prefix does not keep the memory of a longer one that was taken away.
func TestTrieLetsGo(t *testing.T) {
	t.Parallel()
	var tree trie[int]
	long := bytes.Repeat([]byte("l"), 1<<20)
	tree.add(long, 1)
	tree.add(long[:3], 1)
	tree.remove(long, 1)
	if c := cap(tree.root.Load().children[0].label); c > 64 {
		t.Errorf("a prefix of 3 bytes holds on to %d", c)
	}
}

// What a change copies does not grow with a prefix that somebody else has chosen. Not parallel: it counts what all allocate.
func TestTrieChangesLittle(t *testing.T) {
	var tree trie[int]
	var sieve sieve
	long, short := bytes.Repeat([]byte("l"), 1<<20), []byte("lll")
	tree.add(long, 1)
	sieve.add(long, &tree)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const changes = 100
	for range changes {
		tree.add(short, 2)
		sieve.add(short, &tree)
		tree.remove(short, 2)
		sieve.remove(&tree)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / changes; each > 64<<10 {
		t.Errorf("a short prefix that comes and goes beside one of 1 MiB takes %d bytes", each)
	}
}
