package zmq

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// Wherever a write fails, exactly the messages that did not go out whole remain, from their first byte.
func TestUnsent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		frames := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 1, 3)
		sizes := rapid.SliceOfN(rapid.IntRange(1, 4), 0, 4).Draw(t, "messages of each segment")
		var segs []segment
		var wire []byte
		var ends []int
		for _, n := range sizes {
			if rapid.Bool().Draw(t, "zero copy") {
				seg := shared(frames.Draw(t, "frames"))
				segs = append(segs, seg)
				wire = append(append(wire, seg.b...), seg.tail...)
				ends = append(ends, len(wire))
				continue
			}
			s := newSlab(4 * 3 * 309)
			b := s.b[:0]
			for range n {
				b = appendFrames(b, frames.Draw(t, "frames"))
				ends = append(ends, len(wire)+len(b))
			}
			segs = append(segs, segment{b: b, slab: s, n: n})
			wire = append(wire, b...)
		}
		written := rapid.IntRange(0, len(wire)).Draw(t, "written")
		whole, from := 0, 0
		for _, end := range ends {
			if end <= written {
				whole, from = whole+1, end
			}
		}

		rest := unsent(segs, written)
		var left []byte
		for _, seg := range rest {
			left = append(append(left, seg.b...), seg.tail...)
		}
		if n, size := weigh(rest); n != len(ends)-whole || size != len(left) {
			t.Fatalf("%d messages of %d bytes are left, want %d", n, size, len(ends)-whole)
		}
		if !bytes.Equal(left, wire[from:]) {
			t.Fatal("other bytes are left than those that were not sent")
		}
	})
}

// What was taken and not sent goes before what came in the meantime, and all is counted.
func TestPutBack(t *testing.T) {
	t.Parallel()
	q := &outQueue{maxN: 10, maxSize: 1 << 20, wake: func() {}}
	put := func(s string) {
		t.Helper()
		if r := q.put([][]byte{[]byte(s)}, len(s)+2, false); r != putDone {
			t.Fatalf("put %q: %v", s, r)
		}
	}
	put("a")
	put("b")
	b := q.take(batch{})
	put("c")
	if n := q.waiting(); n != 3 {
		t.Errorf("%d messages wait, with those in flight, want 3", n)
	}
	q.putBack(unsent(b.segs, 4), nil) // a, and half of b
	put("d")
	var all []byte
	b = q.take(batch{})
	for _, seg := range b.segs {
		all = append(all, seg.b...)
	}
	if want := "\x00\x01b\x00\x01c\x00\x01d"; string(all) != want || b.n != 3 {
		t.Errorf("%d messages came back as %q, want %q", b.n, all, want)
	}
}

func testInbox(cfg Config) *inbox {
	s := &socket{cfg: cfg}
	s.budget = newBudget(unlimited, func(error) {})
	s.in = &inQueue{cfg: &s.cfg, budget: s.budget, discarded: &s.discarded, emptied: func() {}}
	return newInbox(&pipe{s: s, account: s.budget.newAccount(func(error) {})})
}

// putMessages pushes messages of one frame, in one run.
func putMessages(in *inbox, bodies ...[]byte) {
	size := 0
	for _, b := range bodies {
		size += encodedSize([][]byte{b})
	}
	s := newSlab(size)
	run := s.b[:0]
	for _, b := range bodies {
		run = appendFrames(run, [][]byte{b})
	}
	s.retain(len(bodies) - 1)
	in.push(segment{b: run, slab: s, n: len(bodies)})
}

// nextInLoop is a turn of a loop.
func nextInLoop(t *testing.T, q *inQueue, h *handful) Message {
	t.Helper()
	m, ok := h.pop()
	if !ok {
		var err error
		m, err = q.recvSome(t.Context(), h)
		fatal(t, err)
	}
	return m
}

// A loop keeps little in memory that does not count as waiting any more: no large message, and not many bytes.
func TestLoopTakesLittleAhead(t *testing.T) {
	t.Parallel()
	small, medium, large := make([]byte, 10), make([]byte, 30_000), make([]byte, 1<<20)
	for name, bodies := range map[string][][]byte{
		"a large one behind small ones": {small, small, small, large, small, large, large},
		"many of medium size":           {medium, medium, medium, medium, medium, medium, medium},
	} {
		in := testInbox(Config{RecvHWM: 100, RecvHWMBytes: 10 << 20})
		putMessages(in, bodies...)
		h := in.q.beginLoop()
		for i, want := range bodies {
			m := nextInLoop(t, in.q, h)
			if len(m.Bytes()) != len(want) {
				t.Fatalf("%s: message %d has %d bytes, want %d", name, i, len(m.Bytes()), len(want))
			}
			if n, size := h.rest(); size > aheadBytes {
				t.Errorf("%s: the loop holds %d messages of %d bytes", name, n, size)
			}
		}
		in.q.endLoop(h)
	}
}

