package zmq

import (
	"runtime"
	"testing"
	"weak"
)

// A slab has room for what is asked for, is used again, and has less than half as much again,
// unless that is little.
func TestSlabSizes(t *testing.T) {
	t.Parallel()
	var sizes []int
	for size := 1; size < 3*maxSlab; size += 1 + size/50 {
		sizes = append(sizes, size)
	}
	for i, h := range shelves {
		sizes = append(sizes, h.size-1, h.size, h.size+1)
		if i > 0 && h.size <= shelves[i-1].size {
			t.Errorf("shelf %d has slabs of %d bytes, the one before of %d", i, h.size, shelves[i-1].size)
		}
	}
	for _, size := range sizes {
		s := newSlab(size)
		if len(s.b) < size {
			t.Errorf("a slab for %d bytes has %d", size, len(s.b))
		}
		if most := size + size/2 + slabSlack; size > minSlab && size <= maxSlab && len(s.b) > most {
			t.Errorf("a slab for %d bytes has %d, want at most %d", size, len(s.b), most)
		}
		if size <= maxSlab && s.shelf != shelfOf(len(s.b)) {
			t.Errorf("a slab of %d bytes is of the shelf for %d", len(s.b), s.shelf.size)
		}
		if !s.sole() {
			t.Errorf("a new slab of %d bytes has another reference", size)
		}
		s.release(1)
	}
}

// A huge slab is used again for what is about as large, and left to the garbage collector in the
// end. The test does not run beside others, which take slabs, too.
func TestHugeSlabs(t *testing.T) {
	const size = 4 * maxSlab
	old := newSlab(size)
	old.from = unknownPeer
	old.release(1)
	small, s := newSlab(maxSlab+1), newSlab(size-1)
	if len(small.b) >= size {
		t.Errorf("a slab for %d bytes has %d", maxSlab+1, len(small.b))
	}
	if s != old || s.from != nil || !s.sole() {
		t.Errorf("a slab was not used again, or has %d bytes from %v", len(s.b), s.from)
	}
	if other := newSlab(size); other == old {
		t.Error("a slab was given away twice")
	}
	was := weak.Make(s)
	s.release(1)
	for range 3 { // s is not used below, and so is no reference
		runtime.GC()
	}
	if was.Value() != nil || huge.find(size) != nil {
		t.Error("a slab is kept from the garbage collector")
	}
}
