package runner_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/bench/internal/report"
	"github.com/experimance/experimance-go/bench/internal/runner"
)

// TestMain makes this program the peers of its own tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == runner.PeerCommand {
		if err := runner.Peer(os.Args[2:]); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // a peer with the race detector would take a second to end
	goleak.VerifyTestMain(m)
}

const fewIdle = 20

// targets returns every engine.
func targets(t *testing.T) []runner.Target {
	t.Helper()
	targets, err := runner.Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return targets
}

func measure(t *testing.T, w runner.Work, targets []runner.Target, rounds int) report.Work {
	t.Helper()
	cfg := runner.Config{
		Targets: targets, Rounds: rounds, Window: 5 * time.Millisecond,
		Progress: func(w runner.Work, target runner.Target, round int, _ report.Sample, err error) {
			t.Logf("%s, round %d, %s: %v", w.Name, round+1, target.Name, err)
		},
	}
	measured, err := runner.Measure(t.Context(), cfg, w)
	if err != nil {
		t.Fatal(err)
	}
	return measured
}

// leftToRealRuns reports whether a work would take the tests too long.
func leftToRealRuns(name string) bool {
	return strings.HasSuffix(name, "/100") || strings.HasPrefix(name, "fresh/") && name != "fresh/tcp/1MB" ||
		strings.HasPrefix(name, "subscriptions/") || strings.HasPrefix(name, "refused/")
}

// TestEveryWork has every engine do every work, or say that it cannot.
func TestEveryWork(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some ten seconds")
	}
	targets := targets(t)
	for _, w := range runner.Works(fewIdle) {
		if leftToRealRuns(w.Name) {
			continue
		}
		t.Run(strings.ReplaceAll(w.Name, "/", "-"), func(t *testing.T) {
			measured := measure(t, w, targets, 1)
			for _, e := range measured.Engines {
				if len(e.Errors) > 0 {
					t.Errorf("%s: %v", e.Name, e.Errors)
				}
				main := w.Metrics[0].Name
				if sum, ok := e.Summary(main); e.Skipped == "" && (!ok || sum.Median <= 0) {
					t.Errorf("%s: %s is %v", e.Name, main, e.Runs)
				}
			}
		})
	}
}

func TestRoundsAreOfAllEngines(t *testing.T) {
	t.Parallel()
	var some []runner.Target
	for _, target := range targets(t) {
		if target.Name == "raw-go" || target.Name == report.Subject {
			some = append(some, target)
		}
	}
	measured := measure(t, runner.Works(fewIdle)[0], some, 3)
	for _, e := range measured.Engines {
		if len(e.Runs) != 3 {
			t.Errorf("%s: %d runs, want 3", e.Name, len(e.Runs))
		}
	}
	if _, ok := measured.Ratio("rate", report.Subject, "raw-go"); !ok {
		t.Error("there is no ratio")
	}
}

// TestRoundsAlternate has every other round in the reverse order, after libzmq.
func TestRoundsAlternate(t *testing.T) {
	t.Parallel()
	var some []runner.Target
	for _, name := range []string{report.Reference, "a", "b", "c"} {
		some = append(some, runner.NewTarget(name, "/nonexistent"))
	}
	var order []string
	cfg := runner.Config{
		Targets: some, Rounds: 2, Window: time.Millisecond,
		Progress: func(_ runner.Work, target runner.Target, _ int, _ report.Sample, _ error) {
			order = append(order, target.Name)
		},
	}
	if _, err := runner.Measure(t.Context(), cfg, runner.Works(fewIdle)[0]); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "libzmq a b c libzmq c b a" {
		t.Errorf("order %s", got)
	}
}

// find returns a work by its name.
func find(t *testing.T, name string) runner.Work {
	t.Helper()
	works := runner.Works(fewIdle)
	i := slices.IndexFunc(works, func(w runner.Work) bool { return w.Name == name })
	if i < 0 {
		t.Fatalf("no work %s", name)
	}
	return works[i]
}

func only(all []runner.Target, name string) []runner.Target {
	return slices.DeleteFunc(all, func(target runner.Target) bool { return target.Name != name })
}

// TestFirstMessages has the first message of a connection arrive, in one frame and in several,
// plain and encrypted.
func TestFirstMessages(t *testing.T) {
	t.Parallel()
	for _, w := range []runner.Work{runner.Fresh(1, 1e6), runner.Fresh(100, 1), runner.FreshCurve(10, 1<<10)} {
		for _, e := range measure(t, w, targets(t), 1).Engines {
			if e.Skipped != "" {
				continue
			}
			if len(e.Errors) > 0 {
				t.Errorf("%s, %s: %v", w.Name, e.Name, e.Errors)
				continue
			}
			run := e.Runs[0]
			if run["time"] <= 0 || run["cpu"] < run["send_cpu"] || run["cpu"] < run["recv_cpu"] {
				t.Errorf("%s, %s: %v", w.Name, e.Name, run)
			}
			if e.Name == report.Subject && run["recv_bytes"] <= 0 {
				t.Errorf("%s, %s: nothing was allocated: %v", w.Name, e.Name, run)
			}
		}
	}
}

// TestSubscriptions has few prefixes come and go, and few endpoints refuse.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	for _, w := range []runner.Work{runner.Subscriptions(100, false), runner.Subscriptions(100, true), runner.Refused(3)} {
		for _, e := range measure(t, w, targets(t), 1).Engines {
			if len(e.Errors) > 0 {
				t.Errorf("%s, %s: %v", w.Name, e.Name, e.Errors)
			}
			if main := w.Metrics[0].Name; e.Skipped == "" && len(e.Errors) == 0 && e.Runs[0][main] <= 0 {
				t.Errorf("%s, %s: %v", w.Name, e.Name, e.Runs)
			}
		}
	}
}

// TestARunThatTakesTooLongIsKilled goes on with the others, and says what was killed.
func TestARunThatTakesTooLongIsKilled(t *testing.T) {
	t.Parallel()
	w := runner.WithLimit(find(t, "fresh/tcp/1MB"), time.Nanosecond)
	measured := measure(t, w, only(targets(t), "raw-go"), 1)
	if e := measured.Engines[0]; len(e.Errors) != 1 || !strings.Contains(e.Errors[0], "killed") || len(e.Runs) != 1 || e.Runs[0] != nil {
		t.Errorf("errors %q, runs %v", e.Errors, e.Runs)
	}
}

func TestAnEngineThatFailsIsLeftOut(t *testing.T) {
	t.Parallel()
	broken := runner.NewTarget("broken", "/bin/false")
	gone := runner.NewTarget("gone", "/nonexistent")
	measured := measure(t, runner.Works(fewIdle)[0], []runner.Target{broken, gone}, 4)
	for _, e := range measured.Engines {
		if len(e.Errors) != 2 || e.Skipped != "failed 2 times" {
			t.Errorf("%s: errors %q, skipped %q", e.Name, e.Errors, e.Skipped)
		}
	}
}
