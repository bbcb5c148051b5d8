package runner

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/engine/all"
	"github.com/experimance/experimance-go/bench/internal/engine/rawtcp"
	"github.com/experimance/experimance-go/bench/internal/libzmq"
	"github.com/experimance/experimance-go/bench/internal/peer"
	"github.com/experimance/experimance-go/bench/internal/report"
	"github.com/experimance/experimance-go/bench/internal/revision"
)

// Target is an engine as the runner sees it: a program that plays roles.
type Target struct {
	Name    string
	Version string
	Missing string // why the engine cannot be measured at all; empty when it can

	broker  bool // its sockets meet at a server
	program string
	args    []string // before those of the role
}

// PeerCommand is the first argument by which this program is told to be a peer; the engine's name and the arguments of
// package peer follow.
const PeerCommand = "peer"

// Targets returns every engine in the order of the tables, and compiles the peer of libzmq.
func Targets(ctx context.Context) ([]Target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("runner: find this program: %w", err)
	}
	targets := []Target{reference(ctx)}
	for _, e := range all.Engines() {
		_, broker := e.(engine.Broker)
		targets = append(targets, Target{
			Name: e.Name(), Version: e.Version(), broker: broker, program: self, args: []string{PeerCommand, e.Name()},
		})
	}
	return targets, nil
}

// Compared returns the targets with this project's engine in the program present, and, as one more,
// the engine at a revision in the program base.
func Compared(targets []Target, rev string, present, base revision.Program) []Target {
	targets = slices.Clone(targets)
	for i, t := range targets {
		if t.Name == report.Subject {
			targets[i].program = present.Path
		}
	}
	return append(targets, Target{
		Name: BaseName(rev), Version: base.Commit, program: base.Path, args: []string{PeerCommand, report.Subject},
	})
}

// BaseName is the name of this project's engine at a revision.
func BaseName(rev string) string { return report.Subject + "@" + rev }

func reference(ctx context.Context) Target {
	t := Target{Name: report.Reference}
	program, err := libzmq.Build(ctx)
	if err == nil {
		t.program = program
		t.Version, err = libzmq.Version(ctx, program)
	}
	if err != nil {
		t.Missing = err.Error()
	}
	return t
}

// crowdTarget is this program as the idle subscribers, which need no engine: the one that is named opens no socket.
func crowdTarget() (Target, error) {
	self, err := os.Executable()
	if err != nil {
		return Target{}, fmt.Errorf("runner: find this program: %w", err)
	}
	return Target{Name: "idle subscribers", program: self, args: []string{PeerCommand, rawtcp.Engine{}.Name()}}, nil
}

// Peer plays a role as the arguments after PeerCommand say, on standard input and output.
func Peer(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("runner: %s: which engine?", PeerCommand)
	}
	spec, err := peer.ParseSpec(args[1:])
	if err != nil {
		return err
	}
	stop, err := profile(args[0], spec.Role)
	if err != nil {
		return err
	}
	defer stop()
	for _, e := range all.Engines() {
		if e.Name() == args[0] {
			return peer.Play(e, spec, os.Stdin, os.Stdout)
		}
	}
	return fmt.Errorf("runner: %s: no engine %q", PeerCommand, args[0])
}
