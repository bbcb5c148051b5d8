//go:build !windows

package cli

import (
	"errors"
	"syscall"
)

// isBrokenPipe reports whether err, of a write, means that the reader has closed its end.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
