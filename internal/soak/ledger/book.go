// Package ledger does the accounting of a soak: it records which numbered messages were accepted for
// sending and which were received, and explains the difference. It does no I/O and starts no
// goroutines. A [Book] is not safe for concurrent use.
package ledger

import (
	"fmt"
	"math/bits"
	"slices"
)

// Book records one stream: messages that one socket has numbered from 0 on, for one receiver, or for
// several receivers if each message goes to one of them.
type Book struct {
	accepted uint64   // numbers below were accepted
	open     bool     // the sender was killed
	seen     []uint64 // a bit for each number
	received uint64
	most     uint64 // one more than the highest number received
	routes   map[Route]*order
	twice    []uint64 // numbers of duplicates
}

// Route is a connection of a receiver. It keeps the order of messages.
type Route struct {
	Receiver   string
	Connection int // 0 if the receiver cannot distinguish its connections
}

// order is the state of a route.
type order struct {
	last  uint64
	wrong int // messages that came after one with a higher number
}

// Accept records that the sender has accepted n messages so far.
func (b *Book) Accept(n uint64) { b.accepted = max(b.accepted, n) }

// SenderKilled records that the sender was killed, so that it may have accepted more messages than it
// has reported.
func (b *Book) SenderKilled() { b.open = true }

// Receive records that a message was received over a route.
func (b *Book) Receive(route Route, number uint64) {
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
	if b.routes == nil {
		b.routes = map[Route]*order{}
	}
	switch o := b.routes[route]; {
	case o == nil:
		b.routes[route] = &order{last: number}
	case number < o.last:
		o.wrong++
	default:
		o.last = number
	}
}

// Sent returns how many messages were accepted, as far as known.
func (b *Book) Sent() uint64 {
	if b.open {
		return max(b.accepted, b.most)
	}
	return b.accepted
}

// Received returns how many different messages were received.
func (b *Book) Received() uint64 { return b.received }

// Missing returns the numbers of the messages that were accepted and not received, in order.
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

// Gaps returns the missing numbers, divided into runs of consecutive ones.
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

// Order says which routes must have kept the order of messages.
type Order struct {
	Known   bool // those with a Connection
	Unknown bool // those without
}

// Faults describes duplicates, messages that were never accepted, and messages out of order.
func (b *Book) Faults(ordered Order) []string {
	var faults []string
	if len(b.twice) > 0 {
		faults = append(faults, fmt.Sprintf("%d messages received again: %v", len(b.twice), head(b.twice)))
	}
	if !b.open && b.most > b.accepted {
		faults = append(faults, fmt.Sprintf("message %d received, but only %d were accepted", b.most-1, b.accepted))
	}
	for _, route := range b.sortedRoutes() {
		must := ordered.Known
		if route.Connection == 0 {
			must = ordered.Unknown
		}
		if o := b.routes[route]; o.wrong > 0 && must {
			faults = append(faults, fmt.Sprintf("%d messages out of order at %s, connection %d", o.wrong, route.Receiver, route.Connection))
		}
	}
	return faults
}

func (b *Book) sortedRoutes() []Route {
	var routes []Route
	for route := range b.routes {
		routes = append(routes, route)
	}
	slices.SortFunc(routes, func(x, y Route) int {
		if x.Receiver != y.Receiver {
			return slices.Compare([]string{x.Receiver}, []string{y.Receiver})
		}
		return x.Connection - y.Connection
	})
	return routes
}

// head returns the first few numbers.
func head(numbers []uint64) []uint64 { return numbers[:min(len(numbers), 10)] }
