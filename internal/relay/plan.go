package relay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Fault is a kind of fault in a plan.
type Fault string

// The faults of a plan.
const (
	FaultCut       Fault = "cut"        // Relay.Cut
	FaultReset     Fault = "reset"      // Relay.Reset
	FaultHalfClose Fault = "half-close" // Relay.HalfClose
	FaultStall     Fault = "stall"      // Relay.Stall, for a time
	FaultSlow      Fault = "slow"       // Relay.Shape, for a time
	FaultPartition Fault = "partition"  // Relay.Partition, for a time
)

// Faults returns all kinds of fault.
func Faults() []Fault {
	return []Fault{FaultCut, FaultReset, FaultHalfClose, FaultStall, FaultSlow, FaultPartition}
}

// Step is one fault of a plan.
type Step struct {
	Wait      time.Duration // before the fault
	Fault     Fault
	Direction Direction     // of FaultHalfClose, FaultStall and FaultSlow
	For       time.Duration // duration of FaultStall, FaultSlow and FaultPartition; otherwise 0
	Shape     Shape         // of FaultSlow
	Partition Partition     // of FaultPartition
}

// String describes the step on one line.
func (s Step) String() string {
	text := fmt.Sprintf("after %v %s", s.Wait, s.Fault)
	switch s.Fault {
	case FaultHalfClose:
		text += fmt.Sprintf(" %v", s.Direction)
	case FaultStall:
		text += fmt.Sprintf(" %v for %v", s.Direction, s.For)
	case FaultSlow:
		text += fmt.Sprintf(" %v for %v: delay %v, %d bytes/s", s.Direction, s.For, s.Shape.Delay, s.Shape.Rate)
	case FaultPartition:
		text += fmt.Sprintf(" for %v, new connections: %v", s.For, s.Partition)
	}
	return text
}

// PlanConfig holds the settings of NewPlan. The zero value is ready for use.
type PlanConfig struct {
	// Faults are the kinds of fault to choose from. A kind that occurs twice is twice as likely. nil
	// means all kinds.
	Faults []Fault

	// MaxWait is the longest wait before a step. 0 means 200 ms.
	MaxWait time.Duration

	// MaxFor is the longest duration of a fault. 0 means 500 ms.
	MaxFor time.Duration

	// MaxDelay and MinRate are the limits of FaultSlow. 0 means 20 ms and 64 KiB a second.
	MaxDelay time.Duration
	MinRate  int
}

// NewPlan returns a plan of n steps. It depends on its arguments only.
func NewPlan(seed uint64, n int, cfg PlanConfig) []Step {
	if len(cfg.Faults) == 0 {
		cfg.Faults = Faults()
	}
	orDefault(&cfg.MaxWait, 200*time.Millisecond)
	orDefault(&cfg.MaxFor, 500*time.Millisecond)
	orDefault(&cfg.MaxDelay, 20*time.Millisecond)
	orDefault(&cfg.MinRate, 64<<10)
	rng := rand.New(rand.NewPCG(seed, 0))
	steps := make([]Step, n)
	for i := range steps {
		s := Step{Wait: upTo(rng, cfg.MaxWait), Fault: cfg.Faults[rng.IntN(len(cfg.Faults))]}
		switch s.Fault {
		case FaultHalfClose:
			s.Direction = Direction(1 + rng.IntN(2))
		case FaultStall:
			s.Direction, s.For = Direction(1+rng.IntN(3)), upTo(rng, cfg.MaxFor)
		case FaultSlow:
			s.Direction, s.For = Direction(1+rng.IntN(3)), upTo(rng, cfg.MaxFor)
			s.Shape = Shape{Delay: upTo(rng, cfg.MaxDelay), Rate: cfg.MinRate << rng.IntN(8)}
		case FaultPartition:
			s.For, s.Partition = upTo(rng, cfg.MaxFor), Partition(1+rng.IntN(2))
		}
		steps[i] = s
	}
	return steps
}

func orDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// upTo returns a random time between 1 ms and limit, in whole milliseconds.
func upTo(rng *rand.Rand, limit time.Duration) time.Duration {
	return time.Millisecond * time.Duration(1+rng.Int64N(max(limit.Milliseconds(), 1)))
}

// Play plays the steps of a plan one after the other; each step begins when the last one is over. log
// is called with each step when it begins; it may be nil. Play returns nil when all steps are over, or
// the context's error if ctx ends before. In both cases all faults of the plan are undone.
func (r *Relay) Play(ctx context.Context, steps []Step, log func(Step)) error {
	for _, s := range steps {
		if !pause(ctx, s.Wait) {
			return ctx.Err()
		}
		if log != nil {
			log(s)
		}
		undo := r.begin(s)
		over := pause(ctx, s.For)
		undo()
		if !over {
			return ctx.Err()
		}
	}
	return nil
}

// begin injects the fault of a step, and returns a function that undoes it.
func (r *Relay) begin(s Step) (undo func()) {
	switch s.Fault {
	case FaultCut:
		r.Cut()
	case FaultReset:
		r.Reset()
	case FaultHalfClose:
		r.HalfClose(s.Direction)
	case FaultStall:
		r.Stall(s.Direction)
		return func() { r.Resume(s.Direction) }
	case FaultSlow:
		r.Shape(s.Direction, s.Shape)
		return func() { r.Shape(s.Direction, Shape{}) }
	case FaultPartition:
		r.Partition(s.Partition)
		return r.Heal
	}
	return func() {}
}
