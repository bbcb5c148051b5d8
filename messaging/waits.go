package messaging

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
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

// impatient is a context that ends when somebody begins to wait for it: a call that does not have to wait succeeds with it.
type impatient struct{ waited atomic.Bool }

var _ context.Context = (*impatient)(nil)

var errWouldWait = errors.New("the call would have to wait")

var endedAlready = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (c *impatient) Done() <-chan struct{} {
	c.waited.Store(true)
	return endedAlready
}

func (c *impatient) Err() error {
	if c.waited.Load() {
		return errWouldWait
	}
	return nil
}

func (*impatient) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*impatient) Value(any) any               { return nil }
