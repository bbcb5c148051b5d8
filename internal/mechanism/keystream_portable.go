//go:build !amd64 || !gc || purego

package mechanism

// fillHeads makes the first two blocks for four short nonces.
func fillHeads(dst *[heads * headSize]byte, key *[32]byte, count uint64) {
	fillHeadsPortable(dst, key, count)
}

// xorTail encrypts or decrypts src from the third block of a nonce on.
func xorTail(dst, src []byte, key *[32]byte, count uint64) {
	xorTailPortable(dst, src, key, count)
}
