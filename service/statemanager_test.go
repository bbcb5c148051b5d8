package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/experimance/experimance-go/service"
)

const calibrating service.State = "calibrating"

func newStates() *service.StateManager {
	return service.NewStateManager(service.Initialized, discard)
}

// move moves m to a state, from whichever it is in.
func move(t testing.TB, m *service.StateManager, to service.State) {
	t.Helper()
	must(t, m.ValidateAndBeginTransition("move", nil, to))
}

func TestTransitionsOfAnApplication(t *testing.T) {
	t.Parallel()
	m := newStates()
	wantStateError(t, m.ValidateAndBeginTransition("calibrate", []service.State{service.Running}, calibrating),
		"calibrate", service.Initialized)
	move(t, m, service.Running)
	must(t, m.ValidateAndBeginTransition("calibrate", []service.State{service.Running}, calibrating))
	if m.State() != calibrating {
		t.Errorf("state is %s", m.State())
	}
	skewed := errors.New("skewed")
	must(t, m.CompleteTransition("calibrate", calibrating, service.Running, skewed))
	wantStateError(t, m.CompleteTransition("calibrate", calibrating, service.Running, nil), "calibrate", service.Running)

	last := m.History()[2]
	if last.From != calibrating || last.To != service.Running || last.Method != "calibrate" ||
		!errors.Is(last.Cause, skewed) || last.Time.IsZero() {
		t.Errorf("transition: %+v", last)
	}
	if got := last.String(); got != "calibrating -> running by calibrate: skewed" {
		t.Errorf("in words: %s", got)
	}
}

func TestAStopBeatsAStateOfTheApplication(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	begun, hold := make(chan struct{}), make(chan struct{})
	must(t, svc.Go("calibrate", func(context.Context) error {
		must(t, svc.States().ValidateAndBeginTransition("calibrate", []service.State{service.Running}, calibrating))
		close(begun)
		<-hold
		return svc.States().CompleteTransition("calibrate", calibrating, service.Running, nil)
	}))
	run := startAndRun(t, svc)
	receive(t, begun)
	wantState(t, svc, calibrating)
	must(t, svc.Go("more", blocked)) // the service still runs, whatever its state is called
	go func() {
		_, err := svc.States().WaitForState(context.Background(), service.Stopping)
		must(t, err)
		close(hold)
	}()
	_, err := svc.Stop(within(t))
	wantErr(t, err, service.ErrState) // the task could not go back to running
	wantState(t, svc, service.Stopped)
	wantErr(t, receive(t, run), service.ErrState)
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newStates()
	for i := range 300 {
		move(t, m, service.State(fmt.Sprint(i)))
	}
	history := m.History()
	if len(history) != 256 || history[0].To != "44" || history[255].To != "299" {
		t.Errorf("%d transitions, from %v to %v", len(history), history[0], history[len(history)-1])
	}
	if !slices.IsSortedFunc(history, func(a, b service.Transition) int { return a.Time.Compare(b.Time) }) {
		t.Error("not in the order of time")
	}
}

func TestWaitForState(t *testing.T) {
	t.Parallel()
	m := newStates()
	if got, err := m.WaitForState(within(t), service.Running, service.Initialized); err != nil || got != service.Initialized {
		t.Errorf("waiting for the current state: %s, %v", got, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got, err := m.WaitForState(ctx, service.Running)
	wantErr(t, err, context.Canceled)
	if got != service.Initialized || !strings.Contains(err.Error(), "initialized") || !strings.Contains(err.Error(), "running") {
		t.Errorf("%s, %v", got, err)
	}
}

// TestWaitersMissNoState passes through states in no time and expects every waiter to see the one it waits for.
func TestWaitersMissNoState(t *testing.T) {
	t.Parallel()
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			m := newStates()
			var wg sync.WaitGroup
			states := []service.State{service.Starting, service.Started, service.Running, service.Stopping}
			for _, state := range states {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					if got, err := m.WaitForState(ctx, state); err != nil || got != state {
						t.Errorf("%s, %v", got, err)
					}
				})
			}
			wg.Go(func() {
				if got, err := m.WaitForState(context.Background()); err != nil || got != service.Starting {
					t.Errorf("the next state, whichever, is %s, %v", got, err)
				}
			})
			synctest.Wait()
			for _, state := range append(states, service.Stopped) {
				move(t, m, state)
			}
			wg.Wait()
		})
	}
}

