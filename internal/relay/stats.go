package relay

import (
	"cmp"
	"slices"
)

// LaneStats counts the bytes of one direction of a connection.
type LaneStats struct {
	Taken  uint64 // read from the sending side
	Passed uint64 // written to the receiving side's system

	// Destroyed is how many bytes the sending side's system may take for delivered that the receiving side will not get:
	// those that the relay held, or had discarded, when the connection ended. On Linux it includes, for tcp, those that the
	// relay's system had acknowledged and the relay had not taken, and those that the relay had passed on and the receiving
	// side's system had not acknowledged; it is then at least what was really lost. It is known when the connection has
	// ended.
	Destroyed uint64
}

func (s LaneStats) plus(other LaneStats) LaneStats {
	return LaneStats{s.Taken + other.Taken, s.Passed + other.Passed, s.Destroyed + other.Destroyed}
}

// ConnStats is what the relay knows of one connection.
type ConnStats struct {
	ID       int    // counts the relay's connections, from 1 on
	Target   string // the endpoint that it is forwarded to; "" until that was reached
	End      string // how it ended: "closed" by the two sides, "cut", "reset", "reset by peer", "no target"; "" while it stands
	ToTarget LaneStats
	ToClient LaneStats
}

// Stats returns the counters of all connections, in the order in which they came in, those that have ended included.
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

// Sum adds up the counters of connections, and returns how many of them did not end as "closed".
func Sum(all []ConnStats) (toTarget, toClient LaneStats, broken int) {
	for _, c := range all {
		toTarget, toClient = toTarget.plus(c.ToTarget), toClient.plus(c.ToClient)
		if c.End != string(endClosed) {
			broken++
		}
	}
	return toTarget, toClient, broken
}
