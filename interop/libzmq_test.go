package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// program is one of the two that hold a socket of libzmq of any type. Both take the same arguments and lines, which
// libzmq/peer.c describes.
type program string

const (
	inC      program = "C"
	inPython program = "Python"
)

// folder is where the program in C is built; removeC removes it.
var folder string

// buildC compiles the program in C, once.
var buildC = sync.OnceValues(func() (path string, err error) {
	if folder, err = os.MkdirTemp("", "interop"); err != nil {
		return "", err
	}
	path = filepath.Join(folder, "peer")
	cmd := exec.Command("gcc", "-std=gnu11", "-O2", "-o", path, filepath.Join("libzmq", "peer.c"), "-lzmq")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the peer in C cannot be built (%w): install gcc and libzmq3-dev\n%s", err, out)
	}
	return path, nil
})

// removeC removes what buildC has made, when all tests are over.
func removeC() {
	if folder != "" {
		_ = os.RemoveAll(folder) // the system clears its temporary folder of what may stay behind
	}
}

// needC skips the test where the program in C cannot be built, or fails it where EXPERIMANCE_REQUIRE_PEERS=1 forbids that.
func needC(t *testing.T) string {
	t.Helper()
	path, err := buildC()
	switch {
	case err == nil:
	case os.Getenv("EXPERIMANCE_REQUIRE_PEERS") == "1":
		t.Fatalf("EXPERIMANCE_REQUIRE_PEERS=1, but %v", err)
	default:
		t.Skip(err)
	}
	return path
}

// start runs the program and waits until it is ready. It ends with the test at the latest.
func (p program) start(t *testing.T, args ...string) *peer {
	t.Helper()
	if p == inC {
		return startCommand(t, string(p), exec.Command(needC(t), args...))
	}
	args = append([]string{"-B", filepath.Join("peers", "any_socket.py")}, args...)
	return startCommand(t, string(p), exec.Command(needPython(t), args...))
}

// startCommand runs any command that speaks as a peer does, and waits until it is ready.
func startCommand(t *testing.T, name string, cmd *exec.Cmd) *peer {
	t.Helper()
	p := &peer{t: t, name: name, cmd: cmd, changed: make(chan struct{}), exited: make(chan struct{})}
	cmd.Stderr = &p.stderr
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", cmd, err)
	}
	go p.read(stdout)
	t.Cleanup(p.finish)
	p.ready = p.expect("ready")
	return p
}

// order has a program obey a line, and does not wait for that.
func (p *peer) order(words ...string) {
	p.t.Helper()
	line := strings.Join(words, " ") + "\n"
	if _, err := p.stdin.Write([]byte(line)); err != nil {
		p.t.Fatalf("%s: order %.60q: %v", p.name, line, err)
	}
}

// have has a program obey a line of one word.
func (p *peer) have(word string) {
	p.t.Helper()
	p.order(word)
	p.expect("done", func(e event) bool { return e.Do == word })
}
