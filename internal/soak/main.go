// Command soak plays rounds of sockets that talk to each other under faults, and accounts for every
// message. It exits with status 1 if a message is unaccounted for, or if anything else is wrong:
//
//	go run ./internal/soak -seed 1 -time 6m
//
// The plan depends on the seed, the timing does not. Use -first N -rounds 1 to play round N again.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/experimance/experimance-go/internal/soak/harness"
	"github.com/experimance/experimance-go/internal/soak/peer"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == peerCommand {
		if err := peer.Serve(os.Args[2:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := soak(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// peerCommand is the argument that makes this program a peer.
const peerCommand = "peer"

func soak() error {
	cfg := harness.Config{}
	flag.Uint64Var(&cfg.Seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "of the plan")
	flag.DurationVar(&cfg.Time, "time", time.Minute, "after which no round begins")
	flag.IntVar(&cfg.First, "first", 0, "number of the first round")
	flag.IntVar(&cfg.Rounds, "rounds", 0, "how many rounds are played at most; 0 means as many as the time allows")
	flag.DurationVar(&cfg.Limits.Length, "length", 3*time.Second, "how long a round has faults, about")
	flag.IntVar(&cfg.Limits.Groups, "groups", 4, "of sockets that run at once")
	libzmq := flag.Bool("libzmq", true, "have peers of libzmq")
	flag.BoolVar(&cfg.KeepGoing, "keep-going", false, "after a round that has failed")
	verbose := flag.Bool("v", false, "print every round")
	plan := flag.Bool("plan", false, "print the plan of the first round, and play nothing")
	flag.Parse()
	cfg.Limits.Makes = []harness.Make{harness.Local, harness.Local, harness.Process}
	if *libzmq {
		cfg.Limits.Makes = append(cfg.Limits.Makes, harness.Libzmq)
	}
	if *plan {
		fmt.Print(harness.NewPlan(cfg.Seed, cfg.First, cfg.Limits))
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // best effort
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cfg.PeerCommand = []string{self, peerCommand}
	if *libzmq {
		if cfg.LibzmqCommand, err = harness.BuildLibzmq(ctx, dir); err != nil {
			return fmt.Errorf("%w; -libzmq=false plays without", err)
		}
	}
	t := newTable(cfg.Seed)
	cfg.Report = func(r *harness.RoundResult) {
		if *verbose || r.Failed() {
			fmt.Print(r)
		}
		t.add(r)
	}
	_, err = harness.Run(ctx, cfg)
	t.print()
	return err
}
