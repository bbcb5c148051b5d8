//go:build linux

// Attack plays peers that mean harm against a socket in a process of its own, on the loopback interface, and measures what
// becomes of that process and of honest peers: the longest Send, memory, descriptors, goroutines or threads, and how many
// honest peers are served.
//
//	go run ./internal/attack            all attacks
//	go run ./internal/attack -short     smaller ones, in less than a minute
//	go run ./internal/attack -libzmq    a socket of libzmq as the victim (python3-zmq), too
//
// With -check it fails if a figure is beyond its bound. Times are not checked: they depend on the machine.
//
// The command uses only what the first public commits have of package zmq. To measure one of those, copy internal/attack and
// internal/relay into a worktree of it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// options say how an attack is played.
type options struct {
	short bool
	lib   string // "zmq" or "libzmq"
}

// pick returns a number for all attacks or for short ones.
func (o options) pick(all, short int) int {
	if o.short {
		return short
	}
	return all
}

// result is what an attack has come to.
type result struct {
	after  figures // of the victim, at the end
	honest string  // how many honest peers were served
	note   string
	failed []string // bounds that were passed
}

// atMost notes a figure that is beyond its bound.
func (r *result) atMost(what string, n, bound int) {
	if n > bound {
		r.failed = append(r.failed, fmt.Sprintf("%s: %d, the bound is %d", what, n, bound))
	}
}

// serve notes how many honest peers were served, of how many.
func (r *result) serve(served, all int) {
	r.honest = fmt.Sprintf("%d of %d", served, all)
	if served < all {
		r.failed = append(r.failed, "honest peers served: "+r.honest)
	}
}

// attack is one of the attacks.
type attack struct {
	name string
	what string
	run  func(ctx context.Context, o options) (*result, error)
}

var attacks = []attack{
	{"topics", "a subscriber with 80,000 topics comes and leaves", manyTopics},
	{"nested", "a subscriber with 7,500 nested prefixes comes and leaves", nestedTopics},
	{"gone", "1,000 peers of a PULL that is not read send and leave", gonePeers},
	{"hoarders", "40 peers begin messages and do not end them", hoarders},
	{"flood", "silent connections, up to 5,000 a second; honest CURVE peers are 150 ms away", silentFlood},
	{"descriptors", "silent connections take all descriptors", descriptors},
	{"refusals", "900 endpoints refuse for five seconds", refusals},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "victim" {
		victim(os.Args[2])
		return
	}
	short := flag.Bool("short", false, "smaller attacks, in less than a minute")
	lib := flag.Bool("libzmq", false, "attack a socket of libzmq (python3-zmq) as well")
	check := flag.Bool("check", false, "fail if a figure is beyond its bound")
	run := flag.String("run", "", "the attacks to play, by name, with commas between; all if empty")
	flag.Parse()
	libs := []string{"zmq"}
	if *lib {
		if err := exec.Command(python, "-c", "import zmq").Run(); err != nil {
			fmt.Fprintln(os.Stderr, "attack: python3-zmq is not there:", err)
			os.Exit(1)
		}
		libs = append(libs, "libzmq")
	}
	if !play(*run, libs, *short) && *check {
		os.Exit(1)
	}
}

// play plays the attacks that names has, and prints a table. It reports whether all figures are within their bounds.
func play(names string, libs []string, short bool) (ok bool) {
	ok = true
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "attack\tvictim\tworst Send\tpeak memory\tdescriptors\tthreads, goroutines\tprocessor\thonest served\t")
	var failed []string
	for _, a := range attacks {
		if names != "" && !slices.Contains(strings.Split(names, ","), a.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n", a.name, a.what)
		for _, lib := range libs {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			r, err := a.run(ctx, options{short, lib})
			cancel()
			if err != nil {
				r = &result{note: err.Error(), failed: []string{err.Error()}}
			}
			f := r.after
			fmt.Fprintf(table, "%s\t%s\t%.1f ms\t%d MB\t%d\t%d, %d\t%d ms\t%s\t%s\n",
				a.name, lib, f.WorstSend, f.Peak>>20, f.Descriptors, f.Threads, f.Goroutines, f.Processor, r.honest, r.note)
			if lib == "zmq" {
				for _, why := range r.failed {
					failed = append(failed, a.name+": "+why)
				}
			}
		}
	}
	_ = table.Flush() // if the standard output fails, nobody reads
	for _, why := range failed {
		fmt.Println("beyond its bound:", why)
		ok = false
	}
	return ok
}
