package cachestore

// Evict drops everything that is kept, as if it had to make room.
func (s *Store) Evict() { s.cache.InvalidateAll() }

// Collide makes all keys of a partition share one id.
func (s *Store) Collide() { s.name = func(int, string) id { return id{} } }

// UnderWay returns at how many keys something is under way.
func (s *Store) UnderWay() (n int) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		n += len(sh.flights)
		sh.mu.Unlock()
	}
	return n
}
