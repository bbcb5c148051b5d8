package zmq

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// siftedTopics is how many topics are looked at in turn.
const siftedTopics = 10_000

// sifted is a trie with its sieve.
type sifted struct {
	tree  trie[int]
	sieve sieve
}

func (s *sifted) add(prefix string, v int) {
	if _, first := s.tree.add([]byte(prefix), v); first {
		s.sieve.add([]byte(prefix), &s.tree)
	}
}

func (s *sifted) remove(prefix string, v int) {
	if _, last := s.tree.remove([]byte(prefix), v); last {
		s.sieve.remove(&s.tree)
	}
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
		var s sifted
		t.Repeat(map[string]func(*rapid.T){
			"add":    func(t *rapid.T) { s.add(topics.Draw(t, "prefix"), rapid.IntRange(0, 2).Draw(t, "value")) },
			"remove": func(t *rapid.T) { s.remove(topics.Draw(t, "prefix"), rapid.IntRange(0, 2).Draw(t, "value")) },
			"": func(t *rapid.T) {
				topic := []byte(topics.Draw(t, "topic"))
				if s.tree.matches(topic) && !s.sieve.passes(topic) {
					t.Fatalf("%q does not pass", topic)
				}
				var all int
				s.tree.beginnings(1000, func(p []byte) {
					if all++; !s.sieve.passes(p) {
						t.Fatalf("the prefix %q does not pass", p)
					}
				})
				if all != s.sieve.prefixes {
					t.Fatalf("%d prefixes are counted, there are %d", s.sieve.prefixes, all)
				}
				if all == 0 && s.sieve.passes(topic) {
					t.Fatalf("%q passes where there is no prefix", topic)
				}
			},
		})
	})
}

// A sieve keeps back most of what nobody wants, also when there are many prefixes, and when shorter ones have come and gone.
func TestSieveKeepsBack(t *testing.T) {
	t.Parallel()
	const n = siftedTopics
	wanted := func(i int) string { return fmt.Sprintf("wanted.%05d", i) }
	others := func(i int) string { return fmt.Sprintf("wanted.%05d", n+i) }
	var s sifted
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
