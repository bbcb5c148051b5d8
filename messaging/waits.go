package messaging

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/experimance/experimance-go/service"
)

// waits are the calls that wait for peers. The service's stop ends them, also those whose caller gave them a context that
// knows nothing of the service.
type waits struct {
	mu    sync.Mutex
	began time.Time
	ended bool // no call may wait
	timer *time.Timer
	calls map[*context.CancelCauseFunc]struct{}
}

// begin allows waiting.
func (w *waits) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began, w.ended = time.Now(), false
	w.calls = make(map[*context.CancelCauseFunc]struct{})
}

// end ends all waiting: the cause of the contexts' end is service.ErrStopped.
func (w *waits) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endLocked()
}

func (w *waits) endLocked() {
	w.ended = true
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	for cancel := range w.calls {
		(*cancel)(service.ErrStopped)
	}
}

// endAfter is end after a time of grace. It does nothing where what was to end at time t has been followed by a new begin.
func (w *waits) endAfter(grace time.Duration, t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended || t.Before(w.began):
	case grace == 0:
		w.endLocked()
	default:
		w.timer = time.AfterFunc(grace, w.end)
	}
}

// add returns a context for one call's wait. The caller calls done after it.
func (w *waits) add(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		cancel(service.ErrStopped)
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
