// Package memstore keeps a [store.Store] in memory: for tests, for demonstrations, and for a
// host that needs nothing to outlive its process. It is not durable. It keeps the whole contract, so that
// what passes on it passes on every other store.
//
//	s := memstore.New(nil)
package memstore

import (
	"context"
	"math/bits"
	"sync"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// Options of a Store; nil and the zero value are fine.
type Options struct {
	Now func() time.Time // the clock that expiry goes by; nil means time.Now
}

// Store is a store in memory. Make one with [New].
//
// It is cut into shards, each with its lock: a read takes the lock of one, an Apply those of all items that it
// writes, in their order. Records never change once they are in, so readers copy them after they have let go of the lock.
type Store struct {
	now    func() time.Time
	shards [tables * shardsOfTable]shard
	index  struct { // locked after shards
		sync.RWMutex
		partitions [tables]map[store.Partition]sorted
	}
	order partitionOrder
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Sweeper = (*Store)(nil)
	_ store.Scanner = (*Store)(nil)
)

const (
	tables        = 3
	shardsOfTable = 16 // all shards of all tables fit into the bits of a uint64
)

type shard struct {
	sync.RWMutex
	partitions map[store.Partition]sorted
	came       uint64 // how many partitions have come, for Scan
}

// New returns an empty store.
func New(o *Options) *Store {
	s := &Store{now: time.Now}
	if o != nil && o.Now != nil {
		s.now = o.Now
	}
	for i := range s.shards {
		s.shards[i].partitions = map[store.Partition]sorted{}
	}
	for i := range s.index.partitions {
		s.index.partitions[i] = map[store.Partition]sorted{}
	}
	return s
}

// tableNumber numbers the tables that store.CheckKey knows.
func tableNumber(t store.Table) int {
	switch t {
	case store.Users:
		return 0
	case store.Interactions:
		return 1
	default:
		return 2
	}
}

// shardOf returns the number of the shard that holds a partition. Of a UUID some bytes are random
// and of a hash all, so that the sum of all spreads well.
func shardOf(t store.Table, p store.Partition) int {
	sum := byte(0)
	for _, b := range p {
		sum += b
	}
	return tableNumber(t)*shardsOfTable + int(sum%shardsOfTable)
}

// Get implements [store.Store]. Both kinds of read are strong.
func (s *Store) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if err := ctx.Err(); err != nil {
		return store.Item{}, err
	}
	if err := store.CheckKey(key); err != nil {
		return store.Item{}, err
	}
	if err := store.CheckRead(r); err != nil {
		return store.Item{}, err
	}
	sh := &s.shards[shardOf(key.Table, key.Partition)]
	sh.RLock()
	rec := sh.partitions[key.Partition].get(key.Sort)
	sh.RUnlock()
	if rec == nil || rec.expired(s.now().Unix()) {
		return store.Item{}, store.ErrNotFound
	}
	return rec.item(key.Table, key.Partition), nil
}

// Apply implements [store.Store].
func (s *Store) Apply(ctx context.Context, writes ...store.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.CheckWrites(writes); err != nil {
		return err
	}
	fresh := make([]*record, len(writes)) // nil for a deletion
	var locks uint64
	for i := range writes {
		w := &writes[i]
		locks |= 1 << shardOf(w.Key.Table, w.Key.Partition)
		if !w.Delete {
			fresh[i] = newRecord(w)
		}
	}
	s.lock(locks)
	defer s.unlock(locks)
	now := s.now().Unix()
	old := make([]*record, 0, len(writes))
	err := store.Decide(writes, func(k store.Key) (store.Version, bool) {
		rec := s.shards[shardOf(k.Table, k.Partition)].partitions[k.Partition].get(k.Sort)
		old = append(old, rec)
		if rec == nil || rec.expired(now) {
			return store.Version{}, false
		}
		return rec.version, true
	})
	if err != nil {
		return err
	}
	s.replace(writes, old, fresh)
	return nil
}

// replace puts fresh records in the place of old ones. The shards of all writes are locked.
func (s *Store) replace(writes []store.Write, old, fresh []*record) {
	indexed := false
	for i := range writes {
		k := &writes[i].Key
		sh := &s.shards[shardOf(k.Table, k.Partition)]
		before := len(sh.partitions)
		put(sh.partitions, k.Partition, fresh[i], bySort(k.Sort))
		if len(sh.partitions) > before {
			sh.came++
		}
		indexed = indexed || (old[i] != nil && old[i].place != nil) || (fresh[i] != nil && fresh[i].place != nil)
	}
	if !indexed {
		return
	}
	s.index.Lock()
	defer s.index.Unlock()
	for i := range writes {
		partitions := s.index.partitions[tableNumber(writes[i].Key.Table)]
		if o := old[i]; o != nil && o.place != nil {
			put(partitions, o.place.partition, nil, byPosition(o.position()))
		}
		if f := fresh[i]; f != nil && f.place != nil {
			put(partitions, f.place.partition, f, byPosition(f.position()))
		}
	}
}

// put sets the record at the place that order leads to, or removes it where rec is nil.
func put(partitions map[store.Partition]sorted, p store.Partition, rec *record, order order) {
	list := partitions[p]
	if rec != nil {
		list.set(order, rec)
	} else {
		list.remove(order)
	}
	if len(list.chunks) == 0 {
		delete(partitions, p)
		return
	}
	partitions[p] = list
}

func (s *Store) lock(shards uint64) {
	for ; shards != 0; shards &= shards - 1 {
		s.shards[bits.TrailingZeros64(shards)].Lock()
	}
}

func (s *Store) unlock(shards uint64) {
	for ; shards != 0; shards &= shards - 1 {
		s.shards[bits.TrailingZeros64(shards)].Unlock()
	}
}
