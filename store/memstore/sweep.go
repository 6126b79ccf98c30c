package memstore

import (
	"context"

	"github.com/rhythmiq/rhythmiq/store"
)

// sweepStep is how many expired items Sweep deletes under one lock.
const sweepStep = 256

// Sweep implements [store.Sweeper]. It looks at every item, one shard after the other.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	n := 0
	for i := range s.shards {
		keys := s.expiredIn(i)
		for len(keys) > 0 {
			if err := ctx.Err(); err != nil {
				return n, err
			}
			step := keys[:min(sweepStep, len(keys))]
			keys = keys[len(step):]
			n += s.deleteExpired(i, step)
		}
	}
	return n, ctx.Err()
}

func (s *Store) expiredIn(i int) []store.Key {
	sh, table := &s.shards[i], store.Tables()[i/shardsOfTable]
	sh.RLock()
	defer sh.RUnlock()
	now := s.now().Unix()
	var keys []store.Key
	for p, list := range sh.partitions {
		for _, chunk := range list.chunks {
			for _, r := range chunk {
				if r.expired(now) {
					keys = append(keys, store.Key{Table: table, Partition: p, Sort: r.sort()})
				}
			}
		}
	}
	return keys
}

// deleteExpired deletes those of the keys that still are expired.
func (s *Store) deleteExpired(i int, keys []store.Key) int {
	sh := &s.shards[i]
	sh.Lock()
	defer sh.Unlock()
	now := s.now().Unix()
	var (
		writes []store.Write
		old    []*record
	)
	for _, k := range keys {
		if r := sh.partitions[k.Partition].get(k.Sort); r != nil && r.expired(now) {
			writes, old = append(writes, store.Delete(k, store.None)), append(old, r)
		}
	}
	s.replace(writes, old, make([]*record, len(writes)))
	return len(writes)
}
