package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// lane carries one direction of a connection. Its taker reads from one side into the queue, its giver writes from the queue to
// the other side.
type lane struct {
	direction Direction
	inspect   func(position uint64, b []byte)
	limit     int // bytes in the queue
	from, to  net.Conn

	mu      sync.Mutex
	changed sync.Cond // on mu: anything below has changed
	queue   []parcel
	held    int       // bytes in queue
	free    time.Time // when the rate allows the next write
	faults  laneFaults
	halved  bool // the receiving side was told the end: what is taken is discarded
	stopped bool // both goroutines are to end
	reading bool // the taker reads, the giver writes
	writing bool
	stats   LaneStats
}

// parcel is something that was taken and is to be passed on when it is due: bytes, or the end of the stream.
type parcel struct {
	due time.Time
	b   []byte
	end error // io.EOF, or why nothing more can be taken; nil for bytes
}

// errStopped is why the giver of a stopped lane ends.
var errStopped = errors.New("the lane was stopped")

func newLane(d Direction, cfg Config) *lane {
	l := &lane{direction: d, limit: cfg.Buffer}
	if cfg.Inspect != nil {
		l.inspect = cfg.Inspect(d)
	}
	l.changed.L = &l.mu
	return l
}

// open gives the lane its two sides.
func (l *lane) open(from, to net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from, l.to = from, to
	l.interrupt()
}

// set puts lasting faults into force. If the lane is stalled, neither goroutine reads or writes when set returns.
func (l *lane) set(f laneFaults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
	l.interrupt()
	for f.stalled && (l.reading || l.writing) {
		l.changed.Wait() // not for long: they were interrupted
	}
}

// stop ends both goroutines.
func (l *lane) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.interrupt()
}

// halfClose has the giver pass on the end of the stream.
func (l *lane) halfClose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.halved {
		l.queue = append(l.queue, parcel{end: io.EOF})
		l.halved = true
		l.interrupt()
	}
}

// interrupt has both goroutines look at the lane's state, and keeps them from reading and writing while it forbids that. mu is
// held.
func (l *lane) interrupt() {
	l.changed.Broadcast()
	if l.from == nil {
		return
	}
	var deadline time.Time
	if l.faults.stalled || l.stopped {
		deadline = time.Unix(1, 0) // long ago
	}
	_ = l.from.SetReadDeadline(deadline) // these fail only for a closed connection, which interrupts as well
	_ = l.to.SetWriteDeadline(deadline)
}

// take reads until the stream ends or the lane is stopped. It returns why nothing more can be read, or errStopped.
func (l *lane) take() error {
	b := make([]byte, l.limit)
	for {
		room := l.awaitRoom()
		if room == 0 {
			return errStopped
		}
		n, err := l.from.Read(b[:room])
		if l.inspect != nil && n > 0 {
			l.inspect(l.stats.Taken, b[:n]) // only this goroutine writes Taken
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
		l.put(b[:n], err)
		if err != nil {
			return err
		}
	}
}

// awaitRoom waits until something may be read, and returns how many bytes; 0 if the lane was stopped.
func (l *lane) awaitRoom() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.stopped && (l.faults.stalled || l.held >= l.limit && !l.halved) {
		l.changed.Wait()
	}
	if l.stopped {
		return 0
	}
	l.reading = true
	if l.halved {
		return l.limit
	}
	return l.limit - l.held
}

// put queues what was read.
func (l *lane) put(b []byte, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading = false
	l.changed.Broadcast()
	l.stats.Taken += uint64(len(b))
	if l.halved {
		l.stats.Destroyed += uint64(len(b))
		return
	}
	due := time.Now().Add(l.faults.shape.Delay)
	if len(b) > 0 {
		l.queue = append(l.queue, parcel{due: due, b: append([]byte(nil), b...)})
		l.held += len(b)
	}
	if err != nil {
		l.queue = append(l.queue, parcel{due: due, end: err})
	}
}

// give writes until the stream has ended. It returns how it ended: io.EOF, or a failure of the sending side as take has it; a
// *sinkError if the receiving side failed; errStopped.
func (l *lane) give() error {
	for {
		b, err := l.next()
		if err != nil {
			return err
		}
		n, err := l.to.Write(b)
		l.pass(n)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return &sinkError{err}
		}
	}
}

// sinkError is a failure of a lane's receiving side.
type sinkError struct{ error }

// next waits for something that may be written now.
func (l *lane) next() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.stopped:
			return nil, errStopped
		case l.faults.stalled || len(l.queue) == 0:
			l.changed.Wait()
			continue
		}
		first := l.queue[0]
		if wait := time.Until(first.due); wait > 0 {
			l.wait(wait)
			continue
		}
		if first.end != nil {
			return nil, first.end
		}
		if wait := time.Until(l.free); wait > 0 && l.faults.shape.Rate > 0 {
			l.wait(wait)
			continue
		}
		l.writing = true
		return first.b[:min(len(first.b), l.quantum())], nil
	}
}

// wait waits for a change, at most for a time. mu is held.
func (l *lane) wait(d time.Duration) {
	t := time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})
	defer t.Stop()
	l.changed.Wait()
}

// quantum is how many bytes are written at once: with a limited rate those of a hundredth of a second. mu is held.
func (l *lane) quantum() int {
	if l.faults.shape.Rate > 0 {
		return max(l.faults.shape.Rate/100, 1)
	}
	return l.limit
}

// pass notes that the first n bytes of the queue were written.
func (l *lane) pass(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = false
	l.changed.Broadcast()
	l.stats.Passed += uint64(n)
	l.held -= n
	if first := &l.queue[0]; n == len(first.b) {
		*first = parcel{}
		l.queue = l.queue[1:]
	} else {
		first.b = first.b[n:]
	}
	if rate := l.faults.shape.Rate; rate > 0 {
		if now := time.Now(); l.free.Before(now) {
			l.free = now
		}
		l.free = l.free.Add(time.Duration(n) * time.Second / time.Duration(rate))
	}
}

// destroy counts bytes that will not reach the receiving side.
func (l *lane) destroy(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Destroyed += uint64(n)
}

// holds returns how many bytes are in the queue.
func (l *lane) holds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

func (l *lane) counters() LaneStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

func (l *lane) isHalved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.halved
}
