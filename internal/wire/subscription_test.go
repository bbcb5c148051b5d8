package wire_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"pgregory.net/rapid"
)

func ExampleAppendSubscribe() {
	topic := []byte("news")
	fmt.Printf("to a peer of 3.0: %q\n", wire.AppendSubscribe(nil, 0, false, topic))
	fmt.Printf("to a peer of 3.1: %q\n", wire.AppendSubscribe(nil, 1, false, topic))
	// Output:
	// to a peer of 3.0: "\x00\x05\x01news"
	// to a peer of 3.1: "\x04\x0e\tSUBSCRIBEnews"
}

func TestAppendSubscribeCancel(t *testing.T) {
	t.Parallel()
	for minor, want := range map[byte]string{
		0: "\x00\x02\x00t",
		1: "\x04\x08\x06CANCELt",
		2: "\x04\x08\x06CANCELt",
	} {
		if got := wire.AppendSubscribe(nil, minor, true, []byte("t")); string(got) != want {
			t.Errorf("minor %d: %q, want %q", minor, got, want)
		}
	}
}

func TestParseSubscriptionOfOtherFrames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		flags byte
		body  string
	}{
		{"empty message", 0, ""},
		{"message of another kind", 0, "\x02topic"},
		{"first of several frames", wire.FlagMore, "\x01topic"},
		{"other command", wire.FlagCommand, "\x04PING\x00\x00"},
		{"name in lower case", wire.FlagCommand, "\x09subscribetopic"},
		{"name cut off", wire.FlagCommand, "\x09SUBSCRIB"},
		{"empty command", wire.FlagCommand, ""},
		{"message form in a command", wire.FlagCommand, "\x01topic"},
		{"command form in a message", 0, "\x09SUBSCRIBEtopic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if topic, cancel, ok := wire.ParseSubscription(tt.flags, []byte(tt.body)); ok {
				t.Errorf("taken for a subscription to %q (cancel %t)", topic, cancel)
			}
		})
	}
}

func TestSubscriptionRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.ByteMax(3).Draw(t, "minor")
		cancel := rapid.Bool().Draw(t, "cancel")
		topic := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "topic")
		flags, body := frame(t, wire.AppendSubscribe(nil, minor, cancel, topic))
		gotTopic, gotCancel, ok := wire.ParseSubscription(flags, body)
		if !ok || gotCancel != cancel || !bytes.Equal(gotTopic, topic) {
			t.Fatalf("got %q, cancel %t, ok %t", gotTopic, gotCancel, ok)
		}
	})
}

// libzmq434 encodes a subscription as libzmq 4.3.4 was seen to do: the LONG flag
// follows from the topic's size, the size field's width from the whole body's.
func libzmq434(cancel bool, topic []byte) []byte {
	name := "\x09SUBSCRIBE"
	if cancel {
		name = "\x06CANCEL"
	}
	flags := byte(wire.FlagCommand)
	if len(topic) > 255 {
		flags |= wire.FlagLong
	}
	size := len(name) + len(topic)
	b := []byte{flags}
	if size > 255 {
		b = binary.BigEndian.AppendUint64(b, uint64(size))
	} else {
		b = append(b, byte(size))
	}
	return append(append(b, name...), topic...)
}

func TestSubscriptionsOfLibzmqWithoutLongFlag(t *testing.T) {
	t.Parallel()
	for size := range 300 {
		topic := bytes.Repeat([]byte{'t'}, size)
		for _, cancel := range []bool{false, true} {
			flags, body := frame(t, libzmq434(cancel, topic))
			gotTopic, gotCancel, ok := wire.ParseSubscription(flags, body)
			if !ok || gotCancel != cancel || !bytes.Equal(gotTopic, topic) {
				t.Errorf("topic of %d bytes, cancel %t: got %d bytes, cancel %t, ok %t",
					size, cancel, len(gotTopic), gotCancel, ok)
			}
		}
	}
}

func FuzzSubscription(f *testing.F) {
	f.Add(byte(0), []byte("\x01topic"))
	f.Add(byte(0), []byte("\x00"))
	f.Add(byte(wire.FlagCommand), []byte("\x09SUBSCRIBEtopic"))
	f.Add(byte(wire.FlagCommand), []byte("\x06CANCEL"))
	f.Add(byte(wire.FlagCommand), []byte("\xff"))
	f.Fuzz(func(t *testing.T, flags byte, body []byte) {
		topic, cancel, ok := wire.ParseSubscription(flags, body)
		if !ok {
			return
		}
		minor := byte(0)
		if flags&wire.FlagCommand != 0 {
			minor = 1
		}
		if _, again := frame(t, wire.AppendSubscribe(nil, minor, cancel, topic)); !bytes.Equal(again, body) {
			t.Fatalf("%q became %q", body, again)
		}
	})
}
