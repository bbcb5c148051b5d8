//go:build gc && !purego

#include "textflag.h"

// The words 0, 5, 10 and 15 of Salsa20's input: "expand 32-byte k".
DATA sigma<>+0(SB)/4, $0x61707865
DATA sigma<>+4(SB)/4, $0x3320646e
DATA sigma<>+8(SB)/4, $0x79622d32
DATA sigma<>+12(SB)/4, $0x6b206574
GLOBL sigma<>(SB), RODATA|NOPTR, $16

// SHIFTED does x ^= (a + b) <<< n, with m = 32 - n, and ROTATED does it with AVX-512.
#define SHIFTED(x, a, b, n, m) \
	VPADDD a, b, Y14       \
	VPSLLD n, Y14, Y15     \
	VPSRLD m, Y14, Y14     \
	VPXOR  Y15, x, x       \
	VPXOR  Y14, x, x

#define ROTATED(x, a, b, n, m) \
	VPADDD a, b, Y14       \
	VPROLD n, Y14, Y14     \
	VPXOR  Y14, x, x

#define QUARTERROUND(STEP, a, b, c, d) \
	STEP(b, a, d, $7, $25)         \
	STEP(c, b, a, $9, $23)         \
	STEP(d, c, b, $13, $19)        \
	STEP(a, d, c, $18, $14)

#define DOUBLEROUND(STEP)                    \
	QUARTERROUND(STEP, Y0, Y3, Y6, Y10)  \
	QUARTERROUND(STEP, Y4, Y7, Y12, Y1)  \
	QUARTERROUND(STEP, Y8, Y13, Y2, Y5)  \
	SWAP(64, 96, 0, 32)                  \
	QUARTERROUND(STEP, Y11, Y12, Y13, Y9) \
	QUARTERROUND(STEP, Y0, Y1, Y2, Y12)  \
	QUARTERROUND(STEP, Y4, Y5, Y13, Y3)  \
	QUARTERROUND(STEP, Y8, Y9, Y6, Y7)   \
	SWAP(0, 32, 64, 96)                  \
	QUARTERROUND(STEP, Y11, Y10, Y12, Y13)

// SWAP puts the words in Y12 and Y13 away and takes two others from the stack.
#define SWAP(to12, to13, from12, from13) \
	VMOVDQU Y12, to12(SP)            \
	VMOVDQU Y13, to13(SP)            \
	VMOVDQU from12(SP), Y12          \
	VMOVDQU from13(SP), Y13

// ADDWORD adds to x a word of the input that is the same in all lanes.
#define ADDWORD(word, x)       \
	VPBROADCASTD word, Y14 \
	VPADDD       Y14, x, x

// STORE writes the words that a register holds of one lane and of the fourth after it.
#define STORE(x, y, at)       \
	VMOVDQU      x, at(DI) \
	VEXTRACTI128 $1, y, (at+256)(DI)

// TRANSPOSE takes eight words of eight lanes from r0 to r7, spoils these and t0 to t7,
// and writes what belongs to one lane together, the lanes 64 bytes apart.
#define TRANSPOSE(r0, r1, r2, r3, r4, r5, r6, r7, t0, t1, t2, t3, t4, t5, t6, t7) \
	VPUNPCKLDQ  r1, r0, t0 \
	VPUNPCKHDQ  r1, r0, t1 \
	VPUNPCKLDQ  r3, r2, t2 \
	VPUNPCKHDQ  r3, r2, t3 \
	VPUNPCKLDQ  r5, r4, t4 \
	VPUNPCKHDQ  r5, r4, t5 \
	VPUNPCKLDQ  r7, r6, t6 \
	VPUNPCKHDQ  r7, r6, t7 \
	VPUNPCKLQDQ t2, t0, r0 \
	VPUNPCKHQDQ t2, t0, r1 \
	VPUNPCKLQDQ t3, t1, r2 \
	VPUNPCKHQDQ t3, t1, r3 \
	VPUNPCKLQDQ t6, t4, r4 \
	VPUNPCKHQDQ t6, t4, r5 \
	VPUNPCKLQDQ t7, t5, r6 \
	VPUNPCKHQDQ t7, t5, r7

// func blocks8(out *[512]byte, key *[32]byte, lanes *[4][8]uint32, rotate bool)
//
// A register holds one word of Salsa20's state for all eight lanes. The words are in
//
//	0: Y0   1: Y1    2: Y2    3: Y12
//	4: Y3   5: Y4    6: Y5    7: Y13
//	8: Y6   9: Y7   10: Y8   11: Y9
//	12: Y10  13: Y12  14: Y13  15: Y11
//
// where 3 and 7 take turns with 13 and 14, since two registers are needed to work with.
// Stack: words 3, 7, 13 and 14 while they wait; words 8 to 15 at the end.
TEXT ·blocks8(SB), NOSPLIT, $384-25
	MOVQ out+0(FP), DI
	MOVQ key+8(FP), SI
	MOVQ lanes+16(FP), DX

	VPBROADCASTD sigma<>+0(SB), Y0
	VPBROADCASTD 0(SI), Y1
	VPBROADCASTD 4(SI), Y2
	VPBROADCASTD 8(SI), Y12
	VMOVDQU      Y12, 0(SP)
	VPBROADCASTD 12(SI), Y3
	VPBROADCASTD sigma<>+4(SB), Y4
	VMOVDQU      0(DX), Y5
	VMOVDQU      32(DX), Y13
	VMOVDQU      Y13, 32(SP)
	VMOVDQU      64(DX), Y6
	VMOVDQU      96(DX), Y7
	VPBROADCASTD sigma<>+8(SB), Y8
	VPBROADCASTD 16(SI), Y9
	VPBROADCASTD 20(SI), Y10
	VPBROADCASTD 24(SI), Y12
	VPBROADCASTD 28(SI), Y13
	VPBROADCASTD sigma<>+12(SB), Y11

	MOVQ $10, CX

	CMPB rotate+24(FP), $0
	JNE  rotated

