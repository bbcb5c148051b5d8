package peer

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
)

// tickEvery is the time between two publications of Tick.
const tickEvery = time.Millisecond

// tick binds a publisher and sends a message on each of its topics every millisecond. At each Mem
// it reports the longest Send and the processor time since the last report, in nanoseconds.
func (p *player) tick() error {
	s, err := p.openOne()
	if err != nil {
		return err
	}
	messages := make([][]engine.Message, p.spec.Topics)
	for i := range messages {
		m := p.spec.message(countMark)
		copy(m[0], engine.Topic(i))
		messages[i] = []engine.Message{m}
	}
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	var worst time.Duration
	for cpu := cpuTime(); ; {
		for _, m := range messages {
			begun := time.Now()
			if err := s.Send(m); err != nil {
				return err
			}
			worst = max(worst, time.Since(begun))
		}
		select {
		case <-ticker.C:
		case <-p.control.words:
			p.control.say(Result, value("worst", float64(worst)), value("cpu", float64(cpuTime()-cpu)))
			worst, cpu = 0, cpuTime()
		case <-p.ctx.Done():
			return context.Cause(p.ctx)
		}
	}
}

// many subscribes to a topic and says Ready when it has received a message on it. At Go it
// subscribes to its prefixes and then to a second topic. It reports how long it took until a
// message came on that, in nanoseconds.
func (p *player) many() error {
	s, err := p.openOne()
	if err != nil {
		return err
	}
	if err := receiveTopic(s, 0); err != nil {
		return err
	}
	p.control.say(Ready)
	if err := p.control.await(p.ctx, Go); err != nil {
		return err
	}
	begun := time.Now()
	for i := range p.spec.Prefixes {
		if err := s.Subscribe(p.spec.prefix(i)); err != nil {
			return err
		}
	}
	if err := s.Subscribe(engine.Topic(1)); err != nil {
		return err
	}
	if err := receiveTopic(s, 1); err != nil {
		return err
	}
	p.control.say(Result, value("time", float64(time.Since(begun))))
	return p.leave()
}

// receiveTopic receives until a message comes on the topic with an index.
func receiveTopic(s engine.Socket, i int) error {
	for {
		first, err := s.Recv(1)
		if err != nil || bytes.HasPrefix(first, []byte(engine.Topic(i))) {
			return err
		}
	}
}

// prefix returns the prefix with an index: nested ones begin each with the one before, others are
// eight digits.
func (s Spec) prefix(i int) string {
	const spread, digits = 7919, 100_000_007
	const broken, lengths = 246, 10 // two peers of libzmq 4.3.4 cannot have prefixes of 246 to 255 bytes
	switch {
	case s.Nested && i+1 >= broken:
		return strings.Repeat("n", i+1+lengths)
	case s.Nested:
		return strings.Repeat("n", i+1)
	}
	return fmt.Sprintf("%08d", i*spread%digits)
}

// knock connects one socket to many endpoints without a listener, and reports the processor time
// for each second of its window, in nanoseconds.
func (p *player) knock() error {
	s, err := p.engine.Open(p.spec.Socket, p.spec.options())
	if err != nil {
		return err
	}
	begun, cpu := time.Now(), cpuTime()
	for i := range p.spec.Refusing {
		if err := s.Connect(refusing(i)); err != nil {
			return err
		}
	}
	select {
	case <-time.After(p.spec.Window):
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	p.control.say(Result, value("cpu", float64(cpuTime()-cpu)/time.Since(begun).Seconds()))
	return p.leave()
}

// refusing returns an endpoint of this machine without a listener: port 9 of one of its many
// addresses.
func refusing(i int) string {
	const hosts = 250
	return fmt.Sprintf("tcp://127.1.%d.%d:9", i/hosts, 1+i%hosts)
}
