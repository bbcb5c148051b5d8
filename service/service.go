package service

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Tick is a short pause for loops that poll.
const Tick = 10 * time.Millisecond

// Lifecycle is what every service can do. *[Service] has it, and so has a type that embeds one, with methods of its own
// or without.
type Lifecycle interface {
	Start(ctx context.Context) error
	Run(ctx context.Context) error
	Stop(ctx context.Context) (Receipt, error)
}

var _ Lifecycle = (*Service)(nil)

type taskSpec struct{ restart RestartPolicy }

// Service is a service's lifecycle, tasks, errors and statistics. Make one with [New]. All methods are safe for
// concurrent use.
type Service struct {
	cfg            Config
	logger         *slog.Logger
	states         *StateManager
	sent, received atomic.Uint64
}

// New returns a service in state initialized. The error is a *[ConfigError].
func New(cfg Config) (*Service, error) { panic("not yet") }

// EmbedIn tells the service that outer embeds it and has a Stop of its own, which the service then calls when it stops
// itself: for a fatal error, or because Run's context was cancelled. Constructors call it; the last call, that of the
// outermost type, counts.
func (s *Service) EmbedIn(outer Lifecycle) { panic("not yet") }

// Start starts hooks. Valid in initialized and stopped.
func (s *Service) Start(ctx context.Context) error { panic("not yet") }

// Run runs the tasks until the service stops.
func (s *Service) Run(ctx context.Context) error { panic("not yet") }

// Stop stops the service.
func (s *Service) Stop(ctx context.Context) (Receipt, error) { panic("not yet") }

// StartWith is the body of an overriding Start:
//
//	func (c *Camera) Start(ctx context.Context) error {
//		return c.StartWith(ctx, func(ctx context.Context) error {
//			... open the device ...
//			return c.Service.Start(ctx)
//		})
//	}
func (s *Service) StartWith(ctx context.Context, fn func(ctx context.Context) error) error {
	panic("not yet")
}

// RunWith is the body of an overriding Run, which calls the embedded Run with the context it is given.
func (s *Service) RunWith(ctx context.Context, fn func(ctx context.Context) error) error {
	panic("not yet")
}

// StopWith is the body of an overriding Stop, which calls the embedded Stop with the context it is given.
func (s *Service) StopWith(ctx context.Context, fn func(ctx context.Context) error) (Receipt, error) {
	panic("not yet")
}

// Go runs fn as a task named name.
func (s *Service) Go(name string, fn func(ctx context.Context) error, opts ...TaskOption) error {
	panic("not yet")
}

// Sleep waits for d and reports whether the service still runs. A stop, or the end of ctx, wakes it at once.
func (s *Service) Sleep(ctx context.Context, d time.Duration) bool { panic("not yet") }

// State returns the current state.
func (s *Service) State() State { return s.states.State() }

// States returns the state manager.
func (s *Service) States() *StateManager { return s.states }

// Name returns the configured name.
func (s *Service) Name() string { return s.cfg.Name }

// Type returns the configured type.
func (s *Service) Type() string { return s.cfg.Type }

// Instance returns the configured instance.
func (s *Service) Instance() string { return s.cfg.Instance }

// Logger returns the service's logger, which adds the attributes service, type and instance.
func (s *Service) Logger() *slog.Logger { return s.logger }

// Running reports whether the service is alive: from the begin of Start until a stop begins.
func (s *Service) Running() bool { panic("not yet") }

// StateManager keeps a state.
type StateManager struct{}

// NewStateManager returns one.
func NewStateManager(initial State, logger *slog.Logger) *StateManager { panic("not yet") }

// State returns the current state.
func (m *StateManager) State() State { panic("not yet") }

// ValidateAndBeginTransition moves to progress if the state is one of valid (nil: any), else returns a *[StateError].
func (m *StateManager) ValidateAndBeginTransition(method string, valid []State, progress State) error {
	panic("not yet")
}

// CompleteTransition moves from progress to completed, or returns a *[StateError] if the state is no longer progress.
func (m *StateManager) CompleteTransition(method string, progress, completed State, cause error) error {
	panic("not yet")
}

// WaitForState waits.
func (m *StateManager) WaitForState(ctx context.Context, states ...State) (State, error) {
	panic("not yet")
}

// ObserveStateChange observes; no states: all.
func (m *StateManager) ObserveStateChange(states ...State) *Observation { panic("not yet") }

// OnState registers a callback.
func (m *StateManager) OnState(state State, fn func(Transition)) (remove func()) { panic("not yet") }

// History returns the last transitions, oldest first.
func (m *StateManager) History() []Transition { panic("not yet") }

// Observation sees transitions.
type Observation struct{}

// Wait returns the next transition.
func (o *Observation) Wait(ctx context.Context) (Transition, error) { panic("not yet") }

// Close ends the observation.
func (o *Observation) Close() { panic("not yet") }

// Main runs services to their end and exits the process.
func Main(services ...Lifecycle) { panic("not yet") }

// MainConfig configures RunMain; the zero value is what Main uses.
type MainConfig struct {
	Signals <-chan interface{ Signal() }
	Logger  *slog.Logger
}

// RunMain is Main, but returns the exit code.
func RunMain(ctx context.Context, cfg MainConfig, services ...Lifecycle) int { panic("not yet") }

// RunAll starts the services in order, runs them, and stops them in reverse.
func RunAll(ctx context.Context, services ...Lifecycle) error { panic("not yet") }
