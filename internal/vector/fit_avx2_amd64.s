//go:build !purego

#include "textflag.h"

// Kernels for fitting, for processors with AVX2 and FMA. What each computes is said beside its portable twin in fit.go.

// ROW points R at the row that the next column names.
#define ROW(off, R) \
	MOVLQSX off(CX), R   \
	IMULQ   BX, R        \
	ADDQ    AX, R


// AHEAD fetches the line of a row at the offset DX.
#define AHEAD(R) PREFETCHT0 (R)(DX*1)

// func pullAVX2(dst, p, rows *float32, cols *int32, weights *float32, shift float32, groups, k int, ahead bool)
//
// Eight rows at a time: their products with p, then what they add to dst. Two groups further on the rows are fetched.
TEXT ·pullAVX2(SB), NOSPLIT, $32-65
	MOVQ         dst+0(FP), DI
	MOVQ         p+8(FP), SI
	MOVQ         k+56(FP), BX
	SHLQ         $2, BX
	VBROADCASTSS shift+40(FP), Y15

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
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	XORQ DX, DX

pullDots:
	VMOVUPS     (SI)(DX*1), Y8
	VFMADD231PS (R8)(DX*1), Y8, Y0
	VFMADD231PS (R9)(DX*1), Y8, Y1
	VFMADD231PS (R10)(DX*1), Y8, Y2
	VFMADD231PS (R11)(DX*1), Y8, Y3
	VFMADD231PS (R12)(DX*1), Y8, Y4
	VFMADD231PS (R13)(DX*1), Y8, Y5
	VFMADD231PS (R14)(DX*1), Y8, Y6
	VFMADD231PS (R15)(DX*1), Y8, Y7
	ADDQ        $32, DX
	CMPQ        DX, BX
	JLT         pullDots

	VHADDPS    Y1, Y0, Y0
	VHADDPS    Y3, Y2, Y2
	VHADDPS    Y5, Y4, Y4
	VHADDPS    Y7, Y6, Y6
	VHADDPS    Y2, Y0, Y0
	VHADDPS    Y6, Y4, Y4
	VPERM2F128 $0x20, Y4, Y0, Y8
	VPERM2F128 $0x31, Y4, Y0, Y9
	VADDPS     Y9, Y8, Y8

	MOVQ        weights+32(FP), AX
	VADDPS      Y15, Y8, Y8
	VMOVAPS     Y15, Y9
	VFMADD231PS (AX), Y8, Y9
	ADDQ        $32, AX
	MOVQ        AX, weights+32(FP)
	VMOVUPS      Y9, coefs-32(SP)
	VBROADCASTSS coefs-32(SP), Y0
	VBROADCASTSS coefs-28(SP), Y1
	VBROADCASTSS coefs-24(SP), Y2
	VBROADCASTSS coefs-20(SP), Y3
	VBROADCASTSS coefs-16(SP), Y4
	VBROADCASTSS coefs-12(SP), Y5
	VBROADCASTSS coefs-8(SP), Y6
	VBROADCASTSS coefs-4(SP), Y7
	XORQ        DX, DX

pullAdd:
	VMOVUPS     (DI)(DX*1), Y8
	VMULPS      (R9)(DX*1), Y1, Y9
	VFMADD231PS (R8)(DX*1), Y0, Y8
	VFMADD231PS (R10)(DX*1), Y2, Y8
	VFMADD231PS (R11)(DX*1), Y3, Y9
	VFMADD231PS (R12)(DX*1), Y4, Y8
	VFMADD231PS (R13)(DX*1), Y5, Y9
	VFMADD231PS (R14)(DX*1), Y6, Y8
	VFMADD231PS (R15)(DX*1), Y7, Y9
	VADDPS      Y9, Y8, Y8
	VMOVUPS     Y8, (DI)(DX*1)
	ADDQ        $32, DX
	CMPQ        DX, BX
	JLT         pullAdd
	DECQ        groups+48(FP)
	JNZ         pullNext
	VZEROUPPER
	RET

// func combineAVX2(dst, weights, rows *float32, groups, k int)
TEXT ·combineAVX2(SB), NOSPLIT, $0-40
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
	VBROADCASTSS 0(SI), Y0
	VBROADCASTSS 4(SI), Y1
	VBROADCASTSS 8(SI), Y2
	VBROADCASTSS 12(SI), Y3
	VBROADCASTSS 16(SI), Y4
	VBROADCASTSS 20(SI), Y5
	VBROADCASTSS 24(SI), Y6
	VBROADCASTSS 28(SI), Y7
	ADDQ $32, SI
	XORQ DX, DX

