//go:build gc && !purego

package mechanism

import (
	"crypto/subtle"
	"math/bits"

	"golang.org/x/sys/cpu"
)

// lanes is how many blocks are made at once. Package salsa makes four in about the
// time, and only four that follow one another; a small frame needs two. For large frames
// there are wideLanes, which do follow one another.
const (
	lanes     = 8
	wideLanes = 16
)

// What the processor can do.
var (
	useLanes  = cpu.X86.HasAVX2
	useRotate = cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL
	useWide   = useLanes && cpu.X86.HasAVX512F
)

// blocks8 writes a block of keystream for each lane. lanes holds the words 6 to 9 of
// Salsa20's input, which are the short nonce and the number of the block. It needs AVX2,
// and to rotate, which takes two thirds of the time, the F and VL parts of AVX-512.
//
//go:noescape
func blocks8(out *[lanes * blockSize]byte, key *[32]byte, lanes *[4][lanes]uint32, rotate bool)

// xorBlocks16 encrypts or decrypts src with a block for each wide lane, from a position
// on. It takes three fifths of the time of blocks8 and an XOR, and needs the F part of
// AVX-512. Dst may be src. A frame takes many calls, since none can be preempted.
//
//go:noescape
func xorBlocks16(dst, src *[wideLanes * blockSize]byte, key *[32]byte, position *[16]byte)

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

// xorFrom encrypts or decrypts src from this block of a nonce on.
func xorFrom(dst, src []byte, key *[32]byte, count, block uint64) {
	switch {
	case useWide:
		xorFrom16(dst, src, key, count, block)
	case useLanes:
		xorFrom8(dst, src, key, count, block)
	default:
		xorFromPortable(dst, src, key, count, block)
	}
}

// xorFrom16 is xorFrom by sixteen blocks, as far as eight do not suffice.
func xorFrom16(dst, src []byte, key *[32]byte, count, block uint64) {
	const size = wideLanes * blockSize
	var p position
	for ; len(src) >= size; block += wideLanes {
		xorBlocks16((*[size]byte)(dst), (*[size]byte)(src), key, p.set(count, block))
		dst, src = dst[size:], src[size:]
	}
	if len(src) <= lanes*blockSize {
		xorFrom8(dst, src, key, count, block)
		return
	}
	var rest [size]byte
	copy(rest[:], src)
	xorBlocks16(&rest, &rest, key, p.set(count, block))
	copy(dst, rest[:len(src)])
}

// xorFrom8 is xorFrom by eight blocks.
func xorFrom8(dst, src []byte, key *[32]byte, count, block uint64) {
	if len(src) <= blockSize {
		xorFromPortable(dst, src, key, count, block)
		return
	}
	var in [4][lanes]uint32
	var stream [lanes * blockSize]byte
	for ; len(src) > 0; block += lanes {
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
