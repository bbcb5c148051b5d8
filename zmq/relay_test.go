package zmq_test

import (
	"testing"

	"github.com/experimance/experimance-go/internal/relay"
)

// newRelay makes a relay to an endpoint that is bound. It is closed when the test ends.
func newRelay(t testing.TB, to string) *relay.Relay {
	t.Helper()
	r := must(relay.New(relay.Config{Target: to}))(t)
	t.Cleanup(func() { check(t, r.Close()) })
	return r
}
