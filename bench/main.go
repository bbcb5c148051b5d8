// Bench measures this project's engine beside libzmq, other messaging libraries and raw connections: the same work for
// each, two processes, one engine after the other in every round. README.md says what is measured, and how.
//
// Usage:
//
//	go run . [-run REGEX] [-engines a,b] [-rounds 5] [-time 1s] [-short] [-out DIR] [-merge]
//	go run . -base REV [-again] ...
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/experimance/experimance-go/bench/internal/report"
	"github.com/experimance/experimance-go/bench/internal/revision"
	"github.com/experimance/experimance-go/bench/internal/runner"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == runner.PeerCommand {
		if err := runner.Peer(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err) // the runner shows it where the peer could not say it
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	run     *regexp.Regexp
	engines []string
	rounds  int
	window  time.Duration
	idle    int
	out     string
	merge   bool
	base    string // the revision that the engine is compared with; empty for none
	again   bool
	list    bool
	redraw  bool
}

// What -short means: enough to see that everything works.
const (
	shortWindow = 150 * time.Millisecond
	shortRounds = 1
	shortIdle   = 500
)

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	pattern := flags.String("run", "", "measure the works whose names match this regular expression")
	engines := flags.String("engines", "", "measure these engines only, by names with commas between")
	flags.IntVar(&o.rounds, "rounds", 5, "how often to measure each work with each engine")
	flags.DurationVar(&o.window, "time", time.Second, "how long a process measures")
	flags.IntVar(&o.idle, "idle", 10_000, "idle subscribers of the work idle/tcp")
	flags.StringVar(&o.out, "out", filepath.Join("..", "docs", "bench"), "folder of results.json, results.md and the plots")
	flags.StringVar(&o.base, "base", "", "measure the engine of this git revision too, and compare with it")
	flags.BoolVar(&o.again, "again", false, "with -base: measure slower works again, with twice the rounds")
	flags.BoolVar(&o.merge, "merge", false, "keep the works of results.json that are not measured now")
	flags.BoolVar(&o.list, "list", false, "print the names of works and engines, and measure nothing")
	flags.BoolVar(&o.redraw, "redraw", false, "write tables and plots from results.json again, and measure nothing")
	profiles := flags.String("profile", "", "an existing folder where Go processes write profiles of their processor time")
	short := flags.Bool("short", false, "one short round: shows that everything works, measures nothing of value")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *short {
		o.shorten(flags)
	}
	if *profiles != "" {
		if err := os.Setenv(runner.ProfileDir, *profiles); err != nil {
			return o, err
		}
	}
	if *engines != "" {
		o.engines = strings.Split(*engines, ",")
	}
	if o.base != "" && !isGiven(flags, "out") {
		o.out = "" // the folder of the measurements that the project shows is not for comparisons
	}
	var err error
	if o.run, err = regexp.Compile(*pattern); err != nil {
		return o, fmt.Errorf("-run: %w", err)
	}
	if o.base != "" && o.merge {
		return o, fmt.Errorf("-merge cannot be used with -base: older works have other rounds")
	}
	if o.again && o.base == "" {
		return o, fmt.Errorf("-again needs -base")
	}
	if o.rounds < 1 || o.window <= 0 || o.idle < 1 {
		return o, fmt.Errorf("-rounds, -time and -idle must be positive")
	}
	return o, nil
}

// shorten changes the flags that were not given.
func (o *options) shorten(flags *flag.FlagSet) {
	if !isGiven(flags, "rounds") {
		o.rounds = shortRounds
	}
	if !isGiven(flags, "time") {
		o.window = shortWindow
	}
	if !isGiven(flags, "idle") {
		o.idle = shortIdle
	}
}

func isGiven(flags *flag.FlagSet, name string) (given bool) {
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.redraw {
		results, err := report.Read(o.file())
		if err != nil {
			return err
		}
		return o.write(results)
	}
	targets, err := o.targets(ctx)
	if err != nil {
		return err
	}
	works := runner.Works(o.idle)
	if o.list {
		return list(out, works, targets)
	}
	if o.base != "" {
		return o.compare(ctx, works, targets, out)
	}
	results, interrupted := o.measure(ctx, works, targets, out)
	if len(results.Works) == 0 {
		return interrupted
	}
	if err := report.WriteGoals(out, results.Works); err != nil {
		return err
	}
	if o.merge {
		older, err := report.Read(o.file())
		if err != nil {
			return err
		}
		results = results.Merge(older, names(works))
	}
	return errors.Join(o.write(results), interrupted)
}

