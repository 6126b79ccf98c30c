package cachestore

import (
	"sync/atomic"

	"github.com/maypok86/otter/v2/stats"
)

// Stats says how well a cache does. All but Bytes and Entries count from the beginning. Strong reads are in none of them.
type Stats struct {
	Hits         uint64 // eventual Gets that were answered with an item that was kept
	NegativeHits uint64 // eventual Gets that were answered by knowing that there is no such item
	Misses       uint64 // eventual Gets that were not, those included that waited for another's load
	Loads        uint64 // reads of the store behind for the sake of misses
	StrongLoads  uint64 // those of them that read strongly, after writes
	Evictions    uint64 // items that had to make room
	Bytes        uint64 // in use, as [Options.MaxBytes] counts them
	Entries      int    // kept, those included that are too old to be shown
}

// HitRatio is the part of the eventual Gets that the store behind did not see, 0–1; 0 before the first.
func (s Stats) HitRatio() float64 {
	hits := float64(s.Hits + s.NegativeHits)
	if hits == 0 {
		return 0
	}
	return hits / (hits + float64(s.Misses))
}

// Stats returns the figures as they stand. It is meant to be asked now and then, as for metrics.
func (s *Store) Stats() Stats {
	st := Stats{
		Evictions: s.evictions.n.Load(),
		Bytes:     s.cache.WeightedSize(),
		Entries:   s.cache.EstimatedSize(),
	}
	for i := range s.shards {
		c := &s.shards[i].counts
		st.Hits += c.hits.Load()
		st.NegativeHits += c.negativeHits.Load()
		st.Misses += c.misses.Load()
		st.Loads += c.loads.Load()
		st.StrongLoads += c.strongLoads.Load()
	}
	return st
}

// evictions counts otter's.
type evictions struct {
	stats.NoopRecorder
	n atomic.Uint64
}

// RecordEviction implements [stats.Recorder].
func (e *evictions) RecordEviction(uint32) { e.n.Add(1) }
