package service

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Tick is a short pause, for loops that poll.
const Tick = 10 * time.Millisecond

// Lifecycle is what every service can do. *[Service] has it, and so has a type that embeds one, with methods of its own
// or without.
type Lifecycle interface {
	Start(ctx context.Context) error
	Run(ctx context.Context) error
	Stop(ctx context.Context) (Receipt, error)
}

var _ Lifecycle = (*Service)(nil)

// Service is a lifecycle with tasks, errors and statistics. Make one with [New], and either register hooks and tasks on
// it, or embed it in a type of your own. All methods are safe for concurrent use.
type Service struct {
	cfg    Config
	logger *slog.Logger
	states *StateManager

	sent, received atomic.Uint64
	health         health
	rates          rates

	mu        sync.Mutex
	outer     Lifecycle // the embedding type, nil where there is none
	phase     phase
	life      *life // the current life, or the last; nil before the first
	hooks     []*hook
	tasks     []taskSpec // those of every run
	abandoned map[*strand]struct{}
	startTime time.Time // of the last Start
	stopTime  time.Time // of the last stop's end; zero while alive
}

// New returns a service in state initialized. The error is a *[ConfigError].
func New(cfg Config) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("new service: %w", err)
	}
	cfg = cfg.withDefaults()
	logger := cfg.Logger.With("service", cfg.Name, "type", cfg.Type, "instance", cfg.Instance)
	s := &Service{
		cfg:       cfg,
		logger:    logger,
		states:    NewStateManager(Initializing, logger),
		abandoned: make(map[*strand]struct{}),
	}
	s.health.reset()
	if cfg.StatsInterval > 0 {
		s.tasks = append(s.tasks, taskSpec{name: "statistics", fn: s.logStats})
	}
	return s, s.states.CompleteTransition("New", Initializing, Initialized, nil)
}

// EmbedIn tells the service that outer embeds it and has a Stop of its own, built on [Service.StopWith]. The service
// calls it when it stops itself: for a fatal error, or because Run's context was cancelled. Constructors call EmbedIn;
// where types embed each other, the outermost constructor runs last and its call counts.
//
//	c := &Camera{Service: svc}
//	c.EmbedIn(c)
func (s *Service) EmbedIn(outer Lifecycle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outer = outer
}

// State returns the current state.
func (s *Service) State() State { return s.states.State() }

// States returns the service's state manager, to wait for states, observe them, or move through states of one's own.
func (s *Service) States() *StateManager { return s.states }

// Name returns the configured name.
func (s *Service) Name() string { return s.cfg.Name }

// Type returns the configured type.
func (s *Service) Type() string { return s.cfg.Type }

// Instance returns the configured instance.
func (s *Service) Instance() string { return s.cfg.Instance }

// Logger returns the service's logger, which adds the attributes service, type and instance.
func (s *Service) Logger() *slog.Logger { return s.logger }

// Running reports whether the service is alive: from the moment Start begins until the moment a stop begins.
func (s *Service) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aliveLocked()
}

func (s *Service) aliveLocked() bool {
	return s.phase == phaseStarting || s.phase == phaseStarted || s.phase == phaseRunning
}

// Sleep waits for d and reports whether the service still runs. A stop wakes it at once, and so does the end of ctx;
// then it returns false. A task passes its own context.
func (s *Service) Sleep(ctx context.Context, d time.Duration) bool {
	s.mu.Lock()
	l := s.life
	s.mu.Unlock()
	if l == nil || ctx.Err() != nil {
		return false
	}
	select {
	case <-l.stopping:
		return false
	default:
	}
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.stopping:
	case <-ctx.Done():
	}
	return false
}

// errorf returns an error that begins with the service's name.
func (s *Service) errorf(format string, args ...any) error {
	return fmt.Errorf("service %s: "+format, append([]any{s.cfg.Name}, args...)...)
}
