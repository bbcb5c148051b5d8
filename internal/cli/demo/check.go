package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/experimance/experimance-go/internal/cli/demo/survey"
)

// Check is the comparison of the fleet's totals with those that one process, without any service, has come to.
type Check struct {
	Identical   bool     `json:"identical"`
	Seconds     float64  `json:"seconds"` // that the one process took
	Differences []string `json:"differences"`
}

// check computes the totals again, file after file, and compares them. It is nil where ctx ends before.
func check(ctx context.Context, root string, files []survey.File, fleet survey.Totals, d *Display) *Check {
	d.Line("the same in one process, to compare")
	defer d.clear()
	var sum survey.Sum
	m := newMeter("check", files)
	m.start()
	for _, f := range files {
		if ctx.Err() != nil {
			return nil
		}
		sum.Add(f.Path, survey.Measure(filepath.Join(root, f.Path)))
		d.progress(m.add(f))
	}
	m.stop()
	differences := compare(fleet, sum.Totals())
	return &Check{Identical: len(differences) == 0, Seconds: m.took.Seconds(), Differences: differences}
}

// compare names the totals in which the fleet and the one process differ, by their names in JSON.
func compare(fleet, one survey.Totals) []string {
	differences := []string{}
	differ := func(name string, fleet, one any) {
		if reflect.DeepEqual(fleet, one) {
			return
		}
		text := name + " differ"
		if _, ok := one.(int); ok {
			text = fmt.Sprintf("%s: %d by the fleet, %d in one process", name, fleet, one)
		}
		differences = append(differences, text)
	}
	differ("files", fleet.Files, one.Files)
	differ("failed", fleet.Failed, one.Failed)
	differ("lines", fleet.Lines, one.Lines)
	differ("functions", fleet.Functions, one.Functions)
	differ("import_declarations", fleet.Counts.Imports, one.Counts.Imports)
	differ("packages", fleet.Packages, one.Packages)
	differ("longest_functions", fleet.LongestFunctions, one.LongestFunctions)
	differ("imports", fleet.Imports, one.Imports)
	differ("failures", fleet.Failures, one.Failures)
	return differences
}
