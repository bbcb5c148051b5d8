package cli

import (
	"errors"
	"io/fs"
	"testing"

	"golang.org/x/sys/windows"
)

// Windows has two errors for a reader that has closed its end, neither of which is EPIPE.
func TestBrokenPipeErrors(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		windows.ERROR_BROKEN_PIPE: true,
		windows.ERROR_NO_DATA:     true,
		windows.ERROR_DISK_FULL:   false,
		errors.New("another"):     false,
	} {
		if got := isBrokenPipe(&fs.PathError{Op: "write", Path: "|1", Err: err}); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
