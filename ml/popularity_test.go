package ml_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store"
)

func popularity(t testing.TB, s *ml.Service) ml.Popularity {
	t.Helper()
	p, err := s.Popularity(t.Context())
	require.NoError(t, err)
	return p
}

// heard logs that each of the first n listeners did the same with a track.
func (b *bench) heard(t testing.TB, n, id int, track string, a ml.Action, at time.Time) {
	t.Helper()
	for l := range n {
		b.log(t, b.listener(t, byte(l)), event(id, track, a, at))
	}
}

func TestPopularity(t *testing.T) {
	b := newBench(t, ml.Options{})
	require.Empty(t, popularity(t, b.Service).Top(10))
	b.heard(t, 6, 1, "loved", ml.Save, noon)
	b.heard(t, 5, 2, "liked", ml.Like, noon.Add(-time.Hour))
	b.heard(t, 3, 3, "begun", ml.Play, noon)
	b.heard(t, 2, 4, "rare", ml.Save, noon)
	b.heard(t, 5, 5, "hated", ml.Dislike, noon)
	require.NoError(t, b.Refresh(t.Context()))

	p := popularity(t, b.Service)
	require.Equal(t, []string{"loved", "liked", "begun"}, p.Top(10))
	require.Equal(t, []string{"loved", "liked"}, p.Top(2))
	require.Empty(t, p.Top(-1))
	require.InDelta(t, 1, p.Score("loved"), 0)
	require.InDelta(t, math.Log1p(4)/math.Log1p(6), p.Score("liked"), 1e-9)
	require.Zero(t, p.Score("rare"), "fewer than three listeners")
	require.Zero(t, p.Score("hated"))
	require.True(t, p.CountedAt().Equal(noon))

	p.Top(3)[0] = "mine"
	require.Equal(t, []string{"loved"}, p.Top(1), "a value that nobody can change")

	status, values := b.events.last(t, "ml.refresh")
	require.Equal(t, "ok", status)
	require.Equal(t, map[string]float64{"days": 90, "tracks": 3}, values)
}

func TestPopularityDecays(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	b.heard(t, 4, 1, "old", ml.Save, noon.AddDate(0, 0, -28))
	b.heard(t, 2, 2, "new", ml.Save, noon)
	require.NoError(t, b.Refresh(t.Context()))
	p := popularity(t, b.Service)
	require.Equal(t, []string{"new", "old"}, p.Top(2))
	require.InDelta(t, math.Log1p(4./4)/math.Log1p(2), p.Score("old"), 1e-9)

	b.clock.add(89 * 24 * time.Hour)
	require.NoError(t, b.Refresh(t.Context()))
	require.Equal(t, []string{"new"}, popularity(t, b.Service).Top(2))
	b.clock.add(24 * time.Hour)
	require.NoError(t, b.Refresh(t.Context()))
	require.Empty(t, popularity(t, b.Service).Top(2))
}

func TestPopularityIsNotMadeByRepetition(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	fan := b.listener(t, 9)
	for i := range 50 {
		b.log(t, fan, event(100+i, "mine", ml.Save, noon.Add(-time.Duration(i)*time.Second)))
	}
	b.heard(t, 2, 1, "ours", ml.Save, noon)
	require.NoError(t, b.Refresh(t.Context()))
	p := popularity(t, b.Service)
	require.Equal(t, []string{"ours", "mine"}, p.Top(2))
	require.InDelta(t, math.Log1p(1)/math.Log1p(2), p.Score("mine"), 1e-9)
}

// A listener who comes back is one, on however many days they are heard.
func TestPopularityCountsAListenerOnce(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 2})
	for d := range 5 {
		b.heard(t, 1, d, "alone", ml.Like, noon.AddDate(0, 0, -d))
		b.log(t, b.listener(t, byte(d)), event(10, "passed on", ml.Like, noon.AddDate(0, 0, -d)))
	}
	require.NoError(t, b.Refresh(t.Context()))
	require.Equal(t, []string{"passed on"}, popularity(t, b.Service).Top(9))
}

