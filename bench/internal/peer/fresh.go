package peer

import (
	"context"
	"fmt"
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// settling is how long a new connection is left alone before its first message, so that the
// handshake is not measured.
const settling = 100 * time.Millisecond

// first opens a socket, says Ready when its connection has settled, and sends one message at Go. At
// Stop it reports when it began and the processor time since, in the nanoseconds of the clock that
// all processes share.
func (p *player) first() error {
	s, c, err := p.openTimed()
	if err != nil {
		return err
	}
	message := []engine.Message{p.spec.plain()}
	time.Sleep(settling)
	p.control.say(Ready)
	if err := p.control.await(p.ctx, Go); err != nil {
		return err
	}
	before, began := cpuTime(), c.now()
	go func() {
		if err := s.Send(message); err != nil {
			p.fail(err)
		}
	}()
	if err := p.control.await(p.ctx, Stop); err != nil {
		return err
	}
	p.control.say(Result, value("began", float64(began)), value("cpu", float64(cpuTime()-before)))
	return p.leave()
}

// whole opens a socket, says Ready at Go, and receives one message. It reports when it had it, the
// processor time since Go, and the bytes that were allocated.
func (p *player) whole() error {
	s, c, err := p.openTimed()
	if err != nil {
		return err
	}
	if err := p.control.await(p.ctx, Go); err != nil {
		return err
	}
	before := used()
	p.control.say(Ready)
	received := make(chan []any, 1)
	go func() {
		frame, err := s.Recv(1)
		at, cpu := c.now(), cpuTime()
		if err == nil && len(frame) != p.spec.Size {
			err = fmt.Errorf("peer: the first frame has %d bytes instead of %d", len(frame), p.spec.Size)
		}
		if err != nil {
			p.fail(err)
			return
		}
		received <- []any{
			value("at", float64(at)),
			value("cpu", float64(cpu-before.cpu)),
			value("bytes", float64(used().bytes-before.bytes)),
		}
	}()
	select {
	case result := <-received:
		p.control.say(Result, result...)
		return p.leave()
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

func (p *player) openTimed() (engine.Socket, clock, error) {
	c, err := newClock()
	if err != nil {
		return nil, clock{}, err
	}
	s, err := p.openOne()
	return s, c, err
}
