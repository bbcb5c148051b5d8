package runner

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/bench/internal/engine"
	"github.com/experimance/experimance-go/bench/internal/peer"
	"github.com/experimance/experimance-go/bench/internal/report"
)

// proc is a peer's process.
type proc struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string   // what it says
	ended  chan struct{} // closed at the end of its output
	closed atomic.Bool   // it was told to end
	stderr tail
}

const (
	// killAfter is how long a peer may take to end once its standard input has.
	killAfter = 3 * time.Second
	// linesAhead is more lines than a peer ever says before they are read.
	linesAhead = 16
)

// start runs a peer of an engine. It is killed when ctx ends. If it cannot go on, or ends by itself, fail is called.
func start(ctx context.Context, fail func(error), t Target, spec peer.Spec) (*proc, error) {
	args := append(append([]string{}, t.args...), spec.Args()...)
	p := &proc{
		name:  fmt.Sprintf("%s %s", t.Name, spec.Role),
		cmd:   exec.CommandContext(ctx, t.program, args...),
		lines: make(chan string, linesAhead),
		ended: make(chan struct{}),
	}
	p.cmd.Stderr = &p.stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	p.in = in
	go p.read(out, fail)
	return p, nil
}

func (p *proc) read(out io.Reader, fail func(error)) {
	defer close(p.ended)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case peer.Unsupported:
			fail(engine.Unsupported(rest))
		case peer.Failed:
			fail(fmt.Errorf("%s: %s", p.name, rest))
		default:
			p.lines <- lines.Text()
		}
	}
	if !p.closed.Load() {
		fail(fmt.Errorf("%s: ended by itself: %s", p.name, p.stderr.String()))
	}
}

// tell says a word to the peer. That it has gone is seen by its end.
func (p *proc) tell(word string) { _, _ = fmt.Fprintln(p.in, word) }

// expect waits for a line, which must begin with a word, and returns the rest of it.
func (p *proc) expect(ctx context.Context, want string) (string, error) {
	select {
	case line := <-p.lines:
		word, rest, _ := strings.Cut(line, " ")
		if word != want {
			return "", fmt.Errorf("%s: said %q instead of a %s line", p.name, line, want)
		}
		return rest, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%s: no %s line: %w", p.name, want, context.Cause(ctx))
	}
}

// result waits for a result.
func (p *proc) result(ctx context.Context) (report.Sample, error) {
	line, err := p.expect(ctx, peer.Result)
	if err != nil {
		return nil, err
	}
	sample := report.Sample{}
	for _, field := range strings.Fields(line) {
		name, value, _ := strings.Cut(field, "=")
		if sample[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("%s: result %q: %w", p.name, field, err)
		}
	}
	return sample, nil
}

// close ends the peer and waits for it.
func (p *proc) close() {
	p.closed.Store(true)
	_ = p.in.Close() // it has ended already where this fails
	timer := time.AfterFunc(killAfter, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	<-p.ended
	_ = p.cmd.Wait() // how it ended is of no interest any more
}

// tail keeps the end of what a peer writes to standard error.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 2 << 10

// Write keeps the last tailSize bytes.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(b), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
