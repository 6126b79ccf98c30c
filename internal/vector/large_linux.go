package vector

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Large returns n zeros. Where they are many it asks the kernel for large pages (transparent huge pages): a scan of a
// gigabyte in pages of 4 KiB waits for their addresses for up to half of its time. Where the kernel has none to give,
// or does not give them on request, nothing is lost but that.
func Large[T uint8 | uint16 | float32](n int) []T {
	x := make([]T, n)
	var one T
	const least = 4 << 20
	if size := n * int(unsafe.Sizeof(one)); size >= least {
		b := unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), size) //nolint:gosec // G103: the bytes of x, for as long as x is there
		page := os.Getpagesize()
		off := -int(uintptr(unsafe.Pointer(&b[0]))) & (page - 1) //nolint:gosec // G103: the address, for where its page ends
		whole := b[off : off+(size-off)&^(page-1)]
		if unix.Madvise(whole, unix.MADV_HUGEPAGE) == nil {
			// The heap may have used the memory before, in small pages. Given back, it comes again as zeros when it is written to,
			// which is what it holds now: in large pages then.
			_ = unix.Madvise(whole, unix.MADV_DONTNEED)
		}
	}
	return x
}
