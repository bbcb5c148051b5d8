package zmq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// pathLimit is the length in bytes of the longest path that the system takes for a socket: 107 on
// Linux and Windows, 103 on macOS and the BSDs. The system's structure has room for one byte more,
// which is zero.
const pathLimit = len(syscall.RawSockaddrUnix{}.Path) - 1

// checkPath returns an error if name is too long for a socket.
func checkPath(name string) error {
	if len(name) > pathLimit {
		return fmt.Errorf("path is %d bytes long, the system allows %d; use a shorter one", len(name), pathLimit)
	}
	return nil
}

// anyPath returns a random path in the directory for temporary files.
func anyPath() (string, error) {
	name := filepath.Join(os.TempDir(), fmt.Sprintf("zmq-%016x", rand.Uint64()))
	return name, checkPath(name)
}

// asideSuffix is appended to a path for the socket that is about to appear there.
const asideSuffix = "~"

// ipcListener is the listener of an ipc endpoint that has a path.
type ipcListener struct {
	*net.UnixListener
	path string      // absolute
	file fs.FileInfo // of the socket
}

// listenIPC listens at a path or an abstract name. A stale socket, which a dead process left
// behind, is replaced; if there is any other file, the error is EADDRINUSE. Several processes may
// call it at once with the same path: the lock of the path lets one at a time look for a stale
// socket and replace it. Without the lock it replaces nothing.
func listenIPC(ctx context.Context, lc *net.ListenConfig, name string) (net.Listener, error) {
	if strings.HasPrefix(name, "@") {
		return lc.Listen(ctx, "unix", name)
	}
	path, err := filepath.Abs(name) // for Close, when the working directory may be another
	if err != nil {
		return nil, err
	}
	if unlock, ok := lockPath(ctx, path); ok {
		defer unlock()
		if err := removeStale(name); err != nil {
			return nil, err
		}
		if l, err := listenAside(ctx, lc, name, path); err == nil {
			return l, nil
		}
	}
	return listenAt(ctx, lc, name, path)
}

// listenAside listens at a second name in the same directory, and links the socket to its path when
// it is ready. So the socket never refuses connections, by which other programs recognize a stale
// one. It fails if there is a file at the path, if the second name is too long, on file systems
// without hard links, and on systems other than Linux, since it is not known whether a socket can be
// reached by a link there. The caller has the lock of the path.
func listenAside(ctx context.Context, lc *net.ListenConfig, name, path string) (net.Listener, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.ErrUnsupported
	}
	aside := name + asideSuffix
	if info, err := os.Lstat(aside); err == nil && isSocket(info) && isStale(aside) { // of a process that died here
		_ = os.Remove(aside) // an error shows in what follows
	}
	l, err := listenAt(ctx, lc, aside, path)
	if err != nil {
		return nil, err
	}
	err = os.Link(aside, name)
	if err = errors.Join(err, os.Remove(aside)); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// listenAt listens at name, for an endpoint with this absolute path.
func listenAt(ctx context.Context, lc *net.ListenConfig, name, path string) (net.Listener, error) {
	l, err := lc.Listen(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	unix := l.(*net.UnixListener)
	unix.SetUnlinkOnClose(false) // Close does that with more care
	file, err := os.Lstat(name)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &ipcListener{unix, path, file}, nil
}

// Close removes the socket from its path, unless there is another file by now, and closes the
// listener. It needs no lock: the socket accepts connections until then, so that it is not stale.
func (l *ipcListener) Close() error {
	return errors.Join(removeFile(l.path, l.file), l.UnixListener.Close())
}

// removeStale removes a stale socket. The caller has the lock of the path.
func removeStale(path string) error {
	if info, err := os.Lstat(path); err == nil && isSocket(info) && isStale(path) {
		return removeFile(path, info)
	}
	return nil
}

// removeFile removes a file from its path, unless there is another one, or none.
func removeFile(path string, file fs.FileInfo) error {
	if info, err := os.Lstat(path); err == nil && os.SameFile(info, file) {
		return os.Remove(path)
	}
	return nil
}

func isSocket(info fs.FileInfo) bool { return info.Mode()&fs.ModeSocket != 0 }

// isStale reports whether a socket has no listener. One that is too busy for another connection
// has.
func isStale(path string) bool {
	nc, err := net.Dial("unix", path)
	if err == nil {
		nc.Close()
	}
	return errors.Is(err, errRefused)
}

// remoteAddress returns the network address of a connection's peer. The system knows the socket of
// an ipc endpoint by its second name.
func remoteAddress(nc net.Conn) string {
	addr := nc.RemoteAddr()
	if addr.Network() == "unix" {
		return strings.TrimSuffix(addr.String(), asideSuffix)
	}
	return addr.String()
}
