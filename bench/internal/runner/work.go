package runner

import (
	"context"
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/peer"
	"github.com/experimance/experimance-go/bench/internal/report"
)

// Work is one thing that every engine is asked to do.
type Work struct {
	Name    string
	Title   string
	Metrics []report.Metric

	carrier string
	curve   bool          // encrypted by CURVE
	source  peer.Spec     // the peer that sends
	sink    peer.Spec     // the peer that receives
	limit   time.Duration // the longest that a run may take beside its windows; 0 means runTime
	measure func(ctx context.Context, tr *trial, w Work) (report.Sample, error)
}

// atLeast is the goal of so many times what libzmq does.
func atLeast(times float64) []report.Goal {
	return []report.Goal{{Against: report.Reference, Value: times}}
}

// throughputMetrics are those of works that flood.
func throughputMetrics(title string, goals []report.Goal) []report.Metric {
	return []report.Metric{
		{Name: "rate", Title: title, Unit: report.PerSecond, Goals: goals, Compared: true},
		{Name: "send_allocs", Title: "allocations for each message sent", Unit: report.Number},
		{Name: "recv_allocs", Title: "allocations for each message received", Unit: report.Number},
		{Name: "send_cpu_ns", Title: "processor time for each message sent, ns", Unit: report.Number},
		{Name: "recv_cpu_ns", Title: "processor time for each message received, ns", Unit: report.Number},
	}
}

// latencyMetrics are those of works that take times; goals are those of the median and of the 99th percentile alike.
func latencyMetrics(goals []report.Goal) []report.Metric {
	return []report.Metric{
		{Name: "p50", Title: "median", Unit: report.Microseconds, Goals: goals, Compared: true},
		{Name: "p99", Title: "99th percentile", Unit: report.Microseconds, Goals: goals, Compared: true},
		{Name: "p999", Title: "99.9th percentile", Unit: report.Microseconds},
	}
}

// spec returns a peer's spec with one socket and messages of one frame.
func spec(role peer.Role, kind engine.Kind, size int) peer.Spec {
	return peer.Spec{Role: role, Socket: kind, Size: size, Frames: 1, Sockets: 1}
}
