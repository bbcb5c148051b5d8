package mechanism

import "sync"

// KeySet is a set of public keys that may connect. It may be changed while sockets use
// it: each connection is held against the set as it is at that moment, and connections
// that exist already stay. All methods may be called at the same time. The zero KeySet
// is empty and ready for use; it must not be copied.
type KeySet struct {
	mu   sync.RWMutex
	keys map[PublicKey]struct{}
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
		s.keys = make(map[PublicKey]struct{}, len(keys))
	}
	for _, key := range keys {
		s.keys[key] = struct{}{}
	}
}

// Remove removes keys, as far as they are there.
func (s *KeySet) Remove(keys ...PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.keys, key)
	}
}

// Replace puts these keys in the place of all that were there, in one step: no
// connection sees a set in between.
func (s *KeySet) Replace(keys ...PublicKey) {
	fresh := make(map[PublicKey]struct{}, len(keys))
	for _, key := range keys {
		fresh[key] = struct{}{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = fresh
}

// Has reports whether the key is in the set. That its time may depend on the key tells
// nobody anything: public keys are no secrets, and a mechanism asks only about those
// whose secret half the peer has proved to hold.
func (s *KeySet) Has(key PublicKey) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.keys[key]
	return ok
}

// Len is the number of keys.
func (s *KeySet) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.keys)
}
