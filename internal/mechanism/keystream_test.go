//lint:file-ignore SA1019 this is what the keystream is compared with

package mechanism_test

import (
	"bytes"
	"crypto/rand"
	"math"
	"testing"

	"golang.org/x/crypto/salsa20/salsa" //nolint:staticcheck // as above

	"github.com/experimance/experimance-go/internal/mechanism"
)

// TestKeystream compares what this processor's instructions make with what package
// salsa makes.
func TestKeystream(t *testing.T) {
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
		for _, size := range []int{0, 1, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1024, 5000} {
			src := make([]byte, size)
			_, _ = rand.Read(src)
			want := append(make([]byte, 128), src...)
			salsa.XORKeyStream(want, want, (*[16]byte)(append(count(n), make([]byte, 8)...)), &key)
			got, portable := make([]byte, size), make([]byte, size)
			mechanism.XORTail(got, src, &key, n)
			mechanism.XORTailPortable(portable, src, &key, n)
			if !bytes.Equal(got, want[128:]) || !bytes.Equal(portable, want[128:]) {
				t.Errorf("tail of %d bytes of nonce %d differs", size, n)
			}
			mechanism.XORTail(src, src, &key, n)
			if !bytes.Equal(src, want[128:]) {
				t.Errorf("tail of %d bytes of nonce %d differs in place", size, n)
			}
		}
	}
}
