package zmq

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/mechanism"
	"github.com/experimance/experimance-go/internal/zmtp"
)

const ms = time.Millisecond

// nexts returns the next n waits, all after the same error.
func (b *backoff) nexts(n int, err error) (waits []time.Duration) {
	for range n {
		waits = append(waits, b.next(err))
	}
	return waits
}

// The wait doubles with each failure, up to its maximum, and begins anew after a success.
func TestBackoff(t *testing.T) {
	t.Parallel()
	failed := errors.New("connection refused")
	refused := &zmtp.HandshakeError{Err: &mechanism.PeerError{}}
	check := func(what string, got []time.Duration, want ...time.Duration) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: waits of %v, want %v", what, got, want)
		}
	}
	defaults := Config{}.withDefaults()
	b := newBackoff(defaults.ReconnectInterval, defaults.ReconnectMax)
	check("by default", b.nexts(8, failed), 100*ms, 200*ms, 400*ms, 800*ms, 1600*ms, 3200*ms, 5000*ms, 5000*ms)
	b.succeeded(10 * time.Second)
	check("after a success", b.nexts(3, failed), 100*ms, 200*ms, 400*ms)
	for i, want := range []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms, 1000 * ms} {
		b.succeeded(ms)
		check(fmt.Sprint("after short success ", i+1), b.nexts(2, failed), want, 2*want)
	}
	b.succeeded(10 * time.Second)
	check("after a longer one", b.nexts(3, failed), 100*ms, 200*ms, 400*ms)

	b = newBackoff(10*ms, 70*ms)
	check("with a maximum", b.nexts(5, failed), 10*ms, 20*ms, 40*ms, 70*ms, 70*ms)
	b = newBackoff(10*ms, 10*ms)
	b.succeeded(ms)
	b.succeeded(ms)
	check("steady", b.nexts(3, failed), 10*ms, 10*ms, 10*ms)

	b = newBackoff(100*ms, 5*time.Second)
	check("refused", b.nexts(7, refused), 1000*ms, 2000*ms, 4000*ms, 5000*ms, 5000*ms, 5000*ms, 5000*ms)
	b = newBackoff(10*ms, 10*ms)
	check("refused, steady", b.nexts(2, refused), time.Second, time.Second)
	b = newBackoff(math.MaxInt64/2, math.MaxInt64)
	b.succeeded(ms)
	check("very long", b.nexts(2, refused), math.MaxInt64, math.MaxInt64)
	hour := Config{ReconnectInterval: time.Hour}.withDefaults()
	b = newBackoff(hour.ReconnectInterval, hour.ReconnectMax)
	check("longer than the default maximum", b.nexts(2, failed), time.Hour, time.Hour)
}

// Waits are random, so that many peers do not come back at once.
func TestWaitsAreSpread(t *testing.T) {
	t.Parallel()
	const wait = 100 * ms
	low, high := 2*wait, time.Duration(0)
	for range 1000 {
		d := spread(wait)
		low, high = min(low, d), max(high, d)
	}
	if low < wait/2 || high > wait*3/2 || high-low < wait/2 {
		t.Errorf("%v became %v to %v, want half to one and a half of it", wait, low, high)
	}
}
