package ledger

import (
	"fmt"
	"slices"
	"strings"
)

// Account is all information about the messages from one sender to its receivers. Sizes are those on
// the wire, in bytes.
type Account struct {
	Sent     uint64
	Received uint64

	// Missing has the size of each message that was sent and not received, except for those that
	// Unsubscribed and Killed count.
	Missing      []uint64
	Unsubscribed uint64 // published while the receiver had no subscription
	Killed       uint64 // lost inside a sender that was killed

	// From the statistics of the sockets.
	NotCopied   uint64 // copies that a publisher has not made, because there was no subscription
	Dropped     uint64 // given up by the sender
	Unconfirmed uint64 // on their way when a connection broke
	Discarded   uint64 // received by a socket, and not returned to its user

	// From the relays.
	RelayBytes  uint64 // lost in a relay
	RelayBreaks uint64 // connections that broke with such a loss; at each, one message may be lost in part

	UnreadBytes uint64 // delivered to receivers that were killed or closed early, and not received as messages
	UnreadEnds  uint64 // how often that happened; each time, one message may be received in part

	Libzmq       bool   // the sender is of libzmq, and loses messages by design
	LibzmqBytes  uint64 // delivered to receivers of libzmq, and discarded by them when a connection broke
	LibzmqBreaks uint64 // how often that happened
}

// Brief describes the account without the list of missing messages.
func (a Account) Brief() string {
	n, size := len(a.Missing), uint64(0)
	for _, m := range a.Missing {
		size += m
	}
	a.Missing = nil
	return fmt.Sprintf("%d missing of %d bytes, %+v", n, size, a)
}

// Balance is a settled account: Sent is the sum of all other fields.
type Balance struct {
	Sent         uint64
	Received     uint64
	Unsubscribed uint64 // published without a subscription
	Dropped      uint64 // reported as dropped
	Unconfirmed  uint64 // reported as unconfirmed
	Discarded    uint64 // reported as discarded
	Relay        uint64 // lost in a relay
	Killed       uint64 // lost in a process that was killed, or in a receiver that was closed early
	Libzmq       uint64 // lost by libzmq
	Unaccounted  uint64
}

// Settle explains the missing messages, each by the first reason that covers it, in the order of the
// fields of Balance. A reason that is a number of messages covers the largest ones, and a reason that is
// a number of bytes the smallest ones, so that Unaccounted is a lower bound.
func (a Account) Settle() Balance {
	b := Balance{Sent: a.Sent, Received: a.Received, Unsubscribed: a.Unsubscribed, Killed: a.Killed}
	missing := slices.Sorted(slices.Values(a.Missing))
	count := func(n uint64) uint64 { // covers the n largest
		n = min(n, uint64(len(missing)))
		missing = missing[:uint64(len(missing))-n]
		return n
	}
	weigh := func(size uint64) (n uint64) { // covers the smallest, up to a sum of sizes
		for len(missing) > 0 && missing[0] <= size {
			size -= missing[0]
			missing = missing[1:]
			n++
		}
		return n
	}
	b.Unsubscribed += count(a.NotCopied)
	b.Dropped = count(a.Dropped)
	b.Unconfirmed = count(a.Unconfirmed)
	b.Discarded = count(a.Discarded)
	b.Relay = count(a.RelayBreaks) + weigh(a.RelayBytes)
	b.Killed += count(a.UnreadEnds) + weigh(a.UnreadBytes)
	b.Libzmq = count(a.LibzmqBreaks) + weigh(a.LibzmqBytes)
	if a.Libzmq {
		b.Libzmq += count(uint64(len(missing)))
	}
	b.Unaccounted = uint64(len(missing))
	return b
}

// Plus adds up two balances.
func (b Balance) Plus(other Balance) Balance {
	return Balance{
		Sent:         b.Sent + other.Sent,
		Received:     b.Received + other.Received,
		Unsubscribed: b.Unsubscribed + other.Unsubscribed,
		Dropped:      b.Dropped + other.Dropped,
		Unconfirmed:  b.Unconfirmed + other.Unconfirmed,
		Discarded:    b.Discarded + other.Discarded,
		Relay:        b.Relay + other.Relay,
		Killed:       b.Killed + other.Killed,
		Libzmq:       b.Libzmq + other.Libzmq,
		Unaccounted:  b.Unaccounted + other.Unaccounted,
	}
}

// String is the balance as an equation, without the terms that are zero.
func (b Balance) String() string {
	terms := []string{fmt.Sprintf("%d received", b.Received)}
	for _, term := range []struct {
		n    uint64
		name string
	}{
		{b.Unsubscribed, "not subscribed"},
		{b.Dropped, "dropped"},
		{b.Unconfirmed, "unconfirmed"},
		{b.Discarded, "discarded"},
		{b.Relay, "lost in the relay"},
		{b.Killed, "in ended peers"},
		{b.Libzmq, "lost by libzmq"},
		{b.Unaccounted, "UNACCOUNTED FOR"},
	} {
		if term.n > 0 {
			terms = append(terms, fmt.Sprintf("%d %s", term.n, term.name))
		}
	}
	return fmt.Sprintf("%d sent = %s", b.Sent, strings.Join(terms, " + "))
}