shifted:
	DOUBLEROUND(SHIFTED)
	DECQ CX
	JNZ  shifted
	JMP  done

rotated:
	DOUBLEROUND(ROTATED)
	DECQ CX
	JNZ  rotated

done:
	// Words 8 to 15.
	VPADDD  64(DX), Y6, Y6
	VPADDD  96(DX), Y7, Y7
	ADDWORD(sigma<>+8(SB), Y8)
	ADDWORD(16(SI), Y9)
	ADDWORD(20(SI), Y10)
	ADDWORD(24(SI), Y12)
	ADDWORD(28(SI), Y13)
	ADDWORD(sigma<>+12(SB), Y11)
	VMOVDQU Y6, 128(SP)
	VMOVDQU Y7, 160(SP)
	VMOVDQU Y8, 192(SP)
	VMOVDQU Y9, 224(SP)
	VMOVDQU Y10, 256(SP)
	VMOVDQU Y12, 288(SP)
	VMOVDQU Y13, 320(SP)
	VMOVDQU Y11, 352(SP)

	// Words 0 to 7.
	VMOVDQU 0(SP), Y12
	VMOVDQU 32(SP), Y13
	ADDWORD(sigma<>+0(SB), Y0)
	ADDWORD(0(SI), Y1)
	ADDWORD(4(SI), Y2)
	ADDWORD(8(SI), Y12)
	ADDWORD(12(SI), Y3)
	ADDWORD(sigma<>+4(SB), Y4)
	VPADDD  0(DX), Y5, Y5
	VPADDD  32(DX), Y13, Y13
	TRANSPOSE(Y0, Y1, Y2, Y12, Y3, Y4, Y5, Y13, Y6, Y7, Y8, Y9, Y10, Y11, Y14, Y15)
	STORE(X0, Y0, 0)
	STORE(X3, Y3, 16)
	STORE(X1, Y1, 64)
	STORE(X4, Y4, 80)
	STORE(X2, Y2, 128)
	STORE(X5, Y5, 144)
	STORE(X12, Y12, 192)
	STORE(X13, Y13, 208)

	VMOVDQU 128(SP), Y0
	VMOVDQU 160(SP), Y1
	VMOVDQU 192(SP), Y2
	VMOVDQU 224(SP), Y3
	VMOVDQU 256(SP), Y4
	VMOVDQU 288(SP), Y5
	VMOVDQU 320(SP), Y6
	VMOVDQU 352(SP), Y7
	TRANSPOSE(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15)
	STORE(X0, Y0, 32)
	STORE(X4, Y4, 48)
	STORE(X1, Y1, 96)
	STORE(X5, Y5, 112)
	STORE(X2, Y2, 160)
	STORE(X6, Y6, 176)
	STORE(X3, Y3, 224)
	STORE(X7, Y7, 240)

	VZEROUPPER
	RET

// The numbers of sixteen blocks, as they must be in two registers for VSHUFPS to put
// their low words in order, and their high ones.
DATA numbers<>+0(SB)/8, $0x0d0c090805040100
DATA numbers<>+8(SB)/8, $0x0f0e0b0a07060302
GLOBL numbers<>(SB), RODATA|NOPTR, $16

// WIDE does x ^= (a + b) <<< n for sixteen lanes.
#define WIDE(x, a, b, n, m) \
	VPADDD a, b, Z16    \
	VPROLD n, Z16, Z16  \
	VPXORD Z16, x, x

// GATHER takes four words of sixteen lanes, and puts those of one lane together: the
// register that had the first word gets the lanes 0, 4, 8 and 12, and so on.
#define GATHER(r0, r1, r2, r3)   \
	VPUNPCKLDQ  r1, r0, Z16  \
	VPUNPCKHDQ  r1, r0, Z17  \
	VPUNPCKLDQ  r3, r2, Z18  \
	VPUNPCKHDQ  r3, r2, Z19  \
	VPUNPCKLQDQ Z18, Z16, r0 \
	VPUNPCKHQDQ Z18, Z16, r1 \
	VPUNPCKLQDQ Z19, Z17, r2 \
	VPUNPCKHQDQ Z19, Z17, r3

