//go:build !purego

#include "textflag.h"

// Kernels for processors with AVX-512 (F, BW, DQ, VL and VNNI). What each computes, and in which order it adds, is
// said beside its portable twin in portable.go. A tail of fewer than 16 floats is read under a mask (K1).

// TAIL makes K1 the mask of the lowest CX (under 16) lanes.
#define TAIL \
	MOVL  $1, AX \
	SHLL  CX, AX \
	DECL  AX     \
	KMOVW AX, K1

// FOLD adds up the lanes of Z into the lowest lane of X, its low part, by way of T (and its parts).
#define FOLD(Z, Y, X, TY, TX) \
	VEXTRACTF64X4 $1, Z, TY    \
	VADDPS        TY, Y, Y     \
	VEXTRACTF128  $1, Y, TX    \
	VADDPS        TX, X, X     \
	VMOVHLPS      X, X, TX     \
	VADDPS        TX, X, X     \
	VMOVSHDUP     X, TX        \
	VADDSS        TX, X, X

// func dotAVX512(x, y *float32, n int) float32
TEXT ·dotAVX512(SB), NOSPLIT, $0-28
	MOVQ   x+0(FP), SI
	MOVQ   y+8(FP), DI
	MOVQ   n+16(FP), CX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3

dot64:
	CMPQ        CX, $64
	JLT         dot16
	VMOVUPS     (SI), Z4
	VMOVUPS     64(SI), Z5
	VMOVUPS     128(SI), Z6
	VMOVUPS     192(SI), Z7
	VFMADD231PS (DI), Z4, Z0
	VFMADD231PS 64(DI), Z5, Z1
	VFMADD231PS 128(DI), Z6, Z2
	VFMADD231PS 192(DI), Z7, Z3
	ADDQ        $256, SI
	ADDQ        $256, DI
	SUBQ        $64, CX
	JMP         dot64

dot16:
	CMPQ        CX, $16
	JLT         dotTail
	VMOVUPS     (SI), Z4
	VFMADD231PS (DI), Z4, Z0
	ADDQ        $64, SI
	ADDQ        $64, DI
	SUBQ        $16, CX
	JMP         dot16

dotTail:
	TESTQ       CX, CX
	JZ          dotFold
	TAIL
	VMOVUPS.Z   (SI), K1, Z4
	VMOVUPS.Z   (DI), K1, Z5
	VFMADD231PS Z5, Z4, Z1

dotFold:
	VADDPS Z1, Z0, Z0
	VADDPS Z3, Z2, Z2
	VADDPS Z2, Z0, Z0
	FOLD(Z0, Y0, X0, Y1, X1)
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func dot4AVX512(dst *[4]float32, x, r0, r1, r2, r3 *float32, n int)
TEXT ·dot4AVX512(SB), NOSPLIT, $0-56
	MOVQ   x+8(FP), SI
	MOVQ   r0+16(FP), R8
	MOVQ   r1+24(FP), R9
	MOVQ   r2+32(FP), R10
	MOVQ   r3+40(FP), R11
	MOVQ   n+48(FP), CX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	XORQ   DX, DX

rows16:
	CMPQ        CX, $16
	JLT         rowsTail
	VMOVUPS     (SI)(DX*1), Z4
	VFMADD231PS (R8)(DX*1), Z4, Z0
	VFMADD231PS (R9)(DX*1), Z4, Z1
	VFMADD231PS (R10)(DX*1), Z4, Z2
	VFMADD231PS (R11)(DX*1), Z4, Z3
	ADDQ        $64, DX
	SUBQ        $16, CX
	JMP         rows16

rowsTail:
	TESTQ       CX, CX
	JZ          rowsFold
	TAIL
	VMOVUPS.Z   (SI)(DX*1), K1, Z4
	VMOVUPS.Z   (R8)(DX*1), K1, Z5
	VFMADD231PS Z5, Z4, Z0
	VMOVUPS.Z   (R9)(DX*1), K1, Z5
	VFMADD231PS Z5, Z4, Z1
	VMOVUPS.Z   (R10)(DX*1), K1, Z5
	VFMADD231PS Z5, Z4, Z2
	VMOVUPS.Z   (R11)(DX*1), K1, Z5
	VFMADD231PS Z5, Z4, Z3

