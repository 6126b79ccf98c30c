package memstore

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/rhythmiq/rhythmiq/store"
)

// partitionOrder keeps the partitions of the shard that was scanned last in their order, so that a page need not sort them
// again. It costs a byte for each partition of a table, since a table has 16 shards and a partition 16 bytes.
type partitionOrder struct {
	sync.Mutex
	list  []store.Partition // never changed once it is here
	shard int
	came  uint64 // the shard's when list was made; partitions that have gone since do no harm
}

// partitionsIn returns the partitions of a shard in the order of their bytes, and perhaps some that have gone.
func (s *Store) partitionsIn(shard int) []store.Partition {
	s.order.Lock()
	defer s.order.Unlock()
	sh := &s.shards[shard]
	sh.RLock()
	if o := &s.order; o.list != nil && o.shard == shard && o.came == sh.came {
		sh.RUnlock()
		return o.list
	}
	list, came := make([]store.Partition, 0, len(sh.partitions)), sh.came
	for p := range sh.partitions {
		list = append(list, p)
	}
	sh.RUnlock()
	slices.SortFunc(list, func(a, b store.Partition) int { return bytes.Compare(a[:], b[:]) })
	s.order.list, s.order.shard, s.order.came = list, shard, came
	return list
}

// Scan implements [store.Scanner]. The order is that of the shards, then of partitions, then of sort keys: all of it
// follows from the key, so that an item keeps its place whatever comes and goes around it.
func (s *Store) Scan(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	if err := store.CheckScan(table, limit); err != nil {
		return store.Page{}, err
	}
	after, resumed, err := store.DecodeScanCursor(table, cursor)
	if err != nil {
		return store.Page{}, err
	}
	if limit == 0 {
		limit = store.DefaultPage
	}
	first := tableNumber(table) * shardsOfTable
	end := first + shardsOfTable
	if resumed {
		first = shardOf(table, after.Partition)
	}
	page := store.Page{Items: make([]store.Item, 0, min(limit, store.DefaultPage))}
	for shard := first; shard < end; shard++ {
		if err := ctx.Err(); err != nil {
			return store.Page{}, err
		}
		// One more tells whether there is more.
		for _, f := range s.scanShard(shard, after, resumed && shard == first, limit+1-len(page.Items)) {
			if len(page.Items) == limit {
				page.Next = store.EncodeScanCursor(page.Items[limit-1].Key)
				return page, nil
			}
			page.Items = append(page.Items, f.item(table, f.partition))
		}
	}
	return page, nil
}

// found is a record and where it was.
type found struct {
	*record
	partition store.Partition
}

// scanShard returns the first n living records of a shard, or the first n behind after.
func (s *Store) scanShard(shard int, after store.Key, resumed bool, n int) []found {
	partitions := s.partitionsIn(shard)
	if resumed {
		partitions = partitions[sort.Search(len(partitions), func(i int) bool {
			return bytes.Compare(partitions[i][:], after.Partition[:]) >= 0
		}):]
	}
	sh := &s.shards[shard]
	sh.RLock()
	defer sh.RUnlock()
	now := s.now().Unix()
	var all []found
	for _, p := range partitions {
		list := sh.partitions[p]
		a := at{}
		if resumed && p == after.Partition {
			if a = list.find(bySort(after.Sort)); a.c < len(list.chunks) && list.chunks[a.c][a.i].sort() == after.Sort {
				_, a = list.next(a)
			}
		}
		for {
			var r *record
			if r, a = list.next(a); r == nil {
				break
			}
			if r.expired(now) {
				continue
			}
			if all = append(all, found{r, p}); len(all) == n {
				return all
			}
		}
	}
	return all
}
