// Package harness runs a soak. In each round, groups of sockets send numbered messages to each other under
// faults: relays cut, stall and slow down their connections, and peers are killed, paused, closed and
// started again. At the end of the round the harness accounts for every message that was accepted.
//
// A [RoundPlan] depends on a seed and the number of the round, so that a round can be repeated, with another
// timing. [Run] runs the rounds one after the other, and the groups of a round concurrently.
package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/internal/soak/peer"
)

// Config holds the settings of Run.
type Config struct {
	Seed   uint64
	First  int           // number of the first round
	Rounds int           // limit of rounds; 0 means no limit
	Time   time.Duration // no round begins later; 0 means no limit
	Limits Limits

	PeerCommand   []string // a program that calls peer.Serve with its further arguments
	LibzmqCommand []string // from BuildLibzmq

	KeepGoing bool                 // do not stop after a failed round
	Report    func(r *RoundResult) // called after each round; may be nil
}

// RoundResult is the result of a round.
type RoundResult struct {
	Plan  RoundPlan
	Pairs []Pair

	// Crashes has a message for each peer of libzmq that an internal error has aborted. Its group has
	// no pairs.
	Crashes []string

	Log  []string // actions and faults, with their times
	Errs []error
}

// Failed reports whether anything is wrong.
func (r *RoundResult) Failed() bool { return len(r.Errs) > 0 }

// String describes the round: its plan, its log, all pairs, and all errors.
func (r *RoundResult) String() string {
	var b strings.Builder
	b.WriteString(r.Plan.String())
	for _, line := range r.Log {
		fmt.Fprintln(&b, line)
	}
	for _, p := range r.Pairs {
		fmt.Fprintf(&b, "%s, %s: %s to %s: %v\n", p.Group, p.Sender, p.From, p.To, p.Balance)
	}
	for _, err := range r.Errs {
		fmt.Fprintf(&b, "WRONG: %v\n", err)
	}
	return b.String()
}

// Run runs rounds until ctx ends, Config.Time or Config.Rounds is reached, or a round fails. It returns the
// number of rounds, and an error if a round has failed. A round that ctx interrupts does not count.
func Run(ctx context.Context, cfg Config) (rounds int, err error) {
	warmUp()
	var failed []int
	begin := time.Now()
	for number := cfg.First; ctx.Err() == nil && (cfg.Rounds == 0 || rounds < cfg.Rounds); number++ {
		if cfg.Time > 0 && time.Since(begin) >= cfg.Time || len(failed) > 0 && !cfg.KeepGoing {
			break
		}
		r := play(ctx, &cfg, number)
		if ctx.Err() != nil {
			break // the round was interrupted
		}
		rounds++
		if cfg.Report != nil {
			cfg.Report(r)
		}
		if r.Failed() {
			failed = append(failed, number)
		}
	}
	if len(failed) > 0 {
		return rounds, fmt.Errorf("seed %d: rounds %v have failed", cfg.Seed, failed)
	}
	return rounds, nil
}

// play runs one round.
func play(ctx context.Context, cfg *Config, number int) *RoundResult {
	r := &RoundResult{Plan: NewPlan(cfg.Seed, number, cfg.Limits)}
	before := usage()
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		r.Errs = append(r.Errs, err)
		return r
	}
	defer func() { _ = os.RemoveAll(dir) }() // best effort
	var (
		bases atomic.Uint64
		mu    sync.Mutex
		wg    sync.WaitGroup
		begin = time.Now()
		busy  atomic.Int64
	)
	watching, unwatch := context.WithCancel(ctx)
	wg.Go(func() { watch(watching, &busy) })
	var groups sync.WaitGroup
	for i, plan := range r.Plan.Groups {
		groups.Go(func() {
			log := func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				line := fmt.Sprintf("%6.3f s %s: %s", time.Since(begin).Seconds(), plan.Name, fmt.Sprintf(format, args...))
				r.Log = append(r.Log, line)
			}
			sub := filepath.Join(dir, fmt.Sprint(i))
			pairs, crashes, err := playGroup(ctx, plan, cfg, sub, &bases, &busy, log)
			mu.Lock()
			defer mu.Unlock()
			r.Pairs, r.Crashes = append(r.Pairs, pairs...), append(r.Crashes, crashes...)
			if err != nil {
				r.Errs = append(r.Errs, fmt.Errorf("%s: %w", plan.Name, err))
			}
		})
	}
	groups.Wait()
	unwatch()
	wg.Wait()
	if err := before.check(ctx); err != nil {
		r.Errs = append(r.Errs, err)
	}
	return r
}

// playGroup runs one group, and settles its accounts.
func playGroup(ctx context.Context, plan GroupPlan, cfg *Config, dir string, bases *atomic.Uint64, busy *atomic.Int64, log func(string, ...any)) (
	pairs []Pair, crashes []string, err error,
) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, nil, err
	}
	g, err := newGroup(plan, cfg, dir, bases, log)
	if err != nil {
		return nil, nil, err
	}
	failed := g.run(ctx)
	wrong, crashes := g.books.wrong()
	if len(crashes) > 0 {
		return nil, crashes, nil
	}
	errs := append([]error{failed}, wrong...)
	pairs = g.pairs()
	for _, p := range pairs {
		for _, f := range p.Faults {
			errs = append(errs, fmt.Errorf("%s: %s", p.Sender, f))
		}
		if p.Balance.Unaccounted > 0 {
			errs = append(errs, fmt.Errorf("%s: %v; %s", p.Sender, p.Balance, p.Account.Brief()))
		}
	}
	if failed == nil {
		for _, f := range g.unexplained(time.Duration(busy.Load())) {
			errs = append(errs, errors.New(f))
		}
	}
	if err = errors.Join(errs...); err != nil {
		g.logTraffic()
		g.books.logRecent()
	}
	return pairs, nil, err
}

// watch records the longest time that this process has waited for a processor.
func watch(ctx context.Context, busy *atomic.Int64) {
	const step = 10 * time.Millisecond
	for begin := time.Now(); pause(ctx, step); begin = time.Now() {
		busy.Store(max(busy.Load(), int64(time.Since(begin)-step)))
	}
}

// resources are those that a round must release.
type resources struct{ goroutines, descriptors int }

func usage() resources {
	open, _ := os.ReadDir("/proc/self/fd") // empty on other systems than Linux
	return resources{runtime.NumGoroutine(), len(open)}
}

// warmUp makes the runtime open its own descriptors.
func warmUp() {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = l.Close() // without connections
	}
}

// check waits until no more resources are in use than before.
func (before resources) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, margin)
	defer cancel()
	for {
		now := usage()
		if now.goroutines <= before.goroutines && now.descriptors <= before.descriptors {
			return nil
		}
		if !pause(ctx, 10*time.Millisecond) {
			var stacks strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1) // into memory
			return fmt.Errorf("left behind: %+v before, %+v now\n%s", before, now, &stacks)
		}
	}
}

// pause waits for a time, or until ctx ends. It returns false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// BuildLibzmq compiles the peer of libzmq into a folder, and returns its command. It fails without gcc or
// libzmq.
func BuildLibzmq(ctx context.Context, dir string) ([]string, error) {
	source, program := filepath.Join(dir, "peer.c"), filepath.Join(dir, "peer")
	if err := os.WriteFile(source, peer.LibzmqSource, 0o600); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "gcc", "-O1", "-o", program, source, "-lzmq").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("gcc: %w %s", err, out)
	}
	return []string{program}, nil
}
