package mechanism

import "sync"

// KeySet is a set of public keys that may connect. It may be changed while sockets use
// it: a key that is added may connect from then on, and the connections of one that is
// removed end. All methods may be called at the same time. The zero KeySet is empty and
// ready for use; it must not be copied.
type KeySet struct {
	mu   sync.RWMutex
	keys map[PublicKey]*Membership
}

// NewKeySet makes a set of these keys.
func NewKeySet(keys ...PublicKey) *KeySet {
	s := new(KeySet)
	s.Add(keys...)
	return s
}

// Add adds keys; those that are there already stay.
func (s *KeySet) Add(keys ...PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = make(map[PublicKey]*Membership, len(keys))
	}
	for _, key := range keys {
		if s.keys[key] == nil {
			s.keys[key] = new(Membership)
		}
	}
}

// Remove removes keys, as far as they are there. When it returns, their connections are
// about to end, and nothing more is read from them.
func (s *KeySet) Remove(keys ...PublicKey) {
	s.mu.Lock()
	var removed []*Membership
	for _, key := range keys {
		if m := s.keys[key]; m != nil {
			delete(s.keys, key)
			removed = append(removed, m)
		}
	}
	s.mu.Unlock()
	endAll(removed)
}

// Replace puts these keys in the place of all that were there, in one step: no
// connection sees a set in between. The connections of keys that are not among them end
// as by Remove.
func (s *KeySet) Replace(keys ...PublicKey) {
	s.mu.Lock()
	fresh := make(map[PublicKey]*Membership, len(keys))
	for _, key := range keys {
		if fresh[key] = s.keys[key]; fresh[key] == nil {
			fresh[key] = new(Membership)
		}
	}
	var removed []*Membership
	for key, m := range s.keys {
		if fresh[key] == nil {
			removed = append(removed, m)
		}
	}
	s.keys = fresh
	s.mu.Unlock()
	endAll(removed)
}

// Has reports whether the key is in the set. That its time may depend on the key tells
// nobody anything: public keys are no secrets, and a mechanism asks only about those
// whose secret half the peer has proved to hold.
func (s *KeySet) Has(key PublicKey) bool { return s.membership(key) != nil }

// Len is the number of keys.
func (s *KeySet) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.keys)
}

// membership returns nil if the key is not in the set.
func (s *KeySet) membership(key PublicKey) *Membership {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.keys[key]
}

// Membership is the time of a key in a [KeySet], from Add to Remove. A key that is added
// again has another one.
type Membership struct {
	mu      sync.Mutex
	over    bool
	watches map[*func()]struct{}
}

// OnEnd has f called once when the key is removed, at once if it has been already. The
// call must not block. stop keeps f from being called unless that has begun. A nil
// Membership never ends.
func (m *Membership) OnEnd(f func()) (stop func()) {
	if m == nil {
		return func() {}
	}
	m.mu.Lock()
	over := m.over
	if !over {
		if m.watches == nil {
			m.watches = make(map[*func()]struct{})
		}
		m.watches[&f] = struct{}{}
	}
	m.mu.Unlock()
	if over {
		f()
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watches, &f)
	}
}

// endAll ends memberships.
func endAll(all []*Membership) {
	for _, m := range all {
		m.mu.Lock()
		m.over = true
		watches := m.watches
		m.watches = nil
		m.mu.Unlock()
		for f := range watches {
			(*f)()
		}
	}
}