rowsFold:
	MOVQ   dst+0(FP), DI
	FOLD(Z0, Y0, X0, Y4, X4)
	VMOVSS X0, (DI)
	FOLD(Z1, Y1, X1, Y4, X4)
	VMOVSS X1, 4(DI)
	FOLD(Z2, Y2, X2, Y4, X4)
	VMOVSS X2, 8(DI)
	FOLD(Z3, Y3, X3, Y4, X4)
	VMOVSS X3, 12(DI)
	VZEROUPPER
	RET

// func axpyAVX512(alpha float32, x, y *float32, n int)
TEXT ·axpyAVX512(SB), NOSPLIT, $0-32
	VBROADCASTSS alpha+0(FP), Z0
	MOVQ         x+8(FP), SI
	MOVQ         y+16(FP), DI
	MOVQ         n+24(FP), CX

axpy64:
	CMPQ        CX, $64
	JLT         axpy16
	VMOVUPS     (DI), Z1
	VMOVUPS     64(DI), Z2
	VMOVUPS     128(DI), Z3
	VMOVUPS     192(DI), Z4
	VFMADD231PS (SI), Z0, Z1
	VFMADD231PS 64(SI), Z0, Z2
	VFMADD231PS 128(SI), Z0, Z3
	VFMADD231PS 192(SI), Z0, Z4
	VMOVUPS     Z1, (DI)
	VMOVUPS     Z2, 64(DI)
	VMOVUPS     Z3, 128(DI)
	VMOVUPS     Z4, 192(DI)
	ADDQ        $256, SI
	ADDQ        $256, DI
	SUBQ        $64, CX
	JMP         axpy64

axpy16:
	CMPQ        CX, $16
	JLT         axpyTail
	VMOVUPS     (DI), Z1
	VFMADD231PS (SI), Z0, Z1
	VMOVUPS     Z1, (DI)
	ADDQ        $64, SI
	ADDQ        $64, DI
	SUBQ        $16, CX
	JMP         axpy16

axpyTail:
	TESTQ       CX, CX
	JZ          axpyDone
	TAIL
	VMOVUPS.Z   (DI), K1, Z1
	VMOVUPS.Z   (SI), K1, Z2
	VFMADD231PS Z2, Z0, Z1
	VMOVUPS     Z1, K1, (DI)

axpyDone:
	VZEROUPPER
	RET

// func scaleAVX512(alpha float32, x *float32, n int)
TEXT ·scaleAVX512(SB), NOSPLIT, $0-24
	VBROADCASTSS alpha+0(FP), Z0
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), CX

scale16:
	CMPQ    CX, $16
	JLT     scaleTail
	VMULPS  (SI), Z0, Z1
	VMOVUPS Z1, (SI)
	ADDQ    $64, SI
	SUBQ    $16, CX
	JMP     scale16

scaleTail:
	TESTQ     CX, CX
	JZ        scaleDone
	TAIL
	VMOVUPS.Z (SI), K1, Z1
	VMULPS    Z1, Z0, Z1
	VMOVUPS   Z1, K1, (SI)

scaleDone:
	VZEROUPPER
	RET

// STEP adds to one row of the tile: the row's element of a times the two halves of b.
#define STEP(off, ACC0, ACC1) \
	VBROADCASTSS off(R9), Z18        \
	VFMADD231PS  Z16, Z18, ACC0      \
	VFMADD231PS  Z17, Z18, ACC1

#define LOADROW(ACC0, ACC1) \
	VMOVUPS (DI), ACC0   \
	VMOVUPS 64(DI), ACC1 \
	ADDQ    BX, DI

#define STOREROW(ACC0, ACC1) \
	VMOVUPS ACC0, (DI)   \
	VMOVUPS ACC1, 64(DI) \
	ADDQ    BX, DI

// func tileAVX512(dst *float32, ldd int, a *float32, lda int, b *float32, ldb int, k int, add bool)
TEXT ·tileAVX512(SB), NOSPLIT, $0-57
	MOVQ    dst+0(FP), DI
	MOVQ    ldd+8(FP), BX
	MOVQ    a+16(FP), R9
	MOVQ    lda+24(FP), R10
	MOVQ    b+32(FP), R8
	MOVQ    ldb+40(FP), R11
	MOVQ    k+48(FP), CX
	MOVBLZX add+56(FP), AX
	SHLQ    $2, BX
	SHLQ    $2, R10
	SHLQ    $2, R11
	TESTL   AX, AX
	JZ      tileZero
	LOADROW(Z0, Z1)
	LOADROW(Z2, Z3)
	LOADROW(Z4, Z5)
	LOADROW(Z6, Z7)
	LOADROW(Z8, Z9)
	LOADROW(Z10, Z11)
	LOADROW(Z12, Z13)
	LOADROW(Z14, Z15)
	MOVQ    dst+0(FP), DI
	JMP     tileLoop

