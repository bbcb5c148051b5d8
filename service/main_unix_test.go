//go:build unix

package service_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/experimance/experimance-go/service"
)

// TestMainAndRealSignals runs a program, waits until it is in a state, and sends it signals.
func TestMainAndRealSignals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		signals int
		want    int
	}{
		{"initialized", 1, service.ExitClean},
		{"starting", 1, service.ExitClean},
		{"started", 1, service.ExitClean},
		{"running", 1, service.ExitClean},
		{"stopping", 1, service.ExitClean},
		{"starting-late", 1, service.ExitFailed},
		{"running-late", 1, service.ExitFailed},
		{"initialized-stuck", 2, service.ExitForced},
		{"starting-stuck", 2, service.ExitForced},
		{"started-stuck", 2, service.ExitForced},
		{"running-stuck", 2, service.ExitForced},
		{"stopping-stuck", 2, service.ExitForced},
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, tc := range cases {
			t.Run(sig.String()+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				cmd := exec.CommandContext(within(t), os.Args[0])
				cmd.Env = append(os.Environ(), childVariable+"="+tc.name, "GORACE=atexit_sleep_ms=0")
				cmd.Stderr = os.Stderr
				stdout, err := cmd.StdoutPipe()
				must(t, err)
				must(t, cmd.Start())
				lines := bufio.NewScanner(stdout)
				for range tc.signals {
					if !lines.Scan() {
						t.Error("the program has ended early")
						break
					}
					must(t, cmd.Process.Signal(sig))
				}
				_, _ = io.Copy(io.Discard, stdout)
				_ = cmd.Wait()
				if got := cmd.ProcessState.ExitCode(); got != tc.want {
					t.Errorf("exit code %d (%v), want %d", got, cmd.ProcessState, tc.want)
				}
			})
		}
	}
}
