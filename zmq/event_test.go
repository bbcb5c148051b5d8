package zmq_test

import (
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// expectEvent receives the next event, which must be of this kind.
func expectEvent(t testing.TB, events <-chan zmq.Event, kind zmq.EventKind) zmq.Event {
	t.Helper()
	e := await(t, string(kind), events)
	if e.Kind != kind {
		t.Fatalf("event %+v, want %q", e, kind)
	}
	return e
}

// untilEvent receives events until one of this kind comes.
func untilEvent(t testing.TB, events <-chan zmq.Event, kind zmq.EventKind) zmq.Event {
	t.Helper()
	for {
		if e := await(t, string(kind), events); e.Kind == kind {
			return e
		}
	}
}
