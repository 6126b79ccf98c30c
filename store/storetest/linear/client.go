package linear

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// record lets clients loose on s and returns what they saw.
func record(s store.Store, seed uint64, o *Options, heal func()) *history {
	h := &history{store: s, seed: seed, start: time.Now(), versions: map[store.Version]version{}, bodies: map[version]string{}}
	// Items of several tables and of one partition, in partitions that no other history has.
	var first, second store.Partition
	_, _ = crand.Read(first[:])
	_, _ = crand.Read(second[:])
	h.keys = [keys]store.Key{
		{Table: store.Users, Partition: first, Sort: "a"},
		{Table: store.Users, Partition: first, Sort: "b"},
		{Table: store.Models, Partition: second, Sort: "c"},
	}
	var start, wg sync.WaitGroup
	start.Add(1)
	for i := range o.Clients {
		c := &client{history: h, id: i, o: o, rand: rand.New(rand.NewPCG(seed, uint64(i)))}
		wg.Go(func() {
			start.Wait()
			for range o.Calls {
				c.next()
			}
		})
	}
	start.Done()
	wg.Wait()
	if heal != nil {
		heal()
	}
	h.readLast(o)
	return h
}

// readLast reads every item when all is quiet, and once more when what was on its way has arrived: a write
// that comes to life after all is seen then.
func (h *history) readLast(o *Options) {
	last := &client{history: h, id: o.Clients, o: &Options{Timeout: o.Timeout}, rand: rand.New(rand.NewPCG(h.seed, 0))}
	for _, wait := range []time.Duration{0, o.Settle} {
		<-time.After(wait)
		for key := range keys {
			last.get(key)
		}
	}
}

// client makes one call after the other.
type client struct {
	*history
	id   int
	o    *Options
	rand *rand.Rand
	seen [keys]struct { // what it believes of each item, and asks for in conditions
		version store.Version
		number  version
	}
	unsure []store.Write // an Apply whose outcome it does not know
	want   []write       // the same in the terms of the model
}

// next makes a call: half are reads, and an Apply of unknown outcome is mostly repeated sooner or later.
func (c *client) next() {
	<-time.After(rand.N(c.o.Pause + 1))
	n := c.rand.IntN(100)
	switch {
	case c.enough():
		c.get(c.rand.IntN(keys))
	case c.unsure != nil && n < 50:
		if n < 40 {
			c.apply(c.unsure, c.want)
		} else {
			c.unsure = nil
		}
	case n < 45:
		c.get(c.rand.IntN(keys))
	case n < 75:
		c.write(1)
	default:
		c.write(2 + c.rand.IntN(keys-1))
	}
}

func (c *client) enough() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unknown >= c.o.Unknown
}

func (c *client) context() (context.Context, context.CancelFunc) {
	timeout := c.o.Timeout
	if c.o.Deadline > 0 {
		switch n := c.rand.IntN(16); {
		case n == 0:
			timeout = 0 // it has ended before the call
		case n < 4:
			timeout = time.Duration(c.rand.Int64N(int64(c.o.Deadline)))
		}
	}
	return context.WithTimeout(context.Background(), timeout)
}

func (c *client) get(key int) {
	ctx, cancel := c.context()
	defer cancel()
	from := c.now()
	item, err := c.store.Get(ctx, c.keys[key], store.Strong)
	done := &call{client: c.id, from: from, to: c.now(), key: key}
	switch {
	case errors.Is(err, store.ErrNotFound):
		c.seen[key].version, c.seen[key].number = store.Version{}, 0
	case err != nil:
		c.readFailed(ctx, err)
		return
	default:
		done.read = c.number(item.Version)
		c.seen[key].version, c.seen[key].number = item.Version, done.read
		c.checkItem(key, item, done.read)
	}
	c.add(done)
}

func (c *client) readFailed(ctx context.Context, err error) {
	if !c.excused(ctx, err) {
		c.wrongf("Get returned an error that the contract does not have: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failedReads++
}

// excused reports whether a call may fail so without saying anything about the items.
func (c *client) excused(ctx context.Context, err error) bool {
	return errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// content is the body of an item: who wrote it.
type content struct {
	Text string `json:"text"`
}

// checkItem holds that what was read is what was written under its version.
func (c *client) checkItem(key int, item store.Item, v version) {
	var read content
	switch want := c.body(v); {
	case item.Key != c.keys[key]:
		c.wrongf("asked for %v, got %v", c.keys[key], item.Key)
	case want == "":
		c.wrongf("%v has a version that nobody wrote", item.Key)
	case json.Unmarshal(item.Body, &read) != nil || read.Text != want:
		c.wrongf("%v has the version that was written with %q, and the body %s", item.Key, want, item.Body)
	}
}

// write applies writes to n items.
func (c *client) write(n int) {
	var (
		writes []store.Write
		want   []write
	)
	for _, key := range c.rand.Perm(keys)[:n] {
		w, m := c.change(key)
		writes, want = append(writes, w), append(want, m)
	}
	c.apply(writes, want)
}

// change makes up a write to an item. Conditions mostly ask for what the client saw last, so that many hold.
func (c *client) change(key int) (store.Write, write) {
	seen := c.seen[key]
	m, condition := write{key: key}, store.None
	switch n := c.rand.IntN(10); {
	case n < 2:
	case n < 4 || seen.number == 0 && n < 9:
		m.condition, condition = absent, store.Absent
	case n < 6 || seen.number == 0:
		m.condition, condition = present, store.Present
	default:
		m.condition, m.of, condition = versionIs, seen.number, store.VersionIs(seen.version)
	}
	if c.rand.IntN(4) == 0 {
		return store.Delete(c.keys[key], condition), m
	}
	// The version is random and not of the seed, as in life.
	v := store.NewVersion()
	m.put = c.number(v)
	text := fmt.Sprintf("%v by client %d", m.put, c.id)
	c.mu.Lock()
	c.bodies[m.put] = text
	c.mu.Unlock()
	body := json.RawMessage(fmt.Sprintf(`{"text":%q}`, text))
	return store.Put(store.Item{Key: c.keys[key], Version: v, Body: body}, condition), m
}

func (c *client) apply(writes []store.Write, want []write) {
	c.unsure, c.want = nil, nil
	ctx, cancel := c.context()
	defer cancel()
	from := c.now()
	ended := ctx.Err() != nil
	err := c.store.Apply(ctx, writes...)
	done := &call{client: c.id, from: from, to: c.now(), writes: want, err: err}
	var lost *store.ConflictError
	switch {
	case ended:
		// Nothing may have happened. If it did, a read sees a version that no call has written.
		if err == nil || !errors.Is(err, ctx.Err()) {
			c.wrongf("Apply returned %v after its context had ended", err)
		}
		return
	case err == nil:
		done.outcome = made
		for i, w := range want {
			c.seen[w.key].version, c.seen[w.key].number = writes[i].Version, w.put
		}
	case errors.As(err, &lost):
		done.outcome = conflict
		done.failed = c.indexes(lost.Keys)
	default:
		if !c.excused(ctx, err) {
			c.wrongf("Apply returned an error that the contract does not have: %v", err)
		}
		done.outcome = unknown
		c.unsure, c.want = writes, want
	}
	c.add(done)
}

// indexes returns the numbers of items; -1 stands for one that the history knows nothing of.
func (c *client) indexes(of []store.Key) []int {
	numbers := make([]int, len(of))
	for i, k := range of {
		numbers[i] = -1
		for j := range c.keys {
			if c.keys[j] == k {
				numbers[i] = j
			}
		}
	}
	return numbers
}
