// Package report keeps what was measured, and shows it: as JSON, as tables, and as plots.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/experimance/experimance-go/bench/internal/stats"
)

// Reference is the engine that the others are compared with.
const Reference = "libzmq"

// Subject is the engine that the goals are about.
const Subject = "experimance"

// Results is all that one run of the program has measured.
type Results struct {
	Environment Environment `json:"environment"`
	Works       []Work      `json:"works"`
}

// Environment is where and how the works were measured.
type Environment struct {
	CPU       string            `json:"cpu"`
	Cores     int               `json:"cores"`
	System    string            `json:"system"`
	Go        string            `json:"go"`
	Commit    string            `json:"commit"`         // of this project; "+" after it: with changes
	Engines   map[string]string `json:"engines"`        // versions
	Base      string            `json:"base,omitempty"` // Subject at the revision that it is compared with
	Rounds    int               `json:"rounds"`
	Window    time.Duration     `json:"window_ns"` // how long each process measured
	LoadStart string            `json:"load_at_start"`
}

// Work is one work and what the engines did of it.
type Work struct {
	Name    string    `json:"name"`
	Title   string    `json:"title"`
	Time    time.Time `json:"time"` // when its measurement ended
	Metrics []Metric  `json:"metrics"`
	Engines []Engine  `json:"engines"`
}

// Metric is one figure of a work's samples, the first being the most important.
type Metric struct {
	Name  string `json:"name"` // the key in Sample
	Title string `json:"title"`
	Unit  Unit   `json:"unit"`
	Goals []Goal `json:"goals,omitempty"`

	// Compared says that the metric counts when Subject is compared with another revision of
	// itself.
	Compared bool `json:"compared,omitempty"`
}

// Unit says how a metric is written.
type Unit string

// The units.
const (
	PerSecond    Unit = "1/s"
	Microseconds Unit = "µs"
	Bytes        Unit = "B"
	Number       Unit = ""
)

// Goal is what Subject should reach: a ratio to another engine, or a value where Against is empty.
type Goal struct {
	Against string  `json:"against,omitempty"`
	AtMost  bool    `json:"at_most,omitempty"` // otherwise at least
	Value   float64 `json:"value"`
}

// Sample is the figures of one run of one engine.
type Sample map[string]float64

// Engine is what one engine did of a work.
type Engine struct {
	Name    string   `json:"name"`
	Skipped string   `json:"skipped,omitempty"` // why it was not measured
	Errors  []string `json:"errors,omitempty"`  // of rounds that failed
	Runs    []Sample `json:"runs,omitempty"`    // one for each round; null where it failed
}

// values returns a metric of the rounds that succeeded.
func (e Engine) values(metric string) []float64 {
	var values []float64
	for _, run := range e.Runs {
		if v, ok := run[metric]; ok {
			values = append(values, v)
		}
	}
	return values
}

// Summary returns the summary of a metric, and whether it was measured.
func (e Engine) Summary(metric string) (stats.Summary, bool) {
	values := e.values(metric)
	if len(values) == 0 {
		return stats.Summary{}, false
	}
	return stats.Summarize(values), true
}

// Engine returns what an engine did, and whether it took part.
func (w Work) Engine(name string) (Engine, bool) {
	i := slices.IndexFunc(w.Engines, func(e Engine) bool { return e.Name == name })
	if i < 0 {
		return Engine{}, false
	}
	return w.Engines[i], true
}

// Ratio returns the summary of the ratios of one engine to another, each of two runs of the same round, which a change of
// the machine's load from round to round does not touch.
func (w Work) Ratio(metric, engine, against string) (stats.Summary, bool) {
	e, _ := w.Engine(engine)
	a, _ := w.Engine(against)
	var ratios []float64
	for i := range min(len(e.Runs), len(a.Runs)) {
		x, ok := e.Runs[i][metric]
		y, too := a.Runs[i][metric]
		if ok && too && y != 0 {
			ratios = append(ratios, x/y)
		}
	}
	if len(ratios) == 0 {
		return stats.Summary{}, false
	}
	return stats.Summarize(ratios), true
}

// Write writes the results to a file.
func (r Results) Write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// Read reads results from a file; where there is none, they are empty.
func Read(file string) (Results, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Results{}, nil
	}
	if err != nil {
		return Results{}, fmt.Errorf("report: %w", err)
	}
	var r Results
	if err := json.Unmarshal(text, &r); err != nil {
		return Results{}, fmt.Errorf("report: %s: %w", file, err)
	}
	return r, nil
}

// Merge returns r with the works of older results that r does not have, in the order of names.
func (r Results) Merge(older Results, names []string) Results {
	all := append(slices.Clone(r.Works), older.Works...)
	merged := Results{Environment: r.Environment}
	for _, name := range names {
		if i := slices.IndexFunc(all, func(w Work) bool { return w.Name == name }); i >= 0 {
			merged.Works = append(merged.Works, all[i])
		}
	}
	return merged
}
