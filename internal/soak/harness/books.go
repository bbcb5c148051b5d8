package harness

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/experimance/experimance-go/internal/soak/ledger"
	"github.com/experimance/experimance-go/internal/soak/peer"
)

// books records the events of a group in terms of the ledger.
type books struct {
	g *group

	mu        sync.Mutex
	changes   int                  // how many events there were
	instances map[uint64]*instance // by base
	streams   map[uint64]uint64    // how many messages of each were accepted
	books     map[bookKey]*ledger.Book
	bytes     map[[2]string]uint64 // sizes of the received messages on the wire, by sender and receiver
	lost      map[string]uint64    // requests reported to have no reply, by slot
	recent    map[*slot][]string   // the last events
	faults    []string
	crashes   []string // of libzmq
}

// bookKey is a stream, and the name of the receiving slot if each receiver gets every message.
type bookKey struct {
	stream   uint64
	receiver string
}

func newBooks(g *group) *books {
	return &books{
		g: g, instances: map[uint64]*instance{}, streams: map[uint64]uint64{}, books: map[bookKey]*ledger.Book{},
		recent: map[*slot][]string{}, bytes: map[[2]string]uint64{}, lost: map[string]uint64{},
	}
}

// add adds a new instance.
func (b *books) add(l *instance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.slot.instances = append(l.slot.instances, l)
	l.number = len(l.slot.instances)
	b.instances[l.base] = l
	b.changes++
}

// update changes the state of an instance.
func (b *books) update(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
	b.changes++
}

// record records an event of an instance.
func (b *books) record(l *instance, e peer.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remember(l, e)
	switch e.Kind {
	case peer.Sent:
		b.changes++
		b.streams[e.Stream] = max(b.streams[e.Stream], e.Number)
	case peer.Got:
		b.changes++
		b.got(l, e)
	case peer.Lost:
		b.lost[l.slot.plan.Name]++
	case peer.Drained:
		l.early = l.early || e.Text != "" // not drained to the end
		b.g.log("%s: drained %s", l.name(), e.Text)
	case peer.Closed:
		b.g.log("%s: closed %s", l.name(), e.Text)
		if e.Text != "" {
			var err error
			if l.counters, err = peer.ParseCounters(e.Text); err != nil {
				b.fault(l, "%v", err)
			}
			l.reported = err == nil
		}
	case peer.Fault:
		b.fault(l, "%s", e.Text)
	case crashed:
		b.g.log("%s: libzmq has crashed: %s", l.name(), e.Text)
		b.crashes = append(b.crashes, e.Text)
	}
}

// remember keeps an event for the log of a failure. mu is held.
func (b *books) remember(l *instance, e peer.Event) {
	const most = 8
	recent := append(b.recent[l.slot], fmt.Sprintf("%s: %v", l.name(), e))
	b.recent[l.slot] = recent[max(0, len(recent)-most):]
}

// logRecent logs the last events of each peer.
func (b *books) logRecent() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.g.slots {
		b.g.log("last events: %s", strings.Join(b.recent[s], "; "))
	}
}

func (b *books) got(l *instance, e peer.Event) {
	from := b.instances[e.Stream>>32]
	if from == nil {
		b.fault(l, "message %d of stream %d, which nobody has", e.Number, e.Stream)
		return
	}
	key := bookKey{stream: e.Stream}
	if b.g.copies() {
		key.receiver = l.slot.plan.Name
	}
	b.book(key).Receive(ledger.Route{Receiver: l.name(), Connection: e.Connection}, e.Number)
	sizes := peer.Sizes(from.slot.plan.Config.Shape, e.Stream, e.Number)
	b.bytes[[2]string{from.slot.plan.Name, l.slot.plan.Name}] += peer.WireSize(sizes, b.g.plan.Curve)
}

func (b *books) book(key bookKey) *ledger.Book {
	if b.books[key] == nil {
		b.books[key] = &ledger.Book{}
	}
	return b.books[key]
}

// fault records an error. mu is held.
func (b *books) fault(l *instance, format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf("%s: %s", l.name(), fmt.Sprintf(format, args...)))
}

// progress returns how many events there were, and whether all accepted messages were received.
func (b *books) progress() (changes int, complete bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.g.slots {
		for _, book := range b.of(s, b.g.side(!s.binds)) {
			if book.Received() < book.Sent() {
				return b.changes, false
			}
		}
	}
	return b.changes, true
}

// of returns the books of a sender. If each receiver gets every message, there is one for each receiver.
func (b *books) of(sender *slot, receivers []*slot) map[bookKey]*ledger.Book {
	all := map[bookKey]*ledger.Book{}
	for stream, accepted := range b.streams {
		l := b.instances[stream>>32]
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
				book.SenderKilled()
			}
			all[key] = book
		}
	}
	for key, book := range b.books { // those of a sender that was killed before its first report
		if l := b.instances[key.stream>>32]; l.slot == sender && all[key] == nil {
			if l.killed {
				book.SenderKilled()
			}
			all[key] = book
		}
	}
	return all
}

