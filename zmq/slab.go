package zmq

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// slab is a block of memory that several messages share. It is born with one reference; whoever drops the last one gives
// the block back to its shelf. A slab whose references are never dropped is left to the garbage collector, so that a user
// who does not call Message.Release is slower, not wrong.
type slab struct {
	b     []byte
	refs  atomic.Int32
	shelf *shelf // nil for one that is not kept
	from  *Peer  // who sent the messages in it; set before anybody receives them
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

// shelf holds the free slabs of one size. The garbage collector empties a sync.Pool every other time that it runs, and
// large messages make it run often: so some large slabs are kept out of its reach.
type shelf struct {
	size int
	pool sync.Pool

	mu   sync.Mutex
	kept []*slab // the one that was used last, which may still be in the processor's cache, at the end
	most int     // how many are kept
}

// keptBytes is how much memory each shelf of large slabs keeps.
const keptBytes = 4 << 20

var shelves = func() []*shelf {
	var all []*shelf
	for bits := minSlabBits; bits <= maxSlabBits; bits++ {
		h := &shelf{size: 1<<bits + slabSlack}
		if h.size >= largeMessage {
			h.most = keptBytes >> bits
		}
		all = append(all, h)
	}
	return all
}()

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
	s := shelves[class].take()
	s.refs.Store(1)
	return s
}

func (h *shelf) take() *slab {
	if s := h.takeKept(); s != nil {
		return s
	}
	if s, ok := h.pool.Get().(*slab); ok {
		return s
	}
	return &slab{b: make([]byte, h.size), shelf: h}
}

func (h *shelf) takeKept() *slab {
	if h.most == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	last := len(h.kept) - 1
	if last < 0 {
		return nil
	}
	s := h.kept[last]
	h.kept[last] = nil
	h.kept = h.kept[:last]
	return s
}

func (h *shelf) put(s *slab) {
	if !h.keep(s) {
		h.pool.Put(s)
	}
}

// keep reports false where enough slabs are kept.
func (h *shelf) keep(s *slab) bool {
	if h.most == 0 {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.kept) == h.most {
		return false
	}
	h.kept = append(h.kept, s)
	return true
}

// peer returns who sent the messages in the slab, nil where that is not known.
func (s *slab) peer() *Peer {
	if s == nil {
		return nil
	}
	return s.from
}

// retain adds n references.
func (s *slab) retain(n int) { s.refs.Add(int32(n)) }

// release drops n references.
func (s *slab) release(n int) {
	if s.refs.Add(int32(-n)) == 0 {
		s.free()
	}
}

// free gives a slab that nobody refers to any more back to its shelf.
func (s *slab) free() {
	if s.shelf != nil {
		s.from = nil
		s.shelf.put(s)
	}
}

// sole reports whether the caller holds the only reference, so that nobody else can see the bytes.
func (s *slab) sole() bool { return s.refs.Load() == 1 }
