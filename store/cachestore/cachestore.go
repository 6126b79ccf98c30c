// Package cachestore puts a cache in memory before any [store.Store], for a host of several machines whose engine charges
// for each read and answers over a network. It answers eventual Gets that were answered before; everything else passes through.
//
//	s, err := cachestore.New(inner, nil)
//
// It is not for memstore or sqlitestore, which are in this process already. It pays where the same items are read eventually again within
// [Options.TTL]: a hit costs one copy of the body, and an answer may be as old as TTL where another process has written in the
// meantime. [Store.Stats] tells how often it hits; where few reads do, leave it out.
//
// # What is safe
//
// A strong read goes past the cache. Sessions, API keys, consents, gates and claims are always read strongly, so that
// what one server revokes is refused by all at once. Lists go past it too, and so does every condition of a write, which the
// engine decides: a cached item that is out of date may be shown, but nothing is ever written because of it.
//
// # What an eventual Get may show
//
// A state that the engine showed (or that a write of this process made) at most TTL ago; an absence at most [Options.NegativeTTL]
// ago. An item whose ExpiresAt has passed is not shown. And never a state before this process's own last acknowledged
// write of the item, even if the engine's eventual reads still show one. The argument, in which "key" is one key:
//
//   - What an Apply put is kept once it is acknowledged, before Apply returns. Its age counts from before the Apply.
//   - Two Applies of a key that overlap may be acknowledged in another order than they were made. Then nothing is kept of either, and what was
//     kept is dropped when each ends.
//   - A load that a write of the key overtakes keeps nothing: an Apply that ends detaches the load in flight from the key, so that neither
//     is its result kept nor does a later Get wait for it. A load that starts and ends during an Apply may be kept until that Apply ends.
//   - For a minute after a write of this process, which is many times what an engine's eventual reads lag behind, a load of the
//     key reads strongly. So it does not matter when what was kept is evicted.
//   - An Apply that may have been made or not (ErrUnavailable, the context's end) is treated as made by somebody: what was kept is
//     dropped, and loads are strong for a minute. So are the keys of a conflict, which proves that what was kept is out of
//     date or soon may be.
//   - A strong Get that finds something else than what is kept drops that, and the next load is strong.
//
// The marks "load strongly" are kept for groups of keys that share a hash (half a thousand groups in each of 64 shards a table), so that
// they need no memory for each write; another key of the group at worst is loaded strongly once more than it needs.
//
// A store's optional interfaces ([store.Sweeper], [store.Closer], [store.Scanner]) are found through the cache by [store.As]. It has no
// goroutine and nothing to close.
package cachestore

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"math"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// Options of a Store; nil and the zero value are fine.
type Options struct {
	// TTL is how old the answer of an eventual Get may be; 0 means 300 s.
	TTL time.Duration
	// NegativeTTL is the same for the answer that there is no such item; 0 means 5 s, or TTL where that is shorter. At most TTL.
	NegativeTTL time.Duration
	// MaxBytes bounds what is kept; 0 means 64 MiB, and the least is 1 MiB. An item counts with all of its
	// allocations, as rounded up by the allocator, and with its share of the tables: 192 bytes more than sort key and body. A fixed 400 KB come on top.
	// Writes that are just being made may be over the bound for a moment.
	MaxBytes int64
	// Now is the clock that TTLs and expiry go by; nil means time.Now.
	Now func() time.Time
}

const (
	defaultTTL         = 300 * time.Second
	defaultNegativeTTL = 5 * time.Second
	defaultMaxBytes    = 64 << 20
	leastMaxBytes      = 1 << 20
)

