package zmq

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"weak"
)

// slab is a block of memory that several messages share. It is born with one reference; whoever drops the last one gives
// the block back to its shelf. A slab whose references are never dropped is left to the garbage collector, so that a user
// who does not call Message.Release is slower, not wrong.
type slab struct {
	b     []byte
	refs  atomic.Int32
	shelf *shelf // nil for one that is made to measure
	from  *Peer  // who sent the messages in it; set before anybody receives them

	report *subscriptions[*pipe] // what the message in it is about, if an XPUB has made it as a report; else nil
}

// Slabs up to maxSlab come in powers of two and in the sizes halfway between them, each with
// slabSlack bytes more, so that a body of such a size fits with its frame's header. Larger ones are
// made to measure.
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

// keptBytes is how much memory each shelf of large slabs keeps. The shelves of the sizes in between
// keep half of that, or one slab.
const keptBytes = 4 << 20

// shelves are in the order of their sizes: index 2*i has those of 1<<(minSlabBits+i) bytes, the
// next one those of half as much again.
var shelves = func() []*shelf {
	var all []*shelf
	add := func(size, kept int) {
		h := &shelf{size: size + slabSlack}
		if h.size >= largeMessage {
			h.most = max(kept/size, 1)
		}
		all = append(all, h)
	}
	for size := 1 << minSlabBits; size < 1<<maxSlabBits; size *= 2 {
		add(size, keptBytes)
		add(size+size/2, keptBytes/2)
	}
	add(1<<maxSlabBits, keptBytes)
	return all
}()

// shelfOf returns the shelf of the smallest slabs that have size bytes, which is maxSlab at most.
func shelfOf(size int) *shelf {
	if size <= minSlab {
		return shelves[0]
	}
	last := uint(size - slabSlack - 1)
	class := 2 * (bits.Len(last) - minSlabBits) // of the power of two above last
	if half := last >> (bits.Len(last) - 2); half == 0b10 {
		class-- // the size before that has room, too
	}
	return shelves[class]
}

// newSlab returns a slab of at least size bytes with one reference.
func newSlab(size int) *slab {
	s := freeSlab(size)
	s.refs.Store(1)
	return s
}

func freeSlab(size int) *slab {
	if size > maxSlab {
		return huge.take(size)
	}
	return shelfOf(size).take()
}

// huge is the shelf of slabs of more than maxSlab bytes, of any size.
var huge hugeShelf

// hugeShelf holds free slabs as long as the garbage collector leaves them there. A sync.Pool alone
// would do that for each processor by itself, so that a slab that was released on one would not be
// found on another.
type hugeShelf struct {
	held sync.Pool // has all that is free, until the garbage collector empties it

	mu   sync.Mutex
	free []weak.Pointer[slab]
}

// take returns a slab of at least size bytes, and of not more than twice as many.
func (h *hugeShelf) take(size int) *slab {
	if s := h.find(size); s != nil {
		return s
	}
	return &slab{b: make([]byte, size)}
}

// find returns the free slab that was used last and is neither too small nor too large, or nil.
func (h *hugeShelf) find(size int) *slab {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.free = slices.DeleteFunc(h.free, func(p weak.Pointer[slab]) bool { return p.Value() == nil })
	for i, p := range slices.Backward(h.free) {
		if s := p.Value(); s != nil && len(s.b) >= size && len(s.b)/2 <= size {
			h.free = slices.Delete(h.free, i, i+1)
			return s
		}
	}
	return nil
}

func (h *hugeShelf) put(s *slab) {
	h.held.Put(s) // first: what is free must not vanish at once
	h.mu.Lock()
	h.free = append(h.free, weak.Make(s))
	h.mu.Unlock()
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

// free makes a slab without references available to newSlab.
func (s *slab) free() {
	s.from = nil
	switch {
	case s.shelf != nil:
		s.shelf.put(s)
	case len(s.b) > maxSlab:
		huge.put(s)
	}
}

// sole reports whether the caller holds the only reference, so that nobody else can see the bytes.
func (s *slab) sole() bool { return s.refs.Load() == 1 }
