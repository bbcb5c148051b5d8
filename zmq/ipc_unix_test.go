//go:build unix

package zmq_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// socketDir returns a directory whose path leaves room for the names of sockets.
func socketDir(t testing.TB) string {
	t.Helper()
	dir := must(os.MkdirTemp("", "zmq"))(t)
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	return dir
}

// leaveStale makes a socket as a process that dies leaves it behind.
func leaveStale(t testing.TB, path string) {
	t.Helper()
	dead := must(net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}))(t)
	dead.SetUnlinkOnClose(false)
	check(t, dead.Close())
}

// needsLinks skips a test of what is done on Linux alone.
func needsLinks(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("NOT RUN: sockets are bound at their path on this system")
	}
}

// holds fails the test unless these files are in the directory, and no others.
func holds(t testing.TB, dir string, want ...string) {
	t.Helper()
	var got []string
	for _, entry := range must(os.ReadDir(dir))(t) {
		got = append(got, entry.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}

// Close and Unbind leave another socket alone that is at the path by then, and remove their own.
func TestIPCCloseLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s socket, at string) error{
		"unbind": func(s socket, at string) error { return s.Unbind(at) },
		"close":  func(s socket, _ string) error { return s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := socketDir(t)
			path := filepath.Join(dir, "s")
			first, second := newPull(t, zmq.Config{}), newPull(t, zmq.Config{})
			at := bind(t, first, "ipc://"+path)
			check(t, os.Remove(path)) // as libzmq does before it binds
			bind(t, second, at)
			check(t, end(first, at))
			push := newPush(t, zmq.Config{})
			check(t, push.Connect(at))
			send(t, push, "for the second")
			expect(t, second, "for the second")
			check(t, end(second, at))
			holds(t, dir)

			third := newPull(t, zmq.Config{})
			bind(t, third, at)
			check(t, os.Remove(path))
			check(t, os.WriteFile(path, []byte("precious"), 0o600))
			check(t, end(third, at))
			holds(t, dir, "s")
		})
	}
}

// However many bind a path at once, at which a dead process has left its socket, one succeeds and
// keeps it.
func TestIPCBindersAtOnce(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	path := filepath.Join(dir, "s")
	const rounds, binders = 20, 8
	pulls := make([]*zmq.Pull, binders)
	for i := range pulls {
		pulls[i] = newPull(t, zmq.Config{Linger: -1})
	}
	for round := range rounds {
		leaveStale(t, path)
		var bound []*zmq.Pull
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, pull := range pulls {
			wg.Go(func() {
				_, err := pull.Bind("ipc://" + path)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					bound = append(bound, pull)
				} else if !errors.Is(err, syscall.EADDRINUSE) {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		if len(bound) != 1 {
			t.Fatalf("round %d: %d sockets have the path", round, len(bound))
		}
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatalf("round %d: the one that has the path cannot be reached: %v", round, err)
		}
		nc.Close()
		holds(t, dir, "s")
		check(t, bound[0].Unbind("ipc://"+path))
	}
	holds(t, dir)
}

// From the moment in which a socket appears at its path it takes connections: it never looks like
// one that was left behind.
func TestIPCNeverLooksStale(t *testing.T) {
	t.Parallel()
	needsLinks(t)
	dir := socketDir(t)
	pull := newPull(t, zmq.Config{Linger: -1})
	for round := range 60 {
		path := filepath.Join(dir, fmt.Sprint(round))
		var looking atomic.Bool
		reached := inBackground(func() error {
			for {
				nc, err := net.Dial("unix", path)
				looking.Store(true)
				if err == nil {
					nc.Close()
				}
				if !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
		})
		for !looking.Load() {
			runtime.Gosched()
		}
		bind(t, pull, "ipc://"+path)
		if err := await(t, "a connection", reached); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		check(t, pull.Unbind("ipc://"+path))
	}
	holds(t, dir)
}

// What a process leaves behind that dies while it binds is in nobody's way: the lock, which it does
// not hold any more, the socket that was about to appear, and one that has appeared.
func TestIPCAfterCrash(t *testing.T) {
	t.Parallel()
	needsLinks(t)
	for _, left := range []string{"s.zmq-lock", "s~", "s.zmq-lock s~", "s.zmq-lock s s~", "s s~"} {
		dir := socketDir(t)
		for _, name := range strings.Fields(left) {
			if path := filepath.Join(dir, name); name == "s.zmq-lock" {
				check(t, os.WriteFile(path, nil, 0o600))
			} else {
				leaveStale(t, path)
			}
		}
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		pair(t, pull, push, "ipc://"+filepath.Join(dir, "s"))
		holds(t, dir, "s")
		check(t, pull.Close())
		holds(t, dir)
	}
}

// Without the lock a path can be bound, if nothing is there; but nothing is replaced.
func TestIPCWithoutLock(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	path := filepath.Join(dir, "s")
	check(t, os.Mkdir(path+".zmq-lock", 0o700)) // which is no file to lock
	pull := newPull(t, zmq.Config{})
	at := bind(t, pull, "ipc://"+path)
	check(t, pull.Unbind(at))
	leaveStale(t, path)
	if _, err := pull.Bind(at); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("bound over a socket without the lock: %v", err)
	}
	holds(t, dir, "s", "s.zmq-lock")
}

// Names that sockets use while they bind, taken by files of others, are left alone, and do not keep
// a socket from binding.
func TestIPCNamesTaken(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	check(t, os.WriteFile(filepath.Join(dir, "s~"), []byte("precious"), 0o600))
	pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
	pair(t, pull, push, "ipc://"+filepath.Join(dir, "s"))
	holds(t, dir, "s", "s~")
	check(t, pull.Close())
	if text := must(os.ReadFile(filepath.Join(dir, "s~")))(t); string(text) != "precious" {
		t.Errorf("the file is now %q", text)
	}
}

// A link to a socket is not replaced, and what it leads to is left alone.
func TestIPCLink(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	leaveStale(t, filepath.Join(dir, "orphan"))
	check(t, os.Symlink("orphan", filepath.Join(dir, "s")))
	if _, err := newPull(t, zmq.Config{}).Bind("ipc://" + filepath.Join(dir, "s")); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("bound over a link: %v", err)
	}
	holds(t, dir, "orphan", "s")
}

// The error of a directory that is not there, or in which nothing may be made, is that of binding.
func TestIPCDirectories(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	_, err := newPull(t, zmq.Config{}).Bind("ipc://" + filepath.Join(dir, "none", "s"))
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), ".zmq-lock") {
		t.Errorf("no directory: %v", err)
	}
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	check(t, os.Chmod(dir, 0o500))
	_, err = newPull(t, zmq.Config{}).Bind("ipc://" + filepath.Join(dir, "s"))
	if !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), ".zmq-lock") {
		t.Errorf("no permission: %v", err)
	}
	check(t, os.Chmod(dir, 0o700))
}

