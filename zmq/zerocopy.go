package zmq

import (
	"context"
	"runtime"

	"github.com/experimance/experimance-go/internal/wire"
)

// worthSharing reports whether a message is sent without a copy of its last frame.
func worthSharing(frames [][]byte) bool {
	return len(frames) > 0 && len(frames[len(frames)-1]) >= largeMessage
}

// shared returns a message whose last frame stays in the caller's memory. It has one reference to its slab.
func shared(frames [][]byte) segment {
	last := len(frames) - 1
	slab := newSlab(encodedSize(frames[:last]) + wire.MaxHeader)
	b := slab.b[:0]
	for _, f := range frames[:last] {
		b = appendFrame(b, wire.FlagMore, f)
	}
	return segment{b: wire.AppendHeader(b, 0, len(frames[last])), slab: slab, n: 1, tail: frames[last]}
}

// joined returns the segment in one piece, and with it the reference to a slab.
func (seg segment) joined() segment {
	if seg.tail == nil {
		return seg
	}
	slab := newSlab(seg.size())
	b := appendLarge(append(slab.b[:0], seg.b...), seg.tail)
	seg.slab.release(1)
	return segment{b: b, slab: slab, n: seg.n}
}

// sendZeroCopy is send without a copy of a large last frame.
func (b *balancer) sendZeroCopy(ctx context.Context, frames [][]byte) error {
	if !worthSharing(frames) {
		return b.send(ctx, frames)
	}
	if _, err := b.s.checkSend(ctx, frames); err != nil {
		return err
	}
	seg := shared(frames)
	put := func(ask bool) bool {
		return b.each(func(p *pipe) bool { return p.out.putSegment(seg, ask, false) == putDone }) != nil
	}
	if put(false) {
		return nil
	}
	runtime.Gosched() // as in send
	err := b.untilSent(ctx, func() bool { return put(true) })
	if err != nil {
		seg.slab.release(1)
	}
	return err
}

// sendZeroCopy is send without a copy of a large last frame.
func (d *distributor) sendZeroCopy(ctx context.Context, frames [][]byte) error {
	if !worthSharing(frames) {
		return d.send(ctx, frames)
	}
	if _, err := d.s.checkSend(ctx, frames); err != nil {
		return err
	}
	if !d.isWanted(frames[0]) {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.match(frames[0])
	if err := d.wouldDrop(); err != nil {
		return err
	}
	seg := shared(frames)
	seg.slab.from = d.s.self
	d.share(seg)
	return nil
}
