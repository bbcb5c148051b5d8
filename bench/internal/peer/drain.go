package peer

import (
	"context"
	"sync"
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// drain receives on every socket. It says Ready when each has received something, and reports when each has received for
// the window; after that it goes on receiving, so that no sender is held up before it was stopped.
func (p *player) drain() error {
	sockets, err := p.open()
	if err != nil {
		return err
	}
	d := newDraining(p.spec)
	for _, s := range sockets {
		go func() { p.fail(d.receive(s)) }()
	}
	return p.watch(d)
}

// watch says what the drain comes to, until the runner has gone.
func (p *player) watch(d *draining) error {
	for _, step := range []struct {
		done <-chan struct{}
		say  func()
	}{
		{d.ready, func() { p.control.say(Ready) }},
		{d.finished, func() { p.control.say(Result, d.results()...) }},
	} {
		select {
		case <-step.done:
			step.say()
		case <-p.ctx.Done():
			return context.Cause(p.ctx)
		}
	}
	return p.leave()
}

// draining is what the goroutines of a drain share.
type draining struct {
	spec Spec
	take func(s engine.Socket) (taken, error) // receives for the window

	ready    chan struct{} // closed when every socket has received something
	finished chan struct{} // closed when every socket has received for the window

	mu      sync.Mutex
	waiting int // sockets that have received nothing yet
	begun   bool
	before  usage
	taken   []taken
	after   []any
	more    []any // added to the results
}

// taken is what one socket has received within its window.
type taken struct {
	messages int64 // after the first, at whose arrival the clock starts
	elapsed  time.Duration
}

func newDraining(spec Spec) *draining {
	d := &draining{spec: spec, waiting: spec.Sockets, ready: make(chan struct{}), finished: make(chan struct{})}
	d.take = d.count
	return d
}

// receive waits for the flood, takes what arrives in the window, and goes on for ever.
func (d *draining) receive(s engine.Socket) error {
	first, err := s.Recv(1)
	if err != nil {
		return err
	}
	d.arrived()
	for isProbe(first) {
		if first, err = s.Recv(1); err != nil {
			return err
		}
	}
	d.begin()
	t, err := d.take(s)
	if err != nil {
		return err
	}
	d.end(t)
	for {
		if _, err := s.Recv(1); err != nil {
			return err
		}
	}
}

// count is the take of a throughput.
func (d *draining) count(s engine.Socket) (t taken, err error) {
	n := d.spec.batch()
	if d.spec.Topics > 0 {
		n = 1 // messages are few and far between
	}
	for start := time.Now(); t.elapsed < d.spec.Window; t.elapsed = time.Since(start) {
		if _, err := s.Recv(n); err != nil {
			return taken{}, err
		}
		t.messages += int64(n)
	}
	return t, nil
}

func (d *draining) arrived() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting--
	if d.waiting == 0 {
		close(d.ready)
	}
}

// begin notes what the process had used when the first socket began.
func (d *draining) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.begun {
		d.begun, d.before = true, used()
	}
}

func (d *draining) end(t taken) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken = append(d.taken, t)
	if len(d.taken) < d.spec.Sockets {
		return
	}
	var sum int64
	for _, t := range d.taken {
		sum += t.messages
	}
	d.after = d.before.since(sum)
	close(d.finished)
}

// results returns the rate of all sockets together, and those of the slowest and the fastest.
func (d *draining) results() []any {
	var sum, least, most float64
	for i, t := range d.taken {
		rate := float64(t.messages) / t.elapsed.Seconds()
		sum += rate
		most = max(most, rate)
		if i == 0 || rate < least {
			least = rate
		}
	}
	return append(append(d.after, d.more...), value("rate", sum), value("least", least), value("most", most))
}
