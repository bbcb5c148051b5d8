package mechanism_test

import (
	"sync"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
)

func TestKeySet(t *testing.T) {
	t.Parallel()
	a, b, c := newPair(t).Public(), newPair(t).Public(), newPair(t).Public()
	holds := func(s *mechanism.KeySet, want ...mechanism.PublicKey) {
		t.Helper()
		n := 0
		for _, key := range []mechanism.PublicKey{a, b, c} {
			if s.Has(key) {
				n++
			}
		}
		for _, key := range want {
			if !s.Has(key) {
				t.Errorf("%v is not there", key)
			}
		}
		if n != len(want) || s.Len() != len(want) {
			t.Errorf("%d keys (Len %d), want %d", n, s.Len(), len(want))
		}
	}
	var s mechanism.KeySet
	holds(&s)
	s.Remove(a)
	s.Add(a, b, a)
	holds(&s, a, b)
	s.Remove(a, c)
	holds(&s, b)
	s.Replace(c, a)
	holds(&s, a, c)
	s.Replace()
	holds(&s)
	holds(mechanism.NewKeySet(b), b)
}

func TestKeySetIsSafeForAll(t *testing.T) {
	t.Parallel()
	keys := []mechanism.PublicKey{{1}, {2}, {3}}
	always := mechanism.PublicKey{9}
	s := mechanism.NewKeySet(always)
	var wg sync.WaitGroup
	for _, key := range keys {
		wg.Go(func() {
			for range 1000 {
				s.Add(key)
				if !s.Has(key) || !s.Has(always) {
					t.Error("a key is missing")
				}
				s.Remove(key)
			}
		})
	}
	wg.Wait()
	if s.Len() != 1 {
		t.Errorf("%d keys are left", s.Len())
	}
}