// account makes the account of a sender, and returns errors that no loss explains.
func (b *books) account(sender *slot, receivers []*slot) (a ledger.Account, faults []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	clean := sender.ends() == 0 // nothing has happened that makes a sender of libzmq lose messages
	single := true              // no more than one connection to each receiver
	for _, r := range receivers {
		t := b.g.traffic(sender, r)
		single = single && t.connections <= 1
		clean = clean && t.connections <= 1 && t.broken == 0 && r.ends() == 0
		b.losses(&a, t, sender, r)
	}
	a.Libzmq = sender.plan.Make == Libzmq && (!clean || b.g.copies())
	// The messages for a lost peer go to another one, where they may be behind newer ones.
	ordered := ledger.Order{Known: single || b.g.copies() || !sender.binds && len(receivers) == 1, Unknown: single}
	for key, book := range b.of(sender, receivers) {
		l := b.instances[key.stream>>32]
		a.Sent += book.Sent()
		a.Received += book.Received()
		for _, f := range book.Faults(ordered) {
			faults = append(faults, fmt.Sprintf("%s, stream %d %s: %s", l.name(), key.stream, key.receiver, f))
		}
		b.missing(&a, l, key, book, len(receivers))
	}
	for _, l := range sender.instances {
		a.Dropped += l.counters.Dropped
		a.Unconfirmed += l.counters.Unconfirmed
		if b.g.copies() && l.countsCopies(len(receivers)) {
			n, err := b.notCopied(l, len(receivers))
			a.NotCopied += n
			if err != nil {
				faults = append(faults, err.Error())
			}
		}
		faults = append(faults, b.own(l)...)
	}
	a.Unconfirmed += b.lost[sender.plan.Name]
	return a, faults
}

// losses adds to an account what may have been lost between a sender and a receiver.
func (b *books) losses(a *ledger.Account, t traffic, sender, r *slot) {
	a.RelayBytes += t.lost
	a.RelayBreaks += t.lossy
	a.Unconfirmed += b.lost[r.plan.Name]
	for _, l := range r.instances {
		a.Discarded += l.counters.Discarded
	}
	unread := t.forwarded - min(t.forwarded, b.bytes[[2]string{sender.plan.Name, r.plan.Name}])
	if !t.known && b.g.plan.Transport != "inproc" { // over inproc, Discarded is exact
		unread = unbounded
	}
	switch broken := t.broken + sender.ends(); {
	case r.ends() > 0:
		a.UnreadBytes += unread
		a.UnreadEnds += r.ends()
	case r.plan.Make == Libzmq && broken > 0: // it discards unread data at the end of a connection
		a.LibzmqBytes += unread
		a.LibzmqBreaks += broken
	}
}

// ends returns how many instances have ended, or left their endpoints, before the end of the round. The
// books' mu is held.
func (s *slot) ends() (n uint64) {
	for _, l := range s.instances {
		if l.killed || l.early {
			n++
		}
	}
	return n
}

// countsCopies reports whether the statistics of a publisher have exactly one copy for each subscriber: not
// after a reconnection, because the old connection may still have been there.
func (l *instance) countsCopies(receivers int) bool {
	return l.reported && l.counters.Connections <= uint64(receivers)
}

// unbounded stands for an unknown number of bytes.
const unbounded = 1 << 62

// missing adds the missing messages of a book to an account.
func (b *books) missing(a *ledger.Account, l *instance, key bookKey, book *ledger.Book, receivers int) {
	gaps := book.Gaps()
	if b.g.copies() && !l.countsCopies(receivers) {
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

// notCopied returns how many copies of its messages a publisher of this project has not made, because there
// was no subscription.
func (b *books) notCopied(l *instance, receivers int) (n uint64, err error) {
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

// present removes gaps that are due to the absence of a subscription: the gap before the first message and,
// for each further connection, the longest one.
func (b *books) present(a *ledger.Account, key bookKey, gaps [][]uint64) [][]uint64 {
	l := b.instances[key.stream>>32]
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
		a.Unsubscribed += uint64(len(gap))
		return true
	})
}

// own compares the statistics of a socket of this project with the messages that it has accepted.
func (b *books) own(l *instance) (faults []string) {
	if !l.reported || slices.Contains(l.slot.plan.Config.Flags, peer.Proxy) || !slices.Contains([]string{"PUSH", "DEALER", "PAIR", "ROUTER", "REP"}, l.slot.plan.Config.Type) {
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

// wrong returns all errors, and the crashes of libzmq.
func (b *books) wrong() (errs []error, crashes []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		errs = append(errs, errors.New(f))
	}
	return errs, b.crashes
}
