package mechanism_test

import (
	"context"
	"slices"
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

// A membership ends with the removal of its key, not with that of others, and is not begun again by adding the key.
func TestMembershipEnds(t *testing.T) {
	t.Parallel()
	serverKeys, one, other := newPair(t), newPair(t), newPair(t)
	allowed := mechanism.NewKeySet(one.Public(), other.Public())
	asked := 0
	newServer := factory(t, mechanism.CurveServer{
		Keys: serverKeys, Clients: allowed,
		Authenticator: func(context.Context, mechanism.AuthRequest) (mechanism.Decision, error) {
			if asked++; asked == 4 { // while it is asked
				allowed.Remove(one.Public())
				allowed.Add(one.Public())
			}
			return mechanism.Accept("somebody"), nil
		},
	})
	connect := func(keys mechanism.KeyPair) (ended *int, stop func()) {
		server := newServer(serverParams)
		agree(t, factory(t, mechanism.CurveClient{Keys: keys, ServerKey: serverKeys.Public()})(clientParams), server)
		u := user(server)
		if u.ID != "somebody" || u.Membership == nil {
			t.Fatalf("user %+v", u)
		}
		ended = new(int)
		return ended, u.Membership.OnEnd(func() { *ended++ })
	}
	first, _ := connect(one)
	stopped, stop := connect(one)
	stop()
	kept, _ := connect(other)
	late, _ := connect(one)
	check := func(when string, want ...int) {
		t.Helper()
		if got := []int{*first, *stopped, *kept, *late}; !slices.Equal(got, want) {
			t.Errorf("%s: told %v times, want %v", when, got, want)
		}
	}
	check("removed while the authenticator was asked", 1, 0, 0, 1)
	again, _ := connect(one)
	allowed.Add(one.Public())
	allowed.Replace(one.Public(), other.Public())
	allowed.Remove(newPair(t).Public())
	check("nothing was removed", 1, 0, 0, 1)
	allowed.Replace(one.Public())
	check("the other was replaced", 1, 0, 1, 1)
	if *again != 0 {
		t.Error("a membership that was kept has ended")
	}
	allowed.Remove(one.Public())
	allowed.Remove(one.Public())
	if *again != 1 {
		t.Errorf("told %d times of the removal", *again)
	}
}
