package zmq

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// slab is a block of memory that several messages share. It is born with one reference; whoever drops the last one gives
// the block back to its pool. A slab whose references are never dropped is left to the garbage collector, so that a user
// who does not call Message.Release is slower, not wrong.
type slab struct {
	b    []byte
	refs atomic.Int32
	pool *sync.Pool
}

// Slabs come in powers of two from minSlab to maxSlab, each with some bytes more, so that a body of such a size fits with
// its frame's header. Larger ones are made to measure and not kept.
const (
	minSlab     = 1<<minSlabBits + slabSlack
	maxSlab     = 1<<maxSlabBits + slabSlack
	minSlabBits = 10
	maxSlabBits = 22
	slabSlack   = 64
)

var slabPools [maxSlabBits - minSlabBits + 1]sync.Pool

// newSlab returns a slab of at least size bytes with one reference.
func newSlab(size int) *slab {
	if size > maxSlab {
		s := &slab{b: make([]byte, size)}
		s.refs.Store(1)
		return s
	}
	class := 0
	if size > minSlab {
		class = bits.Len(uint(size-slabSlack-1)) - minSlabBits
	}
	pool := &slabPools[class]
	s, ok := pool.Get().(*slab)
	if !ok {
		s = &slab{b: make([]byte, 1<<(minSlabBits+class)+slabSlack), pool: pool}
	}
	s.refs.Store(1)
	return s
}

// retain adds n references.
func (s *slab) retain(n int) { s.refs.Add(int32(n)) }

// release drops n references.
func (s *slab) release(n int) {
	if s.refs.Add(int32(-n)) == 0 && s.pool != nil {
		s.pool.Put(s)
	}
}

// sole reports whether the caller holds the only reference, so that nobody else can see the bytes.
func (s *slab) sole() bool { return s.refs.Load() == 1 }
