package zmq

import "runtime"

// ReceiverReads reports whether a receiver reads from the socket's connection in place of its reader.
func (s *socket) ReceiverReads() bool {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	return s.in.solo != nil && s.in.solo.reading == byReceiver
}

// ReceiverWaits reports whether a receiver waits for the reader.
func (s *socket) ReceiverWaits() bool { return s.in.arrived.n.Load() > 0 }

// Lent reports whether the reader of the socket's connection has lent its part, and nobody reads.
func (s *socket) Lent() bool {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	return s.in.solo != nil && s.in.solo.reading == byNobody
}

// DropFreeSlabs leaves all free slabs to the garbage collector, so that those that are needed next
// are allocated.
func DropFreeSlabs() {
	for _, h := range shelves {
		h.mu.Lock()
		h.kept = nil
		h.mu.Unlock()
	}
	for range 2 { // the pools keep slabs for one more run
		runtime.GC()
	}
}

// The sizes at which the way changes in which memory for a message grows.
const (
	HeadStart  = headStart
	LargeRead  = largeRead
	MostChunk  = mostChunk
	MaxSlab    = maxSlab
	OwnRaw     = ownRaw
	LeastChunk = leastChunk
	MaxCuts    = maxCuts
	MaxCut     = maxCut
)
