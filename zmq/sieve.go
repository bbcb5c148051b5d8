package zmq

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// A sieve is a Bloom filter of the first bytes of prefixes, as many as the shortest of them has. It
// rejects most topics without a subscription after one look. A topic that passes may still have
// none.
//
// passes needs no lock. The caller serializes all other calls.
type sieve struct {
	mesh     atomic.Pointer[mesh] // nil if there are no prefixes
	prefixes int
	lengths  [sieveLength + 1]int // prefixes by their length; the longer ones are among the last
	stale    int                  // prefixes that are gone, and still in the mesh

	due    bool  // a new mesh is to be made
	making bool  // and is being made
	next   *mesh // that new one; nil if there is none, or if it has become useless
}

// beginner is a trie of any values.
type beginner interface {
	beginnings(after []byte, most int, yield func([]byte) bool) bool
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

// add notes a new prefix, before topics with it are to pass. refine is to be called when the caller
// has made its changes.
func (s *sieve) add(prefix []byte) {
	s.prefixes++
	s.lengths[min(len(prefix), sieveLength)]++
	m := s.mesh.Load()
	switch {
	case m == nil:
		m = newMesh(1, min(len(prefix), sieveLength))
		m.add(prefix)
		s.mesh.Store(m)
	case len(prefix) < m.length:
		m = newMesh(1, 0) // everything passes until there is a mesh for shorter beginnings
		m.add(nil)
		s.mesh.Store(m)
		s.due = true
	default:
		m.add(prefix)
	}
	switch {
	case s.next == nil:
		s.due = s.due || m.crowded(s.prefixes)
	case len(prefix) < s.next.length:
		s.next, s.due = nil, true
	default:
		s.next.add(prefix)
		s.due = s.due || s.next.crowded(s.prefixes)
	}
}

// remove notes that a prefix of a length is gone. Its bit may stand for others, so that a new mesh
// is made once in a while, by refine.
func (s *sieve) remove(length int) {
	s.prefixes--
	s.lengths[min(length, sieveLength)]--
	s.stale++
	if s.prefixes == 0 {
		s.mesh.Store(nil)
		s.next, s.due = nil, false
	} else if s.stale > s.prefixes {
		s.due = true
	}
}

// refineStep is how many beginnings of prefixes are put into a new mesh before others may make
// changes.
const refineStep = 500

// refine makes a new mesh of the prefixes in the trie, if one is due and is not being made. It
// calls pause after each step, in which other goroutines may make changes.
func (s *sieve) refine(all beginner, pause func()) {
	if !s.due || s.making {
		return
	}
	s.making = true
	for s.due {
		s.due, s.stale = false, 0
		s.next = newMesh(s.prefixes, s.shortest())
		s.fill(s.next, all, pause)
	}
	s.making = false
}

// fill puts the prefixes in the trie into a mesh and the mesh into use, unless another one becomes
// due meanwhile.
func (s *sieve) fill(m *mesh, all beginner, pause func()) {
	for last := []byte(nil); s.next == m; pause() {
		left := refineStep
		whole := all.beginnings(last, m.length, func(b []byte) bool {
			m.add(b)
			if left--; left == 0 {
				last = append(last[:0], b...)
			}
			return left > 0
		})
		if whole {
			s.mesh.Store(m)
			s.next = nil
			return
		}
	}
}

// shortest returns how long the shortest prefix is, or sieveLength if it is longer.
func (s *sieve) shortest() int {
	for length, n := range s.lengths {
		if n > 0 {
			return length
		}
	}
	return sieveLength
}

// crowded reports whether a larger mesh is better for so many prefixes.
func (m *mesh) crowded(prefixes int) bool {
	return 8*prefixes > 64*len(m.bits) && 64*len(m.bits) < maxMesh
}

// add sets the bit of a prefix.
func (m *mesh) add(prefix []byte) {
	at := sieveHash(prefix[:m.length]) >> m.shift
	m.bits[at/64].Or(1 << (at % 64))
}

// sieveHash hashes up to sieveLength bytes. It need not withstand an attacker: where topics
// collide, the trie is asked.
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