// A day that says nothing for a track brings it no listeners either.
func TestPopularityCountsListenersWhoSaySomething(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 2})
	b.log(t, b.listener(t, 1), event(1, "a", ml.Like, noon))
	indifferent := event(2, "a", ml.Rate, noon.AddDate(0, 0, -1))
	indifferent.Rating = ptr(3)
	b.log(t, b.listener(t, 2), indifferent)
	require.NoError(t, b.Refresh(t.Context()))
	require.Empty(t, popularity(t, b.Service).Top(1))
}

func TestPopularityKeepsToWhatMayBeLearned(t *testing.T) {
	var asked []int
	broken := errors.New("broken")
	fail := false
	b := newBench(t, ml.Options{MinListeners: 1, Trainable: func(_ context.Context, ids []string) (map[string]bool, error) {
		asked = append(asked, len(ids))
		may := map[string]bool{}
		for _, id := range ids {
			may[id] = !strings.HasPrefix(id, "spotify:")
		}
		if fail {
			return nil, broken
		}
		return may, nil
	}})
	ann := b.listener(t, 1)
	for batch := range 2 {
		events := make([]ml.Interaction, 400)
		for i := range events {
			events[i] = event(1000*batch+i, fmt.Sprintf("t%d-%d", batch, i), ml.Play, noon)
		}
		b.log(t, ann, events...)
	}
	b.log(t, ann, event(9000, "spotify:1", ml.Save, noon))
	fail = true
	require.ErrorIs(t, b.Refresh(t.Context()), broken)
	fail, asked = false, nil
	require.NoError(t, b.Refresh(t.Context()))
	require.Equal(t, []int{500, 301}, asked)
	p := popularity(t, b.Service)
	require.Len(t, p.Top(1000), 800)
	require.Zero(t, p.Score("spotify:1"))
}

// What is kept fits its item, whatever the ids; the best stay.
func TestPopularityFitsItsItem(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	long := strings.Repeat("\x01", 190) // six bytes each in JSON
	for batch := range 3 {
		events := make([]ml.Interaction, 200)
		for i := range events {
			events[i] = event(1000*batch+i, fmt.Sprint(batch, "-", i, long), ml.Play, noon)
		}
		b.log(t, b.listener(t, 1), events...)
	}
	b.log(t, b.listener(t, 1), event(9999, "best", ml.Save, noon))
	require.NoError(t, b.Refresh(t.Context()))
	top := popularity(t, b.Service).Top(1000)
	require.Equal(t, "best", top[0])
	require.Greater(t, len(top), 150)
	require.Less(t, len(top), 200)
	p := popularity(t, b.another(t, ml.Options{}))
	require.Equal(t, top, p.Top(1000))

	// The sum of several days has to fit too.
	events := make([]ml.Interaction, 150)
	for i := range events {
		events[i] = event(i, fmt.Sprint("y", i, long), ml.Complete, noon.AddDate(0, 0, -1))
	}
	b.log(t, b.listener(t, 1), events...)
	b.clock.add(time.Hour)
	require.NoError(t, b.Refresh(t.Context()))
	both := popularity(t, b.Service).Top(1000)
	require.Contains(t, both, events[149].TrackID, "hearing to the end counts more than beginning")
	require.InDelta(t, len(top), len(both), 15)
}

// What has decayed to nothing is not popular, even where there is nothing else.
func TestPopularityOfNextToNothing(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	ann, long := b.listener(t, 1), noon.AddDate(0, 0, -89)
	skip := event(2, "a", ml.Skip, long)
	skip.PositionSeconds = ptr(30 * math.Log2(0.6/0.399))
	b.log(t, ann, event(1, "a", ml.Complete, long), skip)
	require.NoError(t, b.Refresh(t.Context()))
	p := popularity(t, b.Service)
	require.Empty(t, p.Top(1))
	require.Zero(t, p.Score("a"))
}

