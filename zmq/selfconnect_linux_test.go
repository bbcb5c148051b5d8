package zmq_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/experimance/experimance-go/zmq"
)

// inNamespace is set in the environment of a test that runs in a network namespace of its own.
const inNamespace = "EXPERIMANCE_TEST_NAMESPACE"

// isolated runs the test once more, in a process with a network of its own, and reports false;
// there it reports true.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespace) != "" {
		return true
	}
	cmd := exec.CommandContext(within(t), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch exit := (*exec.ExitError)(nil); {
	case err != nil && !errors.As(err, &exit):
		t.Skip("NOT RUN: no network namespaces here:", err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("NOT RUN: %s", out)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// givePorts sets the range of ports that the system gives to connecting sockets.
func givePorts(t *testing.T, first, last int) {
	t.Helper()
	const setting = "/proc/sys/net/ipv4/ip_local_port_range"
	if err := os.WriteFile(setting, fmt.Appendf(nil, "%d %d", first, last), 0); err != nil {
		t.Skip("the ports of this network cannot be set:", err)
	}
}

// raiseLoopback makes the loopback interface of a new network work.
func raiseLoopback(t *testing.T) {
	t.Helper()
	fd := must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))(t)
	defer func() { check(t, unix.Close(fd)) }()
	lo := must(unix.NewIfreq("lo"))(t)
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	check(t, unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo))
}

// A socket that connects to a port that the system gives to connecting sockets comes to itself now
// and then: here each time, since there is no other port. It takes that for a failure, and does not
// keep its peer from binding the port.
func TestSelfConnect(t *testing.T) {
	if !isolated(t) {
		return
	}
	const port = 40000
	raiseLoopback(t)
	givePorts(t, port, port)
	at := fmt.Sprintf("tcp://127.0.0.1:%d", port)
	events := make(chan zmq.Event, 1000)
	push := newPush(t, zmq.Config{ReconnectInterval: time.Millisecond, ReconnectMax: time.Millisecond, Events: events})
	check(t, push.Connect(at))
	send(t, push, "hello")
	for range 5 {
		if e := untilEvent(t, events, zmq.EventConnectRetried); !strings.Contains(fmt.Sprint(e.Err), "to itself") {
			t.Errorf("tried again because of %v", e.Err)
		}
	}
	const timeWait = " 06 "
	if sockets := string(must(os.ReadFile("/proc/self/net/tcp"))(t)); strings.Contains(sockets, timeWait) {
		t.Errorf("the port is kept after the end of a connection:\n%s", sockets)
	}
	givePorts(t, port, port+10)
	pull := newPull(t, zmq.Config{})
	if _, err := pull.Bind(at); errors.Is(err, syscall.EADDRINUSE) { // the moment of one more such connection
		bindAgain(t, pull, at)
	} else {
		check(t, err)
	}
	expect(t, pull, "hello")
}
