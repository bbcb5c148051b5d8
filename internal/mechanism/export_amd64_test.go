//go:build gc && !purego

package mechanism

func init() {
	XORFroms["by 8, AVX2"], XORFroms["by 16, AVX-512"] = nil, nil
	if useLanes {
		XORFroms["by 8, AVX2"] = xorFrom8
	}
	if useWide {
		XORFroms["by 16, AVX-512"] = xorFrom16
	}
}

// Blocks8 are the ways to make eight blocks, nil for those that this processor does not know.
var Blocks8 = map[string]func(key *[32]byte, in *[4][lanes]uint32) [lanes * blockSize]byte{
	"shifting, AVX2":    eightBlocks(false, useLanes),
	"rotating, AVX-512": eightBlocks(true, useLanes && useRotate),
}

func eightBlocks(rotate, known bool) func(key *[32]byte, in *[4][lanes]uint32) [lanes * blockSize]byte {
	if !known {
		return nil
	}
	return func(key *[32]byte, in *[4][lanes]uint32) (out [lanes * blockSize]byte) {
		blocks8(&out, key, in, rotate)
		return out
	}
}
