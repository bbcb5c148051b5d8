package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
)

// WriteWork writes a work's tables: one for each metric with a unit, the metrics that are bare numbers beside the first.
func WriteWork(w io.Writer, work Work) error {
	if _, err := fmt.Fprintf(w, "\n### %s\n\n`%s`\n", work.Title, work.Name); err != nil {
		return err
	}
	var numbers []Metric
	for _, m := range work.Metrics {
		if m.Unit == Number {
			numbers = append(numbers, m)
		}
	}
	for _, m := range work.Metrics {
		if m.Unit == Number {
			continue
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := metricTable(work, m, numbers).writeMarkdown(w); err != nil {
			return err
		}
		numbers = nil
	}
	return writeNotes(w, work)
}

// columns are the heads of the numbers' columns.
var columns = map[string]string{
	"send_allocs": "allocs sent", "recv_allocs": "allocs received",
	"send_cpu_ns": "CPU ns sent", "recv_cpu_ns": "CPU ns received",
}

func metricTable(work Work, m Metric, numbers []Metric) *table {
	t := &table{header: []string{m.Title, "median", "min", "max", "to " + Reference}}
	for _, n := range numbers {
		t.header = append(t.header, cmp.Or(columns[n.Name], n.Name))
	}
	for _, e := range work.Engines {
		sum, ok := e.Summary(m.Name)
		if !ok {
			continue
		}
		row := []string{e.Name, m.Unit.Format(sum.Median), m.Unit.Format(sum.Min), m.Unit.Format(sum.Max), ""}
		if ratio, ok := work.Ratio(m.Name, e.Name, Reference); ok {
			row[4] = digits(ratio.Median)
		}
		for _, n := range numbers {
			cell := "–"
			if sum, ok := e.Summary(n.Name); ok {
				cell = digits(sum.Median)
			}
			row = append(row, cell)
		}
		t.add(row...)
	}
	return t
}

// writeNotes says why engines are missing.
func writeNotes(w io.Writer, work Work) error {
	first := "\n"
	for _, e := range work.Engines {
		notes := slices.Clone(e.Errors)
		if e.Skipped != "" {
			notes = append(notes, e.Skipped)
		}
		for _, note := range notes {
			if _, err := fmt.Fprintf(w, "%s- %s: %s\n", first, e.Name, note); err != nil {
				return err
			}
			first = ""
		}
	}
	return nil
}

// WriteGoals writes which goals Subject has reached.
func WriteGoals(w io.Writer, works []Work) error {
	t := &table{header: []string{"work", "metric", "goal", "reached", "min – max", ""}}
	for _, work := range works {
		for _, m := range work.Metrics {
			for _, goal := range m.Goals {
				t.add(append([]string{work.Name, m.Title}, goal.row(work, m)...)...)
			}
		}
	}
	if _, err := fmt.Fprint(w, "\n## Goals\n\n"); err != nil {
		return err
	}
	return t.writeMarkdown(w)
}

// row returns the goal, what was reached, its range, and whether that will do.
func (g Goal) row(work Work, m Metric) []string {
	bound := "at least"
	if g.AtMost {
		bound = "at most"
	}
	format, goal := m.Unit.Format, fmt.Sprintf("%s %s", bound, m.Unit.Format(g.Value))
	e, _ := work.Engine(Subject)
	sum, ok := e.Summary(m.Name)
	if g.Against != "" {
		format, goal = digits, fmt.Sprintf("%s %s × %s", bound, digits(g.Value), g.Against)
		sum, ok = work.Ratio(m.Name, Subject, g.Against)
	}
	if !ok {
		return []string{goal, "not measured", "", ""}
	}
	verdict := "no"
	if g.AtMost && sum.Median <= g.Value || !g.AtMost && sum.Median >= g.Value {
		verdict = "yes"
	}
	return []string{goal, format(sum.Median), format(sum.Min) + " – " + format(sum.Max), verdict}
}

// WriteMarkdown writes everything.
func (r Results) WriteMarkdown(w io.Writer) error {
	env := r.Environment
	_, err := fmt.Fprintf(w, "# Measurements\n\n%s, %d cores, %s, %s; this project at %s. "+
		"Medians of %d rounds of %v; ratios are of runs of the same round.\n\n",
		env.CPU, env.Cores, env.System, env.Go, env.Commit, env.Rounds, env.Window)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(env.Engines)) {
		if _, err := fmt.Fprintf(w, "- %s: %s\n", name, env.Engines[name]); err != nil {
			return err
		}
	}
	if env.Base != "" {
		if err := r.WriteComparison(w); err != nil {
			return err
		}
	}
	if err := WriteGoals(w, r.Works); err != nil {
		return err
	}
	if _, err := fmt.Fprint(w, "\n## Works\n"); err != nil {
		return err
	}
	for _, work := range r.Works {
		if err := WriteWork(w, work); err != nil {
			return err
		}
	}
	return nil
}
