package servicetest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
)

var fleets atomic.Uint64

// Fleet is several services in one process, with addresses that no other fleet has. Its methods are for the goroutine of
// the test.
type Fleet struct {
	t        testing.TB
	number   uint64
	services []Service
}

// NewFleet returns a fleet without services.
func NewFleet(t testing.TB) *Fleet { return &Fleet{t: t, number: fleets.Add(1)} }

// Address returns the fleet's inproc address of the given name: the same for the same name, and different from those of
// all other fleets in the process, so that tests can run in parallel.
func (f *Fleet) Address(name string) string {
	return fmt.Sprintf("inproc://fleet-%d/%s", f.number, name)
}

// Start starts services, in order, as the function [Start] does. When the test ends they are stopped in reverse.
func (f *Fleet) Start(services ...Service) {
	f.t.Helper()
	for _, svc := range services {
		Start(f.t, svc)
		f.services = append(f.services, svc)
	}
}

// Stop stops the services in the reverse order of their start. Each stop must be clean.
func (f *Fleet) Stop() {
	f.t.Helper()
	for _, svc := range slices.Backward(f.services) {
		Stop(f.t, svc)
	}
	f.services = nil
}
