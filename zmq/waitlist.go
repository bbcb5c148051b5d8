package zmq

import (
	"sync"
	"sync/atomic"
)

// waitList holds the goroutines that wait for a condition which somebody else will announce. A waiter is added before
// the condition is looked at, so that no announcement falls between the look and the wait.
type waitList struct {
	n atomic.Int32 // waiters in the list: the announcer's cheap look

	mu      sync.Mutex
	waiters []*waiter
}

type waiter struct {
	ready chan struct{} // of capacity one
}

var waiterPool = sync.Pool{New: func() any { return &waiter{ready: make(chan struct{}, 1)} }}

// add puts a new waiter at the end of the list.
func (l *waitList) add() *waiter {
	w := waiterPool.Get().(*waiter)
	l.mu.Lock()
	l.waiters = append(l.waiters, w)
	l.n.Store(int32(len(l.waiters)))
	l.mu.Unlock()
	return w
}

// remove takes w out of the list and gives it back. A wake that w got and did not use is passed to the next waiter.
func (l *waitList) remove(w *waiter) {
	l.mu.Lock()
	for i, other := range l.waiters {
		if other == w {
			l.waiters = append(l.waiters[:i], l.waiters[i+1:]...)
			break
		}
	}
	l.n.Store(int32(len(l.waiters)))
	l.mu.Unlock()
	select {
	case <-w.ready:
		l.wake(1)
	default:
	}
	waiterPool.Put(w)
}

// wake wakes up to n waiters, those first that wait longest. They stay in the list until they remove themselves.
// It reports whether there were any.
func (l *waitList) wake(n int) bool {
	waited := l.n.Load() != 0
	if waited {
		l.rouse(n)
	}
	return waited
}

// rouse is wake where there may be waiters.
func (l *waitList) rouse(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.waiters {
		if n <= 0 {
			return
		}
		select {
		case w.ready <- struct{}{}:
			n--
		default: // awake already
		}
	}
}

// wakeAll wakes every waiter.
func (l *waitList) wakeAll() { l.wake(int(^uint(0) >> 1)) }
