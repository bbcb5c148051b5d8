package peer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Serve runs a peer as a process. It reads commands, one a line: "begin", "stop", "rejoin", "drain" with a
// time limit in milliseconds, and "close" with the linger time in milliseconds. It writes events, one a
// line. It returns nil after "close", and an error if the input ends before.
func Serve(args []string, in io.Reader, out io.Writer) error {
	cfg, err := ParseArgs(args)
	if err != nil {
		return err
	}
	w := &lineWriter{out: bufio.NewWriter(out)}
	p, err := Open(cfg, w.report)
	if err != nil {
		return err
	}
	w.report(Event{Kind: Ready, Text: p.Endpoint()})
	var stops sync.WaitGroup
	linger, err := obey(p, bufio.NewScanner(in), func() { // a REQ may have to be closed to stop
		stops.Go(func() {
			p.Stop(context.Background())
			w.report(Event{Kind: Stopped})
		})
	})
	_ = p.Close(linger) // always nil
	stops.Wait()
	return err
}

// obey executes commands until "close", and returns the linger time.
func obey(p *Peer, lines *bufio.Scanner, stop func()) (linger time.Duration, err error) {
	for lines.Scan() {
		command, value, _ := strings.Cut(lines.Text(), " ")
		switch command {
		case "begin":
			p.Begin()
		case "stop":
			stop()
		case "rejoin":
			p.Rejoin()
		case "drain", "close":
			ms, err := strconv.Atoi(value)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", command, err)
			}
			limit := time.Duration(ms) * time.Millisecond
			if command == "close" {
				return limit, nil
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			p.Drain(ctx)
			cancel()
		default:
			return 0, fmt.Errorf("unknown command %q", command)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, io.ErrUnexpectedEOF
}

// lineWriter writes each event at once, because the process may be killed at any time.
type lineWriter struct {
	mu  sync.Mutex
	out *bufio.Writer
}

func (w *lineWriter) report(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintln(w.out, e)
	_ = w.out.Flush() // fails if the other end is closed, which ends the input too
}
