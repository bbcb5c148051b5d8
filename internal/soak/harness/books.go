package harness

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/experimance/experimance-go/internal/soak/ledger"
	"github.com/experimance/experimance-go/internal/soak/peer"
)

// books are what the peers of a group have told, in terms of the ledger.
type books struct {
	g *group

	mu      sync.Mutex
	last    time.Time         // of the last event
	lives   map[uint64]*life  // by base
	streams map[uint64]uint64 // how many messages of each were accepted
	books   map[bookKey]*ledger.Book
	bytes   map[[2]string]uint64 // received, from one slot by another, as on the wire
	lost    map[string]uint64    // replies that will not come, by slot
	faults  []string
	crashes []string // of libzmq
}

// bookKey is a stream, and the slot that receives it if each receiver gets every message.
type bookKey struct {
	stream   uint64
	receiver string
}

func newBooks(g *group) *books {
	return &books{
		g: g, last: time.Now(), lives: map[uint64]*life{}, streams: map[uint64]uint64{}, books: map[bookKey]*ledger.Book{},
		bytes: map[[2]string]uint64{}, lost: map[string]uint64{},
	}
}

// add records that a life begins.
func (b *books) add(l *life) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.slot.lives = append(l.slot.lives, l)
	l.number = len(l.slot.lives)
	b.lives[l.base] = l
	b.last = time.Now()
}

// mark changes what is known of a life.
func (b *books) mark(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
	b.last = time.Now()
}

// tell records an event of a peer's life.
func (b *books) tell(l *life, e peer.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Kind {
	case peer.Sent:
		b.last = time.Now()
		b.streams[e.Stream] = max(b.streams[e.Stream], e.Number)
	case peer.Got:
		b.last = time.Now()
		b.got(l, e)
	case peer.Lost:
		b.lost[l.slot.plan.Name]++
	case peer.Drained:
		l.early = l.early || e.Text != "" // it could not be drained to the end
		b.g.log("%s: drained %s", l.name(), e.Text)
	case peer.Closed:
		b.g.log("%s: closed %s", l.name(), e.Text)
		if e.Text != "" {
			var err error
			if l.counters, err = peer.ParseCounters(e.Text); err != nil {
				b.fault(l, "%v", err)
			}
			l.told = err == nil
		}
	case peer.Fault:
		b.fault(l, "%s", e.Text)
	case crashed:
		b.g.log("%s: libzmq has crashed: %s", l.name(), e.Text)
		b.crashes = append(b.crashes, e.Text)
	}
}

func (b *books) got(l *life, e peer.Event) {
	from := b.lives[e.Stream>>32]
	if from == nil {
		b.fault(l, "message %d of stream %d, which nobody has", e.Number, e.Stream)
		return
	}
	key := bookKey{stream: e.Stream}
	if b.g.copies() {
		key.receiver = l.slot.plan.Name
	}
	b.book(key).Receive(ledger.Lane{Receiver: l.name(), Connection: e.Connection}, e.Number)
	sizes := peer.Sizes(from.slot.plan.Config.Shape, e.Stream, e.Number)
	b.bytes[[2]string{from.slot.plan.Name, l.slot.plan.Name}] += peer.WireSize(sizes, b.g.plan.Curve)
}

func (b *books) book(key bookKey) *ledger.Book {
	if b.books[key] == nil {
		b.books[key] = &ledger.Book{}
	}
	return b.books[key]
}

// fault records something that is wrong. mu is held.
func (b *books) fault(l *life, format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf("%s: %s", l.name(), fmt.Sprintf(format, args...)))
}

// since returns how long nothing was sent or received.
func (b *books) since() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.last)
}

// of returns the books of what a slot has sent to receivers, by stream and, if each gets every message, by receiver.
func (b *books) of(sender *slot, receivers []*slot) map[bookKey]*ledger.Book {
	all := map[bookKey]*ledger.Book{}
	for stream, accepted := range b.streams {
		l := b.lives[stream>>32]
		if l.slot != sender {
			continue
		}
		keys := []bookKey{{stream: stream}}
		if b.g.copies() {
			keys = nil
			for _, r := range receivers {
				keys = append(keys, bookKey{stream, r.plan.Name})
			}
		}
		for _, key := range keys {
			book := b.book(key)
			book.Accept(accepted)
			if l.killed {
				book.Abandon()
			}
			all[key] = book
		}
	}
	for key, book := range b.books { // of a sender that was killed before it told
		if l := b.lives[key.stream>>32]; l.slot == sender && all[key] == nil {
			if l.killed {
				book.Abandon()
			}
			all[key] = book
		}
	}
	return all
}

