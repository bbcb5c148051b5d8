package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/experimance/experimance-go/bench/internal/report"
	"github.com/experimance/experimance-go/bench/internal/stats"
)

// work has three rounds; the machine was slow in the second, and the subject failed in the third.
func work() report.Work {
	return report.Work{
		Name: "push-pull/tcp/64B",
		Metrics: []report.Metric{
			{Name: "rate", Title: "messages a second", Unit: report.PerSecond, Goals: []report.Goal{
				{Against: report.Reference, Value: 3}, {Against: report.Reference, Value: 4}, {Against: "nats", Value: 1},
			}},
			{Name: "send_allocs", Unit: report.Number, Goals: []report.Goal{{AtMost: true, Value: 0.05}}},
		},
		Engines: []report.Engine{
			{Name: report.Reference, Runs: []report.Sample{{"rate": 1e6}, {"rate": 5e5}, {"rate": 1e6}}},
			{Name: report.Subject, Errors: []string{"round 3: broken"}, Runs: []report.Sample{
				{"rate": 3e6, "send_allocs": 0}, {"rate": 2e6, "send_allocs": 0.01}, nil,
			}},
			{Name: "nats", Skipped: "not there"},
		},
	}
}

func TestRatioIsOfTheSameRound(t *testing.T) {
	t.Parallel()
	got, ok := work().Ratio("rate", report.Subject, report.Reference)
	if want := (stats.Summary{Median: 3.5, Min: 3, Max: 4}); !ok || got != want {
		t.Errorf("ratio is %v, %v, want %v", got, ok, want)
	}
	if _, ok := work().Ratio("rate", report.Subject, "nats"); ok {
		t.Error("there is a ratio to an engine that was not measured")
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	if err := report.WriteGoals(&text, []report.Work{work()}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	for i, want := range [][]string{
		{"at least 3 × libzmq", "3.50", "yes"},
		{"at least 4 × libzmq", "3.50", "no"},
		{"at least 1 × nats", "not measured"},
		{"at most 0.050", "0.005", "yes"},
	} {
		line := lines[len(lines)-4+i]
		for _, part := range want {
			if !strings.Contains(line, part) {
				t.Errorf("%q is not in %s", part, line)
			}
		}
	}
}

func TestWriteWork(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	if err := report.WriteWork(&text, work()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| experimance | 2.50 M | 2 M | 3 M | 3.50 | 0.005 |", "- nats: not there", "- experimance: round 3: broken", "allocs sent",
	} {
		if !strings.Contains(squeeze(text.String()), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

// squeeze makes one space of several.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestReadWhatWasWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "results.json")
	empty, err := report.Read(file)
	if err != nil || len(empty.Works) > 0 {
		t.Fatalf("a file that is not there: %v, %v", empty, err)
	}
	results := report.Results{Environment: report.Environment{Rounds: 3}, Works: []report.Work{work()}}
	if err := results.Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := report.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(results, got); diff != "" {
		t.Error(diff)
	}
}

func TestMergeKeepsOtherWorks(t *testing.T) {
	t.Parallel()
	results := func(title string, names ...string) (r report.Results) {
		for _, name := range names {
			r.Works = append(r.Works, report.Work{Name: name, Title: title})
		}
		return r
	}
	merged := results("new", "b", "c").Merge(results("old", "c", "a", "gone"), []string{"a", "b", "c", "d"})
	var got []string
	for _, w := range merged.Works {
		got = append(got, w.Name+" "+w.Title)
	}
	if diff := cmp.Diff([]string{"a old", "b new", "c new"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPlotsOfWhatWasMeasured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := (report.Results{Works: []report.Work{work()}}).WritePlots(dir); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != "push-pull.svg" {
		t.Fatalf("files %v, %v; want push-pull.svg alone", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil || !strings.Contains(string(text), "experimance: 2.50 M") {
		t.Errorf("the subject's median is not in the plot: %v\n%s", err, text)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unit  report.Unit
		value float64
		want  string
	}{
		{report.PerSecond, 999.6, "1000"},
		{report.PerSecond, 2_914_000, "2.91 M"},
		{report.PerSecond, 62_340, "62.3 k"},
		{report.Microseconds, 10.8, "10.8 µs"},
		{report.Microseconds, 1500, "1.50 ms"},
		{report.Bytes, 16 << 10, "16 KiB"},
		{report.Number, 0.0123, "0.012"},
		{report.Number, 3, "3"},
		{report.Number, 1234.5, "1234"},
	} {
		if got := c.unit.Format(c.value); got != c.want {
			t.Errorf("%v %s is written %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}
