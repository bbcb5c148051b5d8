package peer

import (
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/stats"
)

// echo answers each request with itself.
func (p *player) echo() error {
	s, err := p.openOne()
	if err != nil {
		return err
	}
	go func() { p.fail(answer(s)) }()
	return p.leave()
}

func answer(s engine.Socket) error {
	reply := []engine.Message{make(engine.Message, 1)}
	for {
		request, err := s.Recv(1)
		if err != nil {
			return err
		}
		reply[0][0] = request
		if err := s.Send(reply); err != nil {
			return err
		}
	}
}

// ask sends one request after the other for the window, and reports the times until their replies.
func (p *player) ask() error {
	s, err := p.openOne()
	if err != nil {
		return err
	}
	times := make(chan []float64, 1)
	go func() {
		took, err := roundTrips(s, p.spec)
		if err != nil {
			p.fail(err)
			return
		}
		times <- took
	}()
	select {
	case took := <-times:
		p.control.say(Result, latencies(took)...)
	case <-p.ctx.Done():
	}
	return p.leave()
}

// roundTrips returns the microseconds of each exchange but the first, which waits for the connection.
func roundTrips(s engine.Socket, spec Spec) ([]float64, error) {
	request := []engine.Message{spec.message(countMark)}
	var took []float64
	var start time.Time
	for {
		sent := time.Now()
		if err := s.Send(request); err != nil {
			return nil, err
		}
		if _, err := s.Recv(1); err != nil {
			return nil, err
		}
		now := time.Now()
		if start.IsZero() {
			start = now
			continue
		}
		took = append(took, microseconds(now.Sub(sent)))
		if now.Sub(start) >= spec.Window {
			return took, nil
		}
	}
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// latencies returns the quantiles of times in microseconds as values of a result.
func latencies(took []float64) []any {
	return []any{
		value("samples", float64(len(took))),
		value("p50", stats.Quantile(took, 0.5)),
		value("p99", stats.Quantile(took, 0.99)),
		value("p999", stats.Quantile(took, 0.999)),
	}
}
