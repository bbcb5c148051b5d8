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
	ledgerEntries = 64      // beyond this, the oldest are forgotten or neighbours joined
	ledgerParts   = 24      // of all bytes in the ledger, the most that neighbours are joined to
	ledgerBytes   = 8 << 20 // what is further back than this has left: send buffers are smaller
)

// note adds a run of bytes that was written, with n messages.
func (l *ledger) note(n, size int) {
	if len(l.entries) == ledgerEntries {
		l.compact()
	}
	l.entries = append(l.entries, ledgerEntry{n, size})
}

// compact forgets the runs that have left long ago, and joins neighbours as long as they are small beside all. So no run but
// one that was written at once has more than one part in ledgerParts of the bytes.
func (l *ledger) compact() {
	size, first := 0, len(l.entries)
	for first > 0 && size < ledgerBytes {
		first--
		size += l.entries[first].size
	}
	kept := l.entries[:0]
	for _, e := range l.entries[first:] {
		if last := len(kept) - 1; last >= 0 && kept[last].size+e.size <= size/ledgerParts {
			kept[last].n += e.n
			kept[last].size += e.size
		} else {
			kept = append(kept, e)
		}
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
