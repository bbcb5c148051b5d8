package service

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Status sums up the errors recorded since the last Start or reset: the worst of them decides.
type Status string

// The statuses, from good to bad.
const (
	StatusHealthy Status = "healthy"
	StatusWarning Status = "warning"
	StatusError   Status = "error"
	StatusFatal   Status = "fatal"
)

// severity orders the statuses.
func (st Status) severity() int {
	return slices.Index([]Status{StatusHealthy, StatusWarning, StatusError, StatusFatal}, st)
}

// errorLimit is how many recorded errors a service remembers.
const errorLimit = 32

// ErrorRecord is one recorded error.
type ErrorRecord struct {
	Time   time.Time
	Status Status // how bad it is: StatusWarning, StatusError or StatusFatal
	Err    error
}

// health is what has been recorded. Its mutex is held for moments only.
type health struct {
	mu               sync.Mutex
	status           Status
	recent           []ErrorRecord
	errors, warnings uint64
}

func (h *health) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status, h.recent, h.errors, h.warnings = StatusHealthy, nil, 0, 0
}

func (h *health) add(r ErrorRecord) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Status.severity() > h.status.severity() {
		h.status = r.Status
	}
	if r.Status == StatusWarning {
		h.warnings++
	} else {
		h.errors++
	}
	if len(h.recent) == errorLimit {
		h.recent = slices.Delete(h.recent, 0, 1)
	}
	h.recent = append(h.recent, r)
}

// RecordWarning records err and logs it as a warning; the service goes on. A nil err is ignored, here and below.
func (s *Service) RecordWarning(err error) { s.record(StatusWarning, err) }

// RecordError records and logs err; the service goes on.
func (s *Service) RecordError(err error) { s.record(StatusError, err) }

// RecordFatal records and logs err and stops the service, without waiting for the stop. Run returns err, and so does
// Start where that is at work. In initialized and stopped there is nothing to stop: err is recorded only.
func (s *Service) RecordFatal(err error) {
	if err == nil {
		return
	}
	s.record(StatusFatal, err)
	if s.abandonedCaller() {
		return
	}
	s.mu.Lock()
	l, alive := s.life, s.phase != phaseIdle
	if alive && l.fatal == nil {
		l.fatal = err
	}
	s.mu.Unlock()
	if alive {
		s.stopSelf(l, "RecordFatal", err)
	}
}

// record notes err and logs it.
func (s *Service) record(status Status, err error) {
	s.note(status, err)
	s.logRecorded(status, err)
}

// note counts err and remembers it. A caller that is about to tell of a state to which err has led
// holds the service's mutex over both, so that an observer of the state finds the error.
func (s *Service) note(status Status, err error) {
	if err != nil {
		s.health.add(ErrorRecord{Time: time.Now(), Status: status, Err: err})
	}
}

// logRecorded logs an error that was noted. It is called without locks held.
func (s *Service) logRecorded(status Status, err error) {
	if err == nil {
		return
	}
	level := slog.LevelError
	if status == StatusWarning {
		level = slog.LevelWarn
	}
	attrs := append(errorAttrs(err), slog.String("status", string(status)))
	s.logger.LogAttrs(context.Background(), level, "error recorded", attrs...)
}

// Status returns the worst that has been recorded since the last Start or [Service.ResetErrors].
func (s *Service) Status() Status {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.status
}

// Errors returns the last 32 recorded errors and warnings, oldest first.
func (s *Service) Errors() []ErrorRecord {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return slices.Clone(s.health.recent)
}

// ResetErrors forgets everything that has been recorded: the status is healthy, the counts are 0. It does not revive a
// service that a fatal error is stopping.
func (s *Service) ResetErrors() { s.health.reset() }
