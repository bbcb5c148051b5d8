package libzmq_test

import (
	"os/exec"
	"regexp"
	"testing"

	"github.com/experimance/experimance-go/bench/internal/libzmq"
)

func TestBuild(t *testing.T) {
	if err := exec.Command("pkg-config", "--exists", "libzmq").Run(); err != nil {
		t.Skip("libzmq's headers are not installed")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	program, err := libzmq.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	version, err := libzmq.Version(t.Context(), program)
	if err != nil || !regexp.MustCompile(`^4\.\d+\.\d+$`).MatchString(version) {
		t.Errorf("version %q, %v", version, err)
	}
	t.Setenv("CC", "/nonexistent")
	again, err := libzmq.Build(t.Context())
	if err != nil || again != program {
		t.Errorf("compiled again: %q, %v", again, err)
	}
}

func TestBuildSaysWhatFailed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("CC", "/nonexistent")
	if program, err := libzmq.Build(t.Context()); err == nil {
		t.Errorf("compiled %s without a compiler", program)
	}
}
