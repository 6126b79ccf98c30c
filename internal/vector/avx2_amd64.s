//go:build !purego

#include "textflag.h"

// Kernels for processors with AVX2, FMA and F16C. What each computes, and in which order it adds, is said beside its
// portable twin in portable.go.

// FOLD8 adds up the lanes of Y into the lowest lane of X, its low half, by way of TX.
#define FOLD8(Y, X, TX) \
	VEXTRACTF128 $1, Y, TX  \
	VADDPS       TX, X, X   \
	VMOVHLPS     X, X, TX   \
	VADDPS       TX, X, X   \
	VMOVSHDUP    X, TX      \
	VADDSS       TX, X, X

// func dotAVX2(x, y *float32, n int) float32
TEXT ·dotAVX2(SB), NOSPLIT, $0-28
	MOVQ   x+0(FP), SI
	MOVQ   y+8(FP), DI
	MOVQ   n+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS X8, X8, X8

dot32:
	CMPQ        CX, $32
	JLT         dot8
	VMOVUPS     (SI), Y4
	VMOVUPS     32(SI), Y5
	VMOVUPS     64(SI), Y6
	VMOVUPS     96(SI), Y7
	VFMADD231PS (DI), Y4, Y0
	VFMADD231PS 32(DI), Y5, Y1
	VFMADD231PS 64(DI), Y6, Y2
	VFMADD231PS 96(DI), Y7, Y3
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $32, CX
	JMP         dot32

dot8:
	CMPQ        CX, $8
	JLT         dot1
	VMOVUPS     (SI), Y4
	VFMADD231PS (DI), Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, CX
	JMP         dot8

dot1:
	TESTQ       CX, CX
	JZ          dotFold
	VMOVSS      (SI), X4
	VFMADD231SS (DI), X4, X8
	ADDQ        $4, SI
	ADDQ        $4, DI
	DECQ        CX
	JMP         dot1

