//go:build !amd64 || !gc || purego

package mechanism

// fillHeads makes the first two blocks for four short nonces.
func fillHeads(dst *[heads * headSize]byte, key *[32]byte, count uint64) {
	fillHeadsPortable(dst, key, count)
}

// xorFrom encrypts or decrypts src from this block of a nonce on.
func xorFrom(dst, src []byte, key *[32]byte, count, block uint64) {
	xorFromPortable(dst, src, key, count, block)
}
