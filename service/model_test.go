package service_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/experimance/experimance-go/service"
)

// model is what a service is expected to be, in a few lines: rapid calls its methods in random order on it and on a
// real service, and Check compares the two.
type model struct {
	svc    *service.Service
	state  service.State
	status service.Status
	errors int

	breaks bool // whether the next start fails
	open   int  // hooks that are open in the real service
	run    chan error
}

var errModel = errors.New("made to fail")

func newModel(t *rapid.T) *model {
	svc, err := service.New(service.Config{Name: "model", Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	m := &model{svc: svc, state: service.Initialized, status: service.StatusHealthy}
	for _, name := range []string{"first", "second"} {
		err = errors.Join(err, svc.AddHook(service.Hook{
			Name:  name,
			Start: func(context.Context) error { m.open++; return nil },
			Stop:  func(context.Context) error { m.open--; return nil },
		}))
	}
	err = errors.Join(err,
		svc.AddHook(service.Hook{Name: "third", Start: func(context.Context) error {
			if m.breaks {
				return errModel
			}
			return nil
		}}),
		svc.Go("task", blocked))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// refused checks the error of a method, and reports whether the model is in a state where it is not valid.
func (m *model) refused(t *rapid.T, err error, valid ...service.State) bool {
	if slices.Contains(valid, m.state) {
		return false
	}
	if e, ok := errors.AsType[*service.StateError](err); !ok || e.State != m.state {
		t.Fatalf("in state %s: error is %v", m.state, err)
	}
	return true
}

func (m *model) Start(t *rapid.T) {
	m.breaks = rapid.Bool().Draw(t, "breaks")
	err := m.svc.Start(context.Background())
	switch {
	case m.refused(t, err, service.Initialized, service.Stopped):
	case m.breaks:
		if !errors.Is(err, errModel) {
			t.Fatalf("error is %v", err)
		}
		m.state, m.status, m.errors = service.Stopped, service.StatusFatal, 1
	case err != nil:
		t.Fatal(err)
	default:
		m.state, m.status, m.errors = service.Started, service.StatusHealthy, 0
	}
}

func (m *model) Run(t *rapid.T) {
	if m.state != service.Started {
		m.refused(t, m.svc.Run(context.Background()), service.Started)
		return
	}
	run := make(chan error, 1)
	go func() { run <- m.svc.Run(context.Background()) }()
	if _, err := m.svc.States().WaitForState(context.Background(), service.Running); err != nil {
		t.Fatal(err)
	}
	m.state, m.run = service.Running, run
}

func (m *model) Stop(t *rapid.T) {
	receipt, err := m.svc.Stop(context.Background())
	if err != nil || receipt.TasksAbandoned != nil {
		t.Fatalf("%v, %v", receipt, err)
	}
	m.ended(t, nil)
}

func (m *model) RecordFatal(t *rapid.T) {
	m.svc.RecordFatal(errModel)
	m.status = service.StatusFatal
	m.errors++
	if m.state == service.Initialized || m.state == service.Stopped {
		return
	}
	if _, err := m.svc.States().WaitForState(context.Background(), service.Stopped); err != nil {
		t.Fatal(err)
	}
	m.ended(t, errModel)
}

// ended checks what Run returns after a stop, if it was at work.
func (m *model) ended(t *rapid.T, want error) {
	m.state = service.Stopped
	if m.run == nil {
		return
	}
	if err := <-m.run; !errors.Is(err, want) {
		t.Fatalf("Run returned %v, want %v", err, want)
	}
	m.run = nil
}

func (m *model) Go(t *rapid.T) {
	if err := m.svc.Go("nothing", func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func (m *model) AddHook(t *rapid.T) {
	err := m.svc.AddHook(service.Hook{Name: "nothing", Stop: func(context.Context) error { return nil }})
	if !m.refused(t, err, service.Initialized, service.Stopped) && err != nil {
		t.Fatal(err)
	}
}

func (m *model) ResetErrors(*rapid.T) {
	m.svc.ResetErrors()
	m.status, m.errors = service.StatusHealthy, 0
}

// Check compares the service with the model.
func (m *model) Check(t *rapid.T) {
	st := m.svc.Stats()
	if st.State != m.state || st.Status != m.status || st.Errors != uint64(m.errors) {
		t.Fatalf("%s, %s, %d errors; want %s, %s, %d", st.State, st.Status, st.Errors, m.state, m.status, m.errors)
	}
	alive := m.state == service.Started || m.state == service.Running
	if m.svc.Running() != alive {
		t.Fatalf("Running is %v in state %s", !alive, m.state)
	}
	if want := map[bool]int{true: 2}[alive]; m.open != want {
		t.Fatalf("%d hooks are open in state %s", m.open, m.state)
	}
	checkHistory(t, m.svc.States().History())
}

func TestServiceBehavesAsTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(rapid.StateMachineActions(m))
		m.Stop(t)
	})
}
