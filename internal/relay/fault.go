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

// Shape is how fast a direction passes on what it takes. The zero Shape is as fast as possible.
type Shape struct {
	Delay time.Duration // from taking a byte to passing it on; at most Config.Buffer bytes are under way
	Rate  int           // bytes a second; 0 means no limit
}

// Partition is what becomes of connections while nothing passes the relay.
type Partition uint8

// The kinds of partition.
const (
	None   Partition = iota // there is no partition
	Hang                    // new connections stand, but nothing answers
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

// laneFaults are the lasting faults of one direction.
type laneFaults struct {
	shape   Shape
	stalled bool
}

// Shape sets how fast a direction is, for present and future connections.
func (r *Relay) Shape(d Direction, s Shape) {
	r.change(d, func(f *laneFaults) { f.shape = s })
}

// Stall stops a direction, for present and future connections: nothing is read and nothing written, and the ends of
// connections are not passed on either. The connections stay, and the sender's system finds the window closed when the
// buffers are full.
func (r *Relay) Stall(d Direction) {
	r.change(d, func(f *laneFaults) { f.stalled = true })
}

// Resume undoes Stall.
func (r *Relay) Resume(d Direction) {
	r.change(d, func(f *laneFaults) { f.stalled = false })
}

// change changes the lasting faults of present and future connections.
func (r *Relay) change(d Direction, edit func(*laneFaults)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range []Direction{ToTarget, ToClient} {
		if d&one != 0 {
			f := r.faults[one]
			edit(&f)
			r.faults[one] = f
		}
	}
	r.setLanes()
}

// Partition separates the two sides until Heal: nothing passes in either direction, and new connections hang or are refused.
// On Linux the sockets of present tcp connections ignore all packets that arrive, as if a cable were pulled: the peers' systems
// get no acknowledgement. Elsewhere it is as Stall.
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
	r.setLanes()
}

// Heal undoes Partition. The systems of tcp peers send again what was not acknowledged, which may take as long again as the
// partition lasted.
func (r *Relay) Heal() { r.Partition(None) }

// setLanes tells the lanes of all connections of the faults. mu is held.
func (r *Relay) setLanes() {
	for c := range r.live {
		for _, l := range c.lanes() {
			l.set(r.faultsOf(l.direction))
		}
	}
}

// faultsOf returns the faults in force for a direction. mu is held.
func (r *Relay) faultsOf(d Direction) laneFaults {
	f := r.faults[d]
	f.stalled = f.stalled || r.partition != None
	return f
}

// Cut closes both sides of every connection. What the relay holds is destroyed. A side sees the end of the stream, or a reset
// if something that it sent was not taken.
func (r *Relay) Cut() { r.endAll(endCut) }

// Reset ends every connection with a reset (RST) to both sides. What the relay holds is destroyed. A Unix domain socket has no
// reset: a side sees one only if something that it sent was not taken, and otherwise the end of the stream.
func (r *Relay) Reset() { r.endAll(endReset) }

func (r *Relay) endAll(how ending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.live {
		c.finish(how)
	}
}

// HalfClose ends a direction of every connection: the receiving side sees the end of the stream after what the relay
// holds. What the sending side sends from then on is taken and destroyed.
func (r *Relay) HalfClose(d Direction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.live {
		for _, l := range c.lanes() {
			if d&l.direction != 0 {
				l.halfClose()
			}
		}
	}
}

// acceptPause is how long the relay waits when the system has refused it a connection.
const acceptPause = 10 * time.Millisecond

// pause waits for a time, or until ctx ends. It reports whether ctx goes on.
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