// compare measures the engine of another revision beside the others, and says where the present one
// is slower.
func (o options) compare(ctx context.Context, works []runner.Work, targets []runner.Target, out io.Writer) error {
	if !slices.ContainsFunc(targets, func(t runner.Target) bool { return t.Name == report.Subject }) {
		return fmt.Errorf("-base compares %s, which must be among -engines", report.Subject)
	}
	base, err := revision.Build(ctx, ".", o.base)
	if err != nil {
		return fmt.Errorf("-base: %w", err)
	}
	defer func() { _ = base.Remove() }() // a leftover in the temporary folder does no harm
	present, err := revision.Present(ctx, ".")
	if err != nil {
		return fmt.Errorf("-base: %w", err)
	}
	defer func() { _ = present.Remove() }()
	targets = runner.Compared(targets, o.base, present, base)
	results, interrupted := o.measure(ctx, works, targets, out)
	results.Environment.Base = runner.BaseName(o.base)
	if worse := results.Worse(); o.again && len(worse) > 0 && interrupted == nil {
		if err := results.WriteComparison(out); err != nil {
			return err
		}
		o.rounds *= 2
		o.run = regexp.MustCompile(report.Pattern(worse))
		var counts report.Results
		counts, interrupted = o.measure(ctx, works, targets, out)
		results.Works = counts.Merge(results, names(works)).Works
	}
	if len(results.Works) == 0 {
		return interrupted
	}
	if err := o.writeVerdict(results, out); err != nil {
		return err
	}
	if o.out == "" {
		return interrupted
	}
	return errors.Join(o.write(results), results.WriteBenchmarks(o.out), interrupted)
}

// writeVerdict prints the comparison, and the command that measures again what was slower.
func (o options) writeVerdict(results report.Results, out io.Writer) error {
	if err := results.WriteComparison(out); err != nil {
		return err
	}
	if o.rounds < report.FewestRounds {
		_, err := fmt.Fprintf(out, "\nWith fewer than %d rounds nothing is found slower.\n", report.FewestRounds)
		if err != nil {
			return err
		}
	}
	worse := results.Worse()
	if len(worse) == 0 {
		_, err := fmt.Fprintln(out, "\nNo work is slower.")
		return err
	}
	engines := cmp.Or(strings.Join(o.engines, ","), report.Subject)
	_, err := fmt.Fprintf(out, "\n%d of %d works are slower or not done. Once more, with twice the rounds:\n\n"+
		"    go run . -base %s -rounds %d -time %v -idle %d -engines %s -run '%s'\n",
		len(worse), len(results.Works), o.base, 2*o.rounds, o.window, o.idle, engines, report.Pattern(worse))
	return err
}

// targets returns the engines that were asked for.
func (o options) targets(ctx context.Context) ([]runner.Target, error) {
	all, err := runner.Targets(ctx)
	if err != nil || o.engines == nil {
		return all, err
	}
	var known []string
	for _, t := range all {
		known = append(known, t.Name)
	}
	for _, name := range o.engines {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("-engines: no engine %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(t runner.Target) bool { return !slices.Contains(o.engines, t.Name) }), nil
}

// measure measures the works that were asked for, and prints each when it is done. With an error it returns those that were
// done before.
func (o options) measure(
	ctx context.Context, works []runner.Work, targets []runner.Target, out io.Writer,
) (report.Results, error) {
	versions := map[string]string{}
	for _, t := range targets {
		versions[t.Name] = t.Version
	}
	results := report.Results{Environment: report.Here(o.rounds, o.window, versions)}
	cfg := runner.Config{Targets: targets, Rounds: o.rounds, Window: o.window, Progress: progress}
	for _, w := range works {
		if !o.run.MatchString(w.Name) {
			continue
		}
		measured, err := runner.Measure(ctx, cfg, w)
		if err != nil {
			return results, err
		}
		results.Works = append(results.Works, measured)
		if err := report.WriteWork(out, measured); err != nil {
			return results, err
		}
	}
	if len(results.Works) == 0 {
		return results, fmt.Errorf("-run: no work matches %q; -list names them", o.run)
	}
	return results, nil
}

// progress tells on standard error what was measured last.
func progress(w runner.Work, t runner.Target, round int, sample report.Sample, err error) {
	main := w.Metrics[0]
	what := main.Unit.Format(sample[main.Name])
	if err != nil {
		what = err.Error()
	}
	fmt.Fprintf(os.Stderr, "%s round %d, %s: %s\n", w.Name, round+1, t.Name, what)
}

func (o options) file() string { return filepath.Join(o.out, "results.json") }

// write writes the results as JSON, tables and plots.
func (o options) write(results report.Results) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if err := results.Write(o.file()); err != nil {
		return err
	}
	var text strings.Builder
	if err := results.WriteMarkdown(&text); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "results.md"), []byte(text.String()), 0o644); err != nil {
		return err
	}
	return results.WritePlots(o.out)
}

func list(out io.Writer, works []runner.Work, targets []runner.Target) error {
	for _, w := range works {
		if _, err := fmt.Fprintf(out, "%-24s %s\n", w.Name, w.Title); err != nil {
			return err
		}
	}
	for _, t := range targets {
		if _, err := fmt.Fprintf(out, "%-24s %s%s\n", t.Name, t.Version, t.Missing); err != nil {
			return err
		}
	}
	return nil
}

func names(works []runner.Work) []string {
	all := make([]string, len(works))
	for i, w := range works {
		all[i] = w.Name
	}
	return all
}
