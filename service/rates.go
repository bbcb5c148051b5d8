package service

import "time"

// Rates are taken between a snapshot and the oldest sample of at most rateWindow ago. Samples are kept at least
// sampleDistance apart, so that a few are enough however often somebody looks; nothing runs in between.
const (
	rateWindow     = 5 * time.Second
	sampleDistance = time.Second
)

type sample struct {
	time           time.Time
	sent, received uint64
}

// rates are the samples, oldest first. The service's mutex guards them.
type rates struct {
	samples [8]sample
	n       int
}

func (r *rates) reset(now time.Time) {
	r.samples[0] = sample{time: now}
	r.n = 1
}

// since returns messages a second up to now, and keeps now as a sample if the last one is old enough.
func (r *rates) since(now sample) (sent, received float64) {
	for r.n > 1 && now.time.Sub(r.samples[1].time) >= rateWindow {
		copy(r.samples[:], r.samples[1:r.n]) // a younger one still spans the window
		r.n--
	}
	base := r.samples[0]
	if r.n < len(r.samples) && now.time.Sub(r.samples[r.n-1].time) >= sampleDistance {
		r.samples[r.n] = now
		r.n++
	}
	seconds := now.time.Sub(base.time).Seconds()
	if seconds <= 0 {
		return 0, 0
	}
	return float64(now.sent-base.sent) / seconds, float64(now.received-base.received) / seconds
}
