package store

import (
	"context"
	"iter"
)

// All lists everything that q selects, page by page, from q.Cursor on; q.Limit is the size of a page. The first error
// ends it. Bodies are the caller's.
func All(ctx context.Context, s Store, q Query) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		q := q // the sequence can be run again
		for {
			page, err := s.List(ctx, q)
			if err != nil {
				yield(Item{}, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Cursor = page.Next
		}
	}
}

// Wipe deletes every item of a partition whose sort key begins with prefix ("" for all), page by page, and
// returns how many. It is not atomic: stopped half-way it is finished by running it again, and an
// item that is put while it runs may stay.
func Wipe(ctx context.Context, s Store, table Table, partition Partition, prefix string) (int, error) {
	q := Query{Table: table, Partition: partition, Prefix: prefix, Limit: MaxWrites, Read: Strong}
	for n := 0; ; {
		page, err := s.List(ctx, q)
		if err != nil {
			return n, err
		}
		writes := make([]Write, len(page.Items))
		for i, item := range page.Items {
			writes[i] = Delete(item.Key, None)
		}
		if err := Bulk(ctx, s, writes...); err != nil {
			return n, err
		}
		n += len(writes)
		if page.Next == "" {
			return n, nil
		}
		q.Cursor = page.Next
	}
}
