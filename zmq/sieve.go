package zmq

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// A sieve keeps most of what nobody wants from a trie: it knows a topic that begins with none of the trie's prefixes by its first
// bytes alone, as many as the shortest prefix has. What passes may be wanted or not.
//
// passes needs no lock. Changes must come one after the other.
type sieve struct {
	mesh     atomic.Pointer[mesh] // nil where there are no prefixes
	prefixes int
	stale    int // prefixes that are gone, and still in the mesh
}

// beginner is a trie of any values.
type beginner interface {
	beginnings(most int, yield func([]byte))
}

// mesh has a bit for each hash of the first bytes of a prefix.
type mesh struct {
	length int // of what is hashed
	shift  int // that makes an index of a bit of a hash
	bits   []atomic.Uint64
}

// A mesh has at least eight bits for each prefix, as long as it is no larger than maxMesh.
const (
	sieveLength = 16 // bytes that are looked at, at most
	minMesh     = 1 << 10
	maxMesh     = 1 << 20
)

// newMesh returns an empty mesh for so many prefixes and some more.
func newMesh(prefixes, length int) *mesh {
	size := min(max(minMesh, 1<<bits.Len(uint(16*prefixes-1))), maxMesh)
	return &mesh{length: length, shift: 64 - bits.TrailingZeros(uint(size)), bits: make([]atomic.Uint64, size/64)}
}

// passes reports whether topic may begin with a prefix.
func (s *sieve) passes(topic []byte) bool {
	m := s.mesh.Load()
	if m == nil || len(topic) < m.length {
		return false
	}
	at := sieveHash(topic[:m.length]) >> m.shift
	return m.bits[at/64].Load()>>(at%64)&1 != 0
}

// add notes a prefix that is new in the trie all.
func (s *sieve) add(prefix []byte, all beginner) {
	s.prefixes++
	m := s.mesh.Load()
	if m == nil || len(prefix) < m.length || 8*s.prefixes > 64*len(m.bits) && 64*len(m.bits) < maxMesh {
		s.remake(all)
		return
	}
	m.add(prefix)
}

// remove notes that a prefix is no longer in the trie all. Its bit may stand for others, so that the mesh is made anew now and then.
func (s *sieve) remove(all beginner) {
	s.prefixes--
	if s.stale++; s.stale > s.prefixes {
		s.remake(all)
	}
}

// remake makes a mesh of what is in the trie all.
func (s *sieve) remake(all beginner) {
	s.stale = 0
	if s.prefixes == 0 {
		s.mesh.Store(nil)
		return
	}
	length := sieveLength
	all.beginnings(sieveLength, func(p []byte) { length = min(length, len(p)) })
	m := newMesh(s.prefixes, length)
	all.beginnings(length, m.add)
	s.mesh.Store(m)
}

// add sets the bit of a prefix.
func (m *mesh) add(prefix []byte) {
	at := sieveHash(prefix[:m.length]) >> m.shift
	m.bits[at/64].Or(1 << (at % 64))
}

// sieveHash hashes up to sieveLength bytes. It need not withstand an attacker: where topics collide, the trie is asked.
func sieveHash(b []byte) uint64 {
	var first, last uint64
	switch n := len(b); {
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		first, last = uint64(b[0])<<8|uint64(b[n/2]), uint64(b[n-1])
	}
	high, low := bits.Mul64(first^0x9e3779b97f4a7c15, last^0xd1b54a32d192ed03)
	return high ^ low
}
