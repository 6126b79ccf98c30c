package store

import (
	"context"
	"fmt"
	"time"
)

// Bulker is implemented by stores that make many writes at less cost than by Apply.
type Bulker interface {
	// Bulk makes writes that have passed [CheckBulk], in any order and not as one: after an error some of them may have been made.
	// It does not keep writes.
	Bulk(ctx context.Context, writes []Write) error
}

// Bulk makes any number of unconditional writes, by the store's [Bulker] if it has one ([As]), else in as few
// Applies as the limits allow. Writes of unknown outcome are repeated, as by [Settle]. It is not atomic: after an
// error some may have been made, and repeating all of them is safe. Of several writes to one key the last one counts.
// A [*LimitError] means that nothing was written; writes with a condition are one.
func Bulk(ctx context.Context, s Store, writes ...Write) error {
	if len(writes) == 0 {
		return ctx.Err()
	}
	writes = lastOfEach(writes)
	if err := CheckBulk(writes); err != nil {
		return err
	}
	if b, ok := As[Bulker](s); ok {
		return again(ctx, func() error { return b.Bulk(ctx, writes) })
	}
	for len(writes) > 0 {
		n := batch(writes)
		if err := again(ctx, func() error { return s.Apply(ctx, writes[:n]...) }); err != nil {
			return err
		}
		writes = writes[n:]
	}
	return nil
}

// again repeats writes of unknown outcome without looking: they have no conditions, and may be many.
func again(ctx context.Context, f func() error) error {
	_, err := repeat(ctx, f, func() bool { return false })
	return err
}

// takeBackTime bounds how long BulkWhile goes on after its caller's context has ended.
const takeBackTime = 10 * time.Second

// BulkWhile makes puts, as [Bulk] does, that may stay only while something else lives, such as the profile that they belong to; what
// ends it deletes what it finds once it has ended. After writing, and whatever became of the writing and of ctx, it asks lives, which
// must read strongly. Where the answer is false it deletes what it wrote, since the other deletion may have been
// before that, and returns false. It goes on for up to 10 s after the end of ctx to do so. After an error
// some puts may be there; repeating all of them is safe.
func BulkWhile(ctx context.Context, s Store, puts []Write, lives func(ctx context.Context) (bool, error)) (lived bool, err error) {
	wrote := Bulk(ctx, s, puts...)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
	defer cancel()
	lived, err = lives(ctx)
	switch {
	case err == nil && !lived:
		back := make([]Write, len(puts))
		for i := range puts {
			back[i] = Delete(puts[i].Key, None)
		}
		if err := Bulk(ctx, s, back...); err != nil {
			return false, fmt.Errorf("store: take back: %w", err)
		}
		return false, nil
	case wrote != nil:
		return lived, wrote
	}
	return lived, err
}

// CheckBulk is [CheckWrites] for Bulk: the same limits for each write, none for all of them together, no conditions,
// no key twice.
func CheckBulk(writes []Write) error {
	for i := range writes {
		w := &writes[i]
		if err := checkWrite(w); err != nil {
			return err
		}
		if w.Condition != None {
			return limitf("%v: Bulk takes no conditions", w.Key)
		}
	}
	return checkDistinct(writes)
}

// batch returns how many of the first writes go into one Apply.
func batch(writes []Write) int {
	size := 0
	for i := range writes {
		size += writes[i].size()
		if i == MaxWrites || size > MaxApply {
			return i
		}
	}
	return len(writes)
}

// lastOfEach returns the last write to each key, in the order of their first ones.
func lastOfEach(writes []Write) []Write {
	at := make(map[Key]int, len(writes))
	kept := make([]Write, 0, len(writes))
	for _, w := range writes {
		if i, dup := at[w.Key]; dup {
			kept[i] = w
			continue
		}
		at[w.Key] = len(kept)
		kept = append(kept, w)
	}
	return kept
}
