package peer

import (
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// probeInterval is the time between the messages that show that the way stands.
const probeInterval = time.Millisecond

// flood sends on every socket: probes until Go, then as fast as the engine takes messages until Stop.
func (p *player) flood() error {
	sockets, err := p.open()
	if err != nil {
		return err
	}
	f := &flooding{spec: p.spec, sent: make([]counter, len(sockets))}
	for i, s := range sockets {
		go func() { p.fail(f.send(s, &f.sent[i])) }()
	}
	if err := p.control.await(p.ctx, Go); err != nil {
		return err
	}
	before, start := used(), time.Now()
	f.started.Store(true)
	if err := p.control.await(p.ctx, Stop); err != nil {
		return err
	}
	elapsed, sent := time.Since(start), f.total()
	p.control.say(Result, append(before.since(sent), value("rate", float64(sent)/elapsed.Seconds()))...)
	return p.leave()
}

// flooding is what the goroutines of a flood share.
type flooding struct {
	spec    Spec
	started atomic.Bool
	sent    []counter        // one for each socket
	batch   []engine.Message // of a paced flood: what is sent with each call
}

// counter counts on a cache line of its own.
type counter struct {
	atomic.Int64
	_ [56]byte
}

func (f *flooding) total() (sum int64) {
	for i := range f.sent {
		sum += f.sent[i].Load()
	}
	return sum
}

// send sends until it fails, or for ever.
func (f *flooding) send(s engine.Socket, sent *counter) error {
	if err := f.probe(s); err != nil {
		return err
	}
	for batches := f.spec.batches(countMark); ; {
		for _, batch := range batches {
			if err := s.Send(batch); err != nil {
				return err
			}
			sent.Add(int64(len(batch)))
		}
	}
}

// probe sends a probe, or one of each topic, now and then until the flood begins.
func (f *flooding) probe(s engine.Socket) error {
	for batches := f.spec.batches(probeMark); !f.started.Load(); time.Sleep(probeInterval) {
		if f.spec.Topics == 0 {
			batches[0] = batches[0][:1]
		}
		for _, batch := range batches {
			if err := s.Send(batch); err != nil {
				return err
			}
		}
	}
	return nil
}
