package wire_test

import (
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
)

// TestGreetingV2 holds the greeting of ZMTP 2.0 against RFC 15, byte for byte.
func TestGreetingV2(t *testing.T) {
	t.Parallel()
	signature := "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f"
	for number, kind := range []string{"PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB"} {
		got, ok := wire.TypeNumberV2(kind)
		if !ok || int(got) != number {
			t.Errorf("%s has the number %d, %t; want %d", kind, got, ok, number)
		}
		greeting := string(wire.AppendGreetingV2([]byte(signature+"\x01"), got, []byte("me")))
		if want := signature + "\x01" + string([]byte{byte(number)}) + "\x00\x02me"; greeting != want {
			t.Errorf("%s: %q, want %q", kind, greeting, want)
		}
		if err := wire.CheckGreeting([]byte(greeting)); err != nil || !wire.IsV2([]byte(greeting)) {
			t.Errorf("%s is not taken for ZMTP 2.0: %v", kind, err)
		}
		if back, err := wire.SocketTypeV2([]byte(greeting)); err != nil || back != kind {
			t.Errorf("%s came back as %q, %v", kind, back, err)
		}
	}
	if _, ok := wire.TypeNumberV2("RADIO"); ok {
		t.Error("RADIO has a number")
	}
	_, err := wire.SocketTypeV2([]byte(signature + "\x01\x0b"))
	wantError(t, err, "socket type 11")
	if wire.IsPadded(wire.AppendGreeting(nil, wire.Greeting{})) || !wire.IsPadded([]byte(signature)) {
		t.Error("IsPadded does not tell libzmq from others")
	}
	if wire.IsV2([]byte(signature)) || wire.IsV2([]byte(signature+"\x03")) {
		t.Error("IsV2 is true for another version")
	}
	_, err = wire.ParseGreeting([]byte(signature + "\x01" + strings.Repeat("\x00", 60)))
	wantError(t, err, "ParseGreeting of ZMTP 2.0")
}
