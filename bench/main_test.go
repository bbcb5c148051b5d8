package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	os.Exit(m.Run())
}

func TestShortLeavesFlagsThatWereGiven(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-short", "-rounds", "7"})
	if err != nil || o.rounds != 7 || o.window != shortWindow || o.idle != shortIdle {
		t.Errorf("options %+v, %v", o, err)
	}
}

func TestFlagsThatAreRefused(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"-run":    {"-run", "("},
		"-rounds": {"-rounds", "0"},
		"nosuch":  {"-engines", "nosuch"},
		"-list":   {"-run", "nosuchwork", "-engines", "raw-go"},
		"-again":  {"-again"},
		"-merge":  {"-merge", "-base", "HEAD"},
		"-base":   {"-base", "HEAD", "-engines", "raw-go"},
	} {
		err := run(t.Context(), append(args, "-out", t.TempDir()), &strings.Builder{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v does not name %s", args, err, want)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), []string{"-list"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"push-pull/tcp/64B", "idle/tcp", "libzmq", report.Subject} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not listed in\n%s", want, out.String())
		}
	}
}

func TestRunWritesEverythingAndMerges(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deeper")
	for _, work := range []string{"push-pull/tcp/16B", "push-pull/tcp/64B"} {
		args := []string{"-short", "-time", "5ms", "-merge", "-engines", "raw-go", "-run", work, "-out", dir}
		if err := run(t.Context(), args, &strings.Builder{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"results.json", "results.md", "push-pull.svg"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
	results, err := report.Read(filepath.Join(dir, "results.json"))
	if err != nil || len(results.Works) != 2 {
		t.Errorf("%d works, %v; want 2", len(results.Works), err)
	}
}

// TestComparison compares the working tree with the last commit.
func TestComparison(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs")
	}
	t.Parallel()
	dir := t.TempDir()
	var out strings.Builder
	args := []string{"-base", "HEAD", "-engines", report.Subject, "-run", "push-pull/tcp/64B", "-rounds", "2", "-time", "5ms", "-out", dir}
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{report.Subject + "@HEAD", "fewer than 4 rounds", "No work is slower"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, file := range []string{"results.json", "results.md", "base.txt", "present.txt"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}

func TestInterruptEndsTheRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := run(ctx, []string{"-time", "1h", "-engines", "raw-go", "-run", "64B", "-out", t.TempDir()}, &strings.Builder{})
	if err == nil {
		t.Error("a run that was interrupted is no error")
	}
}