tileZero:
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	VPXORQ Z8, Z8, Z8
	VPXORQ Z9, Z9, Z9
	VPXORQ Z10, Z10, Z10
	VPXORQ Z11, Z11, Z11
	VPXORQ Z12, Z12, Z12
	VPXORQ Z13, Z13, Z13
	VPXORQ Z14, Z14, Z14
	VPXORQ Z15, Z15, Z15

tileLoop:
	TESTQ   CX, CX
	JZ      tileStore
	VMOVUPS (R8), Z16
	VMOVUPS 64(R8), Z17
	STEP(0, Z0, Z1)
	STEP(4, Z2, Z3)
	STEP(8, Z4, Z5)
	STEP(12, Z6, Z7)
	STEP(16, Z8, Z9)
	STEP(20, Z10, Z11)
	STEP(24, Z12, Z13)
	STEP(28, Z14, Z15)
	ADDQ    R10, R9
	ADDQ    R11, R8
	DECQ    CX
	JMP     tileLoop

tileStore:
	STOREROW(Z0, Z1)
	STOREROW(Z2, Z3)
	STOREROW(Z4, Z5)
	STOREROW(Z6, Z7)
	STOREROW(Z8, Z9)
	STOREROW(Z10, Z11)
	STOREROW(Z12, Z13)
	STOREROW(Z14, Z15)
	VZEROUPPER
	RET

// func panelAVX512(dst, x, panels *float32, k, count int)
TEXT ·panelAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ panels+16(FP), SI
	MOVQ count+32(FP), CX

panelNext:
	TESTQ  CX, CX
	JZ     panelDone
	MOVQ   x+8(FP), DX
	MOVQ   k+24(FP), BX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1

panelLoop:
	CMPQ         BX, $2
	JLT          panelLast
	VBROADCASTSS (DX), Z2
	VBROADCASTSS 4(DX), Z3
	VFMADD231PS  (SI), Z2, Z0
	VFMADD231PS  64(SI), Z2, Z1
	VFMADD231PS  128(SI), Z3, Z0
	VFMADD231PS  192(SI), Z3, Z1
	ADDQ         $8, DX
	ADDQ         $256, SI
	SUBQ         $2, BX
	JMP          panelLoop

panelLast:
	TESTQ        BX, BX
	JZ           panelStore
	VBROADCASTSS (DX), Z2
	VFMADD231PS  (SI), Z2, Z0
	VFMADD231PS  64(SI), Z2, Z1
	ADDQ         $128, SI

panelStore:
	VMOVUPS Z0, (DI)
	VMOVUPS Z1, 64(DI)
	ADDQ    $128, DI
	DECQ    CX
	JMP     panelNext

panelDone:
	VZEROUPPER
	RET

// func panel16AVX512(dst, x *float32, panels *uint16, k, count int)
TEXT ·panel16AVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ panels+16(FP), SI
	MOVQ count+32(FP), CX

halfNext:
	TESTQ  CX, CX
	JZ     halfDone
	MOVQ   x+8(FP), DX
	MOVQ   k+24(FP), BX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1

halfLoop:
	CMPQ         BX, $2
	JLT          halfLast
	VBROADCASTSS (DX), Z2
	VBROADCASTSS 4(DX), Z3
	PREFETCHT0   4096(SI)
	PREFETCHT0   4160(SI)
	VCVTPH2PS    (SI), Z4
	VCVTPH2PS    32(SI), Z5
	VCVTPH2PS    64(SI), Z6
	VCVTPH2PS    96(SI), Z7
	VFMADD231PS  Z4, Z2, Z0
	VFMADD231PS  Z5, Z2, Z1
	VFMADD231PS  Z6, Z3, Z0
	VFMADD231PS  Z7, Z3, Z1
	ADDQ         $8, DX
	ADDQ         $128, SI
	SUBQ         $2, BX
	JMP          halfLoop

halfLast:
	TESTQ        BX, BX
	JZ           halfStore
	VBROADCASTSS (DX), Z2
	VCVTPH2PS    (SI), Z4
	VCVTPH2PS    32(SI), Z5
	VFMADD231PS  Z4, Z2, Z0
	VFMADD231PS  Z5, Z2, Z1
	ADDQ         $64, SI

