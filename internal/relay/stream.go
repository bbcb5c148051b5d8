package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// stream is one direction of a connection. One goroutine reads from the sending side into a queue,
// another writes from the queue to the receiving side.
type stream struct {
	direction Direction
	inspect   func(position uint64, b []byte)
	limit     int // of size
	from, to  net.Conn

	mu      sync.Mutex
	changed sync.Cond // on mu: something below has changed
	queue   []chunk
	size    int       // bytes in queue
	free    time.Time // when the rate allows the next write
	faults  streamFaults
	halved  bool // by HalfClose: data is discarded
	stopped bool // both goroutines must end
	reading bool // a read is in progress
	writing bool // a write is in progress
	stats   StreamStats
}

// chunk is a piece of data, or the end of the stream, to be forwarded when it is due.
type chunk struct {
	due time.Time
	b   []byte
	end error // io.EOF, or why reading has failed; nil for data
}

var errStopped = errors.New("the stream was stopped")

func newStream(d Direction, cfg Config) *stream {
	l := &stream{direction: d, limit: cfg.Buffer}
	if cfg.Inspect != nil {
		l.inspect = cfg.Inspect(d)
	}
	l.changed.L = &l.mu
	return l
}

// open sets the two sides.
func (l *stream) open(from, to net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from, l.to = from, to
	l.interrupt()
}

// set sets the faults. If the stream is stalled, no read or write is in progress when set returns.
func (l *stream) set(f streamFaults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
	l.interrupt()
	for f.stalled && (l.reading || l.writing) {
		l.changed.Wait() // not for long: the deadline has passed
	}
}

// stop ends both goroutines.
func (l *stream) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.interrupt()
}

// halfClose queues the end of the stream.
func (l *stream) halfClose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.halved {
		l.queue = append(l.queue, chunk{end: io.EOF})
		l.halved = true
		l.interrupt()
	}
}

// interrupt wakes both goroutines, and ends or prevents reads and writes while the state forbids them.
// mu is held.
func (l *stream) interrupt() {
	l.changed.Broadcast()
	if l.from == nil {
		return
	}
	var deadline time.Time
	if l.faults.stalled || l.stopped {
		deadline = time.Unix(1, 0) // in the past
	}
	_ = l.from.SetReadDeadline(deadline) // these fail only on closed connections, which cannot block
	_ = l.to.SetWriteDeadline(deadline)
}

// readLoop reads until the sending side ends or fails, and returns the reason; or until the stream is
// stopped, and returns errStopped.
func (l *stream) readLoop() error {
	b := make([]byte, l.limit)
	for {
		room := l.awaitRoom()
		if room == 0 {
			return errStopped
		}
		n, err := l.from.Read(b[:room])
		if l.inspect != nil && n > 0 {
			l.inspect(l.stats.Received, b[:n]) // only this goroutine writes Received
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

// awaitRoom waits until a read is allowed, and returns its largest size; 0 if the stream was stopped.
func (l *stream) awaitRoom() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.stopped && (l.faults.stalled || l.size >= l.limit && !l.halved) {
		l.changed.Wait()
	}
	if l.stopped {
		return 0
	}
	l.reading = true
	if l.halved {
		return l.limit
	}
	return l.limit - l.size
}

// put queues the result of a read.
func (l *stream) put(b []byte, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading = false
	l.changed.Broadcast()
	l.stats.Received += uint64(len(b))
	if l.halved {
		l.stats.Lost += uint64(len(b))
		return
	}
	due := time.Now().Add(l.faults.shape.Delay)
	if len(b) > 0 {
		l.queue = append(l.queue, chunk{due: due, b: append([]byte(nil), b...)})
		l.size += len(b)
	}
	if err != nil {
		l.queue = append(l.queue, chunk{due: due, end: err})
	}
}

// writeLoop writes until the end of the stream. It returns io.EOF, or the error of the sending side's
// last read; a *writeError if the receiving side has failed; or errStopped.
func (l *stream) writeLoop() error {
	for {
		b, err := l.next()
		if err != nil {
			return err
		}
		n, err := l.to.Write(b)
		l.forwarded(n)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return &writeError{err}
		}
	}
}

// writeError is an error of the receiving side.
type writeError struct{ error }

// next waits for data that may be written now.
func (l *stream) next() ([]byte, error) {
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
func (l *stream) wait(d time.Duration) {
	t := time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed.Broadcast()
	})
	defer t.Stop()
	l.changed.Wait()
}

// quantum is the largest size of a write: with a limited rate, the bytes of 10 ms. mu is held.
func (l *stream) quantum() int {
	if l.faults.shape.Rate > 0 {
		return max(l.faults.shape.Rate/100, 1)
	}
	return l.limit
}

// forwarded removes the first n bytes of the queue, which were written.
func (l *stream) forwarded(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = false
	l.changed.Broadcast()
	l.stats.Forwarded += uint64(n)
	l.size -= n
	if first := &l.queue[0]; n == len(first.b) {
		*first = chunk{}
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

// lose counts lost bytes.
func (l *stream) lose(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Lost += uint64(n)
}

// buffered returns how many bytes are in the queue.
func (l *stream) buffered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

func (l *stream) counters() StreamStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

func (l *stream) isHalved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.halved
}
