package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The words of the runner. The end of its lines ends the peer.
const (
	Go   = "go"   // begin with what is measured
	Stop = "stop" // report
	Mem  = "mem"  // report the memory
	Send = "send" // send one message
)

// The first words of a peer's lines.
const (
	Bound       = "bound"       // the endpoint follows
	Ready       = "ready"       // what was to be set up, or asked for, is done
	Result      = "result"      // name=value follow
	Unsupported = "unsupported" // the reason follows
	Failed      = "failed"      // the error follows
)

// errGone is that the runner has gone: the end of a peer in good order.
var errGone = errors.New("peer: the runner has gone")

// control is a peer's line to the runner.
type control struct {
	words <-chan string

	mu  sync.Mutex
	out io.Writer
}

// wordsAhead is how many words may wait to be read: more than the runner ever says in a row.
const wordsAhead = 16

// newControl calls gone with errGone when the runner has gone.
func newControl(in io.Reader, out io.Writer, gone func(error)) *control {
	words := make(chan string, wordsAhead)
	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			words <- lines.Text()
		}
		gone(errGone)
	}()
	return &control{words: words, out: out}
}

// say writes a line. That nobody reads it is seen at the end of the runner's.
func (c *control) say(word string, rest ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintln(c.out, append([]any{word}, rest...)...)
}

// next returns the next word, or why ctx ended.
func (c *control) next(ctx context.Context) (string, error) {
	select {
	case word := <-c.words:
		return word, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// await waits for a word.
func (c *control) await(ctx context.Context, want string) error {
	for {
		if word, err := c.next(ctx); err != nil || word == want {
			return err
		}
	}
}

// value is one name and value of a result.
func value(name string, v float64) string { return fmt.Sprintf("%s=%g", name, v) }