func TestRefreshCountsWhatIsDue(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	counted := func() float64 {
		require.NoError(t, b.Refresh(t.Context()))
		_, values := b.events.last(t, "ml.refresh")
		return values["days"]
	}
	b.heard(t, 1, 1, "a", ml.Like, noon)
	require.InDelta(t, 90, counted(), 0)
	seen := len(b.events.seen)
	require.NoError(t, b.Refresh(t.Context()))
	b.clock.add(time.Hour - 1)
	require.NoError(t, b.Refresh(t.Context()))
	require.Len(t, b.events.seen, seen, "nothing within the hour")

	// Today and yesterday may still get events, and one day of the others is looked at again.
	b.heard(t, 1, 2, "b", ml.Like, noon.AddDate(0, 0, -1))
	b.clock.add(1)
	require.InDelta(t, 3, counted(), 0)
	require.ElementsMatch(t, []string{"a", "b"}, popularity(t, b.Service).Top(9))

	// An event that comes 40 days late is in after at most 88 refreshes, and a deleted listener's are out.
	b.heard(t, 1, 3, "late", ml.Like, noon.AddDate(0, 0, -40))
	require.NoError(t, b.DeleteAll(t.Context(), b.listener(t, 0)))
	b.log(t, b.listener(t, 7), event(3, "late", ml.Like, noon.AddDate(0, 0, -40)))
	for range 88 {
		b.clock.add(time.Hour)
		require.LessOrEqual(t, counted(), 4.)
	}
	require.Equal(t, []string{"late"}, popularity(t, b.Service).Top(9))
}

func TestRefreshOnlyOneCounts(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	b.heard(t, 2, 1, "a", ml.Like, noon)
	other := b.another(t, ml.Options{MinListeners: 1})

	// While one counts, the other one does not, and has what was in force.
	once := sync.OnceFunc(func() {
		b.store.on(nil, nil, nil)
		require.NoError(t, other.Refresh(t.Context()))
		require.Empty(t, popularity(t, other).Top(1))
		require.Empty(t, b.events.seen[len(b.events.seen)-1].Values, "it only looked")
	})
	b.store.on(nil, func(store.Query) error { once(); return nil }, nil)
	require.NoError(t, b.Refresh(t.Context()))
	require.Equal(t, []string{"a"}, popularity(t, b.Service).Top(1))

	// Afterwards it takes over what was counted: by itself, but not more often than each minute …
	require.Empty(t, popularity(t, other).Top(1))
	b.clock.add(time.Minute)
	require.Equal(t, []string{"a"}, popularity(t, other).Top(1))
	// … or at its next refresh, which counts nothing.
	third := b.another(t, ml.Options{MinListeners: 1})
	n := len(b.events.seen)
	require.NoError(t, third.Refresh(t.Context()))
	require.Len(t, b.events.seen, n)
	require.Equal(t, []string{"a"}, popularity(t, third).Top(1))

	// The lease is given back, so that the next hour's count is anybody's.
	b.clock.add(time.Hour)
	b.heard(t, 3, 2, "b", ml.Like, b.clock.Now())
	require.NoError(t, third.Refresh(t.Context()))
	require.NoError(t, other.Refresh(t.Context()))
	require.Contains(t, popularity(t, other).Top(2), "a")
	require.Equal(t, popularity(t, third), popularity(t, other))
}

// An instance that gets the lease just after another one has counted does not count again.
func TestRefreshLooksAgainUnderTheLease(t *testing.T) {
	b := newBench(t, ml.Options{})
	other := b.another(t, ml.Options{})
	b.store.on(nil, nil, func([]store.Write) error {
		b.store.on(nil, nil, nil)
		require.NoError(t, other.Refresh(t.Context()))
		return nil
	})
	require.NoError(t, b.Refresh(t.Context()))
	counted := 0
	for _, e := range b.events.seen {
		if e.Operation == "ml.refresh" {
			counted++
		}
	}
	require.Equal(t, 1, counted)
	require.True(t, popularity(t, b.Service).CountedAt().Equal(noon))
}