dotFold:
	VADDPS Y1, Y0, Y0
	VADDPS Y3, Y2, Y2
	VADDPS Y2, Y0, Y0
	FOLD8(Y0, X0, X1)
	VADDSS X8, X0, X0
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func dot4AVX2(dst *[4]float32, x, r0, r1, r2, r3 *float32, n int)
TEXT ·dot4AVX2(SB), NOSPLIT, $0-56
	MOVQ   x+8(FP), SI
	MOVQ   r0+16(FP), R8
	MOVQ   r1+24(FP), R9
	MOVQ   r2+32(FP), R10
	MOVQ   r3+40(FP), R11
	MOVQ   n+48(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS X8, X8, X8
	VXORPS X9, X9, X9
	VXORPS X10, X10, X10
	VXORPS X11, X11, X11
	XORQ   DX, DX

rows8:
	CMPQ        CX, $8
	JLT         rows1
	VMOVUPS     (SI)(DX*1), Y4
	VFMADD231PS (R8)(DX*1), Y4, Y0
	VFMADD231PS (R9)(DX*1), Y4, Y1
	VFMADD231PS (R10)(DX*1), Y4, Y2
	VFMADD231PS (R11)(DX*1), Y4, Y3
	ADDQ        $32, DX
	SUBQ        $8, CX
	JMP         rows8

rows1:
	TESTQ       CX, CX
	JZ          rowsFold
	VMOVSS      (SI)(DX*1), X4
	VFMADD231SS (R8)(DX*1), X4, X8
	VFMADD231SS (R9)(DX*1), X4, X9
	VFMADD231SS (R10)(DX*1), X4, X10
	VFMADD231SS (R11)(DX*1), X4, X11
	ADDQ        $4, DX
	DECQ        CX
	JMP         rows1

rowsFold:
	MOVQ   dst+0(FP), DI
	FOLD8(Y0, X0, X4)
	VADDSS X8, X0, X0
	VMOVSS X0, (DI)
	FOLD8(Y1, X1, X4)
	VADDSS X9, X1, X1
	VMOVSS X1, 4(DI)
	FOLD8(Y2, X2, X4)
	VADDSS X10, X2, X2
	VMOVSS X2, 8(DI)
	FOLD8(Y3, X3, X4)
	VADDSS X11, X3, X3
	VMOVSS X3, 12(DI)
	VZEROUPPER
	RET

// func axpyAVX2(alpha float32, x, y *float32, n int)
TEXT ·axpyAVX2(SB), NOSPLIT, $0-32
	VBROADCASTSS alpha+0(FP), Y0
	MOVQ         x+8(FP), SI
	MOVQ         y+16(FP), DI
	MOVQ         n+24(FP), CX

axpy32:
	CMPQ        CX, $32
	JLT         axpy8
	VMOVUPS     (DI), Y1
	VMOVUPS     32(DI), Y2
	VMOVUPS     64(DI), Y3
	VMOVUPS     96(DI), Y4
	VFMADD231PS (SI), Y0, Y1
	VFMADD231PS 32(SI), Y0, Y2
	VFMADD231PS 64(SI), Y0, Y3
	VFMADD231PS 96(SI), Y0, Y4
	VMOVUPS     Y1, (DI)
	VMOVUPS     Y2, 32(DI)
	VMOVUPS     Y3, 64(DI)
	VMOVUPS     Y4, 96(DI)
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $32, CX
	JMP         axpy32

axpy8:
	CMPQ        CX, $8
	JLT         axpy1
	VMOVUPS     (DI), Y1
	VFMADD231PS (SI), Y0, Y1
	VMOVUPS     Y1, (DI)
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, CX
	JMP         axpy8

axpy1:
	TESTQ       CX, CX
	JZ          axpyDone
	VMOVSS      (DI), X1
	VFMADD231SS (SI), X0, X1
	VMOVSS      X1, (DI)
	ADDQ        $4, SI
	ADDQ        $4, DI
	DECQ        CX
	JMP         axpy1

axpyDone:
	VZEROUPPER
	RET

// func scaleAVX2(alpha float32, x *float32, n int)
TEXT ·scaleAVX2(SB), NOSPLIT, $0-24
	VBROADCASTSS alpha+0(FP), Y0
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), CX

scale8:
	CMPQ    CX, $8
	JLT     scale1
	VMULPS  (SI), Y0, Y1
	VMOVUPS Y1, (SI)
	ADDQ    $32, SI
	SUBQ    $8, CX
	JMP     scale8

scale1:
	TESTQ  CX, CX
	JZ     scaleDone
	VMULSS (SI), X0, X1
	VMOVSS X1, (SI)
	ADDQ   $4, SI
	DECQ   CX
	JMP    scale1

scaleDone:
	VZEROUPPER
	RET

#define LOADROW(ACC0, ACC1) \
	VMOVUPS (DI), ACC0   \
	VMOVUPS 32(DI), ACC1 \
	ADDQ    BX, DI

#define STOREROW(ACC0, ACC1) \
	VMOVUPS ACC0, (DI)   \
	VMOVUPS ACC1, 32(DI) \
	ADDQ    BX, DI

#define STEP(off, ACC0, ACC1) \
	VBROADCASTSS off(R9), Y10   \
	VFMADD231PS  Y8, Y10, ACC0  \
	VFMADD231PS  Y9, Y10, ACC1

// func tileAVX2(dst *float32, ldd int, a *float32, lda int, b *float32, ldb int, k int, add bool)
//
// The tile is done in four parts of 4 × 16, since there are but sixteen registers: R12 counts them, its lowest bit
// says which half of the columns, the next one which half of the rows.
TEXT ·tileAVX2(SB), NOSPLIT, $0-57
	MOVQ    ldd+8(FP), BX
	MOVQ    lda+24(FP), R10
	MOVQ    ldb+40(FP), R11
	MOVBLZX add+56(FP), R13
	SHLQ    $2, BX
	SHLQ    $2, R10
	SHLQ    $2, R11
	XORQ    R12, R12

