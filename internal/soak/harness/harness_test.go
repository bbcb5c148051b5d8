package harness_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/experimance/experimance-go/internal/soak/harness"
	"github.com/experimance/experimance-go/internal/soak/peer"
)

// The arguments after which this program is a peer, and one that lies about what it has received.
const (
	peerCommand = "soak-peer"
	liarCommand = "soak-liar"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == peerCommand || os.Args[1] == liarCommand) {
		var out io.Writer = os.Stdout
		if os.Args[1] == liarCommand {
			out = &liar{out: out}
		}
		if err := peer.Serve(os.Args[2:], os.Stdin, out); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// liar keeps back that a certain message was received.
type liar struct {
	out io.Writer
	n   int
}

func (l *liar) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte(peer.Got)) {
		if l.n++; l.n == 20 {
			return len(b), nil
		}
	}
	return l.out.Write(b)
}

// makes are the peers that can run here.
func makes(t *testing.T, cfg *harness.Config) []harness.Make {
	t.Helper()
	all := []harness.Make{harness.Local, harness.Local, harness.Process}
	var err error
	cfg.LibzmqCommand, err = harness.BuildLibzmq(t.Context(), t.TempDir())
	switch {
	case err == nil:
		all = append(all, harness.Libzmq)
	case os.Getenv("EXPERIMANCE_REQUIRE_PEERS") == "1":
		t.Fatalf("EXPERIMANCE_REQUIRE_PEERS=1, but %v", err)
	}
	return all
}

func command(t *testing.T, name string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, name}
}

// A few rounds, in which every message is accounted for. No other test runs meanwhile: nothing may be left behind.
func TestSoak(t *testing.T) {
	cfg := harness.Config{Seed: 1, Rounds: 3, PeerCommand: command(t, peerCommand)}
	cfg.Limits = harness.Limits{Length: 500 * time.Millisecond, Groups: 4, Makes: makes(t, &cfg)}
	cfg.Report = func(r *harness.RoundResult) {
		if r.Failed() {
			t.Log(r)
		}
	}
	if rounds, err := harness.Run(t.Context(), cfg); err != nil || rounds != cfg.Rounds {
		t.Errorf("%d rounds: %v", rounds, err)
	}
}

// A message that is lost without a word is found.
func TestSoakFindsLoss(t *testing.T) {
	cfg := harness.Config{Seed: 1, Rounds: 10, PeerCommand: command(t, liarCommand)}
	cfg.Limits = harness.Limits{Length: 100 * time.Millisecond, Groups: 2, Makes: []harness.Make{harness.Process}}
	found := false
	cfg.Report = func(r *harness.RoundResult) {
		found = found || slices.ContainsFunc(r.Pairs, func(p harness.Pair) bool { return p.Balance.Unaccounted > 0 })
	}
	if _, err := harness.Run(t.Context(), cfg); err == nil || !found {
		t.Errorf("%v, found: %v; want a loss to be found", err, found)
	}
}

// Nothing is left when a soak is broken off.
func TestSoakBrokenOff(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	cfg := harness.Config{Seed: 2, PeerCommand: command(t, peerCommand)}
	cfg.Limits = harness.Limits{Length: time.Minute, Groups: 4, Makes: makes(t, &cfg)}
	cfg.Report = func(*harness.RoundResult) { t.Error("a round that was broken off is reported") }
	if rounds, err := harness.Run(ctx, cfg); rounds > 0 || err != nil {
		t.Errorf("%d rounds: %v", rounds, err)
	}
}

// A plan depends on its seed and number only, and everything comes up in some plan.
func TestNewPlan(t *testing.T) {
	t.Parallel()
	limits := harness.Limits{Length: time.Second, Groups: 4, Makes: []harness.Make{harness.Local, harness.Process, harness.Libzmq}}
	seen := map[string]bool{}
	var all strings.Builder
	for n := range 50 {
		p := harness.NewPlan(1, n, limits)
		if !reflect.DeepEqual(p, harness.NewPlan(1, n, limits)) {
			t.Fatalf("round %d has another plan each time", n)
		}
		if reflect.DeepEqual(p.Groups, harness.NewPlan(2, n, limits).Groups) {
			t.Fatalf("round %d has the same plan with another seed", n)
		}
		fmt.Fprint(&all, p)
		for _, g := range p.Groups {
			if len(g.Edges) != len(g.Binding)*len(g.Connecting) {
				t.Errorf("%s has %d edges for %d × %d peers", g.Name, len(g.Edges), len(g.Binding), len(g.Connecting))
			}
			seen[g.Transport] = true
			for _, p := range slices.Concat(g.Binding, g.Connecting) {
				seen[p.Config.Type], seen[string(p.Make)] = true, true
				for _, s := range p.Steps {
					seen[string(s.Action)] = true
				}
				if p.Make != harness.Local && g.Transport == "inproc" {
					t.Errorf("%s is a process, over inproc", p.Name)
				}
			}
		}
	}
	for _, want := range []string{
		"tcp", "ipc", "inproc", "PUSH", "PULL", "PUB", "SUB", "XPUB", "XSUB", "DEALER", "ROUTER", "REQ", "REP", "PAIR",
		"local", "process", "libzmq", "kill", "pause", "close", "drain", "rejoin",
	} {
		if !seen[want] || !strings.Contains(all.String(), want) {
			t.Errorf("%s is in no plan", want)
		}
	}
}
