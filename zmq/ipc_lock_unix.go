//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package zmq

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long a socket waits while another one binds the same path, which takes it less
// than a millisecond.
const lockWait = 5 * time.Second

// lockPath acquires the lock of a socket's path: a locked file beside it, which is removed when the
// lock is released. The lock ends with its process, so that a file that a dead process left behind
// locks nothing. lockPath reports false if the file cannot be made, for want of permission for
// instance, or if the lock could not be acquired within lockWait or before ctx ends.
func lockPath(ctx context.Context, path string) (unlock func(), ok bool) {
	name := path + ".zmq-lock"
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, false
		}
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil && isAt(f, name):
			return func() {
				_ = os.Remove(name) // or it is left behind, and taken by the next one
				f.Close()
			}, true
		case err != nil && !errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, false
		}
		f.Close()
		if !pause(ctx, time.Millisecond) {
			return nil, false
		}
	}
}

// isAt reports whether the file is the one at the path. The process that had the lock before has
// removed it.
func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(opened, named)
}