// With Conflate a loop hands out what is the last of each peer when its turn comes.
func TestConflateInLoop(t *testing.T) {
	t.Parallel()
	a := testInbox(Config{RecvHWM: 100, RecvHWMBytes: 1 << 20, Conflate: true})
	b := newInbox(a.p)
	b.q = a.q
	h := a.q.beginLoop()
	defer a.q.endLoop(h)
	for i := byte(0); i < 10; i++ {
		putMessages(a, []byte{'a', i})
		putMessages(b, []byte{'b', i})
		if got := nextInLoop(t, a.q, h).Bytes(); got[1] != i {
			t.Fatalf("received %v, in round %d", got, i)
		}
	}
}

// The list of what waits in an inbox does not grow with what went through it.
func TestInboxStaysSmall(t *testing.T) {
	t.Parallel()
	in := testInbox(Config{RecvHWM: 10, RecvHWMBytes: 1 << 20})
	q := in.q
	push := func() {
		s := newSlab(minSlab)
		in.push(segment{b: appendFrames(s.b[:0], [][]byte{{1}}), slab: s, n: 1})
	}
	push()
	for range 10_000 {
		push() // one waits always
		m, from, err := q.tryRecv()
		if from == nil || err != nil {
			t.Fatal(from, err)
		}
		m.Release()
	}
	if cap(in.segs) > 32 {
		t.Errorf("the list has room for %d segments, 1 waits", cap(in.segs))
	}
}

// Messages that were read one after the other into a slab are one run, however many reads that took. Their slab counts once, and
// until the last of them is received.
func TestInboxJoinsRuns(t *testing.T) {
	t.Parallel()
	const n = 100
	in := testInbox(Config{RecvHWM: n, RecvHWMBytes: 1 << 20})
	s := newSlab(minSlab)
	for end := 0; end < 3*n; end += 3 {
		s.retain(1)
		in.push(segment{b: append(s.b[end:end], 0, 1, byte(end/3)), slab: s, n: 1})
	}
	if len(in.segs) != 1 {
		t.Errorf("%d segments", len(in.segs))
	}
	for i := range byte(n) {
		if in.q.kept != int64(len(s.b)+segmentCost) {
			t.Errorf("%d bytes are kept when %d messages were received", in.q.kept, i)
		}
		m, _, err := in.q.tryRecv()
		fatal(t, err)
		if got := m.Bytes(); len(got) != 1 || got[0] != i {
			t.Fatalf("message %d is %v", i, got)
		}
	}
	if in.q.kept != 0 {
		t.Errorf("%d bytes are kept in the end", in.q.kept)
	}
}

// An inbox takes messages up to either bound, and lets its reader go on when it is half empty.
func TestInboxBounds(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"messages": {RecvHWM: 4, RecvHWMBytes: 1 << 20},
		"bytes":    {RecvHWM: 1000, RecvHWMBytes: 4 * 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := testInbox(cfg)
			for i := range 4 {
				if free := in.capacity(true); free != cfg.RecvHWM-i {
					t.Errorf("room for %d with %d messages, want %d", free, i, cfg.RecvHWM-i)
				}
				s := newSlab(minSlab)
				in.push(segment{b: appendFrames(s.b[:0], [][]byte{{1}}), slab: s, n: 1})
			}
			if free := in.capacity(true); free != 0 {
				t.Errorf("room for %d beyond the bound", free)
			}
			for i := range 2 {
				if len(in.room) != 0 {
					t.Errorf("the reader goes on after %d of 4 messages", i)
				}
				_, from, err := in.q.tryRecv()
				if from == nil || err != nil {
					t.Fatal(from, err)
				}
			}
			<-in.room
			if free := in.capacity(true); free != cfg.RecvHWM-2 {
				t.Errorf("room for %d with 2 messages", free)
			}
		})
	}
}

// A signal of room that nobody took does not make the next one wait, which would stop the whole socket.
func TestStaleSignalOfRoom(t *testing.T) {
	t.Parallel()
	in := testInbox(Config{RecvHWM: 1, RecvHWMBytes: 1 << 20})
	for range 3 {
		in.blocked = true
		in.unblock()
	}
	<-in.room
}
