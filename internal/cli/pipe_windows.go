package cli

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isBrokenPipe reports whether err, of a write, means that the reader has closed its end.
func isBrokenPipe(err error) bool {
	return errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_NO_DATA)
}
