//go:build gc && !purego

//lint:file-ignore SA1019 this is what the keystream is compared with

package mechanism_test

import (
	"crypto/rand"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/salsa20/salsa" //nolint:staticcheck // as above

	"github.com/experimance/experimance-go/internal/mechanism"
)

// TestBlocks compares blocks of lanes that have nothing in common with those of package
// salsa.
func TestBlocks(t *testing.T) {
	t.Parallel()
	for range 50 {
		var key [32]byte
		var in [4][8]uint32
		var want [512]byte
		_, _ = rand.Read(key[:])
		for lane := range 8 {
			var position [16]byte
			_, _ = rand.Read(position[:])
			for word := range in {
				in[word][lane] = binary.LittleEndian.Uint32(position[4*word:])
			}
			block := want[64*lane:][:64]
			salsa.XORKeyStream(block, block, &position, &key)
		}
		for way, got := range mechanism.Blocks8(&key, &in) {
			if got != want {
				t.Fatalf("%s makes other blocks:\n%x\n%x", way, got, want)
			}
		}
	}
}
