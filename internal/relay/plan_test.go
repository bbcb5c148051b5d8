package relay_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/relay"
)

// The same seed gives the same plan, another seed another one, and every kind of fault comes up.
func TestNewPlan(t *testing.T) {
	t.Parallel()
	cfg := relay.PlanConfig{MaxWait: 3 * time.Millisecond, MaxFor: 5 * time.Millisecond, MaxDelay: 7 * time.Millisecond, MinRate: 9}
	plan := relay.NewPlan(1, 200, cfg)
	if !slices.Equal(plan, relay.NewPlan(1, 200, cfg)) {
		t.Error("the same seed gives another plan")
	}
	if slices.Equal(plan, relay.NewPlan(2, 200, cfg)) {
		t.Error("another seed gives the same plan")
	}
	seen := map[relay.Fault]bool{}
	for _, s := range plan {
		seen[s.Fault] = true
		if s.Wait > cfg.MaxWait || s.For > cfg.MaxFor || s.Shape.Delay > cfg.MaxDelay || s.String() == "" {
			t.Errorf("%v is beyond its bounds", s)
		}
	}
	if len(seen) != len(relay.Faults()) {
		t.Errorf("%v, want each of %v", seen, relay.Faults())
	}
	for _, s := range relay.NewPlan(1, 20, relay.PlanConfig{Faults: []relay.Fault{relay.FaultCut}}) {
		if s.Fault != relay.FaultCut {
			t.Errorf("%v, want only cuts", s)
		}
	}
}

// A plan that is broken off leaves no fault behind.
func TestPlayBrokenOff(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, scheme string) {
		for _, s := range []relay.Step{
			{Fault: relay.FaultStall, Direction: relay.Both, For: time.Hour},
			{Fault: relay.FaultPartition, Partition: relay.Refuse, For: time.Hour},
			{Fault: relay.FaultSlow, Direction: relay.Both, For: time.Hour, Shape: relay.Shape{Delay: time.Hour}},
			{Wait: time.Hour, Fault: relay.FaultCut},
		} {
			r, client, server := connected(t, scheme, relay.Config{})
			ctx, cancel := context.WithCancel(within(t))
			if s.Wait > 0 {
				cancel()
			}
			var log []relay.Step
			err := r.Play(ctx, []relay.Step{s, s}, func(s relay.Step) { log = append(log, s); cancel() })
			if !errors.Is(err, context.Canceled) || len(log) > 1 {
				t.Errorf("%v, %v, want it to be broken off", log, err)
			}
			write(t, client, "passes")
			expect(t, server, "passes")
		}
	})
}
