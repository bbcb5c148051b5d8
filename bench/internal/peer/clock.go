package peer

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// clock reads CLOCK_MONOTONIC, which all processes of a machine share, at the price of time.Since.
type clock struct {
	base   time.Time
	offset int64
}

// newClock reads both clocks several times and keeps the reading with the least time between.
func newClock() (clock, error) {
	const readings = 10
	var best clock
	narrowest := time.Duration(math.MaxInt64)
	for range readings {
		base := time.Now()
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			return clock{}, err
		}
		if width := time.Since(base); width < narrowest {
			narrowest = width
			best = clock{base: base, offset: ts.Nano()}
		}
	}
	return best, nil
}

// now returns nanoseconds.
func (c clock) now() int64 { return c.offset + int64(time.Since(c.base)) }

// sleep puts the thread to sleep. A time.Sleep of less than a millisecond lasts one in a process that is otherwise idle,
// which is too coarse for sending at a rate.
func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // a sleep that a signal ends early is only a shorter one
}