tilePart:
	MOVQ  dst+0(FP), DI
	MOVQ  a+16(FP), R9
	MOVQ  b+32(FP), R8
	MOVQ  k+48(FP), CX
	TESTQ $1, R12
	JZ    tileLeft
	ADDQ  $64, DI
	ADDQ  $64, R8

tileLeft:
	TESTQ $2, R12
	JZ    tileUpper
	LEAQ  (DI)(BX*4), DI
	ADDQ  $16, R9

tileUpper:
	MOVQ  DI, SI
	TESTL R13, R13
	JZ    tileZero
	LOADROW(Y0, Y1)
	LOADROW(Y2, Y3)
	LOADROW(Y4, Y5)
	LOADROW(Y6, Y7)
	JMP   tileLoop

tileZero:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7

tileLoop:
	TESTQ   CX, CX
	JZ      tileStore
	VMOVUPS (R8), Y8
	VMOVUPS 32(R8), Y9
	STEP(0, Y0, Y1)
	STEP(4, Y2, Y3)
	STEP(8, Y4, Y5)
	STEP(12, Y6, Y7)
	ADDQ    R10, R9
	ADDQ    R11, R8
	DECQ    CX
	JMP     tileLoop

tileStore:
	MOVQ SI, DI
	STOREROW(Y0, Y1)
	STOREROW(Y2, Y3)
	STOREROW(Y4, Y5)
	STOREROW(Y6, Y7)
	INCQ R12
	CMPQ R12, $4
	JLT  tilePart
	VZEROUPPER
	RET

// func panelAVX2(dst, x, panels *float32, k, count int)
TEXT ·panelAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ panels+16(FP), SI
	MOVQ count+32(FP), CX

panelNext:
	TESTQ  CX, CX
	JZ     panelDone
	MOVQ   x+8(FP), DX
	MOVQ   k+24(FP), BX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3

panelLoop:
	TESTQ        BX, BX
	JZ           panelStore
	VBROADCASTSS (DX), Y4
	VFMADD231PS  (SI), Y4, Y0
	VFMADD231PS  32(SI), Y4, Y1
	VFMADD231PS  64(SI), Y4, Y2
	VFMADD231PS  96(SI), Y4, Y3
	ADDQ         $4, DX
	ADDQ         $128, SI
	DECQ         BX
	JMP          panelLoop

panelStore:
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VMOVUPS Y2, 64(DI)
	VMOVUPS Y3, 96(DI)
	ADDQ    $128, DI
	DECQ    CX
	JMP     panelNext

panelDone:
	VZEROUPPER
	RET

// func panel16AVX2(dst, x *float32, panels *uint16, k, count int)
TEXT ·panel16AVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ panels+16(FP), SI
	MOVQ count+32(FP), CX

halfNext:
	TESTQ  CX, CX
	JZ     halfDone
	MOVQ   x+8(FP), DX
	MOVQ   k+24(FP), BX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3

halfLoop:
	TESTQ        BX, BX
	JZ           halfStore
	VBROADCASTSS (DX), Y4
	PREFETCHT0   4096(SI)
	VCVTPH2PS    (SI), Y5
	VCVTPH2PS    16(SI), Y6
	VCVTPH2PS    32(SI), Y7
	VCVTPH2PS    48(SI), Y8
	VFMADD231PS  Y5, Y4, Y0
	VFMADD231PS  Y6, Y4, Y1
	VFMADD231PS  Y7, Y4, Y2
	VFMADD231PS  Y8, Y4, Y3
	ADDQ         $4, DX
	ADDQ         $64, SI
	DECQ         BX
	JMP          halfLoop

halfStore:
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VMOVUPS Y2, 64(DI)
	VMOVUPS Y3, 96(DI)
	ADDQ    $128, DI
	DECQ    CX
	JMP     halfNext

halfDone:
	VZEROUPPER
	RET

