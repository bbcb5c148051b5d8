package demo

import (
	"github.com/experimance/experimance-go/internal/cli/demo/survey"
	"github.com/experimance/experimance-go/service"
)

// Outcome is what came of a demo. Its JSON is the document that scripts get.
type Outcome struct {
	Directory   string `json:"directory"`
	Interrupted bool   `json:"interrupted"` // ended by a signal before the work was done

	TasksSent       int      `json:"tasks_sent"`
	ResultsReceived int      `json:"results_received"`
	TasksLost       int      `json:"tasks_lost"`   // sent, and without a result
	TasksUnsent     int      `json:"tasks_unsent"` // because the work ended early
	LostFiles       []string `json:"lost_files"`

	Seconds        float64 `json:"seconds"` // from the first task to the last result
	TasksPerSecond float64 `json:"tasks_per_second"`

	Workers  []WorkerOutcome `json:"workers"`
	Services []ServiceReport `json:"services"`

	Totals   survey.Totals `json:"totals"`
	Check    *Check        `json:"check,omitempty"` // nil where none was made
	Skipped  []string      `json:"skipped"`         // directories that could not be read
	Problems []string      `json:"problems"`        // what went wrong; none where the demo succeeded
}

// WorkerOutcome is what came of a worker's process.
type WorkerOutcome struct {
	Name    string `json:"name"`
	Process int    `json:"process"`
	Tasks   int    `json:"tasks"` // results received from it
	End     string `json:"end"`   // how it ended: "exit status 0" after a clean stop
}

// ServiceReport is what is known of a service after its stop.
type ServiceReport struct {
	Name       string           `json:"name"`
	Heartbeats int              `json:"heartbeats"` // seen by the observer
	Receipt    *service.Receipt `json:"receipt"`    // nil where it gave none
}

// OK reports whether the demo did all that it was to do, and nothing went wrong.
func (o *Outcome) OK() bool {
	return len(o.Problems) == 0 && !o.Interrupted && o.TasksLost == 0 && o.TasksUnsent == 0 &&
		(o.Check == nil || o.Check.Identical)
}

// account fills in what became of the tasks and the workers. Tasks that an interruption has left open are lost.
func (o *Outcome) account(c *controller) {
	c.tasks.giveUp()
	o.TasksSent = c.tasks.next
	o.TasksLost = c.tasks.lost
	o.TasksUnsent = c.tasks.unsent()
	o.ResultsReceived = c.tasks.received
	o.LostFiles = c.tasks.lostFiles()
	if o.Seconds = c.meter.took.Seconds(); o.Seconds > 0 {
		o.TasksPerSecond = float64(o.ResultsReceived) / o.Seconds
	}
	for _, p := range c.fleet.all {
		o.Workers = append(o.Workers, WorkerOutcome{Name: p.name, Process: p.pid(), Tasks: p.results, End: p.fate()})
	}
	o.Totals = c.tasks.sum.Totals()
	o.Problems = append([]string{}, c.problems...)
}

// reports fills in what the services left behind.
func (o *Outcome) reports(crew *crew, fleet *processes, heartbeats map[string]int) {
	for _, m := range crew.members {
		o.Services = append(o.Services, ServiceReport{m.name, heartbeats[m.name], &m.receipt})
	}
	for _, p := range fleet.all {
		o.Services = append(o.Services, ServiceReport{p.name, heartbeats[p.name], p.receipt()})
	}
}
