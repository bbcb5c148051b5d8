package wire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"pgregory.net/rapid"
)

// libzmqGreeting is what libzmq 4.3.4 sends, in the three pieces that it sends.
var libzmqGreeting = "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f" + "\x03" +
	"\x01NULL" + strings.Repeat("\x00", 16+1+31)

func TestAppendGreeting(t *testing.T) {
	t.Parallel()
	got := wire.AppendGreeting([]byte("before"), wire.Greeting{Major: 3, Minor: 1, Mechanism: "CURVE", AsServer: true})
	want := "before" + "\xff" + strings.Repeat("\x00", 8) + "\x7f" + "\x03\x01" +
		"CURVE" + strings.Repeat("\x00", 15) + "\x01" + strings.Repeat("\x00", 31)
	if string(got) != want {
		t.Errorf("greeting\n got %q\nwant %q", got, want)
	}
}

func TestAppendGreetingPanicsForLongMechanism(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic for a mechanism of 21 bytes")
		}
	}()
	wire.AppendGreeting(nil, wire.Greeting{Mechanism: strings.Repeat("M", 21)})
}

func TestParseGreetingOfLibzmq(t *testing.T) {
	t.Parallel()
	got, err := wire.ParseGreeting([]byte(libzmqGreeting + "traffic"))
	want := wire.Greeting{Major: 3, Minor: 1, Mechanism: "NULL"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// TestParseGreetingKeepsInnerZeros guards the exact comparison of mechanisms: what
// stands behind a zero is not to be overlooked.
func TestParseGreetingKeepsInnerZeros(t *testing.T) {
	t.Parallel()
	b := []byte(libzmqGreeting)
	b[20] = 'x'
	got, err := wire.ParseGreeting(b)
	if err != nil || got.Mechanism != "NULL\x00\x00\x00\x00x" {
		t.Errorf("mechanism %q, %v", got.Mechanism, err)
	}
}

func TestCheckGreetingRefusesEarly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		bytes   string
		at      int // number of bytes with which the refusal comes
		version bool
	}{
		{"ZMTP 1.0, anonymous", "\x01\x00", 1, false},
		{"ZMTP 1.0, identity of 300 bytes", "\xff\x00\x00\x00\x00\x00\x00\x01\x2d\x00", 10, false},
		{"ZMTP 1.0 with a revision", "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x00\x05", 11, true},
		{"ZMTP 2.1", "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x02\x05", 11, true},
		{"HTTP", "GET / HTTP/1.1\r\n", 1, false},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01", 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for n := range len(tt.bytes) + 1 {
				err := wire.CheckGreeting([]byte(tt.bytes[:n]))
				if refused := err != nil; refused != (n >= tt.at) {
					t.Errorf("with %d bytes: %v, want a refusal from %d on", n, err, tt.at)
				}
				if errors.Is(err, wire.ErrVersion) != (tt.version && n >= tt.at) {
					t.Errorf("with %d bytes: %v, wrong about the version", n, err)
				}
			}
			_, err := wire.ParseGreeting([]byte(tt.bytes + strings.Repeat("\x00", 64)))
			wantError(t, err, "ParseGreeting")
		})
	}
}

// TestForeignProtocols names what is recognized by its first bytes.
func TestForeignProtocols(t *testing.T) {
	t.Parallel()
	for first, names := range map[string]string{
		"GET / HTTP/1.1\r\nHost: localhost\r\n": "HTTP",
		"P":                                     "HTTP",
		"HTTP/1.1 400 Bad Request\r\n":          "HTTP",
		"\x16\x03\x01\x02\x00\x01":              "TLS",
		"\x15\x03\x03\x00\x02\x02":              "TLS",
		"SSH-2.0-OpenSSH_9.2\r\n":               "SSH",
		"\x01\x00":                              "ZMTP 1.0",
		"\x06\x00hello":                         "ZMTP 1.0",
		"* OK IMAP4":                            "another protocol, and not",
		"\x00":                                  "another protocol, and not",
	} {
		err := wire.CheckGreeting([]byte(first))
		if err == nil || !strings.Contains(err.Error(), "peer speaks "+names) {
			t.Errorf("%q: %v; want it to name %s", first, err, names)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("%q: an error of %d bytes", first, len(err.Error()))
		}
	}
}

func TestGreetingRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := wire.Greeting{
			Major:     rapid.ByteRange(3, 255).Draw(t, "major"),
			Minor:     rapid.Byte().Draw(t, "minor"),
			Mechanism: rapid.StringMatching(`[A-Z0-9_.+-]{0,20}`).Draw(t, "mechanism"),
			AsServer:  rapid.Bool().Draw(t, "as-server"),
		}
		b := wire.AppendGreeting(nil, want)
		// Padding and filler have no meaning.
		copy(b[1:9], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "padding"))
		copy(b[33:], rapid.SliceOfN(rapid.Byte(), 31, 31).Draw(t, "filler"))
		for n := range b {
			if err := wire.CheckGreeting(b[:n]); err != nil {
				t.Fatalf("CheckGreeting with %d bytes: %v", n, err)
			}
			if _, err := wire.ParseGreeting(b[:n]); err == nil {
				t.Fatalf("ParseGreeting took %d bytes", n)
			}
		}
		got, err := wire.ParseGreeting(b)
		if err != nil || got != want {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

func FuzzGreeting(f *testing.F) {
	f.Add([]byte(libzmqGreeting))
	f.Add([]byte(libzmqGreeting[:11]))
	f.Add([]byte(libzmqGreeting[:10] + "\x01\x05\x00\x00"))
	f.Add([]byte("\x01\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := wire.ParseGreeting(b)
		if wire.IsV2(b) && err == nil {
			t.Fatal("ParseGreeting takes ZMTP 2.0")
		}
		if err != nil {
			return
		}
		if wire.CheckGreeting(b) != nil {
			t.Fatal("CheckGreeting refuses what ParseGreeting takes")
		}
		again, err := wire.ParseGreeting(wire.AppendGreeting(nil, g))
		if err != nil || again != g {
			t.Fatalf("%+v became %+v, %v", g, again, err)
		}
		if !bytes.Equal(b[12:32], wire.AppendGreeting(nil, g)[12:32]) {
			t.Fatalf("mechanism field %q became %q", b[12:32], g.Mechanism)
		}
	})
}
