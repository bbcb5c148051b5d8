package peer

import (
	"slices"
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// stampEvery is how many messages are sent in a batch, of which the first carries the time: looking at the clock for each
// would cost the fast engines a noticeable part of theirs.
const stampEvery = 16

// paceInterval is how long the sender of a rate sleeps between two looks at how many messages are due.
const paceInterval = 50 * time.Microsecond

// pace sends at a rate after Go: whatever is due at each look.
func (p *player) pace() error {
	s, err := p.openOne()
	if err != nil {
		return err
	}
	now, err := newClock()
	if err != nil {
		return err
	}
	f := &flooding{spec: p.spec, sent: make([]counter, 1)}
	start := make(chan int64, 1)
	go func() { p.fail(f.pace(s, now, start)) }()
	if err := p.control.await(p.ctx, Go); err != nil {
		return err
	}
	f.started.Store(true)
	if err := p.control.await(p.ctx, Stop); err != nil {
		return err
	}
	elapsed := now.now() - <-start
	p.control.say(Result, value("rate", float64(f.total())/time.Duration(elapsed).Seconds()))
	return p.leave()
}

// pace sends until it fails, or for ever, after it told when it began.
func (f *flooding) pace(s engine.Socket, c clock, began chan<- int64) error {
	if err := f.probe(s); err != nil {
		return err
	}
	start, sent := c.now(), int64(0)
	for began <- start; ; sleep(paceInterval) {
		due := int64(f.spec.Rate * time.Duration(c.now()-start).Seconds())
		for ; sent+stampEvery <= due; sent += stampEvery {
			if err := s.Send(f.timed(c)); err != nil {
				return err
			}
		}
		f.sent[0].Store(sent)
	}
}

// timed returns a batch that begins with a message of now, in memory of its own, since an engine may read it later.
func (f *flooding) timed(c clock) []engine.Message {
	if f.batch == nil {
		f.batch = slices.Repeat([]engine.Message{f.spec.message(countMark)}, stampEvery)
	}
	f.batch[0] = f.spec.message(countMark)
	stamp(f.batch[0][0], c.now())
	return f.batch
}

// stamp receives what pace sends and reports the time from the call that sent to the one that received.
func (p *player) stamp() error {
	s, err := p.openOne()
	if err != nil {
		return err
	}
	c, err := newClock()
	if err != nil {
		return err
	}
	d := newDraining(p.spec)
	d.take = func(s engine.Socket) (taken, error) {
		took, t, err := oneWay(s, c, p.spec.Window)
		d.more = latencies(took)
		return t, err
	}
	go func() { p.fail(d.receive(s)) }()
	return p.watch(d)
}

// oneWay returns the microseconds of every message with a time for the window. It receives one message after the other until the
// first with a time, and then as many at once as lie between two of them.
func oneWay(s engine.Socket, c clock, window time.Duration) (took []float64, t taken, err error) {
	n := 1
	for start := c.now(); t.elapsed < window; {
		last, err := s.Recv(n)
		if err != nil {
			return nil, taken{}, err
		}
		t.messages += int64(n)
		sent := stamped(last)
		if sent == 0 {
			n = 1
			continue
		}
		n = stampEvery
		now := c.now()
		took = append(took, microseconds(time.Duration(now-sent)))
		t.elapsed = time.Duration(now - start)
	}
	return took, t, nil
}
