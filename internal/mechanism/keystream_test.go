//lint:file-ignore SA1019 this is what the keystream is compared with

package mechanism_test

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"math"
	"testing"

	"golang.org/x/crypto/salsa20/salsa" //nolint:staticcheck // as above

	"github.com/experimance/experimance-go/internal/mechanism"
)

// TestHeads compares what this processor's instructions make with what package salsa
// makes.
func TestHeads(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{0, 1, 3, 0x0102030405060708, 1 << 32, math.MaxUint64} {
		var key [32]byte
		_, _ = rand.Read(key[:])
		var got, portable, want [512]byte
		_, _ = rand.Read(got[:])
		_, _ = rand.Read(portable[:])
		mechanism.FillHeads(&got, &key, n)
		mechanism.FillHeadsPortable(&portable, &key, n)
		for i := range uint64(4) {
			head := want[128*i:][:128]
			salsa.XORKeyStream(head, head, (*[16]byte)(append(count(n+i), make([]byte, 8)...)), &key)
		}
		if got != want || portable != want {
			t.Errorf("heads from nonce %d on differ", n)
		}
	}
}

// skipUnknown says aloud that a way was not tested here.
func skipUnknown(t *testing.T, known bool) {
	t.Helper()
	if !known {
		t.Skip("NOT RUN: this processor lacks the instructions")
	}
}

// TestXORFrom compares each way with blocks that package salsa makes one by one, for
// sizes around each number of them, and across the words of a block's number.
func TestXORFrom(t *testing.T) {
	t.Parallel()
	const most = 40
	var key [32]byte
	_, _ = rand.Read(key[:])
	src := noise(64 * most)
	const n = 0x0102030405060708
	blocks := []uint64{0, 2, 1<<32 - 1, 1<<32 - 7, 1<<32 - 16, 1<<32 - most, 1 << 32, 1<<63 - 9}
	want := make(map[uint64][]byte)
	for _, block := range blocks {
		b := make([]byte, len(src))
		for i := range uint64(most) {
			position := (*[16]byte)(binary.LittleEndian.AppendUint64(count(n), block+i))
			salsa.XORKeyStream(b[64*i:][:64], b[64*i:][:64], position, &key)
		}
		subtle.XORBytes(b, b, src)
		want[block] = b
	}
	for way, xorFrom := range mechanism.XORFroms {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			skipUnknown(t, xorFrom != nil)
			for _, block := range blocks {
				want := want[block]
				for size := range len(src) + 1 {
					if (size+1)%64 > 2 {
						continue
					}
					got, inPlace := make([]byte, len(src)), bytes.Clone(src)
					xorFrom(got[:size], src[:size], &key, n, block)
					xorFrom(inPlace[:size], inPlace[:size], &key, n, block)
					if !bytes.Equal(got[:size], want[:size]) || !bytes.Equal(inPlace[:size], want[:size]) {
						t.Errorf("%d bytes from block %#x on differ", size, block)
					}
					if !bytes.Equal(got[size:], make([]byte, len(src)-size)) || !bytes.Equal(inPlace[size:], src[size:]) {
						t.Errorf("%d bytes from block %#x on: more was written", size, block)
					}
				}
			}
		})
	}
}