func TestRefreshGoesOnAfterAFault(t *testing.T) {
	broken := errors.New("broken")
	for name, fault := range map[string]func(*bench){
		"tally": func(b *bench) { b.store.on(func(store.Key) error { return broken }, nil, nil) },
		"tally again": func(b *bench) {
			n := 0
			b.store.on(func(store.Key) error { n++; return when(n == 2, broken) }, nil, nil)
		},
		"lease":   func(b *bench) { b.store.on(nil, nil, func([]store.Write) error { return broken }) },
		"counts":  func(b *bench) { b.store.on(nil, func(store.Query) error { return broken }, nil) },
		"reading": func(b *bench) { b.store.on(nil, func(q store.Query) error { return when(q.ByIndex, broken) }, nil) },
		"a day":   func(b *bench) { b.failPut(broken, "day#2026-03-01") },
		"the sum": func(b *bench) { b.failPut(broken, "tally") },
		"release": func(b *bench) {
			b.store.on(nil, nil, func(w []store.Write) error { return when(w[0].Delete, broken) })
		},
		"yesterday again": func(b *bench) {
			require.NoError(t, b.Refresh(t.Context()))
			b.clock.add(time.Hour)
			b.failPut(broken, "day#2026-03-19")
		},
		"an old day again": func(b *bench) {
			require.NoError(t, b.Refresh(t.Context()))
			b.clock.add(time.Hour)
			b.failPut(broken, "day#2025")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ml.Options{MinListeners: 1})
			b.heard(t, 1, 1, "a", ml.Like, noon)
			fault(b)
			require.ErrorIs(t, b.Refresh(t.Context()), broken)
			b.store.on(nil, nil, nil)
			b.clock.add(time.Hour) // also lets a lease run out that could not be released
			require.NoError(t, b.Refresh(t.Context()))
			require.Equal(t, []string{"a"}, popularity(t, b.Service).Top(1))
		})
	}
}

func when(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

func (b *bench) failPut(err error, sort string) {
	b.store.on(nil, nil, func(w []store.Write) error {
		return when(!w[0].Delete && strings.HasPrefix(w[0].Key.Sort, sort), err)
	})
}

// A count that took longer than its lease does not take the lease of another away.
func TestRefreshLosesItsLease(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	once := sync.OnceFunc(func() { b.clock.add(20 * time.Minute) })
	b.store.on(nil, func(store.Query) error { once(); return nil }, nil)
	require.NoError(t, b.Refresh(t.Context()))
}

func TestRefreshHonorsItsContext(t *testing.T) {
	b := newBench(t, ml.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	b.store.on(nil, func(store.Query) error { cancel(); return nil }, nil)
	require.ErrorIs(t, b.Refresh(ctx), context.Canceled)
	b.store.on(nil, nil, nil)
	require.NoError(t, b.Refresh(t.Context()), "the lease was given back")
	require.True(t, popularity(t, b.Service).CountedAt().Equal(noon))
	require.ErrorIs(t, b.Refresh(ctx), context.Canceled)
}

func TestPopularityOutlivesTheStoresFaults(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	b.heard(t, 1, 1, "a", ml.Like, noon)
	require.NoError(t, b.Refresh(t.Context()))
	broken := errors.New("broken")
	b.store.on(func(store.Key) error { return broken }, nil, nil)
	b.clock.add(2 * time.Hour)
	require.Equal(t, []string{"a"}, popularity(t, b.Service).Top(1))
	status, _ := b.events.last(t, "ml.load")
	require.Equal(t, "internal", status)

	fresh := b.another(t, ml.Options{})
	_, err := fresh.Popularity(t.Context())
	require.ErrorIs(t, err, broken, "where there is none, the reason is told")
	b.store.on(nil, nil, nil)
	require.Equal(t, []string{"a"}, popularity(t, fresh).Top(1))
}

// Counts can be made again: one that cannot be read is.
func TestRefreshCountsOverWhatCannotBeRead(t *testing.T) {
	for sort, body := range map[string]string{
		"tally":           `{"countedAt": 7}`,
		"day#2026-03-20x": `{}`,
		"day#2026-03-20":  `{"countedAt": "2027-01-01T00:00:00Z", "tracks": [{"id": "a", "w": 1, "l": "xyz"}]}`,
		"day#2026-03-19":  `{"countedAt": "2027-01-01T00:00:00Z", "tracks": 5}`,
	} {
		t.Run(sort, func(t *testing.T) {
			b := newBench(t, ml.Options{MinListeners: 1})
			b.heard(t, 1, 1, "a", ml.Like, noon.Add(-24*time.Hour))
			b.heard(t, 1, 2, "b", ml.Like, noon)
			key := store.Key{Table: store.Models, Partition: store.HashPartition("ml", "popularity"), Sort: sort}
			require.NoError(t, b.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(body)}, store.None)))
			require.Empty(t, popularity(t, b.Service).Top(2))
			require.NoError(t, b.Refresh(t.Context()))
			require.Equal(t, []string{"b", "a"}, popularity(t, b.Service).Top(2))
		})
	}
}