// FOUR adds four items' four products each, in two sums an item.
#define FOUR(off, ACC) \
	VPMOVZXBW off(SI), Y9   \
	VPMADDWD  Y9, Y8, Y9    \
	VPADDD    Y9, ACC, ACC

// EIGHT brings eight items' sums, of which there are two in each of A and B, together as eight scores.
#define EIGHT(A, B, off) \
	VPHADDD   B, A, A           \
	VPERMQ    $0xD8, A, A       \
	VPSUBD    Y10, A, A         \
	VCVTDQ2PS A, A              \
	VMULPS    off(R8), Y11, Y9  \
	VMULPS    Y9, A, A          \
	VMOVUPS   A, off(DI)

// func panel8AVX2(dst *float32, x *int16, offset int32, scale float32, panels *uint8, scales *float32, groups, count int)
TEXT ·panel8AVX2(SB), NOSPLIT, $0-56
	MOVQ         dst+0(FP), DI
	MOVL         offset+16(FP), AX
	VMOVD        AX, X10
	VPBROADCASTD X10, Y10
	VBROADCASTSS scale+20(FP), Y11
	MOVQ         panels+24(FP), SI
	MOVQ         scales+32(FP), R8
	MOVQ         count+48(FP), CX

byteNext:
	TESTQ CX, CX
	JZ    byteDone
	MOVQ  x+8(FP), DX
	MOVQ  groups+40(FP), BX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7

byteLoop:
	TESTQ        BX, BX
	JZ           byteStore
	VPBROADCASTQ (DX), Y8
	PREFETCHT0   4096(SI)
	PREFETCHT0   4160(SI)
	FOUR(0, Y0)
	FOUR(16, Y1)
	FOUR(32, Y2)
	FOUR(48, Y3)
	FOUR(64, Y4)
	FOUR(80, Y5)
	FOUR(96, Y6)
	FOUR(112, Y7)
	ADDQ         $8, DX
	ADDQ         $128, SI
	DECQ         BX
	JMP          byteLoop

byteStore:
	EIGHT(Y0, Y1, 0)
	EIGHT(Y2, Y3, 32)
	EIGHT(Y4, Y5, 64)
	EIGHT(Y6, Y7, 96)
	ADDQ $128, R8
	ADDQ $128, DI
	DECQ CX
	JMP  byteNext

byteDone:
	VZEROUPPER
	RET

// func decode16AVX2(dst *float32, src *uint16, n int)
//
// It reads and writes whole eights: n is a multiple of 8.
TEXT ·decode16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

decode8:
	CMPQ      CX, $8
	JLT       decodeDone
	VCVTPH2PS (SI), Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $8, CX
	JMP       decode8

decodeDone:
	VZEROUPPER
	RET

// BITS puts the comparison of eight scores with the threshold into AX at bit shift, and keeps the rest of it.
#define BITS(off, shift) \
	VMOVUPS   off(SI), Y1         \
	VCMPPS    $30, Y0, Y1, Y1     \
	VMOVMSKPS Y1, DX              \
	SHLQ      $shift, DX          \
	ORQ       DX, AX

// func aboveAVX2(mask *uint64, scores *float32, words int, threshold float32)
TEXT ·aboveAVX2(SB), NOSPLIT, $0-28
	MOVQ         mask+0(FP), DI
	MOVQ         scores+8(FP), SI
	MOVQ         words+16(FP), CX
	VBROADCASTSS threshold+24(FP), Y0

aboveNext:
	TESTQ CX, CX
	JZ    aboveDone
	XORQ  AX, AX
	BITS(0, 0)
	BITS(32, 8)
	BITS(64, 16)
	BITS(96, 24)
	BITS(128, 32)
	BITS(160, 40)
	BITS(192, 48)
	BITS(224, 56)
	MOVQ  AX, (DI)
	ADDQ  $256, SI
	ADDQ  $8, DI
	DECQ  CX
	JMP   aboveNext

aboveDone:
	VZEROUPPER
	RET
