package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/wire"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestAppendProperty(t *testing.T) {
	t.Parallel()
	b := wire.AppendProperty(nil, wire.PropertySocketType, []byte("DEALER"))
	b = wire.AppendProperty(b, wire.PropertyIdentity, nil)
	want := "\x0bSocket-Type\x00\x00\x00\x06DEALER" + "\x08Identity\x00\x00\x00\x00"
	if string(b) != want {
		t.Errorf("got %q, want %q", b, want)
	}
}

func TestAppendPropertyPanicsForImpossibleName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", strings.Repeat("n", 256)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic for a name of %d bytes", len(name))
				}
			}()
			wire.AppendProperty(nil, name, nil)
		}()
	}
}

func TestPropertiesGet(t *testing.T) {
	t.Parallel()
	props, err := wire.ParseProperties([]byte(
		"\x0bsocket-TYPE\x00\x00\x00\x03PUB" + "\x03X-a\x00\x00\x00\x00" + "\x03x-A\x00\x00\x00\x01b"))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := props.Get("Socket-Type"); !ok || string(v) != "PUB" {
		t.Errorf("Socket-Type is %q, %t", v, ok)
	}
	if v, ok := props.Get("X-A"); !ok || len(v) != 0 {
		t.Errorf("X-A is %q, %t; want the first of the two", v, ok)
	}
	if v, ok := props.Get("Identity"); ok {
		t.Errorf("Identity is %q, though there is none", v)
	}
}

func TestParsePropertiesRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, bytes string }{
		{"empty name", "\x00\x00\x00\x00\x00"},
		{"cut in the name", "\x0bSocket"},
		{"cut before the size", "\x01a"},
		{"cut in the size", "\x01a\x00\x00\x00"},
		{"cut in the value", "\x01a\x00\x00\x00\x02b"},
		{"size of 2^31", "\x01a\x80\x00\x00\x00b"},
		{"size of 2^32-1", "\x01a\xff\xff\xff\xffb"},
		{"rubbish behind a good one", "\x01a\x00\x00\x00\x01b\x07"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			props, err := wire.ParseProperties([]byte(tt.bytes))
			if err == nil {
				t.Errorf("took %v", props)
			}
		})
	}
}

func TestPropertiesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := wire.Properties(rapid.SliceOf(rapid.Custom(func(t *rapid.T) wire.Property {
			return wire.Property{
				Name:  rapid.StringMatching(`[A-Za-z0-9_.+-]{1,255}`).Draw(t, "name"),
				Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value"),
			}
		})).Draw(t, "properties"))
		got, err := wire.ParseProperties(want.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("properties differ (-want +got):\n%s", diff)
		}
		for _, prop := range want {
			if _, ok := got.Get(strings.ToLower(prop.Name)); !ok {
				t.Fatalf("%q is not found in lower case", prop.Name)
			}
		}
	})
}

func FuzzProperties(f *testing.F) {
	for _, s := range []string{
		"", "\x0bSocket-Type\x00\x00\x00\x03PUB", "\x08Identity\x00\x00\x00\x00", "\x01a\xff\xff\xff\xff", "\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		props, err := wire.ParseProperties(b)
		if err != nil {
			if props != nil {
				t.Fatalf("%v beside the error %v", props, err)
			}
			return
		}
		if again := props.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%q became %q", b, again)
		}
	})
}
