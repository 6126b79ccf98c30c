package cachestore

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

const (
	shards = 64
	groups = 512 // of keys, in each shard of each table
)

// behind is for how long after a write of this process eventual reads of the engine are not trusted to show it. DynamoDB's show a write "usually within
// one second" (Amazon DynamoDB Developer Guide, "DynamoDB read consistency").
const behind = time.Minute

// shard is what is known of a part of the keys beside what is kept of them. Whatever changes what is kept holds its lock.
type shard struct {
	mu      sync.Mutex
	flights map[id]flight
	strong  [tables][groups]uint32 // second, counted as moments are, up to which a group is loaded strongly
	counts  counts
}

// flight is what is under way at a key; the zero flight is nothing.
type flight struct {
	writers int  // Applies begun and not ended
	muddled bool // there was more than one at a time since there was none
	load    *load
}

// shard returns where p belongs. Which bytes of an id choose what does not matter: all look random.
func (s *Store) shard(p place) *shard { return &s.shards[p.id[0]%shards] }

func (p place) group() int { return int(binary.LittleEndian.Uint16(p.id[1:]) % groups) }

// set keeps what is under way at p.
func (sh *shard) set(p place, f flight) {
	if f == (flight{}) {
		delete(sh.flights, p.id)
		return
	}
	sh.flights[p.id] = f
}

// distrust makes the loads of p strong for a while, and detaches the one that is under way.
func (sh *shard) distrust(p place, now moment) {
	if f := sh.flights[p.id]; f.load != nil {
		f.load = nil
		sh.set(p, f)
	}
	sh.strong[p.table][p.group()] = now.second() + uint32(behind/time.Second)
}

// distrusted reports whether p must be loaded strongly.
func (sh *shard) distrusted(p place, now moment) bool {
	return now.second() <= sh.strong[p.table][p.group()]
}

// second counts from 1, so that 0 is before all. A clock that went back to before the beginning stands there.
func (m moment) second() uint32 { return uint32(max(m, 0)/moment(time.Second)) + 1 }

// begin notes that p is being written.
func (sh *shard) begin(p place) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f := sh.flights[p.id]
	f.writers++
	f.muddled = f.muddled || f.writers > 1
	sh.set(p, f)
}

// end notes that a write of p has ended. Where it changed p, or may have, rec is what it made of it, nil if that is not known.
func (s *Store) end(p place, changed bool, rec *record) {
	sh := s.shard(p)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f := sh.flights[p.id]
	if f.muddled {
		rec = nil
	}
	if f.writers--; f.writers == 0 {
		f.muddled = false
	}
	sh.set(p, f)
	if changed {
		s.replace(sh, p, rec)
	}
}

// replace keeps rec, or nothing if it is nil, of a key that has changed. The caller holds the lock.
func (s *Store) replace(sh *shard, p place, rec *record) {
	sh.distrust(p, s.moment(s.now()))
	if rec == nil {
		s.cache.Invalidate(p.id)
		return
	}
	s.cache.Set(p.id, rec)
}

// drop keeps nothing of p.
func (s *Store) drop(p place) {
	sh := s.shard(p)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.replace(sh, p, nil)
}

// load is one read of the store behind, and those who wait for it.
type load struct {
	key    store.Key
	strong bool
	begun  moment
	done   chan struct{} // closed when it has ended; then the rest is there
	rec    *record       // nil after an error
	err    error         // other than store.ErrNotFound
	lost   bool          // for a reason of the caller who read: the others read for themselves
}

// join returns what is kept of key, or else the load that is under way, or else a new one, which is the caller's to run.
func (s *Store) join(key *store.Key, p place) (rec *record, l *load, own bool) {
	now := s.now()
	m := s.moment(now)
	sh := s.shard(p)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if rec := s.kept(p, key, now); rec != nil {
		return rec, nil, false // somebody else has just loaded it
	}
	f := sh.flights[p.id]
	if f.load != nil && f.load.key == *key {
		return nil, f.load, false
	}
	l = &load{key: *key, strong: sh.distrusted(p, m), begun: m, done: make(chan struct{})}
	f.load = l // another key of the same id loses its place
	sh.set(p, f)
	return nil, l, true
}

// finish ends a load. What it found is kept if no write has overtaken it.
func (s *Store) finish(p place, l *load) {
	sh := s.shard(p)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if f := sh.flights[p.id]; f.load == l {
		f.load = nil
		sh.set(p, f)
		if l.rec != nil {
			s.cache.Set(p.id, l.rec)
		}
	}
	close(l.done)
}

// counts are those of a shard, so that what counts hits is rarely shared between processors.
type counts struct {
	hits, negativeHits, misses, loads, strongLoads atomic.Uint64
}
