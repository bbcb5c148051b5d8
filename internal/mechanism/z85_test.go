package mechanism_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/experimance/experimance-go/internal/mechanism"
)

// rfc32 is the test case of RFC 32.
var rfc32 = []byte{0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b}

func ExampleEncodeZ85() {
	text, _ := mechanism.EncodeZ85([]byte{0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b})
	fmt.Println(text)
	// Output: HelloWorld
}

func TestZ85(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		b    []byte
		text string
	}{
		{nil, ""},
		{rfc32, "HelloWorld"},
		{[]byte{0, 0, 0, 0}, "00000"},
		{[]byte{0, 0, 0, 84}, "0000#"},
		{[]byte{0xff, 0xff, 0xff, 0xff}, "%nSc0"},
	} {
		text, err := mechanism.EncodeZ85(tt.b)
		if err != nil || text != tt.text {
			t.Errorf("encoded %x: %q, %v; want %q", tt.b, text, err, tt.text)
		}
		b, err := mechanism.DecodeZ85(tt.text)
		if err != nil || !bytes.Equal(b, tt.b) {
			t.Errorf("decoded %q: %x, %v; want %x", tt.text, b, err, tt.b)
		}
	}
}

func TestZ85Refuses(t *testing.T) {
	t.Parallel()
	for n := 1; n < 4; n++ {
		if text, err := mechanism.EncodeZ85(make([]byte, n)); err == nil {
			t.Errorf("encoded %d bytes: %q", n, text)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{"Hell", "4 characters"},
		{"HelloWorld!", "11 characters"},
		{"Hel o", "character 4 "},
		{"HelloWor\"d", "character 9 "},
		{"Hello\x00orld", "character 6 "},
		{"Hellowörl", "character 7 "},
		{"%nSc1", "character 1 "},
		{"Hello#####", "character 6 "},
	} {
		b, err := mechanism.DecodeZ85(tt.text)
		if err == nil || !strings.Contains(err.Error()+" ", tt.want) || strings.Contains(err.Error(), tt.text) {
			t.Errorf("decoded %q: %x, %v; want an error with %q", tt.text, b, err, tt.want)
		}
	}
}

func FuzzZ85(f *testing.F) {
	f.Add([]byte("HelloWorld"))
	f.Add([]byte(serverPublic))
	f.Add([]byte("#####"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if b, err := mechanism.DecodeZ85(string(in)); err == nil {
			if text, err := mechanism.EncodeZ85(b); err != nil || text != string(in) {
				t.Fatalf("%q is %x, which is %q, %v", in, b, text, err)
			}
		}
		if text, err := mechanism.EncodeZ85(in); err == nil {
			if b, err := mechanism.DecodeZ85(text); err != nil || !bytes.Equal(b, in) {
				t.Fatalf("%x is %q, which is %x, %v", in, text, b, err)
			}
		}
	})
}
