package service

import (
	"context"
	"log/slog"
	"math"
	"time"
)

// Stats is a snapshot of a service's statistics. The counts begin anew with each Start.
type Stats struct {
	Service          string        `json:"service"`
	Type             string        `json:"type"`
	Instance         string        `json:"instance"`
	State            State         `json:"state"`
	Status           Status        `json:"status"`
	StartTime        time.Time     `json:"start_time,omitzero"` // of the last Start; zero before the first
	Uptime           time.Duration `json:"uptime_ns"`           // since StartTime, until the stop
	MessagesSent     uint64        `json:"messages_sent"`
	MessagesReceived uint64        `json:"messages_received"`
	Errors           uint64        `json:"errors"` // fatal ones included
	Warnings         uint64        `json:"warnings"`
	Tasks            int           `json:"tasks"`        // tasks that are alive
	SendRate         float64       `json:"send_rate"`    // messages a second, of late
	ReceiveRate      float64       `json:"receive_rate"` // messages a second, of late
}

// LogValue returns the statistics as a group of attributes, for log/slog, without the names that the service's logger
// adds anyway.
func (st Stats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("state", string(st.State)),
		slog.String("status", string(st.Status)),
		slog.Duration("uptime", st.Uptime.Round(time.Millisecond)),
		slog.Uint64("messages_sent", st.MessagesSent),
		slog.Uint64("messages_received", st.MessagesReceived),
		slog.Float64("send_rate", math.Round(st.SendRate*10)/10),
		slog.Float64("receive_rate", math.Round(st.ReceiveRate*10)/10),
		slog.Uint64("errors", st.Errors),
		slog.Uint64("warnings", st.Warnings),
		slog.Int("tasks", st.Tasks),
	)
}

// Stats returns a snapshot. It does not allocate and may be called from anywhere, also often. The rates are averages
// over the time since an earlier snapshot, some seconds old where there is one, or else since the start.
func (s *Service) Stats() Stats {
	st := Stats{Service: s.cfg.Name, Type: s.cfg.Type, Instance: s.cfg.Instance}
	s.health.mu.Lock()
	st.Status, st.Errors, st.Warnings = s.health.status, s.health.errors, s.health.warnings
	s.health.mu.Unlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	st.State = s.states.State()
	st.MessagesSent, st.MessagesReceived = s.sent.Load(), s.received.Load()
	if s.startTime.IsZero() {
		return st
	}
	end := now
	if !s.stopTime.IsZero() {
		end = s.stopTime
	}
	st.StartTime, st.Uptime = s.startTime, end.Sub(s.startTime)
	st.Tasks = s.life.tasks
	st.SendRate, st.ReceiveRate = s.rates.since(sample{now, st.MessagesSent, st.MessagesReceived})
	return st
}

// logStats is the task behind [Config.StatsInterval].
func (s *Service) logStats(ctx context.Context) error {
	for s.Sleep(ctx, s.cfg.StatsInterval) {
		s.logger.LogAttrs(ctx, slog.LevelInfo, "statistics", slog.Any("stats", s.Stats()))
	}
	return nil
}

// CountSent adds n to the messages sent: one atomic addition.
func (s *Service) CountSent(n uint64) { s.sent.Add(n) }

// CountReceived adds n to the messages received: one atomic addition.
func (s *Service) CountReceived(n uint64) { s.received.Add(n) }
