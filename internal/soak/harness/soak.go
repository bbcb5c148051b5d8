// Package harness plays a soak: rounds of sockets that send numbered messages to each other through relays that fail, while
// peers are killed, paused, closed and started again. After each round it settles the books: every message that was accepted
// was received, or told as dropped or unknown, or is known to have been destroyed by the harness itself.
//
// A [RoundPlan] depends on a seed and the round's number only, so that a round can be played again; the timing is another
// each time. [Run] plays rounds one after the other, and the groups of a round at once.
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

// Config says what Run does.
type Config struct {
	Seed   uint64
	First  int           // number of the first round
	Rounds int           // how many there are at most; 0 means any number
	Time   time.Duration // after which no round begins; 0 means any time
	Limits Limits

	PeerCommand   []string // runs peer.Serve with the arguments that follow
	LibzmqCommand []string // runs libzmq/peer.c, built

	KeepGoing bool                 // after a round that fails
	Report    func(r *RoundResult) // is called after each round; nil for nobody
}

// RoundResult is what came of a round.
type RoundResult struct {
	Plan  RoundPlan
	Pairs []Pair

	// Crashes are the last words of each peer of libzmq that has failed an assertion of its own. Its group has no pairs: it was
	// broken off.
	Crashes []string

	Log  []string // what was done, and when
	Errs []error  // what went wrong
}

// Failed reports whether anything is wrong.
func (r *RoundResult) Failed() bool { return len(r.Errs) > 0 }

// String describes a round: the plan, what was done, all pairs and what is wrong.
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

// Run plays rounds until ctx ends, the time is up, all are played, or one has failed. It returns how many were played, and an
// error if a round has failed.
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
			break // the round was broken off
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

// play plays one round.
func play(ctx context.Context, cfg *Config, number int) *RoundResult {
	r := &RoundResult{Plan: NewPlan(cfg.Seed, number, cfg.Limits)}
	before := usage()
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		r.Errs = append(r.Errs, err)
		return r
	}
	defer func() { _ = os.RemoveAll(dir) }() // at worst it stays
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

// playGroup plays one group, and settles its accounts.
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
		for _, f := range g.needless(time.Duration(busy.Load())) {
			errs = append(errs, errors.New(f))
		}
	}
	if err = errors.Join(errs...); err != nil {
		g.logTraffic()
	}
	return pairs, nil, err
}

// watch notes how long this process had to wait for the processor at most.
func watch(ctx context.Context, busy *atomic.Int64) {
	const step = 10 * time.Millisecond
	for begin := time.Now(); pause(ctx, step); begin = time.Now() {
		busy.Store(max(busy.Load(), int64(time.Since(begin)-step)))
	}
}

// resources are what a round must not leave behind.
type resources struct{ goroutines, descriptors int }

func usage() resources {
	open, _ := os.ReadDir("/proc/self/fd") // none elsewhere than on Linux
	return resources{runtime.NumGoroutine(), len(open)}
}

// warmUp has the runtime open the descriptors that it opens once.
func warmUp() {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = l.Close() // nobody has connected
	}
}

// check waits until no more is in use than before.
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

// pause waits for a time, or until ctx ends. It reports whether ctx goes on.
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

// BuildLibzmq builds the peer of libzmq into a folder. It returns the command that runs it, or an error if there is no compiler or
// no libzmq.
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
