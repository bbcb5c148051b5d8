package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"pgregory.net/rapid"
)

// frame splits b, which must be one whole frame.
func frame(tb rapid.TB, b []byte) (flags byte, body []byte) {
	tb.Helper()
	flags, size, n, err := wire.ParseHeader(b)
	if err != nil || n == 0 || int64(len(b)-n) != size {
		tb.Fatalf("%q is no whole frame: flags %d, size %d, n %d, %v", b, flags, size, n, err)
	}
	return flags, b[n:]
}

func TestAppendCommand(t *testing.T) {
	t.Parallel()
	got := wire.AppendCommand([]byte("before"), "PING", []byte("\x00\x0a"), nil, []byte("ctx"))
	if want := "before\x04\x0a\x04PING\x00\x0actx"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAppendCommandPanicsForImpossibleName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", strings.Repeat("N", 256)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic for a name of %d bytes", len(name))
				}
			}()
			wire.AppendCommand(nil, name)
		}()
	}
}

func TestParseCommandRefuses(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "\x00", "\x00READY", "\x05READ", "\xff"} {
		_, _, err := wire.ParseCommand([]byte(body))
		wantError(t, err, body)
	}
}

func TestCommandRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Z]{1,255}`).Draw(t, "name")
		parts := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "parts")
		flags, body := frame(t, wire.AppendCommand(nil, name, parts...))
		if flags&^wire.FlagLong != wire.FlagCommand {
			t.Fatalf("flags %d", flags)
		}
		gotName, data, err := wire.ParseCommand(body)
		if err != nil || string(gotName) != name || !bytes.Equal(data, bytes.Join(parts, nil)) {
			t.Fatalf("got %q %q, %v", gotName, data, err)
		}
	})
}

func TestError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, reason, want string
	}{
		{"status", "400", "400"},
		{"empty", "", ""},
		{"outside the grammar", "no\tsuch\nty\xffpe: \"x\"", "no_such_ty_pe:_\"x\""},
		{"too long", strings.Repeat("r", 300), strings.Repeat("r", 255)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, body := frame(t, wire.AppendError(nil, tt.reason))
			name, data, err := wire.ParseCommand(body)
			if err != nil || string(name) != "ERROR" {
				t.Fatalf("command %q, %v", name, err)
			}
			if got, err := wire.ParseError(data); err != nil || got != tt.want {
				t.Errorf("reason %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestParseErrorRefuses(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "\x04400", "\xff"} {
		_, err := wire.ParseError([]byte(data))
		wantError(t, err, data)
	}
}

func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		"\x05READY", "\x04PING\x00\x0actx", "\x05ERROR\x03400", "\x04PONG", "\x00", "\xffX", "\x09SUBSCRIBEtopic",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		name, data, err := wire.ParseCommand(body)
		if err != nil {
			return
		}
		if _, again := frame(t, wire.AppendCommand(nil, string(name), data)); !bytes.Equal(again, body) {
			t.Fatalf("%q became %q", body, again)
		}
		if ttl, context, err := wire.ParsePing(data); err == nil {
			_, again := frame(t, wire.AppendPing(nil, ttl, context))
			if _, d, _ := wire.ParseCommand(again); !bytes.Equal(d, data) {
				t.Fatalf("PING %q became %q", data, d)
			}
		}
		if reason, err := wire.ParseError(data); err == nil && len(reason) > wire.MaxReason {
			t.Fatalf("reason of %d bytes", len(reason))
		}
	})
}
