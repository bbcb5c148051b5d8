//go:build unix

package cli_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
)

func TestReceiversInterrupted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		signal os.Signal
		args   []string
	}{
		{0, os.Interrupt, []string{"sub"}},
		{0, syscall.SIGTERM, []string{"pull"}},
		{130, os.Interrupt, []string{"sub", "--count", "2"}},
		{130, os.Interrupt, []string{"push", "{}"}},
		{130, syscall.SIGTERM, []string{"pub", "--topic", "t", "{}"}},
	} {
		t.Run(fmt.Sprint(tt.args, tt.signal), func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, append(tt.args, "--address", anyPort)...)
			p.address() // it has bound, so it has begun
			if err := p.cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			p.wantExit(tt.status)
		})
	}
}

// A stream that waits for its next line ends by a signal, too, and what was sent before arrives.
func TestSenderInterruptedWhileReading(t *testing.T) {
	t.Parallel()
	pull := start(t, nil, "pull", "--address", anyPort, "--count", "1")
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	push := start(t, in, "push", "--address", pull.address())
	in.Close()
	if _, err := io.WriteString(feed, "{}\n"); err != nil {
		t.Fatal(err)
	}
	pull.wantExit(0)
	if err := push.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	push.wantExit(130)
}

// The end of a pipeline that wants no more, such as head, ends sub without an error.
func TestBrokenPipe(t *testing.T) {
	t.Parallel()
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	pull := prepare(t, nil, "pull", "--address", anyPort)
	pull.cmd.Stdout = stdout
	pull.begin()
	stdout.Close()
	start(t, nil, "push", "--address", pull.address(), "{}").wantExit(0)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	out.Close()
	start(t, nil, "push", "--address", pull.address(), "{}").wait() // it may fail: its peer goes away
	pull.wantExit(0)
	if text := pull.stderr.String(); len(text) > len("experimance pull: bound to tcp://127.0.0.1:65535\n") {
		t.Errorf("standard error: %q", text)
	}
}
