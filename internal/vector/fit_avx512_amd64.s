//go:build !purego

#include "textflag.h"

// Kernels for fitting, for processors with AVX-512. What each computes is said beside its portable twin in fit.go.

// ROW points R at the row that the next column names.
#define ROW(off, R) \
	MOVLQSX off(CX), R   \
	IMULQ   BX, R        \
	ADDQ    AX, R


// AHEAD fetches the line of a row at the offset DX.
#define AHEAD(R) PREFETCHT0 (R)(DX*1)

// func pullAVX512(dst, p, rows *float32, cols *int32, weights *float32, shift float32, groups, k int, ahead bool)
//
// Eight rows at a time: their products with p, then what they add to dst. Two groups further on the rows are fetched.
TEXT ·pullAVX512(SB), NOSPLIT, $0-65
	MOVQ         dst+0(FP), DI
	MOVQ         p+8(FP), SI
	MOVQ         k+56(FP), BX
	SHLQ         $2, BX
	VBROADCASTSS shift+40(FP), Y23
	MOVL         $0, AX
	VPBROADCASTD AX, Z24
	MOVL         $1, AX
	VPBROADCASTD AX, Z25
	MOVL         $2, AX
	VPBROADCASTD AX, Z26
	MOVL         $3, AX
	VPBROADCASTD AX, Z27
	MOVL         $4, AX
	VPBROADCASTD AX, Z28
	MOVL         $5, AX
	VPBROADCASTD AX, Z29
	MOVL         $6, AX
	VPBROADCASTD AX, Z30
	MOVL         $7, AX
	VPBROADCASTD AX, Z31

pullNext:
	MOVQ    rows+16(FP), AX
	MOVQ    cols+24(FP), CX
	MOVBLZX ahead+64(FP), DX
	TESTL   DX, DX
	JZ      pullHere
	CMPQ    groups+48(FP), $3
	JLT     pullHere
	ROW(64, R8)
	ROW(68, R9)
	ROW(72, R10)
	ROW(76, R11)
	ROW(80, R12)
	ROW(84, R13)
	ROW(88, R14)
	ROW(92, R15)
	XORQ    DX, DX

pullAhead:
	AHEAD(R8)
	AHEAD(R9)
	AHEAD(R10)
	AHEAD(R11)
	AHEAD(R12)
	AHEAD(R13)
	AHEAD(R14)
	AHEAD(R15)
	ADDQ $64, DX
	CMPQ DX, BX
	JLT  pullAhead

pullHere:
	ROW(0, R8)
	ROW(4, R9)
	ROW(8, R10)
	ROW(12, R11)
	ROW(16, R12)
	ROW(20, R13)
	ROW(24, R14)
	ROW(28, R15)
	ADDQ $32, CX
	MOVQ CX, cols+24(FP)
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	XORQ DX, DX

pullDots:
	VMOVUPS     (SI)(DX*1), Z8
	VFMADD231PS (R8)(DX*1), Z8, Z0
	VFMADD231PS (R9)(DX*1), Z8, Z1
	VFMADD231PS (R10)(DX*1), Z8, Z2
	VFMADD231PS (R11)(DX*1), Z8, Z3
	VFMADD231PS (R12)(DX*1), Z8, Z4
	VFMADD231PS (R13)(DX*1), Z8, Z5
	VFMADD231PS (R14)(DX*1), Z8, Z6
	VFMADD231PS (R15)(DX*1), Z8, Z7
	ADDQ        $64, DX
	CMPQ        DX, BX
	JLT         pullDots

	// The lanes of rows i and i + 4 meet in one register, then those of four, then of all eight.
	VSHUFF64X2 $0x44, Z4, Z0, Z8
	VSHUFF64X2 $0xEE, Z4, Z0, Z9
	VADDPS     Z9, Z8, Z0
	VSHUFF64X2 $0x44, Z5, Z1, Z8
	VSHUFF64X2 $0xEE, Z5, Z1, Z9
	VADDPS     Z9, Z8, Z1
	VSHUFF64X2 $0x44, Z6, Z2, Z8
	VSHUFF64X2 $0xEE, Z6, Z2, Z9
	VADDPS     Z9, Z8, Z2
	VSHUFF64X2 $0x44, Z7, Z3, Z8
	VSHUFF64X2 $0xEE, Z7, Z3, Z9
	VADDPS     Z9, Z8, Z3
	VUNPCKLPS  Z1, Z0, Z8
	VUNPCKHPS  Z1, Z0, Z9
	VADDPS     Z9, Z8, Z0
	VUNPCKLPS  Z3, Z2, Z8
	VUNPCKHPS  Z3, Z2, Z9
	VADDPS     Z9, Z8, Z2
	VUNPCKLPD  Z2, Z0, Z8
	VUNPCKHPD  Z2, Z0, Z9
	VADDPS     Z9, Z8, Z0
	VEXTRACTF64X4 $1, Z0, Y1
	VPERM2F128 $0x20, Y1, Y0, Y8
	VPERM2F128 $0x31, Y1, Y0, Y9
	VADDPS     Y9, Y8, Y8

	MOVQ        weights+32(FP), AX
	VADDPS      Y23, Y8, Y8
	VMOVAPS     Y23, Y9
	VFMADD231PS (AX), Y8, Y9
	ADDQ        $32, AX
	MOVQ        AX, weights+32(FP)
	VPERMPS     Z9, Z24, Z0
	VPERMPS     Z9, Z25, Z1
	VPERMPS     Z9, Z26, Z2
	VPERMPS     Z9, Z27, Z3
	VPERMPS     Z9, Z28, Z4
	VPERMPS     Z9, Z29, Z5
	VPERMPS     Z9, Z30, Z6
	VPERMPS     Z9, Z31, Z7
	XORQ        DX, DX

