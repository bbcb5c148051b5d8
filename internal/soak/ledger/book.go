// Package ledger keeps the books of a soak: which numbered messages were accepted for sending, which were received, and how
// the difference is explained. It does no I/O and starts no goroutines; a [Book] is not safe for concurrent use.
package ledger

import (
	"fmt"
	"math/bits"
	"slices"
)

// Book is the record of one stream: messages that one socket numbered from 0 on, towards one receiver, or towards several of
// which one gets each message.
type Book struct {
	accepted uint64   // numbers below were accepted
	open     bool     // the sender did not live to tell what else it had accepted
	seen     []uint64 // a bit for each number
	received uint64
	most     uint64 // one more than the highest number received
	lanes    map[Lane]*order
	twice    []uint64 // numbers that were received again
}

// Lane is the way of messages that must keep their order: a connection of a receiver.
type Lane struct {
	Receiver   string
	Connection int // 0 if the receiver cannot tell its connections apart
}

// order is what is known of the messages that came over one lane.
type order struct {
	last  uint64
	wrong int // messages that came after one with a higher number
}

// Accept records that the sender has accepted n messages so far.
func (b *Book) Accept(n uint64) { b.accepted = max(b.accepted, n) }

// Abandon records that the sender was killed: it may have accepted more than it has told.
func (b *Book) Abandon() { b.open = true }

// Receive records that a message came over a lane.
func (b *Book) Receive(lane Lane, number uint64) {
	for uint64(len(b.seen))*64 <= number {
		b.seen = append(b.seen, 0)
	}
	if bit := uint64(1) << (number % 64); b.seen[number/64]&bit == 0 {
		b.seen[number/64] |= bit
		b.received++
	} else {
		b.twice = append(b.twice, number)
	}
	b.most = max(b.most, number+1)
	if b.lanes == nil {
		b.lanes = map[Lane]*order{}
	}
	switch o := b.lanes[lane]; {
	case o == nil:
		b.lanes[lane] = &order{last: number}
	case number < o.last:
		o.wrong++
	default:
		o.last = number
	}
}

// Sent returns how many messages are known to have been accepted.
func (b *Book) Sent() uint64 {
	if b.open {
		return max(b.accepted, b.most)
	}
	return b.accepted
}

// Received returns how many messages were received, each counted once.
func (b *Book) Received() uint64 { return b.received }

// Missing returns the numbers that were accepted and not received, in order.
func (b *Book) Missing() []uint64 {
	var missing []uint64
	for word := uint64(0); word*64 < b.Sent(); word++ {
		seen := uint64(0)
		if word < uint64(len(b.seen)) {
			seen = b.seen[word]
		}
		for lost := ^seen; lost != 0; lost &= lost - 1 {
			if n := word*64 + uint64(bits.TrailingZeros64(lost)); n < b.Sent() {
				missing = append(missing, n)
			}
		}
	}
	return missing
}

// Gaps returns the missing numbers in runs without a received one between them.
func (b *Book) Gaps() [][]uint64 {
	var gaps [][]uint64
	missing := b.Missing()
	for len(missing) > 0 {
		n := 1
		for n < len(missing) && missing[n] == missing[n-1]+1 {
			n++
		}
		gaps = append(gaps, missing[:n:n])
		missing = missing[n:]
	}
	return gaps
}

// Order says which messages must have kept their order.
type Order struct {
	Known   bool // those that a receiver got over a connection that it knows
	Unknown bool // all others, of each receiver
}

// Faults returns what can never be right.
func (b *Book) Faults(ordered Order) []string {
	var faults []string
	if len(b.twice) > 0 {
		faults = append(faults, fmt.Sprintf("%d messages received again: %v", len(b.twice), head(b.twice)))
	}
	if !b.open && b.most > b.accepted {
		faults = append(faults, fmt.Sprintf("message %d received, but only %d were accepted", b.most-1, b.accepted))
	}
	for _, lane := range b.sortedLanes() {
		must := ordered.Known
		if lane.Connection == 0 {
			must = ordered.Unknown
		}
		if o := b.lanes[lane]; o.wrong > 0 && must {
			faults = append(faults, fmt.Sprintf("%d messages out of order at %s, connection %d", o.wrong, lane.Receiver, lane.Connection))
		}
	}
	return faults
}

func (b *Book) sortedLanes() []Lane {
	var lanes []Lane
	for lane := range b.lanes {
		lanes = append(lanes, lane)
	}
	slices.SortFunc(lanes, func(x, y Lane) int {
		if x.Receiver != y.Receiver {
			return slices.Compare([]string{x.Receiver}, []string{y.Receiver})
		}
		return x.Connection - y.Connection
	})
	return lanes
}

// head returns the first few numbers.
func head(numbers []uint64) []uint64 { return numbers[:min(len(numbers), 10)] }
