package report

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/experimance/experimance-go/bench/internal/stats"
)

// A metric of Subject has changed since another revision if the Mann-Whitney U test says so with
// significance, and the medians differ by more than leastChange.
const (
	significance = 0.05
	leastChange  = 0.05
)

// FewestRounds is how many rounds a comparison needs: with fewer no difference is significant.
const FewestRounds = 4

// Verdict says how the subject compares with another revision of itself.
type Verdict string

// The verdicts.
const (
	Same    Verdict = "same"
	Slower  Verdict = "slower"     // of bytes: more
	Faster  Verdict = "faster"     // of bytes: fewer
	NotDone Verdict = "NOT DONE"   // Subject failed in more rounds than the base
	OnlyNow Verdict = "base: none" // the base was not done
	Neither Verdict = "none"       // neither was done
)

// worse reports whether the workload is to be measured again.
func (v Verdict) worse() bool { return v == Slower || v == NotDone }

// Comparison is one metric of a work, of Subject and of the revision that it is compared with.
type Comparison struct {
	Work    string
	Metric  Metric
	Rounds  int // of Subject, in which the metric was measured
	Base    stats.Summary
	Now     stats.Summary
	Ratio   stats.Summary // of Now to Base, each of two runs of the same round
	Change  float64       // from the median of Base to that of Now
	P       float64       // by Mann-Whitney
	Verdict Verdict
}

// Compare compares Subject with Environment.Base, by every metric that is Compared.
func (r Results) Compare() []Comparison {
	var all []Comparison
	for _, w := range r.Works {
		for _, m := range w.Metrics {
			if m.Compared {
				all = append(all, w.compare(m, r.Environment.Base))
			}
		}
	}
	return all
}

func (w Work) compare(m Metric, base string) Comparison {
	before, _ := w.Engine(base)
	now, _ := w.Engine(Subject)
	c := Comparison{Work: w.Name, Metric: m, P: 1}
	var measured, had bool
	c.Base, had = before.Summary(m.Name)
	c.Now, measured = now.Summary(m.Name)
	c.Rounds = len(now.values(m.Name))
	switch {
	case !had && !measured:
		c.Verdict = Neither
		return c
	case !measured:
		c.Verdict = NotDone
		return c
	case !had:
		c.Verdict = OnlyNow
		return c
	}
	c.Ratio, _ = w.Ratio(m.Name, Subject, base)
	if c.Base.Median != 0 {
		c.Change = c.Now.Median/c.Base.Median - 1
	}
	c.P = stats.MannWhitney(before.values(m.Name), now.values(m.Name))
	c.Verdict = m.judge(c.Change, c.P)
	if len(now.Errors) > len(before.Errors) {
		c.Verdict = NotDone
	}
	return c
}

// judge says what a change of the median means.
func (m Metric) judge(change, p float64) Verdict {
	if m.Unit == PerSecond { // more is better
		change = -change
	}
	switch {
	case p >= significance:
		return Same
	case change > leastChange:
		return Slower
	case change < -leastChange:
		return Faster
	}
	return Same
}

// Worse returns the names of the works of which a metric is slower, or which were not done in a
// round.
func (r Results) Worse() []string {
	var names []string
	for _, c := range r.Compare() {
		if c.Verdict.worse() && !slices.Contains(names, c.Work) {
			names = append(names, c.Work)
		}
	}
	return names
}

// Pattern returns the regular expression that matches works by their names, and nothing else.
func Pattern(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

// WriteComparison writes how Subject compares with another revision of itself.
func (r Results) WriteComparison(w io.Writer) error {
	env := r.Environment
	_, err := fmt.Fprintf(w, "\n## %s beside %s\n\n%s, %d cores, %s, %s, load %s; %d rounds of %v. "+
		"Slower or faster: p < %g (Mann-Whitney U), and more than %g %% between the medians. "+
		"Ratios are of runs of the same round.\n\n",
		Subject, env.Base, env.CPU, env.Cores, env.System, env.Go, cmp.Or(env.LoadStart, "unknown"),
		env.Rounds, env.Window, significance, 100*leastChange)
	if err != nil {
		return err
	}
	t := &table{header: []string{
		"work", "metric", env.Base, Subject, "change", "p", "ratio", "min", "max", "rounds", "",
	}}
	for _, c := range r.Compare() {
		t.add(c.row()...)
	}
	if err := t.writeMarkdown(w); err != nil {
		return err
	}
	var notes []string
	for _, work := range r.Works {
		notes = append(notes, work.failures(env.Base)...)
	}
	if len(notes) > 0 {
		_, err = fmt.Fprintf(w, "\n%s", strings.Join(notes, ""))
	}
	return err
}

func (c Comparison) row() []string {
	row := []string{c.Work, c.Metric.Name, "–", "–", "", "", "", "", "", strconv.Itoa(c.Rounds), string(c.Verdict)}
	if c.Base != (stats.Summary{}) {
		row[2] = c.Metric.Unit.Format(c.Base.Median)
	}
	if c.Now != (stats.Summary{}) {
		row[3] = c.Metric.Unit.Format(c.Now.Median)
	}
	if c.Ratio != (stats.Summary{}) {
		row[4], row[5] = fmt.Sprintf("%+.1f %%", 100*c.Change), fmt.Sprintf("%.3f", c.P)
		row[6], row[7], row[8] = digits(c.Ratio.Median), digits(c.Ratio.Min), digits(c.Ratio.Max)
	}
	return row
}

// failures returns a line for each round that failed.
func (w Work) failures(base string) (lines []string) {
	for _, name := range []string{base, Subject} {
		e, _ := w.Engine(name)
		for _, failure := range e.Errors {
			lines = append(lines, fmt.Sprintf("- %s, %s: %s\n", w.Name, name, failure))
		}
	}
	return lines
}

// WriteBenchmarks writes what was compared in the format of Go's benchmarks, of Environment.Base to
// base.txt and of Subject to present.txt in a folder: benchstat reads them.
func (r Results) WriteBenchmarks(dir string) error {
	for file, engine := range map[string]string{"base.txt": r.Environment.Base, "present.txt": Subject} {
		var text strings.Builder
		fmt.Fprintf(&text, "cpu: %s\n", r.Environment.CPU)
		for _, w := range r.Works {
			w.writeBenchmark(&text, engine)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text.String()), 0o644); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

// writeBenchmark writes a line for each round that succeeded.
func (w Work) writeBenchmark(text *strings.Builder, engine string) {
	e, _ := w.Engine(engine)
	for _, run := range e.Runs {
		var values []string
		for _, m := range w.Metrics {
			if v, ok := run[m.Name]; ok && m.Compared {
				values = append(values, m.benchmarkValue(v))
			}
		}
		if len(values) > 0 {
			fmt.Fprintf(text, "Benchmark/%s 1 %s\n", w.Name, strings.Join(values, " "))
		}
	}
}

// benchmarkValue writes a value with a unit that benchstat knows.
func (m Metric) benchmarkValue(v float64) string {
	switch m.Unit {
	case PerSecond:
		return fmt.Sprintf("%g msg/s", v)
	case Microseconds:
		return fmt.Sprintf("%g %s-ns/op", 1000*v, m.Name)
	case Bytes:
		return fmt.Sprintf("%g %s-B/op", v, m.Name)
	default:
		return fmt.Sprintf("%g %s", v, m.Name)
	}
}
