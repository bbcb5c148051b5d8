package wire_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// wantError fails the test unless err is an error.
func wantError(tb testing.TB, err error, about string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("%s: no error", about)
	}
}
