package interop_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds every single wait. It only decides how soon a failure shows, never whether a test passes.
const patience = time.Minute

// event is one line that a peer has written. The README lists which event has which fields.
type event struct {
	Event     string
	Do        string
	Endpoints map[string][]string

	Topic   string
	Message map[string]any
	Parts   int

	Frames      []frame
	Count       int
	First, Last int
	Ordered     bool

	Kind  string
	How   string
	Kinds []string
	Error string
}

// frame is one frame of a message, as a bare socket describes it.
type frame struct {
	Size  int
	CRC32 uint32
	Text  string
}

// command is one line that a peer obeys: "do" and its arguments.
type command map[string]any

// peer is a Python process of interop/peers. Its test waits for the lines that it writes and gives it commands.
type peer struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
	ready  event
	exited chan struct{}

	mu      sync.Mutex
	log     []string      // all lines, for a failing test
	pending []event       // lines that nobody has waited for yet
	changed chan struct{} // closed and replaced whenever pending grows or the output ends
	ended   bool
	killed  bool
}

// python finds an interpreter that has zmq, once.
var python = sync.OnceValues(func() (string, error) {
	if runtime.GOOS == "windows" {
		return "", fmt.Errorf("the peers need a POSIX system")
	}
	var tried []string
	for _, path := range []string{os.Getenv("EXPERIMANCE_PYTHON"), "/usr/bin/python3", "python3"} {
		if path == "" {
			continue
		}
		if exec.Command(path, "-c", "import zmq").Run() == nil {
			return path, nil
		}
		tried = append(tried, path)
	}
	return "", fmt.Errorf("no Python with zmq among %s: install python3-zmq or set EXPERIMANCE_PYTHON", strings.Join(tried, ", "))
})

// needPython skips the test where no peer can run, or fails it where EXPERIMANCE_REQUIRE_PEERS=1 forbids that.
func needPython(t *testing.T) string {
	t.Helper()
	path, err := python()
	switch {
	case err == nil:
	case os.Getenv("EXPERIMANCE_REQUIRE_PEERS") == "1":
		t.Fatalf("EXPERIMANCE_REQUIRE_PEERS=1, but %v", err)
	default:
		t.Skip(err)
	}
	return path
}

// startPeer runs a peer and waits until it is ready. It ends with the test at the latest.
func startPeer(t *testing.T, name string, args ...string) *peer {
	t.Helper()
	p := launchPeer(t, name, args...)
	p.ready = p.expect("ready")
	return p
}

// launchPeer runs a peer without waiting for it.
func launchPeer(t *testing.T, name string, args ...string) *peer {
	t.Helper()
	args = append([]string{"-B", filepath.Join("peers", name+".py"), "--limit", "300"}, args...)
	p := &peer{t: t, name: name, changed: make(chan struct{}), exited: make(chan struct{})}
	p.cmd = exec.Command(needPython(t), args...)
	p.cmd.Stderr = &p.stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", p.cmd, err)
	}
	go p.read(stdout)
	t.Cleanup(p.finish)
	return p
}

// read collects lines until the peer's output ends, and then reaps it.
func (p *peer) read(stdout io.Reader) {
	defer close(p.exited)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			e = event{Event: "unreadable", Error: err.Error()}
		}
		p.note(string(line), e)
	}
	_ = p.cmd.Wait() // finish looks at the state that this leaves
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *peer) note(line string, e event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, strings.TrimSpace(line))
	p.pending = append(p.pending, e)
	close(p.changed)
	p.changed = make(chan struct{})
}

// expect waits for an event that has this name and that all conditions hold for, and takes it out of those waited for.
// Events of one name are met in the order in which the peer wrote them.
func (p *peer) expect(name string, conditions ...func(event) bool) event {
	p.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		e, ok, ended, changed := p.take(name, conditions)
		if ok {
			return e
		}
		if ended {
			p.t.Fatalf("%s ended before the event %q", p.name, name)
		}
		select {
		case <-changed:
		case <-late.C:
			p.t.Fatalf("%s: no event %q after %v", p.name, name, patience)
		}
	}
}

// take removes the first pending event that matches; where there is none it returns what to wait for.
func (p *peer) take(name string, conditions []func(event) bool) (e event, ok, ended bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
search:
	for i, e := range p.pending {
		if e.Event != name {
			continue
		}
		for _, holds := range conditions {
			if !holds(e) {
				continue search
			}
		}
		p.pending = append(p.pending[:i:i], p.pending[i+1:]...)
		return e, true, false, nil
	}
	return event{}, false, p.ended, p.changed
}

// tell gives a command and does not wait for its end.
func (p *peer) tell(do string, args command) {
	p.t.Helper()
	line := command{"do": do}
	for key, value := range args {
		line[key] = value
	}
	data, err := json.Marshal(line)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(data, '\n')); err != nil {
		p.t.Fatalf("%s: command %q: %v", p.name, do, err)
	}
}

// do gives a command and waits until it is done.
func (p *peer) do(do string, args command) {
	p.t.Helper()
	p.tell(do, args)
	p.expect("done", func(e event) bool { return e.Do == do })
}

// stop ends the peer as a service is ended: what it has queued is sent.
func (p *peer) stop() {
	p.t.Helper()
	p.tell("stop", nil)
	p.expect("stopped")
}

// kill ends the peer as kill -9 does, and waits until it is gone.
func (p *peer) kill() {
	p.t.Helper()
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatalf("%s: kill: %v", p.name, err)
	}
	<-p.exited
}

// endpoint is what the peer has bound for a role: pub, sub, push, pull, or socket.
func (p *peer) endpoint(role string) string {
	p.t.Helper()
	bound := p.ready.Endpoints[role]
	if len(bound) != 1 {
		p.t.Fatalf("%s has bound %d endpoints for %q, want one: %v", p.name, len(bound), role, p.ready.Endpoints)
	}
	return bound[0]
}

// finish closes the peer's standard input, which ends it, and checks that it went well.
func (p *peer) finish() {
	_ = p.stdin.Close() // closed already where the peer has ended
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Errorf("%s did not end when its input closed", p.name)
		_ = p.cmd.Process.Kill() // it may have ended just now
		<-p.exited
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.killed && !p.cmd.ProcessState.Success() {
		p.t.Errorf("%s: %v", p.name, p.cmd.ProcessState)
	}
	for _, e := range p.pending {
		if e.Event == "malformed" || e.Event == "unreadable" {
			p.t.Errorf("%s has received something wrong: %+v", p.name, e)
		}
	}
	if p.t.Failed() {
		p.t.Logf("%s\nlast lines:\n%s\nstandard error:\n%s", p.cmd, strings.Join(tail(p.log, 20), "\n"), &p.stderr)
	}
}

func tail(lines []string, n int) []string {
	return lines[max(0, len(lines)-n):]
}

// hosts counts the loopback hosts given out.
var hosts atomic.Uint32

// wildcard is an endpoint with a free port, on a loopback host of its own where the system has several. So nobody takes
// the port while its owner is being restarted.
func wildcard() string {
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		n := hosts.Add(1)
		host = fmt.Sprintf("127.%d.%d.%d", 1+os.Getpid()%250, n/250%250, 1+n%250)
	}
	return "tcp://" + host + ":*"
}
