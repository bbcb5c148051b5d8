package service

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Receipt is the account of a stop.
type Receipt struct {
	TasksFinished   int           `json:"tasks_finished"`            // tasks that were running and have returned
	TasksAbandoned  []string      `json:"tasks_abandoned,omitempty"` // names of tasks that still run
	MessagesFlushed uint64        `json:"messages_flushed"`          // queued messages that were sent during the stop
	MessagesDropped uint64        `json:"messages_dropped"`          // queued messages that could not be sent
	Duration        time.Duration `json:"duration_ns"`               // from the begin of the stop to its end
}

// String returns the receipt in one line.
func (r Receipt) String() string {
	s := fmt.Sprintf("stopped in %v: %d tasks finished, %d messages flushed, %d dropped",
		r.Duration.Round(time.Microsecond), r.TasksFinished, r.MessagesFlushed, r.MessagesDropped)
	if len(r.TasksAbandoned) > 0 {
		s += ", abandoned: " + strings.Join(r.TasksAbandoned, ", ")
	}
	return s
}

// LogValue returns the receipt as a group of attributes, for log/slog.
func (r Receipt) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.Duration("duration", r.Duration),
		slog.Int("tasks_finished", r.TasksFinished),
		slog.Uint64("messages_flushed", r.MessagesFlushed),
		slog.Uint64("messages_dropped", r.MessagesDropped),
	}
	if len(r.TasksAbandoned) > 0 {
		attrs = append(attrs, slog.Any("tasks_abandoned", r.TasksAbandoned))
	}
	return slog.GroupValue(attrs...)
}