func TestObservationSeesAllSinceItWasMade(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	all := svc.States().ObserveStateChange()
	some := svc.States().ObserveStateChange(service.Stopped, service.Started)
	defer all.Close()
	defer some.Close()
	must(t, svc.Start(within(t)))
	stop(t, svc)
	want := func(o *service.Observation, states ...service.State) {
		t.Helper()
		for _, state := range states {
			tr, err := o.Wait(within(t))
			must(t, err)
			if tr.To != state {
				t.Errorf("observed %v, want %s", tr, state)
			}
		}
	}
	want(all, service.Starting, service.Started, service.Stopping, service.Stopped)
	want(some, service.Started, service.Stopped)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := some.Wait(ctx)
	wantErr(t, err, context.Canceled)
}

func TestObservationThatFallsBehindIsTold(t *testing.T) {
	t.Parallel()
	m := newStates()
	o := m.ObserveStateChange()
	for i := range 300 {
		move(t, m, service.State(fmt.Sprint(i)))
	}
	_, err := o.Wait(within(t))
	wantErr(t, err, service.ErrObservationBehind)
	tr, err := o.Wait(within(t))
	must(t, err)
	if tr.To != "44" {
		t.Errorf("it goes on with %v", tr)
	}
}

func TestClosedObservation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newStates().ObserveStateChange()
		result := make(chan error)
		go func() {
			_, err := o.Wait(context.Background())
			result <- err
		}()
		synctest.Wait()
		o.Close()
		o.Close()
		wantErr(t, <-result, service.ErrObservationClosed)
		_, err := o.Wait(context.Background())
		wantErr(t, err, service.ErrObservationClosed)
	})
}

func TestCallbacksRunInOrderAndStallNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newStates()
		hold := make(chan struct{})
		var got []string
		m.OnState(service.Starting, func(service.Transition) { <-hold; got = append(got, "starting") })
		m.OnState(service.Started, func(service.Transition) { got = append(got, "started, first") })
		m.OnState(service.Started, func(tr service.Transition) {
			got = append(got, "started, second, from "+string(tr.From))
		})
		m.OnState(service.Running, func(service.Transition) { panic("callback") })
		m.OnState(service.Running, func(service.Transition) { runtime.Goexit() })
		m.OnState(service.Stopped, func(service.Transition) { got = append(got, "stopped") })
		for _, state := range []service.State{service.Starting, service.Started, service.Running, service.Stopped} {
			move(t, m, state) // none of them waits for the callback that hangs
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Errorf("called out of turn: %v", got)
		}
		close(hold)
		synctest.Wait()
		want := []string{"starting", "started, first", "started, second, from starting", "stopped"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARemovedCallbackIsNotCalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newStates()
		kept, removed := 0, 0
		remove := m.OnState(service.Running, func(service.Transition) { removed++ })
		m.OnState(service.Running, func(service.Transition) { kept++ })
		move(t, m, service.Running)
		synctest.Wait()
		remove()
		remove()
		move(t, m, service.Running)
		synctest.Wait()
		if kept != 2 || removed != 1 {
			t.Errorf("called %d times, and %d times the removed one", kept, removed)
		}
	})
}

func TestACallbackMayRemoveAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newStates()
		var remove func()
		m.OnState(service.Running, func(service.Transition) { remove() })
		remove = m.OnState(service.Running, func(service.Transition) { t.Error("called after it was removed") })
		move(t, m, service.Running)
		synctest.Wait()
	})
}

func TestACallbackSeesOnlyWhatCameAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newStates()
		hold := make(chan struct{})
		late := 0
		m.OnState(service.Running, func(service.Transition) { <-hold })
		move(t, m, service.Running)
		m.OnState(service.Running, func(service.Transition) { late++ })
		move(t, m, service.Running)
		close(hold)
		synctest.Wait()
		if late != 1 {
			t.Errorf("called %d times", late)
		}
	})
}

func TestCallbacksThatFallBehindAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		m := service.NewStateManager(service.Initialized, slog.New(slog.NewTextHandler(&log, nil)))
		hold := make(chan struct{})
		calls := 0
		m.OnState(service.Running, func(service.Transition) { <-hold; calls++ })
		for range 1 + 256 + 44 {
			move(t, m, service.Running)
			synctest.Wait()
		}
		close(hold)
		synctest.Wait()
		if calls != 257 || !strings.Contains(log.String(), "transitions_lost=44") {
			t.Errorf("%d calls, logged: %s", calls, log.String())
		}
	})
}

// TestACallbackMayUseTheService calls what could lock up if callbacks were run by whoever makes the transition.
func TestACallbackMayUseTheService(t *testing.T) {
	t.Parallel()
	svc := newService(t)
	stopped := make(chan error, 1)
	svc.States().OnState(service.Running, func(service.Transition) {
		svc.Stats()
		_, err := svc.Stop(context.Background())
		stopped <- err
	})
	must(t, svc.Start(within(t)))
	must(t, svc.Run(within(t)))
	must(t, receive(t, stopped))
}
