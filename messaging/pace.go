package messaging

import (
	"sync"
	"sync/atomic"
	"time"
)

// pace counts things to warn of, and lets one warning through per interval.
type pace struct {
	interval time.Duration
	count    atomic.Uint64

	mu   sync.Mutex
	told uint64 // part of count that warnings have told of
	next time.Time
}

func (p *pace) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.Store(0)
	p.told, p.next = 0, time.Time{}
}

// add counts one, and reports whether to warn now, of how many since the last warning.
func (p *pace) add() (untold uint64, due bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, now := p.count.Add(1), time.Now()
	untold = n - p.told
	if due = !now.Before(p.next); due {
		p.told, p.next = n, now.Add(p.interval)
	}
	return untold, due
}
