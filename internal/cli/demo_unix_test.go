//go:build unix

package cli_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// fleet is a demo whose workers are each held by a file that does not end: the first tasks are named pipes.
type fleet struct {
	*program
	pipes []*os.File // writing ends, each with a worker at the other
}

// startFleet starts a demo on n pipes and as many other files, with n workers, in a process group of its own as a shell
// does it, and returns when every worker hangs in a pipe.
func startFleet(t *testing.T, n, others int, args ...string) *fleet {
	t.Helper()
	dir := t.TempDir()
	files := make(map[string]string)
	for i := range others {
		files[fmt.Sprintf("z%03d.go", i)] = "" // as small as a pipe: those come first by their names
	}
	write(t, dir, files)
	for i := range n {
		if err := syscall.Mkfifo(pipe(dir, i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := &fleet{program: prepare(t, nil, append([]string{"demo", "--json", "--workers", strconv.Itoa(n), dir}, args...)...)}
	f.cmd.Stdout = &f.stdout
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	f.begin()
	for i := range n {
		f.pipes = append(f.pipes, f.open(pipe(dir, i)))
	}
	return f
}

func pipe(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("a%d.go", i)) }

// open opens a pipe for writing, which waits for a worker that reads it.
func (f *fleet) open(path string) *os.File {
	f.t.Helper()
	type result struct {
		file *os.File
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		opened <- result{file, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			f.t.Fatal(r.err)
		}
		f.t.Cleanup(func() { r.file.Close() })
		return r.file
	case <-f.t.Context().Done():
		return nil
	}
}

// release lets the workers go on: the pipes end.
func (f *fleet) release() {
	for _, p := range f.pipes {
		p.Close()
	}
}

// process returns the number of a worker's process.
func (f *fleet) process(worker int) int {
	f.t.Helper()
	pid, err := strconv.Atoi(f.await(fmt.Sprintf(`^worker-%d is process (\d+)$`, worker)))
	if err != nil {
		f.t.Fatal(err)
	}
	return pid
}

func (f *fleet) signal(pid int, s syscall.Signal) {
	f.t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		f.t.Fatal(err)
	}
}

// wantGone waits until no worker reads its pipe any more, which is when its process is gone.
func (f *fleet) wantGone() {
	f.t.Helper()
	for _, p := range f.pipes {
		if _, err := io.Copy(p, zeros{}); !errors.Is(err, syscall.EPIPE) {
			f.t.Errorf("%s: %v, want %v", p.Name(), err, syscall.EPIPE)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// wantNoProcess checks that the demo has left no worker behind.
func (f *fleet) wantNoProcess() {
	f.t.Helper()
	for i := range f.pipes {
		if err := syscall.Kill(f.process(i+1), 0); !errors.Is(err, syscall.ESRCH) {
			f.t.Errorf("worker-%d is still there: %v", i+1, err)
		}
	}
}

func TestDemoWorkerKilled(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 2, 100, "--check")
	killed := f.process(1)
	f.signal(killed, syscall.SIGKILL)
	f.release()
	f.await("^the same in one process")
	for _, p := range f.pipes {
		f.open(p.Name()).Close()
	}
	f.wantExit(1)
	o := f.outcome()
	pipesLost := slices.DeleteFunc(slices.Clone(o.LostFiles), func(path string) bool { return strings.HasPrefix(path, "z") })
	if o.Sent != 102 || o.Lost < 1 || o.Lost > 20 || len(pipesLost) != 1 {
		t.Errorf("%d sent, %d lost, pipes among them %q; want 102 sent and few lost, one a pipe", o.Sent, o.Lost, pipesLost)
	}
	want := fmt.Sprintf("worker-1 (process %d, signal: killed) ended in the middle of the work; tasks lost in hand: %d", killed, o.Lost)
	if len(o.Problems) != 1 || o.Problems[0] != want {
		t.Errorf("problems %q, want %q", o.Problems, want)
	}
	if o.Workers[0].End != "signal: killed" || o.Workers[1].End != "exit status 0" || o.Interrupted {
		t.Errorf("workers %+v, interrupted %v", o.Workers, o.Interrupted)
	}
	if o.Check == nil || o.Check.Identical || len(o.Check.Differences) == 0 {
		t.Errorf("check %+v, want a difference", o.Check)
	}
	f.wantNoProcess()
}

func TestDemoAllWorkersKilled(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 2, 100)
	f.signal(f.process(1), syscall.SIGKILL)
	f.signal(f.process(2), syscall.SIGKILL)
	f.wantExit(1)
	o := f.outcome()
	if o.Lost == 0 || o.Received != 0 || o.Unsent != 102-o.Lost {
		t.Errorf("%d received, %d lost, %d unsent; want none received, all others lost or unsent", o.Received, o.Lost, o.Unsent)
	}
	if !slices.Contains(o.Problems, "no worker is left") {
		t.Errorf("problems %q", o.Problems)
	}
	f.wantNoProcess()
}

// A terminal sends its signals to the whole process group, kill to the one process: the workers leave it to the controller
// either way.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		signal syscall.Signal
		group  bool
	}{{syscall.SIGINT, true}, {syscall.SIGINT, false}, {syscall.SIGTERM, false}} {
		t.Run(fmt.Sprintf("%v,group=%v", tt.signal, tt.group), func(t *testing.T) {
			t.Parallel()
			f := startFleet(t, 2, 100)
			target := f.cmd.Process.Pid
			if tt.group {
				target = -target
			}
			f.signal(target, tt.signal)
			f.await("^interrupted: ")
			f.release()
			f.wantExit(130)
			o := f.outcome()
			if !o.Interrupted || len(o.Problems) > 0 || o.Received < 2 || o.Lost+o.Unsent == 0 {
				t.Errorf("%+v; want the files in work done, others not, and no problem", o)
			}
			for _, s := range o.Services {
				if s.Receipt == nil {
					t.Errorf("%s gave no receipt", s.Name)
				}
			}
			f.wantNoProcess()
		})
	}
}