halfStore:
	VMOVUPS Z0, (DI)
	VMOVUPS Z1, 64(DI)
	ADDQ    $128, DI
	DECQ    CX
	JMP     halfNext

halfDone:
	VZEROUPPER
	RET

// func panel8AVX512(dst *float32, x *int8, offset int32, scale float32, panels *uint8, scales *float32, groups, count int)
TEXT ·panel8AVX512(SB), NOSPLIT, $0-56
	MOVQ         dst+0(FP), DI
	MOVL         offset+16(FP), AX
	VMOVD        AX, X10
	VPBROADCASTD X10, Z10
	VBROADCASTSS scale+20(FP), Z11
	MOVQ         panels+24(FP), SI
	MOVQ         scales+32(FP), R8
	MOVQ         count+48(FP), CX

byteNext:
	TESTQ  CX, CX
	JZ     byteDone
	MOVQ   x+8(FP), DX
	MOVQ   groups+40(FP), BX
	VPXORQ Z0, Z0, Z0 // the high parts' sums of items 0 to 15, and 16 to 31
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2 // the low parts'
	VPXORQ Z3, Z3, Z3

byteLoop:
	TESTQ         BX, BX
	JZ            byteStore
	VMOVDQU8      (SI), Z4
	VMOVDQU8      64(SI), Z5
	PREFETCHT0    4096(SI)
	PREFETCHT0    4160(SI)
	VPDPBUSD.BCST (DX), Z4, Z0
	VPDPBUSD.BCST (DX), Z5, Z1
	VPDPBUSD.BCST 4(DX), Z4, Z2
	VPDPBUSD.BCST 4(DX), Z5, Z3
	ADDQ          $8, DX
	ADDQ          $128, SI
	DECQ          BX
	JMP           byteLoop

byteStore:
	VPSLLD    $7, Z0, Z0
	VPSLLD    $7, Z1, Z1
	VPADDD    Z2, Z0, Z0
	VPADDD    Z3, Z1, Z1
	VPSUBD    Z10, Z0, Z0
	VPSUBD    Z10, Z1, Z1
	VCVTDQ2PS Z0, Z0
	VCVTDQ2PS Z1, Z1
	VMULPS    (R8), Z11, Z2
	VMULPS    64(R8), Z11, Z3
	VMULPS    Z2, Z0, Z0
	VMULPS    Z3, Z1, Z1
	VMOVUPS   Z0, (DI)
	VMOVUPS   Z1, 64(DI)
	ADDQ      $128, R8
	ADDQ      $128, DI
	DECQ      CX
	JMP       byteNext

byteDone:
	VZEROUPPER
	RET

// func decode16AVX512(dst *float32, src *uint16, n int)
TEXT ·decode16AVX512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

decode16:
	CMPQ      CX, $16
	JLT       decodeTail
	VCVTPH2PS (SI), Z0
	VMOVUPS   Z0, (DI)
	ADDQ      $32, SI
	ADDQ      $64, DI
	SUBQ      $16, CX
	JMP       decode16

decodeTail:
	TESTQ       CX, CX
	JZ          decodeDone
	TAIL
	VMOVDQU16.Z (SI), K1, Y1
	VCVTPH2PS   Y1, Z0
	VMOVUPS     Z0, K1, (DI)

decodeDone:
	VZEROUPPER
	RET

// func aboveAVX512(mask *uint64, scores *float32, words int, threshold float32)
TEXT ·aboveAVX512(SB), NOSPLIT, $0-28
	MOVQ         mask+0(FP), DI
	MOVQ         scores+8(FP), SI
	MOVQ         words+16(FP), CX
	VBROADCASTSS threshold+24(FP), Z0

aboveNext:
	TESTQ     CX, CX
	JZ        aboveDone
	VMOVUPS   (SI), Z1
	VMOVUPS   64(SI), Z2
	VMOVUPS   128(SI), Z3
	VMOVUPS   192(SI), Z4
	VCMPPS    $30, Z0, Z1, K1 // 30: greater than, false for NaN, quiet
	VCMPPS    $30, Z0, Z2, K2
	VCMPPS    $30, Z0, Z3, K3
	VCMPPS    $30, Z0, Z4, K4
	KUNPCKWD  K1, K2, K1
	KUNPCKWD  K3, K4, K3
	KUNPCKDQ  K1, K3, K1
	KMOVQ     K1, (DI)
	ADDQ      $256, SI
	ADDQ      $8, DI
	DECQ      CX
	JMP       aboveNext

aboveDone:
	VZEROUPPER
	RET
