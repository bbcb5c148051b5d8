package zmq_test

import (
	"bytes"
	"testing"

	"github.com/experimance/experimance-go/zmq"
)

// Z85 is that of RFC 32: its example, the bounds of its digits, a key, and nothing that is not whole.
func TestCase_base85(t *testing.T) {
	t.Parallel()
	for text, plain := range map[string][]byte{
		"":           {},
		"HelloWorld": {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b},
		"00000":      {0, 0, 0, 0},
		"%nSc0":      {0xff, 0xff, 0xff, 0xff},
		"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID": {
			0xbb, 0x88, 0x47, 0x1d, 0x65, 0xe2, 0x65, 0x9b, 0x30, 0xc5, 0x5a, 0x53, 0x21, 0xce, 0xbb, 0x5a,
			0xab, 0x2b, 0x70, 0xa3, 0x98, 0x64, 0x5c, 0x26, 0xdc, 0xa2, 0xb2, 0xfc, 0xb4, 0x3f, 0xc5, 0x18,
		},
	} {
		if got := must(zmq.EncodeZ85(plain))(t); got != text {
			t.Errorf("% x is encoded as %q, want %q", plain, got, text)
		}
		if got := must(zmq.DecodeZ85(text))(t); !bytes.Equal(got, plain) {
			t.Errorf("%q is decoded as % x, want % x", text, got, plain)
		}
	}
	for _, plain := range [][]byte{{1}, {1, 2, 3}, {1, 2, 3, 4, 5}} {
		if text, err := zmq.EncodeZ85(plain); err == nil {
			t.Errorf("% x is encoded as %q", plain, text)
		}
	}
	for _, text := range []string{
		"0", "0000", "000000", // no multiple of five
		"%nSc1", "#####", // more than 32 bits
		"0000\x00", "0000 ", "0000\"", "0000,", "0000;", "0000_", "0000|", "0000~", "0000\xff", "\u00e400000", // no such digits
	} {
		if plain, err := zmq.DecodeZ85(text); err == nil {
			t.Errorf("%q is decoded as % x", text, plain)
		}
	}
}