// The fleet may be interrupted before it is one.
func TestDemoInterruptedEarly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"file.go": "package a\n"})
	for i := range 20_000 { // work for some time
		if err := os.Link(filepath.Join(dir, "file.go"), filepath.Join(dir, strconv.Itoa(i)+".go")); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"worker-1 is process", "worker-4 is process", "4 workers"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, "demo", "--json", "--workers", "4", dir)
			p.await("^" + line)
			if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			p.wantExit(130)
			o := p.outcome()
			if !o.Interrupted || len(o.Problems) > 0 {
				t.Errorf("interrupted %v, problems %q; want true, none", o.Interrupted, o.Problems)
			}
			for _, w := range o.Workers {
				if err := syscall.Kill(w.Process, 0); !errors.Is(err, syscall.ESRCH) {
					t.Errorf("%s is still there: %v", w.Name, err)
				}
			}
		})
	}
}

// A worker that cannot come to the end of its task does not keep the fleet.
func TestDemoInterruptedStuck(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 2, 1)
	f.signal(f.cmd.Process.Pid, syscall.SIGINT)
	f.wantExit(130)
	if o := f.outcome(); len(o.Problems) != 2 || o.Received != 0 {
		t.Errorf("%d received, problems %q; want none received, and a problem for each worker", o.Received, o.Problems)
	}
	f.wantNoProcess()
}

func TestDemoInterruptedTwice(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 2, 1)
	f.signal(-f.cmd.Process.Pid, syscall.SIGINT)
	f.await("^interrupted: ")
	f.signal(-f.cmd.Process.Pid, syscall.SIGINT)
	f.wantExit(130)
	if f.stdout.Len() > 0 {
		t.Errorf("standard output %q, want none: the second signal ends it at once", f.stdout.String())
	}
	f.wantGone()
}

func TestDemoKilled(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 3, 1)
	f.signal(f.cmd.Process.Pid, syscall.SIGKILL)
	f.wait()
	f.wantGone()
}

func TestDemoHeartbeats(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 2, 0)
	f.await("^heartbeats: controller running, worker-1 running, worker-2 running$")
	f.release()
	f.wantExit(0)
	for _, s := range f.outcome().Services {
		if s.Heartbeats == 0 && s.Name != "observer" && s.Name != "probe" {
			t.Errorf("no heartbeat of %s was seen", s.Name)
		}
	}
}

// What is odd about files is a result, or is left out; it costs no task.
func TestDemoOddFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"good.go":      "package a\n",
		"locked.go":    "package a\n",
		"in/locked.go": "package a\n",
		"in/ok.go":     "package a\n",
		"bad\xff.go":   "package a\n",
	})
	for _, link := range [][2]string{{"nowhere", "dangling.go"}, {"/dev/zero", "endless.go"}, {"good.go", "link.go"}, {"loop.go", "loop.go"}, {".", "in/up"}} {
		if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "locked.go"), 0); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "demo", "--json", "--check", "--workers", "2", dir)
	p.wantExit(0)
	o := p.outcome()
	failed := 3
	if os.Getuid() != 0 { // root reads what it likes
		failed++
	}
	if o.Sent != 9 || o.Totals.Failed != failed || !o.Check.Identical {
		t.Errorf("sent %d, failed %d, check %+v; want 9, %d, identical", o.Sent, o.Totals.Failed, o.Check, failed)
	}
	if got := o.Totals.Failures[0]; got.Path != "dangling.go" || got.Error != "no such file or directory" {
		t.Errorf("first failure %+v, want that of dangling.go", got)
	}
}
