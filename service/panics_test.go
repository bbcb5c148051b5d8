package service_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/service"
)

var errPanic = errors.New("out of film")

// panics panics. Its name is to be found in the stack.
func panics() error { panic(errPanic) }

// wantPanic checks that err is the panic of panics in the task or hook of the given name.
func wantPanic(t *testing.T, err error, name string) {
	t.Helper()
	p, ok := errors.AsType[*service.PanicError](err)
	if !ok {
		t.Fatalf("error is %v, want a panic", err)
	}
	if p.Name != name || !errors.Is(err, errPanic) || !strings.Contains(p.Stack, "service_test.panics") {
		t.Errorf("panic %v in %q with stack:\n%s", p.Value, p.Name, p.Stack)
	}
}