// The socket's file has the mode that Bind's documentation says: all bits but those of the umask.
func TestIPCMode(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	file := must(os.OpenFile(filepath.Join(dir, "f"), os.O_CREATE|os.O_WRONLY, 0o777))(t)
	defer file.Close()
	want := must(file.Stat())(t).Mode().Perm()
	pull := newPull(t, zmq.Config{})
	long := strings.Repeat("l", pathLimit()-len(dir)-1) // which leaves no place for a second name
	for _, name := range []string{"s", long} {
		bind(t, pull, "ipc://"+filepath.Join(dir, name))
		if got := must(os.Lstat(filepath.Join(dir, name)))(t).Mode(); got != fs.ModeSocket|want {
			t.Errorf("mode %v, want that of a file made with 0777, %v", got, want)
		}
	}
}

// pathLimit is how long a path may be, by the headers of the systems.
func pathLimit() int {
	if runtime.GOOS == "linux" {
		return 107
	}
	return 103
}

// Paths of the greatest length can be used, and the error of a longer one says how long it may be,
// whichever end it is for.
func TestIPCPathLimit(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	path := func(n int) string { return "ipc://" + filepath.Join(dir, strings.Repeat("x", n-len(dir)-1)) }
	for n := pathLimit() - 2; n <= pathLimit(); n++ {
		pull, push := newPull(t, zmq.Config{}), newPush(t, zmq.Config{})
		leaveStale(t, strings.TrimPrefix(path(n), "ipc://"))
		pair(t, pull, push, path(n))
		send(t, push, "x")
		m := must(pull.Recv(within(t)))(t)
		m.Release()
	}
	s, long := newPull(t, zmq.Config{}), path(pathLimit()+1)
	says := fmt.Sprintf("the system allows %d", pathLimit())
	_, err := s.Bind(long)
	checkOpError(t, err, "bind", long, says)
	checkOpError(t, s.Connect(long), "connect", long, says)
}

// A peer that is connected over ipc is known by the path that it has connected to.
func TestIPCPeerAddress(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	path := filepath.Join(dir, "s")
	events := make(chan zmq.Event, 100)
	push, pull := newPush(t, zmq.Config{}), newPull(t, zmq.Config{Events: events})
	pair(t, push, pull, "ipc://"+path)
	for _, kind := range []zmq.EventKind{zmq.EventConnected, zmq.EventHandshakeSucceeded} {
		if e := untilEvent(t, events, kind); e.Peer != path {
			t.Errorf("event %q has the peer %q", kind, e.Peer)
		}
	}
	send(t, push, "x")
	m := must(pull.Recv(within(t)))(t)
	if address := m.Peer().Address; address != path {
		t.Errorf("the peer's address is %q", address)
	}
}
