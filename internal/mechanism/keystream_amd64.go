//go:build gc && !purego

package mechanism

import (
	"crypto/subtle"
	"math/bits"

	"golang.org/x/sys/cpu"
)

// lanes is how many blocks are made at once. Package salsa makes four in about the
// time, and only four that follow one another; a small frame needs two.
const lanes = 8

// What the processor can do.
var (
	useLanes  = cpu.X86.HasAVX2
	useRotate = cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL
)

// blocks8 writes a block of keystream for each lane. lanes holds the words 6 to 9 of
// Salsa20's input, which are the short nonce and the number of the block. It needs AVX2,
// and to rotate, which takes two thirds of the time, the F and VL parts of AVX-512.
//
//go:noescape
func blocks8(out *[lanes * blockSize]byte, key *[32]byte, lanes *[4][lanes]uint32, rotate bool)

// fillHeads makes the first two blocks for four short nonces.
func fillHeads(dst *[heads * headSize]byte, key *[32]byte, count uint64) {
	if !useLanes {
		fillHeadsPortable(dst, key, count)
		return
	}
	var in [4][lanes]uint32
	for i := range lanes {
		setLane(&in, i, count+uint64(i/2), uint64(i%2))
	}
	blocks8(dst, key, &in, useRotate)
}

// xorTail encrypts or decrypts src from the third block of a nonce on.
func xorTail(dst, src []byte, key *[32]byte, count uint64) {
	if !useLanes || len(src) <= blockSize {
		xorTailPortable(dst, src, key, count)
		return
	}
	var in [4][lanes]uint32
	var stream [lanes * blockSize]byte
	for block := uint64(headSize / blockSize); len(src) > 0; block += lanes {
		for i := range lanes {
			setLane(&in, i, count, block+uint64(i))
		}
		blocks8(&stream, key, &in, useRotate)
		n := subtle.XORBytes(dst, src, stream[:])
		dst, src = dst[n:], src[n:]
	}
}

// setLane writes the little-endian words of a short nonce, which travels big-endian,
// and of a block's number.
func setLane(in *[4][lanes]uint32, i int, count, block uint64) {
	in[0][i] = bits.ReverseBytes32(uint32(count >> 32))
	in[1][i] = bits.ReverseBytes32(uint32(count))
	in[2][i] = uint32(block)
	in[3][i] = uint32(block >> 32)
}
