package zmq

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// kept is a kind of memory that peers make a socket keep.
type kept int

// The kinds of memory. Reading from a peer can be suspended to bound the first two. Only the end of
// the connection frees the others, which are called fixed.
const (
	keptUnread        kept = iota // whole messages that the program has not received
	keptReserved                  // for the rest of what a peer that is gone has sent
	keptParts                     // messages that are not whole
	keptSubscriptions             // as pattern.subscription counts them
	keptEnvelopes                 // of requests that have no reply yet
	keptProperties                // what peers announced in the handshake
	keptKinds
	firstFixed = keptParts
)

// budget bounds the memory that all peers together make a socket keep (Config.MemoryLimit). Each
// connection has an account. The queue of received messages counts unread messages itself.
//
// The sums are atomic. Far below the limit nothing else is touched, and they are touched only when
// the memory of a connection changes, which is once for each read at most. The mutex guards the rest
// and is taken only at the limit, and once at the beginning and at the end of each connection.
//
// At the limit the rules are:
//
//   - A peer with unread messages is read from as long as these take less than what is left of the
//     limit (allows). So the peers with the most unread messages are suspended first, and those with
//     none never.
//   - If fixed memory takes more than three quarters of the limit, the connections with the most of
//     it are ended until one of the two bounds is kept (hoarders).
//   - Otherwise unread messages are the cause, and a peer that needs more fixed memory is suspended
//     until the program has received some of them.
type budget struct {
	limit  int64
	tell   func(error) // called once for each episode, without mu held
	sums   [keptKinds]atomic.Int64
	waits  atomic.Int32 // size of waiting
	told   atomic.Bool  // this episode was reported
	closed atomic.Bool  // the socket is closed: there is no limit any more
	ended  atomic.Uint64

	mu       sync.Mutex
	accounts map[*account]struct{} // of connections
	waiting  map[*account]struct{} // those to be signalled when there is room
}

// account is what one peer makes the socket keep, without its unread messages in the queue.
type account struct {
	b     *budget
	end   func(error) // ends the connection
	room  chan struct{}
	kinds [keptKinds]atomic.Int64

	ending bool // its connection was told to end; guarded by b.mu
}

func newBudget(limit int, tell func(error)) *budget {
	most := int64(limit)
	if limit == unlimited {
		most = math.MaxInt64
	}
	return &budget{limit: most, tell: tell, accounts: map[*account]struct{}{}, waiting: map[*account]struct{}{}}
}

// newAccount returns the account of a peer, whose connection end ends.
func (b *budget) newAccount(end func(error)) *account {
	return &account{b: b, end: end, room: make(chan struct{}, 1)}
}

// open notes that there is a connection, which can be ended to free what the account counts.
func (a *account) open() {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	a.ending = false
	a.b.accounts[a] = struct{}{}
}

// close notes that the connection has ended. Envelopes stay until the request has a reply.
func (a *account) close() {
	for k := range keptKinds {
		if k != keptEnvelopes {
			a.set(k, 0)
		}
	}
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	delete(a.b.accounts, a)
	delete(a.b.waiting, a)
	a.b.waits.Store(int32(len(a.b.waiting)))
}

// set notes how many bytes of a kind the peer makes the socket keep. It reports whether that has
// taken the total beyond the limit: then settle is to be called.
func (a *account) set(k kept, n int) (over bool) {
	return a.b.add(k, int64(n)-a.kinds[k].Swap(int64(n)))
}

// fixed returns how many bytes only the end of the connection frees.
func (a *account) fixed() (n int64) {
	for k := firstFixed; k < keptKinds; k++ {
		n += a.kinds[k].Load()
	}
	return n
}

// add adds to a sum. It reports whether that has taken the total beyond the limit.
func (b *budget) add(k kept, delta int64) (over bool) {
	if delta == 0 {
		return false
	}
	b.sums[k].Add(delta)
	if delta > 0 {
		return b.total() > b.limit
	}
	if b.waits.Load() > 0 || b.told.Load() {
		b.freed()
	}
	return false
}

// total returns how many bytes are kept.
func (b *budget) total() (n int64) {
	for k := range b.sums {
		n += b.sums[k].Load()
	}
	return n
}

// allows reports whether a peer may have more unread messages, of which it has so many bytes.
func (b *budget) allows(unread int64) bool {
	return unread == 0 || unread < b.limit-b.total() || b.closed.Load()
}

// isPressed reports whether no memory is to be taken on the mere word of a peer.
func (b *budget) isPressed() bool { return b.total() > b.limit/2 }

// holding is how much fixed memory an account has.
type holding struct {
	a    *account
	size int64
}

// hoarders returns how many of the connections are to be ended: the first ones of all, in which
// those with the most fixed memory come first. total and fixed are the bytes that are kept.
func hoarders(limit, total, fixed int64, all []holding) (n int) {
	for n < len(all) && all[n].size > 0 && total > limit && fixed > limit/4*3 {
		total -= all[n].size
		fixed -= all[n].size
		n++
	}
	return n
}

