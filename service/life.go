package service

import (
	"context"
	"slices"
)

// phase is where a service stands in its lifecycle, apart from the states that an application may add.
type phase int

const (
	phaseIdle phase = iota // initialized or stopped
	phaseStarting
	phaseStarted
	phaseRunning
	phaseStopping
)

// method is a lifecycle method, by its name in errors and transitions.
type method string

const (
	methodStart method = "Start"
	methodRun   method = "Run"
	methodStop  method = "Stop"
)

// life is one passage from Start to Stop. A restart gets a new one, so that whatever an earlier life has left behind
// cannot touch it. All fields below the channels are guarded by the service's mutex.
type life struct {
	startDone chan struct{} // closed when Start's work is over, or there was no Start
	stopping  chan struct{} // closed when a stop begins

	cancelStart context.CancelCauseFunc // ends the context of Start
	taskCtx     context.Context         // the tasks' context, from Run to the stop
	cancelTasks context.CancelCauseFunc

	started bool       // Start has succeeded
	starter *strand    // the goroutine of Start
	called  []method   // the embedded methods that have been called
	opened  []*hook    // hooks to stop, in the order of their start
	closed  bool       // the stop has taken the opened hooks: none may be added
	pending []taskSpec // tasks of this life that begin with Run
	names   map[string]*nameUse
	strands map[*strand]struct{}
	tasks   int           // strands that are tasks
	busy    int           // those, and an overriding Run: what a stop waits for before it stops the hooks
	idle    chan struct{} // closed when busy is 0; nil unless a stop waits
	fatal   error         // the first fatal error
	stop    *stop         // nil until a stop begins
}

func newLife() *life {
	return &life{
		startDone:   make(chan struct{}),
		stopping:    make(chan struct{}),
		cancelStart: func(error) {},
		cancelTasks: func(error) {},
		names:       make(map[string]*nameUse),
		strands:     make(map[*strand]struct{}),
	}
}

func (l *life) hasCalled(m method) bool { return slices.Contains(l.called, m) }

// strand is a goroutine that runs user code for a life: a task, a hook, or an overriding method.
type strand struct {
	life *life
	name string
	kind strandKind
	id   uint64 // of the goroutine
}

type strandKind int

const (
	strandTask strandKind = iota
	strandRun             // an overriding Run
	strandHook            // a hook, or an overriding Start or Stop
)

// nameUse counts the tasks that share a name.
type nameUse struct{ alive, last int }

// enter registers the current goroutine as a strand of l. The name is what a stop calls it if it hangs.
func (s *Service) enter(l *life, name string, kind strandKind) *strand {
	id := goroutineID()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := l.addLocked(name, kind)
	st.id = id
	return st
}

// identify completes a strand that was added before its goroutine ran.
func (s *Service) identify(st *strand) {
	id := goroutineID()
	s.mu.Lock()
	defer s.mu.Unlock()
	st.id = id
}

// rename changes what a strand is called, and returns what it was called.
func (s *Service) rename(st *strand, name string) (was string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, st.name = st.name, name
	return was
}

// leave ends a strand.
func (s *Service) leave(st *strand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(st.life.strands, st)
	delete(s.abandoned, st)
	st.life.countLocked(st.kind, -1)
	st.life.noteIdleLocked()
}

func (l *life) addLocked(name string, kind strandKind) *strand {
	st := &strand{life: l, name: name, kind: kind}
	l.strands[st] = struct{}{}
	l.countLocked(kind, 1)
	return st
}

func (l *life) countLocked(kind strandKind, n int) {
	if kind == strandTask {
		l.tasks += n
	}
	if kind != strandHook {
		l.busy += n
	}
}

// noteIdleLocked tells a stop that waits for the tasks when none is left.
func (l *life) noteIdleLocked() {
	if l.idle != nil && l.busy == 0 {
		close(l.idle)
		l.idle = nil
	}
}

// membership says, in a context, that it belongs to a strand of a life; and for the function of an overriding method,
// which embedded method is to join the transition that has begun.
type membership struct {
	life  *life
	joins method
}

// membershipKey is the context key of a service's membership: a context may belong to several services.
type membershipKey struct{ service *Service }

func (s *Service) withMembership(ctx context.Context, m membership) context.Context {
	return context.WithValue(ctx, membershipKey{s}, m)
}

func (s *Service) membership(ctx context.Context) membership {
	m, _ := ctx.Value(membershipKey{s}).(membership)
	return m
}

// callerLife returns the life that the caller is a part of, nil if it is not. It goes by the context; by the goroutine,
// if that is a strand; and by the goroutine that started this one, if that is a task. (Those of an overriding Start or
// Run belong to the caller, who may have started anything before.)
func (s *Service) callerLife(ctx context.Context) *life {
	if m := s.membership(ctx); m.life != nil {
		return m.life
	}
	s.mu.Lock()
	none := len(s.abandoned) == 0 && (s.life == nil || len(s.life.strands) == 0)
	s.mu.Unlock()
	if none {
		return nil
	}
	id, parent := goroutineID(), parentID()
	s.mu.Lock()
	defer s.mu.Unlock()
	is := func(st *strand) bool { return st.id == id || st.kind == strandTask && st.id == parent && parent != 0 }
	if s.life != nil && findStrand(s.life.strands, is) != nil {
		return s.life
	}
	if st := findStrand(s.abandoned, is); st != nil {
		return st.life
	}
	return nil
}

// abandonedCaller reports whether the current goroutine is one that a stop has given up.
func (s *Service) abandonedCaller() bool {
	s.mu.Lock()
	none := len(s.abandoned) == 0
	s.mu.Unlock()
	if none {
		return false
	}
	id := goroutineID()
	s.mu.Lock()
	defer s.mu.Unlock()
	return findStrand(s.abandoned, func(st *strand) bool { return st.id == id }) != nil
}

func findStrand(strands map[*strand]struct{}, is func(*strand) bool) *strand {
	for st := range strands {
		if is(st) {
			return st
		}
	}
	return nil
}
