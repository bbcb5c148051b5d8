package relay

import (
	"cmp"
	"slices"
)

// StreamStats counts the bytes of one direction of a connection.
type StreamStats struct {
	Received  uint64 // read from the sending side
	Forwarded uint64 // written to the receiving side's system

	// Lost is the number of bytes that the sending side's system takes for delivered and that the
	// receiving side may not get. It is final when the connection has ended. It includes the bytes
	// that the relay had buffered or discarded. On Linux it also includes those in the system's
	// buffers: bytes that the relay had not read, and for tcp those that the receiving side's system
	// had not acknowledged, so that it is an upper bound.
	Lost uint64
}

func (s StreamStats) plus(other StreamStats) StreamStats {
	return StreamStats{s.Received + other.Received, s.Forwarded + other.Forwarded, s.Lost + other.Lost}
}

// ConnStats describes one connection.
type ConnStats struct {
	ID       int    // numbers the relay's connections, from 1 on
	Target   string // endpoint of the target; "" until the relay has connected to it
	End      End    // how the connection has ended
	ToTarget StreamStats
	ToClient StreamStats
}

// Stats returns the counters of all connections, past ones included, in the order in which the relay
// has accepted them.
func (r *Relay) Stats() []ConnStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.ended)
	for c := range r.live {
		all = append(all, c.stats())
	}
	slices.SortFunc(all, func(a, b ConnStats) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Sum adds up the counters of connections, and counts the broken ones: those with another End than
// Closed.
func Sum(all []ConnStats) (toTarget, toClient StreamStats, broken int) {
	for _, c := range all {
		toTarget, toClient = toTarget.plus(c.ToTarget), toClient.plus(c.ToClient)
		if c.End != Closed {
			broken++
		}
	}
	return toTarget, toClient, broken
}
