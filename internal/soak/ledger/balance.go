package ledger

import (
	"fmt"
	"slices"
	"strings"
)

// Account is everything that is known of the messages from one sender to its receivers, at the end. Sizes are those of
// messages on the wire, in bytes.
type Account struct {
	Sent     uint64
	Received uint64
	Missing  []uint64 // the size of each message that was sent and not received, but for those below

	// Told by the sockets' own statistics.
	Dropped     uint64 // given up
	Unconfirmed uint64 // on their way when a connection broke
	Discarded   uint64 // told by the receivers: they came, and were not handed out
	Unwanted    uint64 // copies that a publisher has not made, since there was no subscription

	Absent uint64 // published while the receiver had no subscription, of those sent
	Killed uint64 // inside a sender that was killed, of those sent

	// The relays' doing.
	Destroyed uint64 // bytes
	Breaks    uint64 // connections that broke with bytes destroyed; at each a message may have been destroyed in part

	// Inside is how many bytes receivers that were killed or closed early had been given, and had not received as messages.
	Inside      uint64
	InsideEnds  uint64 // how many such ends there were; at each a message may have been received in part
	Libzmq      bool   // libzmq loses messages by its own design here, which are not bounded
	LibzmqBytes uint64 // bytes that receivers of libzmq had been given, and dropped when a connection broke
	LibzmqEnds  uint64
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

// Balance is an account that was settled: Sent is the sum of all others.
type Balance struct {
	Sent        uint64
	Received    uint64
	Dropped     uint64 // told as dropped
	Unconfirmed uint64 // told as unknown
	Discarded   uint64 // told as discarded
	Absent      uint64 // published without a subscription
	Relay       uint64 // destroyed by the relay
	Killed      uint64 // inside a process that was killed, or a receiver that was closed
	Libzmq      uint64 // lost by libzmq
	Unaccounted uint64 // what should not be
}

// Settle explains the missing messages, each by the first reason that covers it: unwanted, told as dropped, as unknown, as discarded,
// destroyed by the relay, inside a receiver that ended, lost by libzmq. Reasons that come in bytes cover the smallest messages, and the
// other reasons the largest, so that what is unaccounted for is surely so.
func (a Account) Settle() Balance {
	b := Balance{Sent: a.Sent, Received: a.Received, Absent: a.Absent, Killed: a.Killed}
	missing := slices.Sorted(slices.Values(a.Missing))
	count := func(n uint64) uint64 { // takes the largest
		n = min(n, uint64(len(missing)))
		missing = missing[:uint64(len(missing))-n]
		return n
	}
	weigh := func(size uint64) (n uint64) { // takes the smallest
		for len(missing) > 0 && missing[0] <= size {
			size -= missing[0]
			missing = missing[1:]
			n++
		}
		return n
	}
	b.Absent += count(a.Unwanted)
	b.Dropped = count(a.Dropped)
	b.Unconfirmed = count(a.Unconfirmed)
	b.Discarded = count(a.Discarded)
	b.Relay = count(a.Breaks) + weigh(a.Destroyed)
	b.Killed += count(a.InsideEnds) + weigh(a.Inside)
	b.Libzmq = count(a.LibzmqEnds) + weigh(a.LibzmqBytes)
	if a.Libzmq {
		b.Libzmq += count(uint64(len(missing)))
	}
	b.Unaccounted = uint64(len(missing))
	return b
}

// Plus adds up two balances.
func (b Balance) Plus(other Balance) Balance {
	return Balance{
		b.Sent + other.Sent, b.Received + other.Received, b.Dropped + other.Dropped, b.Unconfirmed + other.Unconfirmed, b.Discarded + other.Discarded,
		b.Absent + other.Absent, b.Relay + other.Relay, b.Killed + other.Killed, b.Libzmq + other.Libzmq,
		b.Unaccounted + other.Unaccounted,
	}
}

// String is the balance as an equation, without what is zero.
func (b Balance) String() string {
	terms := []string{fmt.Sprintf("%d received", b.Received)}
	for _, term := range []struct {
		n    uint64
		name string
	}{
		{b.Dropped, "dropped"},
		{b.Unconfirmed, "unknown"},
		{b.Discarded, "discarded"},
		{b.Absent, "not subscribed"},
		{b.Relay, "destroyed by the relay"},
		{b.Killed, "in ended processes"},
		{b.Libzmq, "lost by libzmq"},
		{b.Unaccounted, "UNACCOUNTED FOR"},
	} {
		if term.n > 0 {
			terms = append(terms, fmt.Sprintf("%d %s", term.n, term.name))
		}
	}
	return fmt.Sprintf("%d sent = %s", b.Sent, strings.Join(terms, " + "))
}
