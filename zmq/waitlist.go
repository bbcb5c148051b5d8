package zmq

import (
	"slices"
	"sync"
	"sync/atomic"
)

// waitList holds the goroutines that wait for a condition. A waiter is added before the condition is
// checked, so that no announcement falls between the check and the wait.
type waitList struct {
	n atomic.Int32 // waiters in the list: the announcer's cheap look

	mu      sync.Mutex
	waiters []*waiter
	spare   []*waiter // removed ones, for the next add
}

// waiter has a channel, so it is reused by its own list only: a pool of the process would carry the
// channels of a bubble of testing/synctest to sockets outside of it, and the other way round.
type waiter struct {
	ready chan struct{} // of capacity one
}

// add puts a waiter at the end of the list.
func (l *waitList) add() *waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	var w *waiter
	if last := len(l.spare) - 1; last >= 0 {
		w, l.spare = l.spare[last], l.spare[:last]
	} else {
		w = &waiter{ready: make(chan struct{}, 1)}
	}
	l.waiters = append(l.waiters, w)
	l.n.Store(int32(len(l.waiters)))
	return w
}

// remove takes w out of the list. A wake that w got and did not use is passed to the next waiter.
func (l *waitList) remove(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiters, w)
	l.waiters = slices.Delete(l.waiters, i, i+1)
	l.n.Store(int32(len(l.waiters)))
	select {
	case <-w.ready:
		l.signal(1)
	default:
	}
	l.spare = append(l.spare, w)
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

// rouse is wake if there may be waiters.
func (l *waitList) rouse(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signal(n)
}

// signal is wake with mu held.
func (l *waitList) signal(n int) {
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
