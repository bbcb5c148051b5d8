package runner_test

import (
	"testing"

	"github.com/experimance/experimance-go/bench/internal/runner"
)

// TestZ85 encodes the test vector of RFC 32.
func TestZ85(t *testing.T) {
	t.Parallel()
	if got := runner.Z85([]byte{0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b}); got != "HelloWorld" {
		t.Errorf("encoded %q, want HelloWorld", got)
	}
}
