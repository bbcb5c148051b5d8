package service

import (
	"log/slog"
	"time"
)

// Stats is a snapshot of a service's statistics. All counts begin anew with each Start.
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
	SendRate         float64       `json:"send_rate"`    // messages a second, over the last seconds
	ReceiveRate      float64       `json:"receive_rate"` // messages a second, over the last seconds
}

// LogValue returns the statistics as a group of attributes, for log/slog.
func (st Stats) LogValue() slog.Value { panic("not yet") }

// Stats returns a consistent snapshot. It costs well under a microsecond or so and may be called from anywhere.
func (s *Service) Stats() Stats { panic("not yet") }

// CountSent adds n to the messages sent. One atomic addition.
func (s *Service) CountSent(n uint64) { s.sent.Add(n) }

// CountReceived adds n to the messages received. One atomic addition.
func (s *Service) CountReceived(n uint64) { s.received.Add(n) }

// AddReceipt adds to the messages flushed and dropped in the receipt of the stop that is going on. Socket hooks call it
// in their Stop; at other times it does nothing.
func (s *Service) AddReceipt(flushed, dropped uint64) { panic("not yet") }
