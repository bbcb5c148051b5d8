package report_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/experimance/experimance-go/bench/internal/report"
)

const base = report.Subject + "@old"

// compared has works with a metric of six rounds each; those of the subject are so many times those
// of the base.
func compared(unit report.Unit, factors ...float64) report.Results {
	r := report.Results{Environment: report.Environment{CPU: "a processor", Rounds: 6, Base: base}}
	for _, factor := range factors {
		before, now := make([]report.Sample, 6), make([]report.Sample, 6)
		for i := range before {
			before[i], now[i] = report.Sample{"m": float64(1000 + i)}, report.Sample{"m": float64(1000+i) * factor}
		}
		r.Works = append(r.Works, report.Work{
			Name:    fmt.Sprintf("work/%g", factor),
			Metrics: []report.Metric{{Name: "m", Unit: unit, Compared: true}, {Name: "other", Unit: unit}},
			Engines: []report.Engine{{Name: base, Runs: before}, {Name: report.Subject, Runs: now}},
		})
	}
	return r
}

func verdicts(r report.Results) (all []report.Verdict) {
	for _, c := range r.Compare() {
		all = append(all, c.Verdict)
	}
	return all
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	factors := []float64{1, 0.94, 0.96, 1.04, 1.06}
	for unit, want := range map[report.Unit][]report.Verdict{
		report.PerSecond:    {report.Same, report.Slower, report.Same, report.Same, report.Faster},
		report.Microseconds: {report.Same, report.Faster, report.Same, report.Same, report.Slower},
		report.Bytes:        {report.Same, report.Faster, report.Same, report.Same, report.Slower},
	} {
		if diff := cmp.Diff(want, verdicts(compared(unit, factors...))); diff != "" {
			t.Errorf("%s:\n%s", unit, diff)
		}
	}
}

// A large change of the medians is nothing where the rounds differ as much.
func TestNoVerdictWithoutSignificance(t *testing.T) {
	t.Parallel()
	r := compared(report.PerSecond, 1)
	for i, run := range r.Works[0].Engines[1].Runs {
		run["m"] *= []float64{0.5, 0.6, 0.7, 0.8, 1.5, 1.6}[i]
	}
	if c := r.Compare()[0]; c.Verdict != report.Same || c.Change > -0.2 || c.P < 0.05 {
		t.Errorf("%+v", c)
	}
}

func TestWhatWasNotDone(t *testing.T) {
	t.Parallel()
	r := compared(report.Microseconds, 1, 2, 3, 4, 5)
	engine := func(work, engine int) *report.Engine { return &r.Works[work].Engines[engine] }
	engine(0, 1).Runs = nil
	engine(1, 0).Runs = nil
	engine(2, 0).Runs, engine(2, 1).Runs = nil, nil
	engine(3, 1).Errors, engine(3, 1).Runs[0] = []string{"round 1: killed"}, nil
	engine(4, 0).Errors, engine(4, 0).Runs[0] = []string{"round 1: killed"}, nil
	want := []report.Verdict{report.NotDone, report.OnlyNow, report.Neither, report.NotDone, report.Slower}
	if diff := cmp.Diff(want, verdicts(r)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"work/1", "work/4", "work/5"}, r.Worse()); diff != "" {
		t.Error(diff)
	}
	if pattern := report.Pattern([]string{"a.b", "c"}); pattern != `^(a\.b|c)$` {
		t.Errorf("pattern %s", pattern)
	}
	var text strings.Builder
	if err := r.WriteComparison(&text); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"a processor", base, "slower", "+399.8 %", "0.004", "round 1: killed"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("no %q in\n%s", part, text.String())
		}
	}
}

func TestBenchmarkFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := compared(report.Microseconds, 2)
	r.Works[0].Engines[1].Runs[3] = nil
	if err := r.WriteBenchmarks(dir); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]struct {
		lines int
		first string
	}{
		"base.txt":    {6, "Benchmark/work/2 1 1e+06 m-ns/op"},
		"present.txt": {5, "Benchmark/work/2 1 2e+06 m-ns/op"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if len(lines) != want.lines+1 || lines[0] != "cpu: a processor" || lines[1] != want.first {
			t.Errorf("%s:\n%s", file, text)
		}
	}
}
