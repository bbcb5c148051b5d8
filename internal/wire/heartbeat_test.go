package wire_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/experimance/experimance-go/internal/wire"
	"pgregory.net/rapid"
)

func ExampleParsePing() {
	frame := wire.AppendPing(nil, 30*time.Second, []byte("7"))

	_, data, _ := wire.ParseCommand(frame[2:])
	ttl, context, err := wire.ParsePing(data)
	fmt.Printf("%v %s %v\n", ttl, context, err)
	fmt.Printf("%q\n", wire.AppendPong(nil, context))
	// Output:
	// 30s 7 <nil>
	// "\x04\x06\x04PONG7"
}

// ping sends a time to live and a context through a PING.
func ping(tb rapid.TB, ttl time.Duration, context []byte) (time.Duration, []byte) {
	tb.Helper()
	_, body := frame(tb, wire.AppendPing(nil, ttl, context))
	name, data, err := wire.ParseCommand(body)
	if err != nil || string(name) != wire.CommandPing {
		tb.Fatalf("command %q, %v", name, err)
	}
	gotTTL, gotContext, err := wire.ParsePing(data)
	if err != nil {
		tb.Fatal(err)
	}
	return gotTTL, gotContext
}

func TestPingTTL(t *testing.T) {
	t.Parallel()
	for give, want := range map[time.Duration]time.Duration{
		-time.Second:               0,
		0:                          0,
		time.Nanosecond:            100 * time.Millisecond,
		100 * time.Millisecond:     100 * time.Millisecond,
		101 * time.Millisecond:     200 * time.Millisecond,
		6553500 * time.Millisecond: 6553500 * time.Millisecond,
		24 * time.Hour:             6553500 * time.Millisecond,
		1<<63 - 1:                  6553500 * time.Millisecond,
	} {
		if got, _ := ping(t, give, nil); got != want {
			t.Errorf("%v became %v, want %v", give, got, want)
		}
	}
}

func TestHeartbeatRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ttl := time.Duration(rapid.Uint16().Draw(t, "tenths")) * 100 * time.Millisecond
		context := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "context")
		sent := context[:min(len(context), wire.MaxPingContext)]

		gotTTL, gotContext := ping(t, ttl, context)
		if gotTTL != ttl || !bytes.Equal(gotContext, sent) {
			t.Fatalf("PING: got %v %q", gotTTL, gotContext)
		}
		_, body := frame(t, wire.AppendPong(nil, context))
		name, data, err := wire.ParseCommand(body)
		if err != nil || string(name) != wire.CommandPong || !bytes.Equal(data, sent) {
			t.Fatalf("PONG: got %q %q, %v", name, data, err)
		}
	})
}

func TestParsePingRefuses(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 2 + wire.MaxPingContext + 1} {
		_, _, err := wire.ParsePing(make([]byte, size))
		wantError(t, err, fmt.Sprintf("%d bytes of data", size))
	}
}