// XORLANES takes the sixteen words of four lanes, each register holding four words of
// all of them, and encrypts or decrypts with each lane a block. Between these blocks,
// as between the lanes, are three others.
#define XORLANES(r0, r1, r2, r3, at)     \
	VSHUFI32X4 $0x44, r1, r0, Z16    \
	VSHUFI32X4 $0xee, r1, r0, Z17    \
	VSHUFI32X4 $0x44, r3, r2, Z18    \
	VSHUFI32X4 $0xee, r3, r2, Z19    \
	VSHUFI32X4 $0x88, Z18, Z16, r0   \
	VSHUFI32X4 $0xdd, Z18, Z16, r1   \
	VSHUFI32X4 $0x88, Z19, Z17, r2   \
	VSHUFI32X4 $0xdd, Z19, Z17, r3   \
	VPXORD     at(BX), r0, r0        \
	VPXORD     (at+256)(BX), r1, r1  \
	VPXORD     (at+512)(BX), r2, r2  \
	VPXORD     (at+768)(BX), r3, r3  \
	VMOVDQU32  r0, at(DI)            \
	VMOVDQU32  r1, (at+256)(DI)      \
	VMOVDQU32  r2, (at+512)(DI)      \
	VMOVDQU32  r3, (at+768)(DI)

// func xorBlocks16(dst, src *[1024]byte, key *[32]byte, position *[16]byte)
//
// Z0 to Z15 hold the words 0 to 15 of Salsa20's state for all sixteen lanes. Z20 and Z21
// keep the words 8 and 9 of its input, which are the number of the block.
TEXT ·xorBlocks16(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), BX
	MOVQ key+16(FP), SI
	MOVQ position+24(FP), DX

	VPBROADCASTQ 8(DX), Z16
	VPMOVZXBQ    numbers<>+0(SB), Z17
	VPMOVZXBQ    numbers<>+8(SB), Z18
	VPADDQ       Z16, Z17, Z17
	VPADDQ       Z16, Z18, Z18
	VSHUFPS      $0x88, Z18, Z17, Z20
	VSHUFPS      $0xdd, Z18, Z17, Z21

	VPBROADCASTD sigma<>+0(SB), Z0
	VPBROADCASTD 0(SI), Z1
	VPBROADCASTD 4(SI), Z2
	VPBROADCASTD 8(SI), Z3
	VPBROADCASTD 12(SI), Z4
	VPBROADCASTD sigma<>+4(SB), Z5
	VPBROADCASTD 0(DX), Z6
	VPBROADCASTD 4(DX), Z7
	VMOVDQA32    Z20, Z8
	VMOVDQA32    Z21, Z9
	VPBROADCASTD sigma<>+8(SB), Z10
	VPBROADCASTD 16(SI), Z11
	VPBROADCASTD 20(SI), Z12
	VPBROADCASTD 24(SI), Z13
	VPBROADCASTD 28(SI), Z14
	VPBROADCASTD sigma<>+12(SB), Z15

	MOVQ $10, CX

wide:
	QUARTERROUND(WIDE, Z0, Z4, Z8, Z12)
	QUARTERROUND(WIDE, Z5, Z9, Z13, Z1)
	QUARTERROUND(WIDE, Z10, Z14, Z2, Z6)
	QUARTERROUND(WIDE, Z15, Z3, Z7, Z11)
	QUARTERROUND(WIDE, Z0, Z1, Z2, Z3)
	QUARTERROUND(WIDE, Z5, Z6, Z7, Z4)
	QUARTERROUND(WIDE, Z10, Z11, Z8, Z9)
	QUARTERROUND(WIDE, Z15, Z12, Z13, Z14)
	DECQ CX
	JNZ  wide

	VPADDD.BCST sigma<>+0(SB), Z0, Z0
	VPADDD.BCST 0(SI), Z1, Z1
	VPADDD.BCST 4(SI), Z2, Z2
	VPADDD.BCST 8(SI), Z3, Z3
	VPADDD.BCST 12(SI), Z4, Z4
	VPADDD.BCST sigma<>+4(SB), Z5, Z5
	VPADDD.BCST 0(DX), Z6, Z6
	VPADDD.BCST 4(DX), Z7, Z7
	VPADDD      Z20, Z8, Z8
	VPADDD      Z21, Z9, Z9
	VPADDD.BCST sigma<>+8(SB), Z10, Z10
	VPADDD.BCST 16(SI), Z11, Z11
	VPADDD.BCST 20(SI), Z12, Z12
	VPADDD.BCST 24(SI), Z13, Z13
	VPADDD.BCST 28(SI), Z14, Z14
	VPADDD.BCST sigma<>+12(SB), Z15, Z15

	GATHER(Z0, Z1, Z2, Z3)
	GATHER(Z4, Z5, Z6, Z7)
	GATHER(Z8, Z9, Z10, Z11)
	GATHER(Z12, Z13, Z14, Z15)
	XORLANES(Z0, Z4, Z8, Z12, 0)
	XORLANES(Z1, Z5, Z9, Z13, 64)
	XORLANES(Z2, Z6, Z10, Z14, 128)
	XORLANES(Z3, Z7, Z11, Z15, 192)

	VZEROUPPER
	RET
