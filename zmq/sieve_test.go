package zmq

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// siftedTopics is how many topics are looked at in turn.
const siftedTopics = 10_000

// sifted is a trie with its sieve.
type sifted struct {
	*testTrie
	sieve sieve
	pause func() // while a new mesh is made
}

func newSifted() *sifted { return &sifted{testTrie: newTestTrie(), pause: func() {}} }

func (s *sifted) add(prefix string, v int) {
	if len(s.reach([]byte(prefix)).values) == 0 {
		s.sieve.add([]byte(prefix))
	}
	s.testTrie.add([]byte(prefix), v)
	s.sieve.refine(&s.trie, func() { s.pause() })
}

func (s *sifted) remove(prefix string, v int) {
	if _, last := s.testTrie.remove([]byte(prefix), v); last {
		s.sieve.remove(len(prefix))
	}
	s.sieve.refine(&s.trie, func() { s.pause() })
}

// passed counts the first topics that pass.
func (s *sifted) passed(topic func(i int) string) (passed int) {
	for i := range siftedTopics {
		if s.sieve.passes([]byte(topic(i))) {
			passed++
		}
	}
	return passed
}

// Whatever is added and removed, a sieve passes every topic that begins with a prefix of the trie, and none where that is empty.
func TestSieve(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{"a", "b", "\x00", "\xff", "abc", "1234567", "12345678", "123456789012345"})
	topics := rapid.Map(rapid.SliceOfN(part, 0, 4), func(parts []string) string { return strings.Join(parts, "") })
	rapid.Check(t, func(t *rapid.T) {
		s := newSifted()
		t.Repeat(map[string]func(*rapid.T){
			"add":    func(t *rapid.T) { s.add(topics.Draw(t, "prefix"), rapid.IntRange(0, 2).Draw(t, "value")) },
			"remove": func(t *rapid.T) { s.remove(topics.Draw(t, "prefix"), rapid.IntRange(0, 2).Draw(t, "value")) },
			"":       func(t *rapid.T) { s.check(t, topics.Draw(t, "topic")) },
		})
	})
}

// check checks a topic, and all prefixes.
func (s *sifted) check(t *rapid.T, topic string) {
	if s.matches([]byte(topic)) && !s.sieve.passes([]byte(topic)) {
		t.Fatalf("%q does not pass", topic)
	}
	var all []string
	s.beginnings(nil, 1000, func(p []byte) bool {
		if all = append(all, string(p)); !s.sieve.passes(p) {
			t.Fatalf("the prefix %q does not pass", p)
		}
		return true
	})
	if len(all) != s.sieve.prefixes || !slices.IsSorted(all) {
		t.Fatalf("%d prefixes are counted, there are %q", s.sieve.prefixes, all)
	}
	if len(all) == 0 && s.sieve.passes([]byte(topic)) {
		t.Fatalf("%q passes where there is no prefix", topic)
	}
	for i, after := range all { // going on after each gives the rest
		rest := all[i+1:]
		s.beginnings([]byte(after), 1000, func(p []byte) bool {
			if len(rest) == 0 || rest[0] != string(p) {
				t.Fatalf("after %q comes %q, of %q", after, p, all)
			}
			rest = rest[1:]
			return true
		})
		if len(rest) > 0 {
			t.Fatalf("after %q there is nothing, of %q", after, all)
		}
	}
}

// A mesh is made in steps. What changes in between is in it, also if a shorter prefix makes it
// useless, or if all are gone.
func TestSieveChangesWhileMade(t *testing.T) {
	t.Parallel()
	steps := 0
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := newSifted()
		topic := func() string { return fmt.Sprintf("%04x", r.IntN(4000)*40503&0xffff) + "123456789012345"[:r.IntN(15)] }
		changes, pauses, short := 0, 0, 4
		change := func() {
			if changes++; r.IntN(4) == 0 {
				s.remove(topic(), 0)
			} else {
				s.add(topic(), 0)
			}
		}
		s.pause = func() {
			if pauses++; pauses%7 == 0 && short > 0 {
				short--
				s.add("0000"[:short], 0)
			}
			for range 20 {
				change()
			}
		}
		for range 3000 {
			change()
		}
		steps += pauses
		s.beginnings(nil, 1000, func(p []byte) bool {
			if !s.sieve.passes(p) {
				t.Fatalf("seed %d: the prefix %q does not pass", seed, p)
			}
			return true
		})
		if s.sieve.next != nil || s.sieve.making || s.sieve.due {
			t.Errorf("seed %d: a mesh is left unfinished", seed)
		}
	}
	if steps == 0 {
		t.Error("no mesh was made in steps")
	}
}

// A sieve keeps back most of what nobody wants, also when there are many prefixes, and when shorter ones have come and gone.
func TestSieveKeepsBack(t *testing.T) {
	t.Parallel()
	const n = siftedTopics
	wanted := func(i int) string { return fmt.Sprintf("wanted.%05d", i) }
	others := func(i int) string { return fmt.Sprintf("wanted.%05d", n+i) }
	s := newSifted()
	few := func(when string) {
		t.Helper()
		if passed := s.passed(others); passed > n/5 {
			t.Errorf("%s: %d of %d topics pass that nobody wants", when, passed, n)
		}
		if passed := s.passed(wanted); passed != n {
			t.Errorf("%s: only %d of %d topics pass that somebody wants", when, passed, n)
		}
	}
	for i := range n {
		s.add(wanted(i), i)
	}
	few("with many prefixes")
	s.add("wan", 0)
	if passed := s.passed(others); passed != n {
		t.Errorf("with a short prefix only %d of %d topics pass", passed, n)
	}
	s.remove("wan", 0)
	for i := range n {
		s.add(others(i), i)
	}
	for i := range n {
		s.remove(others(i), i)
	}
	few("after a short prefix and many others")
	for i := range n {
		s.remove(wanted(i), i)
	}
	if passed := s.passed(wanted); passed != 0 {
		t.Errorf("%d topics pass an empty sieve", passed)
	}
}