combineAdd:
	VMOVUPS     (DI)(DX*1), Y8
	VMULPS      (R9)(DX*1), Y1, Y9
	VFMADD231PS (R8)(DX*1), Y0, Y8
	VFMADD231PS (R10)(DX*1), Y2, Y8
	VFMADD231PS (R11)(DX*1), Y3, Y9
	VFMADD231PS (R12)(DX*1), Y4, Y8
	VFMADD231PS (R13)(DX*1), Y5, Y9
	VFMADD231PS (R14)(DX*1), Y6, Y8
	VFMADD231PS (R15)(DX*1), Y7, Y9
	VADDPS      Y9, Y8, Y8
	VMOVUPS     Y8, (DI)(DX*1)
	ADDQ        $32, DX
	CMPQ        DX, BX
	JLT         combineAdd
	LEAQ (R15)(BX*1), R8
	DECQ CX
	JNZ  combineNext
	VZEROUPPER
	RET

// func dotBetweenAVX2(x, y, z *float32, n int) float32
//
// Two sums in turn; n is a multiple of 16.
TEXT ·dotBetweenAVX2(SB), NOSPLIT, $0-36
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ z+16(FP), DX
	MOVQ n+24(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1

betweenTwo:
	CMPQ        CX, $16
	JLT         betweenOne
	VMOVUPS     (DI), Y2
	VMOVUPS     32(DI), Y3
	VSUBPS      (DX), Y2, Y2
	VSUBPS      32(DX), Y3, Y3
	VFMADD231PS (SI), Y2, Y0
	VFMADD231PS 32(SI), Y3, Y1
	ADDQ        $64, SI
	ADDQ        $64, DI
	ADDQ        $64, DX
	SUBQ        $16, CX
	JMP         betweenTwo

betweenOne:
	TESTQ       CX, CX
	JZ          betweenFold
	VMOVUPS     (DI), Y2
	VSUBPS      (DX), Y2, Y2
	VFMADD231PS (SI), Y2, Y0

betweenFold:
	VADDPS       Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VMOVHLPS     X0, X0, X1
	VADDPS       X1, X0, X0
	VMOVSHDUP    X0, X1
	VADDSS       X1, X0, X0
	VMOVSS       X0, ret+32(FP)
	VZEROUPPER
	RET

// func pullApartAVX2(x, y, z *float32, n int, keep, pull float32)
TEXT ·pullApartAVX2(SB), NOSPLIT, $0-40
	MOVQ         x+0(FP), SI
	MOVQ         y+8(FP), DI
	MOVQ         z+16(FP), DX
	MOVQ         n+24(FP), CX
	VBROADCASTSS keep+32(FP), Y0
	VBROADCASTSS pull+36(FP), Y1

apartNext:
	VMOVUPS      (SI), Y2
	VMOVUPS      (DI), Y3
	VMOVUPS      (DX), Y4
	VSUBPS       Y4, Y3, Y5
	VMULPS       Y1, Y2, Y6   // pull · x
	VMULPS       Y5, Y1, Y5   // pull · (y − z)
	VFMADD213PS  Y6, Y0, Y3   // keep · y + pull · x
	VFMSUB213PS  Y6, Y0, Y4   // keep · z − pull · x
	VFMADD213PS  Y5, Y0, Y2   // keep · x + pull · (y − z)
	VMOVUPS      Y2, (SI)
	VMOVUPS      Y3, (DI)
	VMOVUPS      Y4, (DX)
	ADDQ         $32, SI
	ADDQ         $32, DI
	ADDQ         $32, DX
	SUBQ         $8, CX
	JNZ          apartNext
	VZEROUPPER
	RET

// func fetchRows(rows *float32, k int, at *int32, count int)
TEXT ·fetchRows(SB), NOSPLIT, $0-32
	MOVQ rows+0(FP), SI
	MOVQ k+8(FP), BX
	MOVQ at+16(FP), DX
	MOVQ count+24(FP), CX
	SHLQ $2, BX

fetchRow:
	MOVLQSX (DX), AX
	IMULQ   BX, AX
	ADDQ    SI, AX
	LEAQ    (AX)(BX*1), DI

fetchLine:
	PREFETCHT0 (AX)
	ADDQ       $64, AX
	CMPQ       AX, DI
	JLT        fetchLine
	ADDQ       $4, DX
	DECQ       CX
	JNZ        fetchRow
	RET
