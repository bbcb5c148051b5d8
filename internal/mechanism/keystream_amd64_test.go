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
	for way, blocks8 := range mechanism.Blocks8 {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			skipUnknown(t, blocks8 != nil)
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
				if got := blocks8(&key, &in); got != want {
					t.Fatalf("other blocks:\n%x\n%x", got, want)
				}
			}
		})
	}
}
