// Package runner gives every engine the same work, in processes of its own, one engine after the other, round by round.
package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/report"
)

// Config says how works are measured.
type Config struct {
	Targets []Target
	Rounds  int
	Window  time.Duration
	// Progress is called at each run's end with its figures, or what went wrong.
	Progress func(w Work, t Target, round int, sample report.Sample, err error)
}

// session is the state of a measurement.
type session struct {
	cfg       Config
	crowd     Target  // the program that is the idle subscribers
	reference float64 // libzmq's maximum of this round, for the loads; 0 until it is known
}

// runTime is the longest that one run may take beside its windows, with setting up and tearing down.
const runTime = 60 * time.Second

// mostErrors is how many rounds of an engine may fail before it is left out of the rest.
const mostErrors = 2

// Measure measures a work with every target: each once in a round, then the next round, in the
// reverse order, so that a change of the machine's load meets all alike. It fails only when ctx
// ends, or there is nothing to measure with.
func Measure(ctx context.Context, cfg Config, w Work) (report.Work, error) {
	crowd, err := crowdTarget()
	if err != nil {
		return report.Work{}, err
	}
	s := &session{cfg: cfg, crowd: crowd}
	if err := s.prepare(&w); err != nil {
		return report.Work{}, err
	}
	engines := make([]report.Engine, len(cfg.Targets))
	for i, t := range cfg.Targets {
		engines[i] = report.Engine{Name: t.Name, Skipped: t.Missing}
	}
	for round := range cfg.Rounds {
		s.reference = 0
		for _, i := range order(cfg.Targets, round) {
			if engines[i].Skipped != "" {
				continue
			}
			s.run(ctx, w, cfg.Targets[i], round, &engines[i])
			if ctx.Err() != nil {
				return report.Work{}, context.Cause(ctx)
			}
		}
	}
	return report.Work{Name: w.Name, Title: w.Title, Time: time.Now(), Metrics: w.Metrics, Engines: engines}, nil
}

// order returns the order in which the targets are measured in a round: that of the targets, and in
// every other round the reverse of it, so that no engine always comes after the same one. libzmq,
// whose maximum others are told, is always first.
func order(targets []Target, round int) []int {
	indices := make([]int, len(targets))
	for i := range indices {
		indices[i] = i
	}
	if round%2 == 1 {
		others := indices
		if len(targets) > 0 && targets[0].Name == report.Reference {
			others = indices[1:]
		}
		slices.Reverse(others)
	}
	return indices
}

// prepare completes what the peers of a work are told.
func (s *session) prepare(w *Work) error {
	w.source.Window, w.sink.Window = s.cfg.Window, s.cfg.Window
	if !w.curve {
		return nil
	}
	keys, err := newCurve()
	w.source.Curve, w.sink.Curve = keys, keys
	return err
}

// run measures one engine once, and adds what came of it to e.
func (s *session) run(ctx context.Context, w Work, t Target, round int, e *report.Engine) {
	limit := cmp.Or(w.limit, runTime) + 2*s.cfg.Window
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("killed, since it was not done within %v", limit))
	defer cancel()
	var sample report.Sample
	err := s.try(ctx, t, func(ctx context.Context, tr *trial) (err error) {
		sample, err = w.measure(ctx, tr, w)
		return err
	})
	var unsupported engine.Unsupported
	if errors.As(err, &unsupported) {
		err = unsupported // where it was noticed is of no interest
	}
	s.cfg.Progress(w, t, round, sample, err)
	switch {
	case unsupported != "" && round == 0:
		e.Skipped = unsupported.Error()
		return
	case err != nil:
		e.Errors = append(e.Errors, fmt.Sprintf("round %d: %v", round+1, err))
		if len(e.Errors) == mostErrors {
			e.Skipped = fmt.Sprintf("failed %d times", mostErrors)
		}
	}
	e.Runs = append(e.Runs, sample)
}
