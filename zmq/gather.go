package zmq

import (
	"math/bits"

	"github.com/experimance/experimance-go/internal/wire"
)

// Memory for a message grows as the message arrives. A message that the peer is trusted with gets a
// slab of its size at once (fill tells when). Of any other one, full slabs are put aside without a
// copy, and the next slab, a chunk, has at most half the size of what has arrived. When half of a
// message of known size has arrived, it moves to a slab of that size, and the rest is read in
// place. The size of a message of many frames is not known before the last frame's header: it is
// joined when it is whole.
//
// So each byte is copied once at most, and at most three bytes are allocated for each one that
// arrives: one where it is read to, half a byte for the free part of a chunk, and one and a half
// for the slab that the message moves to, as slabs come in certain sizes. If the peer ends early,
// that slab has at most twice the size of what has arrived, and no chunk is partly free.

// gather holds the beginning of a message in parts of slabs.
type gather struct {
	parts []part
	size  int // bytes of the message in parts, and those that were discarded
	kept  int // size of the slabs of parts
}

// part is a part of a message, and one reference to its slab.
type part struct {
	b    []byte
	slab *slab
}

// add puts the next bytes of the message aside. They must not change until reset.
func (g *gather) add(b []byte, s *slab) {
	if len(b) == 0 {
		return
	}
	s.retain(1)
	if n := len(g.parts); n == 0 || g.parts[n-1].slab != s {
		g.kept += len(s.b)
	}
	g.parts = append(g.parts, part{b, s})
	g.size += len(b)
}

// discard counts the next bytes of the message without keeping them.
func (g *gather) discard(n int) { g.size += n }

// join appends the bytes of all parts, and then rest, to dst.
func (g *gather) join(dst, rest []byte) []byte {
	for _, p := range g.parts {
		dst = appendLarge(dst, p.b)
	}
	return appendLarge(dst, rest)
}

// appendLarge appends src to dst in steps, between which the goroutine can be preempted. It could
// not be while it makes one large copy, and the garbage collector, which large messages call for,
// would spin all the while to stop it. A copy of 1 MiB is still made in the way that is best for
// large ones.
func appendLarge(dst, src []byte) []byte {
	const step = 1 << 20
	for len(src) > step {
		dst, src = appendStep(dst, src[:step]), src[step:]
	}
	return append(dst, src...)
}

// appendFrame appends a frame to dst.
func appendFrame(dst []byte, flags byte, body []byte) []byte {
	return appendLarge(wire.AppendHeader(dst, flags, len(body)), body)
}

// appendStep is not inlined because goroutines are preempted where a function is called.
//
//go:noinline
func appendStep(dst, src []byte) []byte { return append(dst, src...) }

// pop takes the last part out. Its reference to its slab is the caller's then.
func (g *gather) pop() part {
	last := len(g.parts) - 1
	p := g.parts[last]
	g.parts[last] = part{}
	g.parts = g.parts[:last]
	g.size -= len(p.b)
	if last == 0 || g.parts[last-1].slab != p.slab {
		g.kept -= len(p.slab.b)
	}
	return p
}

// reset forgets all parts.
func (g *gather) reset() {
	for i, p := range g.parts {
		p.slab.release(1)
		g.parts[i] = part{}
	}
	g.parts, g.size, g.kept = g.parts[:0], 0, 0
}

// The chunks that follow the first slab of a message. The least is for a message that has outgrown
// half a slab of a busy connection.
const (
	leastChunk = 16 << 10
	mostChunk  = 1 << maxSlabBits
)

// chunkSize returns the size of the next chunk after so many bytes of a message: at most half of
// that.
func chunkSize(arrived int) int {
	half := bits.Len(uint(arrived/2)) - 1
	return min(max(1<<max(half, 0), leastChunk), mostChunk)
}

// growth is how to go on with a message of known size.
type growth int

const (
	stay   growth = iota // read on into the present slab
	exact                // move to a slab of exactly the message's size
	extend               // put the present slab aside, and read on into a chunk
)

// fill says how to go on with a message of total bytes, of which arrived are there, the last ones
// in a slab with room bytes behind them. trust is how much memory is taken on the mere word of the
// peer.
func fill(total, arrived, room, trust int) growth {
	switch {
	case total-arrived <= room:
		return stay
	case total <= trust:
		return exact
	case room > 0:
		return stay
	case (total-trust)/2 <= arrived:
		return exact
	}
	return extend
}