func (o Options) withDefaults() (Options, error) {
	var f fault.Fields
	if o.TTL < 0 {
		f.Add("TTL", "must not be negative")
	}
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.NegativeTTL < 0 {
		f.Add("NegativeTTL", "must not be negative")
	}
	if o.TTL > 0 && o.NegativeTTL > o.TTL {
		f.Add("NegativeTTL", "must not be longer than TTL, %v", o.TTL)
	}
	if o.NegativeTTL == 0 {
		o.NegativeTTL = min(defaultNegativeTTL, o.TTL)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxBytes < leastMaxBytes {
		f.Add("MaxBytes", "must be at least %d", leastMaxBytes)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, f.Err()
}

// Store is a cache before a store. Make one with [New].
type Store struct {
	inner       store.Store
	now         func() time.Time
	begun       time.Time // what times are counted from
	ttl         time.Duration
	negativeTTL time.Duration
	cache       *otter.Cache[id, *record]
	evictions   *evictions
	name        func(table int, sort string) id
	shards      [shards]shard
}

var (
	_ store.Store     = (*Store)(nil)
	_ store.Bulker    = (*Store)(nil)
	_ store.Unwrapper = (*Store)(nil)
)

// New returns a cache before inner. All that this process writes must go through it: what is written past it, by another process
// for instance, is seen by eventual Gets only after TTL. Wrong options are one error of the kind invalid that names each.
func New(inner store.Store, options *Options) (*Store, error) {
	if inner == nil {
		return nil, errors.New("cachestore: no store to stand before")
	}
	var o Options
	if options != nil {
		o = *options
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{
		inner: inner, now: o.Now, begun: o.Now(), ttl: o.TTL, negativeTTL: o.NegativeTTL, evictions: &evictions{}, name: newName(),
	}
	for i := range s.shards {
		s.shards[i].flights = map[id]flight{}
	}
	// Without an ExpiryCalculator, otter starts no goroutine that lives as long as the cache, and with this Executor none for its
	// upkeep either. It is the reads here that tell what is too old; what nobody reads again is evicted for its bytes.
	s.cache, err = otter.New(&otter.Options[id, *record]{
		MaximumWeight: uint64(o.MaxBytes),
		Weigher:       func(_ id, r *record) uint32 { return r.weight },
		StatsRecorder: s.evictions,
		Executor:      func(upkeep func()) { upkeep() },
		Logger:        &otter.NoopLogger{},
	})
	return s, err
}

// Unwrap implements [store.Unwrapper].
func (s *Store) Unwrap() store.Store { return s.inner }

// id names a key in 16 bytes: its partition XOR a hash of table and sort key, by seeds of this cache. Keys of one table and sort key hence
// never share an id, and others do only by a chance of 2^-128 that nobody can bring about; if they do, they take turns in the cache.
type id [16]byte

func newName() func(table int, sort string) id {
	seeds := [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	var ofTable [tables][2]uint64
	for i, t := range store.Tables() {
		ofTable[i] = [2]uint64{maphash.String(seeds[0], string(t)), maphash.String(seeds[1], string(t))}
	}
	return func(table int, sort string) (h id) {
		binary.LittleEndian.PutUint64(h[:8], maphash.String(seeds[0], sort)^ofTable[table][0])
		binary.LittleEndian.PutUint64(h[8:], maphash.String(seeds[1], sort)^ofTable[table][1])
		return h
	}
}

// place is a key as the cache names it.
type place struct {
	id    id
	table int
}

const tables = 3

// place returns where a key belongs, false if its table is none.
func (s *Store) place(k *store.Key) (place, bool) {
	var table int
	switch k.Table {
	case store.Users:
		table = 0
	case store.Interactions:
		table = 1
	case store.Models:
		table = 2
	default:
		return place{}, false
	}
	p := place{id: s.name(table, k.Sort), table: table}
	for i := range p.id {
		p.id[i] ^= k.Partition[i]
	}
	return p, true
}

// moment is a time as the cache counts it: nanoseconds since it was begun. It follows the monotonic clock where Now has one.
type moment int64

func (s *Store) moment(t time.Time) moment { return moment(t.Sub(s.begun)) }

// add does not overflow: a TTL may be long.
func (m moment) add(d time.Duration) moment {
	if d > 0 && m > math.MaxInt64-moment(d) {
		return math.MaxInt64
	}
	return m + moment(d)
}

// Get implements [store.Store]. An eventual Get may be answered from the cache, even if the store behind it is out of reach.
func (s *Store) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	p, ok := s.place(&key)
	if !ok {
		return s.inner.Get(ctx, key, r)
	}
	if r != store.Eventual {
		return s.past(ctx, key, p, r)
	}
	if err := ctx.Err(); err != nil {
		return store.Item{}, err
	}
	now := s.now()
	if rec := s.kept(p, &key, now); rec != nil {
		return s.hit(p, rec, key)
	}
	return s.miss(ctx, key, p)
}

// kept returns what may be shown of key at now, nil for nothing.
func (s *Store) kept(p place, key *store.Key, now time.Time) *record {
	rec, ok := s.cache.GetIfPresent(p.id)
	if !ok || !rec.of(p, key.Sort) || !rec.shown(now, s.moment(now)) {
		return nil
	}
	return rec
}

func (s *Store) hit(p place, rec *record, key store.Key) (store.Item, error) {
	c := &s.shard(p).counts
	if rec.absent {
		c.negativeHits.Add(1)
	} else {
		c.hits.Add(1)
	}
	return rec.answer(key)
}

// past reads the store behind, and drops what is kept of key if it turns out to be out of date.
func (s *Store) past(ctx context.Context, key store.Key, p place, r store.Read) (store.Item, error) {
	item, err := s.inner.Get(ctx, key, r)
	if err == nil || errors.Is(err, store.ErrNotFound) {
		// Of what is absent both versions are none.
		if rec, ok := s.cache.GetEntryQuietly(p.id); ok && rec.Value.version != item.Version {
			s.drop(p)
		}
	}
	return item, err
}

// List implements [store.Store]: it passes through.
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	return s.inner.List(ctx, q)
}
