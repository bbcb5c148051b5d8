package messaging

import (
	"context"
	"sync"
	"time"
)

// waits are the calls that wait for a peer to have room. The service's stop ends them, also those whose caller gave them
// a context that knows nothing of the service.
type waits struct {
	mu    sync.Mutex
	began time.Time
	ended error // why no call may wait; nil while calls may
	timer *time.Timer
	calls map[*context.CancelCauseFunc]struct{}
}

// begin allows waiting.
func (w *waits) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began, w.ended = time.Now(), nil
	w.calls = make(map[*context.CancelCauseFunc]struct{})
}

// end ends all waiting, for the reason cause.
func (w *waits) end(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = cause
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	for cancel := range w.calls {
		(*cancel)(cause)
	}
}

// endAfter is end after a time of grace. It does nothing where what was to end at time t has been followed by a new begin.
func (w *waits) endAfter(grace time.Duration, t time.Time, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil && !t.Before(w.began) {
		w.timer = time.AfterFunc(grace, func() { w.end(cause) })
	}
}

// add returns a context for one call's wait. The caller calls done after it.
func (w *waits) add(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		cancel(w.ended)
		return ctx, func() {}
	}
	w.calls[&cancel] = struct{}{}
	return ctx, func() {
		w.mu.Lock()
		delete(w.calls, &cancel)
		w.mu.Unlock()
		cancel(nil)
	}
}
