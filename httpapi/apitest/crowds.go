package apitest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/store"
)

// testLimits counts each caller by itself.
func testLimits(t *testing.T, s *suite) {
	w := s.world(t)
	l, other := w.listener(t), w.listener(t)
	key := l.post(t, l.path+"/api-keys", nil).is(t, 201).text(t, "apiKey")
	w.serve(t, "", change{api: func(_ *rhythmiq.App, o *httpapi.Options) {
		o.CallerRate = &httpapi.Rate{PerSecond: 1, Burst: 3}
		o.SignUpRate = &httpapi.Rate{PerSecond: 0.5, Burst: 2}
	}})
	drain := func(as *listener, path string, allowed, status int) {
		t.Helper()
		for range allowed {
			as.get(t, path).is(t, status)
		}
		r := as.get(t, path).says(t, 429, "Too many requests. Please try again later.")
		require.Equal(t, "1", r.Header.Get("Retry-After"))
	}
	// Somebody with bad tokens, who names another's profile and key, uses up their own address and nothing else.
	bad := w.anybody().with("Authorization", "Bearer nonsense").with("X-Api-Key", key)
	drain(bad, l.path, 3, 401)
	drain(w.anybody(), "/nowhere", 0, 404)
	drain(l.with("X-Api-Key", key), l.path, 3, 200)
	drain(l, l.path, 3, 200)
	drain(l.with("X-Api-Key", "nonsense"), l.path, 0, 403)
	drain(other.with("X-Api-Key", key), other.path, 3, 403)
	for range 2 {
		w.anybody().post(t, "/sessions", body{}).is(t, 400)
	}
	r := w.anybody().post(t, "/profiles", body{}).is(t, 429)
	require.Equal(t, "2", r.Header.Get("Retry-After"))
	w.anybody().get(t, "/healthz").is(t, 200)

	// Time heals.
	w.clock.advance(2_000_000_000)
	l.get(t, l.path).is(t, 200)
	l.get(t, l.path).is(t, 200)
	l.get(t, l.path).is(t, 429)
}

// crowd runs n calls at once and counts the statuses.
func crowd(n int, call func(i int) int) map[int]int {
	var wg sync.WaitGroup
	statuses := make([]int, n)
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			statuses[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	return count
}

func testConcurrentSignUps(t *testing.T, s *suite) {
	w := s.world(t)
	nobody := w.anybody()
	count := crowd(1000, func(i int) int {
		r := registration(fmt.Sprintf("racer%d", i))
		r["email"] = "one@example.com"
		return nobody.status(t, http.MethodPost, "/profiles", r)
	})
	require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusConflict: 999}, count)
}

func testConcurrentPreferences(t *testing.T, s *suite) {
	w := s.world(t)
	l := w.listener(t)
	const writers = 8
	count := map[int]int{}
	var mu sync.Mutex
	crowd(writers, func(i int) int {
		for n := range 20 {
			status := l.status(t, http.MethodPost, l.path+"/preferences", body{"type": "genre", "value": fmt.Sprintf("genre %d of %d", n, i), "index": 0})
			mu.Lock()
			count[status]++
			mu.Unlock()
		}
		return 0
	})
	require.Equal(t, map[int]int{http.StatusCreated: 100, http.StatusConflict: 60}, count)
	values := l.values(t) // checks that the indexes are 0…99
	require.Len(t, values, 100)
	slices.Sort(values)
	require.Len(t, slices.Compact(values), 100)
}

// testDeletion deletes profiles while things are created in them, and looks into the store.
func testDeletion(t *testing.T, s *suite) {
	written := &recorder{keys: map[store.Key]bool{}}
	w := s.world(t, change{store: func(inner store.Store) store.Store {
		written.Store = inner
		return written
	}})
	w.listener(t) // makes what belongs to nobody, such as the keys that sign tokens
	clear(written.keys)
	for round := range 10 {
		l := w.listener(t)
		variable := l.post(t, l.path+"/variables", body{"type": "ambient-noise", "optedIn": true}).is(t, 201).text(t, "variableId")
		calls := []func(i int) int{
			func(int) int { return l.status(t, http.MethodDelete, l.path+"?cascade=true", nil) },
			func(i int) int {
				return l.status(t, http.MethodPost, l.path+"/preferences", body{"type": "genre", "value": fmt.Sprint("g", i)})
			},
			func(int) int { return l.status(t, http.MethodPost, l.path+"/variables", body{"type": "location"}) },
			func(int) int {
				return l.status(t, http.MethodPost, l.path+"/variables/"+variable+"/readings", body{"value": 50})
			},
			func(int) int {
				return l.status(t, http.MethodPost, l.path+"/tune-vectors", body{"name": "x", "mode": "ai", "durationMinutes": 3})
			},
			func(int) int { return l.status(t, http.MethodPost, l.path+"/api-keys", nil) },
			func(int) int {
				return l.status(t, http.MethodPost, l.path+"/interactions", body{"events": []body{(&home{listener: l}).event("like")}})
			},
		}
		count := crowd(3*len(calls), func(i int) int {
			if i%len(calls) == 0 && i > 0 {
				return 0 // one deletion is enough
			}
			return calls[i%len(calls)](i)
		})
		for status := range count {
			require.Contains(t, []int{0, 200, 201, 401, 404, 409}, status, "round %d: %v", round, count)
		}
		// A deletion that lost to too many creations is not one that failed half-way.
		l2 := l.get(t, l.path)
		if l2.StatusCode == http.StatusOK {
			l.del(t, l.path+"?cascade=true").is(t, 200)
		}
		require.NoError(t, w.app.Sweep(t.Context()))
		left, err := written.left(t.Context())
		require.NoError(t, err)
		require.Empty(t, left, "round %d", round)
		for _, table := range store.Tables() {
			page, err := w.store.List(t.Context(), store.Query{Table: table, Partition: uuid.MustParse(l.id), Read: store.Strong})
			require.NoError(t, err)
			require.Empty(t, page.Items, "round %d", round)
		}
		w.anybody().post(t, "/profiles", registration(l.name)).is(t, 201)
		clear(written.keys)
	}
}
