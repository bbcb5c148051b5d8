package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a terminal with the given number of columns.
func openTerminal(t *testing.T, columns uint16) (terminal, program *os.File) {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	t.Cleanup(func() { terminal.Close() })
	fd := int(terminal.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skip("no terminals here:", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	return terminal, program
}

// On a terminal the progress is a bar that fits into it, and that is gone in the end.
func TestDemoBar(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{20, 80} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, map[string]string{"a.go": "package a\n", "b.go": "package a\n"})
			terminal, stderr := openTerminal(t, columns)
			p := prepare(t, nil, "demo", "--check", "--workers", "1", dir)
			p.cmd.Stdout, p.cmd.Stderr = &p.stdout, stderr
			p.begin()
			stderr.Close()
			var shown bytes.Buffer
			_, _ = io.Copy(&shown, terminal) // an error is how the end of a terminal is told
			p.wantExit(0)

			want := `\r\[=+\] survey 2/2 files, \d+/s`
			if columns < 40 {
				want = `\rsurvey 2/2 files`
			}
			if !regexp.MustCompile(want).MatchString(shown.String()) {
				t.Errorf("nothing matches %q in %q", want, shown.String())
			}
			for line := range strings.SplitSeq(shown.String(), "\r") {
				if strings.Contains(line, "/s") && len(line) >= int(columns) {
					t.Errorf("%q does not fit into %d columns", line, columns)
				}
			}
			if !regexp.MustCompile(`\r +\r$`).MatchString(shown.String()) {
				t.Errorf("the bar is still there: %q", shown.String())
			}
		})
	}
}
