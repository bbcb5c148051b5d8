package service

import "time"

// Status sums up the errors recorded since the last reset: the worst of them decides.
type Status string

// The statuses, from good to bad.
const (
	StatusHealthy Status = "healthy"
	StatusWarning Status = "warning"
	StatusError   Status = "error"
	StatusFatal   Status = "fatal"
)

// ErrorRecord is one recorded error.
type ErrorRecord struct {
	Time   time.Time
	Status Status // the severity: StatusWarning, StatusError or StatusFatal
	Err    error
}

// RecordWarning records err, logs it as a warning, and goes on.
func (s *Service) RecordWarning(err error) { panic("not yet") }

// RecordError records and logs err, and goes on.
func (s *Service) RecordError(err error) { panic("not yet") }

// RecordFatal records and logs err and stops the service, without waiting for the stop. Run, or Start where that is at
// work, returns err. In initialized and stopped there is nothing to stop: err is recorded only.
func (s *Service) RecordFatal(err error) { panic("not yet") }

// Status returns the worst severity since the last Start or ResetErrors.
func (s *Service) Status() Status { panic("not yet") }

// Errors returns the last 32 recorded errors and warnings, oldest first.
func (s *Service) Errors() []ErrorRecord { panic("not yet") }

// ResetErrors forgets all recorded errors: the status is healthy again, the counts are 0.
func (s *Service) ResetErrors() { panic("not yet") }
