package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// deadline is when a program that has not come to its end is killed, which fails its test.
const deadline = time.Minute

// program is a run of the program under test.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer // valid after wait
	stderr transcript
}

// start starts the program. in is its standard input, nil for none.
func start(t *testing.T, in io.Reader, args ...string) *program {
	t.Helper()
	p := prepare(t, in, args...)
	p.cmd.Stdout = &p.stdout
	p.begin()
	return p
}

// prepare makes a program whose standard output is not set yet.
func prepare(t *testing.T, in io.Reader, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	p := &program{t: t, cmd: exec.CommandContext(ctx, binary, args...)}
	p.stderr.changed = make(chan struct{})
	p.cmd.Stdin = in
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = time.Second
	return p
}

func (p *program) begin() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // neither does anything after wait
		_ = p.cmd.Wait()
		if p.t.Failed() {
			p.t.Logf("%v\n%s", p.cmd, &p.stderr)
		}
	})
}

// wait waits for the end of the program and returns its exit status, -1 where a signal ended it.
func (p *program) wait() int {
	p.t.Helper()
	_ = p.cmd.Wait() // the exit status tells
	return p.cmd.ProcessState.ExitCode()
}

// wantExit waits for the end of the program and checks its exit status.
func (p *program) wantExit(status int) {
	p.t.Helper()
	if got := p.wait(); got != status {
		p.t.Fatalf("%v: exit status %d, want %d", p.cmd, got, status)
	}
}

// await waits for a line on standard error that matches the pattern, and returns the match of its first group.
func (p *program) await(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(`(?m)` + pattern)
	expired := time.After(deadline)
	for {
		text, changed := p.stderr.look()
		if m := re.FindStringSubmatch(text); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-changed:
		case <-expired:
			p.t.Fatalf("%v: no line matches %q", p.cmd, pattern)
		}
	}
}

// lines are the lines of standard output.
func (p *program) lines() []string {
	var lines []string
	for s := bufio.NewScanner(&p.stdout); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}

// transcript is what a program has written so far.
type transcript struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{} // closed by the next Write
}

func (s *transcript) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.text.Write(b)
}

// look returns the text so far, and the channel that tells of more.
func (s *transcript) look() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.changed
}

func (s *transcript) String() string {
	text, _ := s.look()
	return text
}
