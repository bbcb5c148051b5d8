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

// program is one of those that hold a socket of any type: two of libzmq, and one of JeroMQ 0.3.6,
// which speaks ZMTP 2.0. All take the same arguments and lines, which libzmq/peer.c describes.
type program string

const (
	inC      program = "C"
	inPython program = "Python"
	inJava   program = "Java"
)

// makeFolder makes the folder in which programs are built, once; removeFolder removes it.
var makeFolder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "interop") })

// removeFolder removes what was built, when all tests are over.
func removeFolder() {
	if folder, err := makeFolder(); err == nil {
		_ = os.RemoveAll(folder) // the system clears its temporary folder of what may stay behind
	}
}

// buildC compiles the program in C, once.
var buildC = sync.OnceValues(func() (path string, err error) {
	folder, err := makeFolder()
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "peer")
	cmd := exec.Command("gcc", "-std=gnu11", "-O2", "-o", path, filepath.Join("libzmq", "peer.c"), "-lzmq")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the peer in C cannot be built (%w): install gcc and libzmq3-dev\n%s", err, out)
	}
	return path, nil
})

// jeromq is where Debian has JeroMQ.
const jeromq = "/usr/share/java/jeromq.jar"

// buildJava compiles the program in Java, once, and returns the class path.
var buildJava = sync.OnceValues(func() (classPath string, err error) {
	folder, err := makeFolder()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(jeromq); err != nil {
		return "", fmt.Errorf("there is no JeroMQ (%w): install libjeromq-java and default-jdk-headless", err)
	}
	cmd := exec.Command("javac", "-cp", jeromq, "-d", folder, filepath.Join("jeromq", "Peer.java"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the peer in Java cannot be built (%w): install default-jdk-headless and libjeromq-java\n%s", err, out)
	}
	return folder + ":" + jeromq, nil
})

// needBuilt skips the test where a program cannot be built, or fails it where
// EXPERIMANCE_REQUIRE_PEERS=1 forbids that.
func needBuilt(t *testing.T, build func() (string, error)) string {
	t.Helper()
	path, err := build()
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
	switch p {
	case inC:
		return startCommand(t, string(p), exec.Command(needBuilt(t, buildC), args...))
	case inJava: // options that let it start fast and keep it small
		classPath := needBuilt(t, buildJava)
		args = append([]string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx64m", "-cp", classPath, "Peer"}, args...)
		return startCommand(t, string(p), exec.Command("java", args...))
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