// account makes up the account of what a slot has sent to receivers, and what is wrong with it in any case.
func (b *books) account(sender *slot, receivers []*slot) (a ledger.Account, faults []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	libzmq := sender.plan.Make == Libzmq
	clean := !slices.ContainsFunc(sender.lives, func(l *life) bool { return l.killed || l.early })
	single := true // connections
	for _, r := range receivers {
		e := b.g.traffic(sender, r)
		single = single && e.connections <= 1
		clean = clean && e.connections <= 1 && e.broken == 0
		a.Destroyed += e.destroyed
		a.Breaks += e.destructive
		inside := e.passed - min(e.passed, b.bytes[[2]string{sender.plan.Name, r.plan.Name}])
		ends := uint64(0)
		for _, l := range r.lives {
			if l.killed || l.early {
				ends++
			}
			a.Discarded += l.counters.Discarded
		}
		if !e.known && b.g.plan.Transport != "inproc" { // over which the receivers' own statistics have it all
			inside = unbounded
		}
		switch {
		case ends > 0:
			clean = false
			a.Inside += inside
			a.InsideEnds += ends
		case r.plan.Make == Libzmq && e.broken > 0:
			a.LibzmqBytes += inside
			a.LibzmqEnds += e.broken
		}
		a.Unconfirmed += b.lost[r.plan.Name]
	}
	// Messages for a peer that has gone are given to another, behind newer ones, or to the next connection, ahead of them.
	ordered := ledger.Order{Known: single || b.g.copies() || !sender.binds && len(receivers) == 1, Unknown: single}
	a.Libzmq = libzmq && (!clean || b.g.copies())
	for key, book := range b.of(sender, receivers) {
		l := b.lives[key.stream>>32]
		a.Sent += book.Sent()
		a.Received += book.Received()
		for _, f := range book.Faults(ordered) {
			faults = append(faults, fmt.Sprintf("%s, stream %d %s: %s", l.name(), key.stream, key.receiver, f))
		}
		b.missing(&a, l, key, book)
	}
	for _, l := range sender.lives {
		a.Dropped += l.counters.Dropped
		a.Unconfirmed += l.counters.Unconfirmed
		if b.g.copies() && l.told {
			n, err := b.unwanted(l, len(receivers))
			a.Unwanted += n
			if err != nil {
				faults = append(faults, err.Error())
			}
		}
		faults = append(faults, b.own(l)...)
	}
	a.Unconfirmed += b.lost[sender.plan.Name]
	return a, faults
}

// unbounded stands for more bytes than there are.
const unbounded = 1 << 62

// missing adds the missing messages of a book to an account.
func (b *books) missing(a *ledger.Account, l *life, key bookKey, book *ledger.Book) {
	gaps := book.Gaps()
	if b.g.copies() && !l.told {
		gaps = b.present(a, key, gaps)
	}
	for _, gap := range gaps {
		if l.killed {
			a.Killed += uint64(len(gap))
			continue
		}
		for _, number := range gap {
			sizes := peer.Sizes(l.slot.plan.Config.Shape, key.stream, number)
			a.Missing = append(a.Missing, peer.WireSize(sizes, b.g.plan.Curve))
		}
	}
}

// unwanted returns how many copies of its messages a publisher of this project has not made, since there was no subscription.
func (b *books) unwanted(l *life, receivers int) (n uint64, err error) {
	wanted := l.counters.Sent + l.counters.Dropped
	for stream, accepted := range b.streams {
		if stream>>32 == l.base {
			n += accepted * uint64(receivers)
		}
	}
	if wanted > n {
		return 0, fmt.Errorf("%s has accepted messages for %d copies and says %v", l.name(), n, l.counters)
	}
	return n - wanted, nil
}

// present takes out the gaps in what a subscriber has received that are due to its absence: the one before its first message,
// and, for each connection after its first, the longest.
func (b *books) present(a *ledger.Account, key bookKey, gaps [][]uint64) [][]uint64 {
	l := b.lives[key.stream>>32]
	absences := b.g.traffic(l.slot, b.g.slot(key.receiver)).connections
	if absences > 0 {
		absences--
	}
	slices.SortStableFunc(gaps, func(x, y []uint64) int { return len(y) - len(x) })
	return slices.DeleteFunc(gaps, func(gap []uint64) bool {
		switch {
		case gap[0] == 0:
		case absences > 0:
			absences--
		default:
			return false
		}
		a.Absent += uint64(len(gap))
		return true
	})
}

// own compares what a socket of this project says of itself with what it has accepted.
func (b *books) own(l *life) (faults []string) {
	if !l.told || slices.Contains(l.slot.plan.Config.Flags, peer.Proxy) || !slices.Contains([]string{"PUSH", "DEALER", "PAIR", "ROUTER", "REP"}, l.slot.plan.Config.Type) {
		return nil
	}
	accepted := uint64(0)
	for stream, n := range b.streams {
		if stream>>32 == l.base {
			accepted += n
		}
	}
	if said := l.counters.Sent + l.counters.Dropped; said != accepted {
		faults = append(faults, fmt.Sprintf("%s has accepted %d messages and says %+v", l.name(), accepted, l.counters))
	}
	return faults
}

// wrong returns what the peers have found wrong, and the crashes of libzmq.
func (b *books) wrong() (errs []error, crashes []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		errs = append(errs, errors.New(f))
	}
	return errs, b.crashes
}
