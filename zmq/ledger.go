package zmq

// ledger remembers how the last bytes that were written to a connection were divided into messages,
// so that a connection that breaks can tell how many messages were still on their way. It belongs to
// the goroutine that writes.
type ledger struct {
	entries []ledgerEntry // the oldest first
}

// ledgerEntry is a run of bytes with n whole messages.
type ledgerEntry struct{ n, size int }

const (
	ledgerEntries = 64      // beyond this, the oldest are forgotten or joined
	ledgerBytes   = 8 << 20 // what is further back than this has left: send buffers are smaller
)

// note adds a run of bytes that was written, with n messages.
func (l *ledger) note(n, size int) {
	if len(l.entries) == ledgerEntries {
		l.compact()
	}
	l.entries = append(l.entries, ledgerEntry{n, size})
}

// compact forgets the runs that have left long ago, and joins each two neighbours of the older half if too many are left.
func (l *ledger) compact() {
	size, first := 0, len(l.entries)
	for first > 0 && size < ledgerBytes {
		first--
		size += l.entries[first].size
	}
	kept := append(l.entries[:0], l.entries[first:]...)
	if len(kept) > ledgerEntries*3/4 {
		const old = ledgerEntries / 2
		for i := range old / 2 {
			a, b := kept[2*i], kept[2*i+1]
			kept[i] = ledgerEntry{a.n + b.n, a.size + b.size}
		}
		kept = append(kept[:old/2], kept[old:]...)
	}
	l.entries = kept
}

// within returns how many messages may have bytes among the last size bytes written: never too few.
// If only a part of a run is among them, a message is taken for as short as it can be.
func (l *ledger) within(size int) (n int) {
	for i := len(l.entries) - 1; i >= 0 && size > 0; i-- {
		e := l.entries[i]
		if size < e.size {
			return n + min(e.n, size/minMessage+1)
		}
		n += e.n
		size -= e.size
	}
	return n
}

// minMessage is the size of an empty message on the wire.
const minMessage = 2