func TestInteractionsRefuseStrangeRows(t *testing.T) {
	for sort, body := range map[string]string{
		"event#2026-03-20#x":                     `{}`,
		"event#2026-03-20T12:00:00.000000000Z#x": `{}`,
		"event#2026-03-20T12:00:00.000000000Z#00000000-0000-4000-8000-000000000001":        `{"rating": "five"}`,
		"event#2026-03-20T12:00:00.000000000Z#00000000-0000-4000-8000-00000000000A":        `{}`,
		"event#2026-03-20T12:00:00.000000000Z#{00000000-0000-4000-8000-000000000001}":      `{}`,
		"event#2026-03-20T12:00:00,000000000Z#00000000-0000-4000-8000-000000000001":        `{}`,
		"event#2026-03-20T12:00:00.000000000+00:00#00000000-0000-4000-8000-000000000001":   `{}`,
		"event#2026-03-20T12:00:00.000000000Z#00000000-0000-4000-8000-000000000001#and on": `{}`,
	} {
		b := newBench(t, ml.Options{})
		ann := b.listener(t, 1)
		key := store.Key{Table: store.Interactions, Partition: ann, Sort: sort}
		require.NoError(t, b.store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(body)}, store.None)))
		n := 0
		for _, err := range b.Interactions(t.Context(), ann, time.Time{}, time.Time{}, false) {
			require.ErrorContains(t, err, ann.String()[:8], sort)
			n++
		}
		require.Equal(t, 1, n)
	}
}

func TestNewServiceNamesEveryMistake(t *testing.T) {
	_, err := ml.NewService(nil, ml.Options{MinListeners: 21})
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Equal(t, map[string]string{
		"Store":        "is required",
		"MinListeners": "must be 1 to 20, or 0 for the default",
	}, e.Fields)
	_, err = ml.NewService(newBench(t, ml.Options{}).store, ml.Options{MinListeners: 20})
	require.NoError(t, err)
	_, err = ml.NewService(newBench(t, ml.Options{}).store, ml.Options{MinListeners: -1})
	require.ErrorIs(t, err, fault.ErrInvalid)
}

func TestServiceOfNothingSet(t *testing.T) {
	s, err := ml.NewService(newBench(t, ml.Options{}).store, ml.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Check([]ml.Interaction{event(1, "t", ml.Play, time.Now())}))
	require.NoError(t, s.Refresh(t.Context()))
	require.NoError(t, s.DeleteAll(t.Context(), uuid.New()))
}

// Of instances that begin at the same moment one counts, and all have what it counted by the next minute.
func TestRefreshAtOnce(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	b.heard(t, 1, 1, "a", ml.Like, noon)
	instances := make([]*ml.Service, 8)
	var wg sync.WaitGroup
	for i := range instances {
		instances[i] = b.another(t, ml.Options{MinListeners: 1})
		wg.Go(func() {
			if err := instances[i].Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b.clock.add(time.Minute)
	counted := 0
	for _, s := range instances {
		require.NoError(t, s.Refresh(t.Context()))
		require.Equal(t, []string{"a"}, popularity(t, s).Top(1))
	}
	for _, e := range b.events.seen {
		if e.Operation == "ml.refresh" {
			counted++
		}
	}
	require.Equal(t, 1, counted)
}

// While one call reads the others are answered at once.
func TestPopularityNeverWaits(t *testing.T) {
	b := newBench(t, ml.Options{MinListeners: 1})
	b.heard(t, 1, 1, "a", ml.Like, noon)
	require.NoError(t, b.Refresh(t.Context()))
	other := b.another(t, ml.Options{})
	reads := 0
	b.store.on(func(store.Key) error {
		reads++
		require.Empty(t, popularity(t, other).Top(1))
		return nil
	}, nil, nil)
	require.Equal(t, []string{"a"}, popularity(t, other).Top(1))
	require.Equal(t, 1, reads)
}