pullAdd:
	VMOVUPS     (DI)(DX*1), Z8
	VMULPS      (R9)(DX*1), Z1, Z9
	VFMADD231PS (R8)(DX*1), Z0, Z8
	VFMADD231PS (R10)(DX*1), Z2, Z8
	VFMADD231PS (R11)(DX*1), Z3, Z9
	VFMADD231PS (R12)(DX*1), Z4, Z8
	VFMADD231PS (R13)(DX*1), Z5, Z9
	VFMADD231PS (R14)(DX*1), Z6, Z8
	VFMADD231PS (R15)(DX*1), Z7, Z9
	VADDPS      Z9, Z8, Z8
	VMOVUPS     Z8, (DI)(DX*1)
	ADDQ        $64, DX
	CMPQ        DX, BX
	JLT         pullAdd
	DECQ        groups+48(FP)
	JNZ         pullNext
	VZEROUPPER
	RET

// func combineAVX512(dst, weights, rows *float32, groups, k int)
TEXT ·combineAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ weights+8(FP), SI
	MOVQ rows+16(FP), R8
	MOVQ groups+24(FP), CX
	MOVQ k+32(FP), BX
	SHLQ $2, BX

combineNext:
	LEAQ (R8)(BX*1), R9
	LEAQ (R9)(BX*1), R10
	LEAQ (R10)(BX*1), R11
	LEAQ (R11)(BX*1), R12
	LEAQ (R12)(BX*1), R13
	LEAQ (R13)(BX*1), R14
	LEAQ (R14)(BX*1), R15
	VBROADCASTSS 0(SI), Z0
	VBROADCASTSS 4(SI), Z1
	VBROADCASTSS 8(SI), Z2
	VBROADCASTSS 12(SI), Z3
	VBROADCASTSS 16(SI), Z4
	VBROADCASTSS 20(SI), Z5
	VBROADCASTSS 24(SI), Z6
	VBROADCASTSS 28(SI), Z7
	ADDQ $32, SI
	XORQ DX, DX

combineAdd:
	VMOVUPS     (DI)(DX*1), Z8
	VMULPS      (R9)(DX*1), Z1, Z9
	VFMADD231PS (R8)(DX*1), Z0, Z8
	VFMADD231PS (R10)(DX*1), Z2, Z8
	VFMADD231PS (R11)(DX*1), Z3, Z9
	VFMADD231PS (R12)(DX*1), Z4, Z8
	VFMADD231PS (R13)(DX*1), Z5, Z9
	VFMADD231PS (R14)(DX*1), Z6, Z8
	VFMADD231PS (R15)(DX*1), Z7, Z9
	VADDPS      Z9, Z8, Z8
	VMOVUPS     Z8, (DI)(DX*1)
	ADDQ        $64, DX
	CMPQ        DX, BX
	JLT         combineAdd
	LEAQ (R15)(BX*1), R8
	DECQ CX
	JNZ  combineNext
	VZEROUPPER
	RET

// func dotBetweenAVX512(x, y, z *float32, n int) float32
//
// Two sums in turn; n is a multiple of 16.
TEXT ·dotBetweenAVX512(SB), NOSPLIT, $0-36
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ z+16(FP), DX
	MOVQ n+24(FP), CX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1

betweenTwo:
	CMPQ        CX, $32
	JLT         betweenOne
	VMOVUPS     (DI), Z2
	VMOVUPS     64(DI), Z3
	VSUBPS      (DX), Z2, Z2
	VSUBPS      64(DX), Z3, Z3
	VFMADD231PS (SI), Z2, Z0
	VFMADD231PS 64(SI), Z3, Z1
	ADDQ        $128, SI
	ADDQ        $128, DI
	ADDQ        $128, DX
	SUBQ        $32, CX
	JMP         betweenTwo

betweenOne:
	TESTQ       CX, CX
	JZ          betweenFold
	VMOVUPS     (DI), Z2
	VSUBPS      (DX), Z2, Z2
	VFMADD231PS (SI), Z2, Z0

betweenFold:
	VADDPS       Z1, Z0, Z0
	VEXTRACTF64X4 $1, Z0, Y1
	VADDPS        Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VMOVHLPS     X0, X0, X1
	VADDPS       X1, X0, X0
	VMOVSHDUP    X0, X1
	VADDSS       X1, X0, X0
	VMOVSS       X0, ret+32(FP)
	VZEROUPPER
	RET

// func pullApartAVX512(x, y, z *float32, n int, keep, pull float32)
TEXT ·pullApartAVX512(SB), NOSPLIT, $0-40
	MOVQ         x+0(FP), SI
	MOVQ         y+8(FP), DI
	MOVQ         z+16(FP), DX
	MOVQ         n+24(FP), CX
	VBROADCASTSS keep+32(FP), Z0
	VBROADCASTSS pull+36(FP), Z1

apartNext:
	VMOVUPS      (SI), Z2
	VMOVUPS      (DI), Z3
	VMOVUPS      (DX), Z4
	VSUBPS       Z4, Z3, Z5
	VMULPS       Z1, Z2, Z6   // pull · x
	VMULPS       Z5, Z1, Z5   // pull · (y − z)
	VFMADD213PS  Z6, Z0, Z3   // keep · y + pull · x
	VFMSUB213PS  Z6, Z0, Z4   // keep · z − pull · x
	VFMADD213PS  Z5, Z0, Z2   // keep · x + pull · (y − z)
	VMOVUPS      Z2, (SI)
	VMOVUPS      Z3, (DI)
	VMOVUPS      Z4, (DX)
	ADDQ         $64, SI
	ADDQ         $64, DI
	ADDQ         $64, DX
	SUBQ         $16, CX
	JNZ          apartNext
	VZEROUPPER
	RET
