package relay

import (
	"context"
	"fmt"
	"time"
)

// Direction is one direction of a connection, or both.
type Direction uint8

// The directions.
const (
	ToTarget Direction = 1 << iota // from the side that connected to the target
	ToClient                       // from the target to the side that connected
	Both     = ToTarget | ToClient
)

// String returns "to target", "to client" or "both ways".
func (d Direction) String() string {
	switch d {
	case ToTarget:
		return "to target"
	case ToClient:
		return "to client"
	case Both:
		return "both ways"
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// Shape limits the speed of a direction. The zero Shape sets no limit.
type Shape struct {
	Delay time.Duration // between receiving and forwarding a byte
	Rate  int           // bytes a second; 0 means no limit
}

// Partition is how the relay treats new connections while the two sides are separated.
type Partition uint8

// The kinds of partition.
const (
	None   Partition = iota // the two sides are not separated
	Hang                    // new connections are accepted, and nothing answers
	Refuse                  // new connections are reset at once
)

// String returns "none", "hang" or "refuse".
func (p Partition) String() string {
	switch p {
	case None:
		return "none"
	case Hang:
		return "hang"
	case Refuse:
		return "refuse"
	}
	return fmt.Sprintf("Partition(%d)", uint8(p))
}

// streamFaults are the faults of one direction that last until they are undone.
type streamFaults struct {
	shape   Shape
	stalled bool
}

// Shape limits the speed of a direction, for present and future connections.
func (r *Relay) Shape(d Direction, s Shape) {
	r.change(d, func(f *streamFaults) { f.shape = s })
}

// Stall stops a direction, for present and future connections: when it returns, the relay neither
// reads nor writes, and it does not forward the end of a connection either. The connections stay
// open. When the buffers are full, the sender's system sees a closed window.
func (r *Relay) Stall(d Direction) {
	r.change(d, func(f *streamFaults) { f.stalled = true })
}

// Resume undoes Stall.
func (r *Relay) Resume(d Direction) {
	r.change(d, func(f *streamFaults) { f.stalled = false })
}

// change edits the faults of present and future connections.
func (r *Relay) change(d Direction, edit func(*streamFaults)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range []Direction{ToTarget, ToClient} {
		if d&one != 0 {
			f := r.faults[one]
			edit(&f)
			r.faults[one] = f
		}
	}
	r.setStreams()
}

// Partition separates the two sides until Heal: the relay forwards nothing in either direction, and
// new connections hang or are refused. On Linux, the sockets of present tcp connections also ignore
// all packets, as after a pulled cable: the peers' systems get no acknowledgements. On other systems
// the relay only stalls both directions.
func (r *Relay) Partition(p Partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.partition == None && p != None {
		r.healed = make(chan struct{})
	}
	if r.partition != None && p == None {
		close(r.healed)
	}
	r.partition = p
	for c := range r.live {
		c.isolate(p != None)
	}
	r.setStreams()
}

// Heal undoes Partition. The systems of tcp peers then retransmit; they may wait with that for as long
// as the partition has lasted.
func (r *Relay) Heal() { r.Partition(None) }

// setStreams applies the faults to all connections. mu is held.
func (r *Relay) setStreams() {
	for c := range r.live {
		for _, l := range c.streams() {
			l.set(r.faultsOf(l.direction))
		}
	}
}

// faultsOf returns the present faults of a direction. mu is held.
func (r *Relay) faultsOf(d Direction) streamFaults {
	f := r.faults[d]
	f.stalled = f.stalled || r.partition != None
	return f
}

// Cut closes both sides of every connection, and discards the buffered data. Each side sees the end
// of the stream, or a reset if the relay has not read all its data.
func (r *Relay) Cut() { r.endAll(WasCut) }

// Reset ends every connection with a reset (RST) to both sides, and discards the buffered data. A Unix
// domain socket has no such packet: there a side sees a reset only if the relay has not read all its
// data, and otherwise the end of the stream.
func (r *Relay) Reset() { r.endAll(WasReset) }

func (r *Relay) endAll(how End) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.live {
		c.finish(how)
	}
}

// HalfClose ends a direction of every connection: the receiving side sees the end of the stream after
// the data that is buffered. From then on the relay reads and discards the sending side's data.
func (r *Relay) HalfClose(d Direction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.live {
		for _, l := range c.streams() {
			if d&l.direction != 0 {
				l.halfClose()
			}
		}
	}
}

// acceptPause is how long the relay waits after a failed accept.
const acceptPause = 10 * time.Millisecond

// pause waits for a time, or until ctx ends. It returns false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