// settle ends the connections of the largest hoarders, if that is what brings the total below the
// limit. It reports whether it does not, so that the caller has to wait.
func (b *budget) settle() (wait bool) {
	total := b.total()
	if total <= b.limit || b.closed.Load() {
		return false
	}
	var fixed int64
	for k := firstFixed; k < keptKinds; k++ {
		fixed += b.sums[k].Load()
	}
	if fixed <= b.limit/4*3 { // nobody is to be ended
		b.report()
		return true
	}
	b.mu.Lock()
	fixed = 0
	all := make([]holding, 0, len(b.accounts))
	for a := range b.accounts {
		size := a.fixed()
		if a.ending {
			total -= size
			continue
		}
		fixed += size
		all = append(all, holding{a, size})
	}
	slices.SortFunc(all, func(x, y holding) int { return cmp.Compare(y.size, x.size) })
	ended := all[:hoarders(b.limit, total, fixed, all)]
	for _, h := range ended {
		h.a.ending = true
		total -= h.size
	}
	b.mu.Unlock()
	if wait = total > b.limit; wait || len(ended) > 0 {
		b.report()
	}
	for _, h := range ended {
		b.ended.Add(1)
		h.a.end(fmt.Errorf("%w: this peer made the socket keep %d bytes that only the end of its connection frees, more than any other",
			ErrMemoryLimit, h.size))
	}
	return wait
}

// await has the account signalled when there may be room. The caller looks once more before it waits.
func (a *account) await() {
	b := a.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.accounts[a]; ok {
		b.waiting[a] = struct{}{}
		b.waits.Store(int32(len(b.waiting)))
	}
}

// freed signals the accounts that wait, if there may be room for them, and notes the end of an
// episode.
func (b *budget) freed() {
	total := b.total()
	if total <= b.limit/8*7 || b.sums[keptUnread].Load()+b.sums[keptReserved].Load() == 0 {
		b.wake()
	}
	if total <= b.limit/4*3 && b.waits.Load() == 0 {
		b.told.Store(false)
	}
}

// wake signals all accounts that wait.
func (b *budget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for a := range b.waiting {
		select {
		case a.room <- struct{}{}:
		default:
		}
	}
	clear(b.waiting)
	b.waits.Store(0)
}

// close ends all waits: what comes for a closed socket is not kept.
func (b *budget) close() {
	b.closed.Store(true)
	b.wake()
}

// reserve reserves memory for n bytes that a peer which is gone has sent and that were not read. It
// reports false if there is none.
func (a *account) reserve(n int) bool {
	b := a.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total()+int64(n) > b.limit && !b.closed.Load() {
		return false
	}
	a.set(keptReserved, n)
	return true
}

// report tells the user that the limit is reached, once for each episode.
func (b *budget) report() {
	if b.told.CompareAndSwap(false, true) {
		b.tell(b.describe())
	}
}

// describe returns what is kept at present, as an error.
func (b *budget) describe() *MemoryLimitError {
	return &MemoryLimitError{
		Limit:         clampInt(b.limit),
		Unread:        clampInt(b.sums[keptUnread].Load() + b.sums[keptReserved].Load()),
		Parts:         clampInt(b.sums[keptParts].Load()),
		Subscriptions: clampInt(b.sums[keptSubscriptions].Load()),
		Envelopes:     clampInt(b.sums[keptEnvelopes].Load()),
		Properties:    clampInt(b.sums[keptProperties].Load()),
	}
}

func clampInt(n int64) int { return int(min(max(n, 0), math.MaxInt)) }

// ErrMemoryLimit is why a connection was ended whose peer made the socket keep more than any other, when all peers together
// had reached Config.MemoryLimit. A [MemoryLimitError] is one, too.
var ErrMemoryLimit error = &limitError{"zmq: peers make the socket keep Config.MemoryLimit"}

// MemoryLimitError is the cause in an event of the kind EventMemoryLimit: how many bytes peers make the socket keep, by kind.
type MemoryLimitError struct {
	Limit         int // Config.MemoryLimit
	Unread        int // whole messages that were not received
	Parts         int // messages of which not all has arrived
	Subscriptions int // subscriptions of PUB and XPUB
	Envelopes     int // envelopes of requests that a REP has not answered
	Properties    int // what peers announced about themselves
}

// Error says what takes the most memory, and what can be done about it.
func (e *MemoryLimitError) Error() string {
	most, cause := e.Unread, "most is unread messages: the program receives more slowly than its peers send, or not at all; "+
		"peers with many of them are not read from until it has received some"
	for _, other := range []struct {
		size  int
		cause string
	}{
		{e.Parts, "most is messages in parts: peers begin large messages and do not end them; the connections with the most are " +
			"ended; lower Config.MaxMessageSize or MaxPeers if no peer has to send as much"},
		{e.Subscriptions, "most is subscriptions: the connections with the most are ended; lower Config.MaxSubscriptionBytes, or " +
			"raise MemoryLimit if peers need as many"},
		{e.Envelopes, "most is envelopes of requests without a reply; lower Config.MaxMessageSize"},
		{e.Properties, "most is what peers announce about themselves; lower Config.MaxPeers"},
	} {
		if other.size > most {
			most, cause = other.size, other.cause
		}
	}
	return fmt.Sprintf("%v (%d bytes): unread messages %d, messages in parts %d, subscriptions %d, envelopes %d, properties %d; %s",
		ErrMemoryLimit, e.Limit, e.Unread, e.Parts, e.Subscriptions, e.Envelopes, e.Properties, cause)
}

// Unwrap returns ErrMemoryLimit.
func (e *MemoryLimitError) Unwrap() error { return ErrMemoryLimit }
