package runner

import (
	"context"
	"fmt"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/peer"
	"github.com/experimance/experimance-go/bench/internal/report"
)

// maximumFunc returns the rate of which a load is the half, given the engine's own maximum.
type maximumFunc func(s *session, own float64) (float64, error)

func ownMaximum(_ *session, own float64) (float64, error) { return own, nil }

func referenceMaximum(s *session, own float64) (float64, error) {
	switch {
	case s.reference == 0:
		return 0, engine.Unsupported("the maximum of " + report.Reference + " was not measured")
	case own < s.reference/2:
		return 0, engine.Unsupported(fmt.Sprintf("cannot carry half of %s's maximum", report.Reference))
	default:
		return s.reference, nil
	}
}

// measure takes the engine's maximum, right before, and then the latency at half the rate.
func (f maximumFunc) measure(ctx context.Context, tr *trial, w Work) (report.Sample, error) {
	own, err := tr.maximum(ctx, tr.target, w)
	if err != nil {
		return nil, err
	}
	rate, err := f(tr.session, own)
	if err != nil {
		return nil, err
	}
	w.source.Rate = rate / 2
	sample, err := sinkBinds(ctx, tr, w)
	if err != nil {
		return nil, err
	}
	sample["carried"] = sample["rate"] / w.source.Rate
	return sample, nil
}

// maximum floods for half a window. That of libzmq is kept for the engines after it in the round.
func (s *session) maximum(ctx context.Context, t Target, w Work) (rate float64, err error) {
	w.source.Role, w.sink.Role = peer.Flood, peer.Drain
	w.sink.Window /= 2
	err = s.try(ctx, t, func(ctx context.Context, tr *trial) error {
		sample, err := sinkBinds(ctx, tr, w)
		rate = sample["rate"]
		return err
	})
	if t.Name == report.Reference {
		s.reference = rate
	}
	return rate, err
}
