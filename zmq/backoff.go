package zmq

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/experimance/experimance-go/internal/zmtp"
)

// backoff computes the wait before an endpoint is connected again. The wait doubles with each
// attempt, up to most. A completed handshake resets it, to more than the first wait if connections
// have been short. backoff has no clock and no randomness.
type backoff struct {
	first, most time.Duration
	wait        time.Duration // before the next attempt
	reset       time.Duration // the wait after the next completed handshake
}

// A connection that ends within so many first waits is short. Short ones in a row reset the wait to
// twice as much each time, up to the same number of first waits.
const shortLife = 10

// leastRefused is the shortest wait after the peer has refused us for good.
const leastRefused = time.Second

// newBackoff returns a backoff from first to most.
func newBackoff(first, most time.Duration) backoff {
	return backoff{first: first, most: most, wait: first, reset: first}
}

// succeeded notes a completed handshake, whose connection has lasted so long.
func (b *backoff) succeeded(lasted time.Duration) {
	short := times(b.first, shortLife, b.most)
	if lasted >= short {
		b.wait, b.reset = b.first, b.first
		return
	}
	b.wait = b.reset
	b.reset = times(b.reset, 2, short)
}

// next returns how long to wait now, after a connection or an attempt has ended with err. The wait
// is longer if the peer refused us with ERROR, since the same settings will be refused again (RFC
// 37, section 3.2).
func (b *backoff) next(err error) time.Duration {
	wait := b.wait
	b.wait = times(wait, 2, b.most)
	var handshake *zmtp.HandshakeError
	if errors.As(err, &handshake) && handshake.Fatal() {
		wait = max(times(wait, 10, b.most), leastRefused)
	}
	return wait
}

// times returns n times d, up to limit.
func times(d time.Duration, n int64, limit time.Duration) time.Duration {
	if int64(d) > int64(limit)/n {
		return limit
	}
	return time.Duration(int64(d) * n)
}

// spread returns a random duration between half of wait and one and a half of it, so that the peers
// of a socket that went away do not come back all at once.
func spread(wait time.Duration) time.Duration {
	wait = min(wait, math.MaxInt64/2)
	return wait/2 + rand.N(wait)
}
