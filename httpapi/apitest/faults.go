package apitest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/store"
)

// breaking is a store that breaks at one call, from which on it may be out of reach.
type breaking struct {
	store.Store
	mu      sync.Mutex
	how     breakage
	at      int // the call that breaks, from 1; 0 for none
	calls   int // of those that how counts
	reached bool
	lost    []store.Write // the Apply that broke, until it is looked for
}

// breakage is a way to break.
type breakage struct {
	name   string
	writes bool // only Applies are counted
	made   bool // the Apply that breaks is made, and only its answer lost
	blind  bool // the next Get of what it wrote fails too
	down   bool // all calls after it fail too
}

// breakages are first those that services get over.
var breakages = []breakage{
	{name: "a write is lost", writes: true},
	{name: "an answer is lost", writes: true, made: true},
	{name: "an answer is lost, and the next look", writes: true, made: true, blind: true},
	{name: "an answer is lost, and then all", writes: true, made: true, down: true},
	{name: "all is lost", down: true},
}

// arm has the store break at a call from now on.
func (b *breaking) arm(how breakage, at int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.how, b.at, b.calls, b.reached, b.lost = how, at, 0, false, nil
}

// mend makes the store whole, and reports whether it has broken.
func (b *breaking) mend() (reached bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = 0
	return b.reached
}

// call reports whether a call fails, and whether it is made all the same.
func (b *breaking) call(write bool) (fails, made bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == 0 {
		return false, false
	}
	if b.reached {
		return b.how.down, false
	}
	if write || !b.how.writes {
		b.calls++
	}
	if b.calls < b.at {
		return false, false
	}
	b.reached = true
	return true, b.how.made
}

func (b *breaking) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if fails, _ := b.call(false); fails || b.looked(key) {
		return store.Item{}, store.ErrUnavailable
	}
	return b.Store.Get(ctx, key, r)
}

// looked reports whether this is the first look for what was lost.
func (b *breaking) looked(key store.Key) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.ContainsFunc(b.lost, func(w store.Write) bool { return w.Key == key }) {
		return false
	}
	b.lost = nil
	return true
}

func (b *breaking) List(ctx context.Context, q store.Query) (store.Page, error) {
	if fails, _ := b.call(false); fails {
		return store.Page{}, store.ErrUnavailable
	}
	return b.Store.List(ctx, q)
}

func (b *breaking) Apply(ctx context.Context, writes ...store.Write) error {
	fails, made := b.call(true)
	if fails && !made {
		return store.ErrUnavailable
	}
	if fails && b.how.blind {
		b.mu.Lock()
		b.lost = writes
		b.mu.Unlock()
	}
	if err := b.Store.Apply(ctx, writes...); err != nil || !fails {
		return err
	}
	return store.ErrUnavailable
}

// writing is an operation that writes.
type writing struct {
	name string
	// prepare makes what the request needs.
	prepare func(t *testing.T, l *listener) *attempt
	// again is what the same request is answered once it was made, where that is not success.
	again int
	// adds means that the same request is made again.
	adds bool
}

// attempt is a request, and how to see how often it was made.
type attempt struct {
	as           *listener
	method, path string
	content      any
	made         func(t *testing.T) int
}

func (a *attempt) run(t *testing.T) *result {
	t.Helper()
	return a.as.do(t, a.method, a.path, a.content)
}

// in is an attempt at something of the listener's.
func (l *listener) in(method, path string, content any, made func(t *testing.T) int) *attempt {
	return &attempt{l, method, l.path + path, content, made}
}

// count returns how many there are in a list.
func (l *listener) count(path, field string) func(*testing.T) int {
	return func(t *testing.T) int { return len(l.later(t).get(t, l.path+path).is(t, 200).list(t, field)) }
}

// once returns 1 where what is asked is so.
func once(is func(t *testing.T) bool) func(*testing.T) int {
	return func(t *testing.T) int {
		if is(t) {
			return 1
		}
		return 0
	}
}

// has asks whether something of the listener's has a value.
func (l *listener) has(path, field string, want any) func(*testing.T) int {
	return once(func(t *testing.T) bool { return l.later(t).get(t, l.path+path).is(t, 200).object(t)[field] == want })
}

// gone asks whether something of the listener's is gone.
func (l *listener) gone(path string, status int) func(*testing.T) int {
	return once(func(t *testing.T) bool { return l.later(t).get(t, l.path+path).StatusCode == status })
}

// enters asks whether somebody can log in.
func (w *world) enters(name, password string) func(*testing.T) int {
	return once(func(t *testing.T) bool {
		return w.anybody().post(t, "/sessions", body{"username": name, "password": password}).StatusCode == http.StatusCreated
	})
}

func (l *listener) preference(t *testing.T) string {
	t.Helper()
	return "/preferences/" + l.post(t, l.path+"/preferences", body{"type": "genre", "value": "ambient"}).is(t, 201).text(t, "preferenceId")
}

func (l *listener) vector(t *testing.T) string {
	t.Helper()
	return "/tune-vectors/" + l.post(t, l.path+"/tune-vectors", body{"name": "Rest", "mode": "ai", "durationMinutes": 5}).is(t, 201).text(t, "tuneVectorId")
}

// heard is a variable that is opted into and has a reading.
func (l *listener) heard(t *testing.T) string {
	t.Helper()
	path := "/variables/" + l.post(t, l.path+"/variables", body{"type": "ambient-noise", "optedIn": true}).is(t, 201).text(t, "variableId")
	l.post(t, l.path+path+"/readings", body{"value": 41, "at": l.clock.Now().Add(-time.Hour).Format(time.RFC3339)}).is(t, 201)
	return path
}

// playing is a vector of which a track was skipped, and the event that skips the next one.
func (l *listener) playing(t *testing.T) (event body) {
	t.Helper()
	path := l.vector(t)
	tracks, ok := l.later(t).get(t, l.path+path).is(t, 200).object(t)["plan"].(body)["tracks"].([]any)
	require.True(t, ok)
	event = body{
		"eventId": uuid.NewString(), "trackId": tracks[0].(body)["trackId"], "tuneVectorId": path[len("/tune-vectors/"):],
		"action": "skip", "positionSeconds": 3, "at": l.clock.Now().Format(time.RFC3339),
	}
	l.post(t, l.path+"/interactions", body{"events": []body{event}}).is(t, 200)
	next := body{}
	for field, value := range event {
		next[field] = value
	}
	next["eventId"], next["trackId"] = uuid.NewString(), tracks[1%len(tracks)].(body)["trackId"]
	return next
}

func (l *listener) events(t *testing.T) int {
	t.Helper()
	id, err := uuid.Parse(l.id)
	require.NoError(t, err)
	n := 0
	for _, err := range l.app.Learning.Interactions(t.Context(), id, time.Time{}, time.Time{}, false) {
		require.NoError(t, err)
		n++
	}
	return n
}

// less subtracts what there was before.
func less(count func(*testing.T) int, before int) func(*testing.T) int {
	return func(t *testing.T) int { return count(t) - before }
}

func writings() []writing {
	const post, put, patch, del = http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	return []writing{
		{"CreateProfile", func(_ *testing.T, l *listener) *attempt {
			l.names++
			name := fmt.Sprintf("more%d", l.names)
			return &attempt{l.anybody(), post, "/profiles", registration(name), l.enters(name, password)}
		}, 409, false},
		{"UpdateProfile", func(_ *testing.T, l *listener) *attempt {
			return l.in(put, "", body{"firstName": "Bea"}, l.has("", "firstName", "Bea"))
		}, 0, false},
		{"UpdateProfile with a name and a password", func(_ *testing.T, l *listener) *attempt {
			name := l.name + "-new"
			return l.in(put, "", body{"username": name, "password": "another good one"}, l.enters(name, "another good one"))
		}, 401, false}, // the session has ended
		{"DeleteProfile", func(t *testing.T, l *listener) *attempt {
			l.preference(t)
			l.vector(t)
			l.heard(t)
			l.post(t, l.path+"/api-keys", nil).is(t, 201)
			return l.in(del, "?cascade=true", nil, l.gone("", 401))
		}, 401, false}, // the session has ended
		{"CreateSession", func(_ *testing.T, l *listener) *attempt {
			sessions := func(t *testing.T) int {
				id, err := uuid.Parse(l.id)
				require.NoError(t, err)
				all, err := l.app.Profiles.Sessions(t.Context(), id)
				require.NoError(t, err)
				return len(all)
			}
			return &attempt{l.anybody(), post, "/sessions", body{"username": l.name, "password": l.password}, less(sessions, 1)}
		}, 0, true},
		{"EndSession", func(t *testing.T, l *listener) *attempt {
			second := *l
			second.logIn(t)
			return &attempt{&second, del, "/sessions/current", nil, second.gone("", 401)}
		}, 401, false},
		{"CreateApiKey", func(_ *testing.T, l *listener) *attempt {
			return l.in(post, "/api-keys", body{}, l.count("/api-keys", "apiKeys"))
		}, 0, true},
		{"DeleteApiKey", func(t *testing.T, l *listener) *attempt {
			id := l.post(t, l.path+"/api-keys", nil).is(t, 201).text(t, "apiKeyId")
			count := l.count("/api-keys", "apiKeys")
			return l.in(del, "/api-keys/"+id, nil, func(t *testing.T) int { return 1 - count(t) })
		}, 404, false},
		{"CreatePreference", func(t *testing.T, l *listener) *attempt {
			l.preference(t)
			return l.in(post, "/preferences", body{"type": "genre", "value": "rock", "index": 0}, less(l.count("/preferences", "preferences"), 1))
		}, 409, false},
		{"UpdatePreference", func(t *testing.T, l *listener) *attempt {
			path := l.preference(t)
			return l.in(patch, path, body{"weight": 0.5}, l.has(path, "weight", 0.5))
		}, 0, false},
		{"DeletePreference", func(t *testing.T, l *listener) *attempt {
			path := l.preference(t)
			return l.in(del, path, nil, l.gone(path, 404))
		}, 404, false},
		{"CreateTuneVector", func(_ *testing.T, l *listener) *attempt {
			return l.in(post, "/tune-vectors", body{"name": "Up", "mode": "ai", "durationMinutes": 5, "direction": "ascent"}, l.count("/tune-vectors", "tuneVectors"))
		}, 0, true},
		{"UpdateTuneVector", func(t *testing.T, l *listener) *attempt {
			path := l.vector(t)
			return l.in(patch, path, body{"durationMinutes": 8}, l.has(path, "durationMinutes", 8.0))
		}, 0, false},
		{"DeleteTuneVector", func(t *testing.T, l *listener) *attempt {
			path := l.vector(t)
			return l.in(del, path, nil, l.gone(path, 404))
		}, 404, false},
		{"CreateVariable", func(_ *testing.T, l *listener) *attempt {
			return l.in(post, "/variables", body{"type": "location", "optedIn": true}, l.count("/variables", "variables"))
		}, 409, false},
		{"UpdateVariable", func(t *testing.T, l *listener) *attempt {
			path := l.heard(t)
			l.playing(t)
			return l.in(patch, path, body{"optedIn": false}, l.has(path, "optedIn", false))
		}, 0, false},
		{"DeleteVariable", func(t *testing.T, l *listener) *attempt {
			path := l.heard(t)
			return l.in(del, path, nil, l.gone(path, 404))
		}, 404, false},
		{"RecordReadings", func(t *testing.T, l *listener) *attempt {
			path := l.heard(t)
			l.playing(t)
			at := l.clock.Now().Format(time.RFC3339)
			return l.in(post, path+"/readings", body{"value": 80, "at": at}, less(l.count(path+"/readings", "readings"), 1))
		}, 0, false},
		{"RecordInteractions", func(t *testing.T, l *listener) *attempt {
			event := l.playing(t)
			return l.in(post, "/interactions", body{"events": []body{event}}, less(l.events, l.events(t)))
		}, 0, false},
		{"CreateSpotifyLink with a pendingLink", func(t *testing.T, l *listener) *attempt {
			l.hasAccount(t)
			pending, k := l.pending(t)
			return l.with("Cookie", k).in(post, "/spotify-link", body{"pendingLink": pending}, l.has("/spotify-link", "state", "linked"))
		}, 400, false}, // it is used up
		{"DeleteSpotifyLink", func(t *testing.T, l *listener) *attempt {
			l.hasAccount(t)
			l.link(t)
			return l.in(del, "/spotify-link", nil, l.has("/spotify-link", "state", "none"))
		}, 0, false},
	}
}

// testFaults breaks the store at every call of every operation that writes. Whatever breaks, the answer is success or 503; success
// means that the request was made, once; and one lost write, or answer to a write, is no failure. Once the store is
// whole, the same request succeeds, or is answered as one that was made, and nothing is left of what is deleted.
func testFaults(t *testing.T, s *suite) {
	b, written := &breaking{}, &recorder{keys: map[store.Key]bool{}}
	w := s.world(t, change{store: func(inner store.Store) store.Store {
		written.Store, b.Store = inner, written
		return b
	}})
	for _, op := range writings() {
		for _, how := range breakages {
			t.Run(op.name+", "+how.name, func(t *testing.T) {
				for at := 1; b.breaks(t, op, op.prepare(t, w.listener(t)), how, at); at++ {
					require.Less(t, at, 100)
				}
			})
		}
	}
	for _, op := range writings() {
		if op.prepare(t, w.listener(t)).method != http.MethodPost {
			continue
		}
		how := breakages[1]
		t.Run(op.name+" with an Idempotency-Key, "+how.name, func(t *testing.T) {
			for at := 1; ; at++ {
				a := op.prepare(t, w.listener(t))
				a.as = a.as.with("Idempotency-Key", uuid.NewString())
				if !b.breaks(t, op, a, how, at) {
					break
				}
			}
		})
	}
	t.Run("Nothing is left over", func(t *testing.T) {
		for key := range written.keys {
			if key.Sort != "profile" {
				continue
			}
			if err := w.app.Profiles.Delete(t.Context(), key.Partition, true, store.Version{}); !errors.Is(err, rhythmiq.ErrNotFound) {
				require.NoError(t, err)
			}
		}
		require.NoError(t, w.app.Sweep(t.Context()))
		left, err := written.left(t.Context())
		require.NoError(t, err)
		for _, key := range left { // of nobody: the keys that sign tokens, answers that are kept for a day, and for ten minutes what was begun
			require.Contains(t, []string{"keys", "answer", "spotify#flow", "spotify#pending"}, key.Sort)
		}
	})
}

// breaks makes one attempt at an operation, and reports whether the store has broken in it.
func (b *breaking) breaks(t *testing.T, op writing, a *attempt, how breakage, at int) bool {
	t.Helper()
	b.arm(how, at)
	r := a.run(t)
	reached := b.mend()
	of := fmt.Sprintf("call %d: %s", at, r.shown())
	if r.StatusCode != http.StatusServiceUnavailable {
		require.Less(t, r.StatusCode, 300, of)
		require.Equal(t, 1, a.made(t), of)
		return reached
	}
	require.True(t, reached, of)
	require.True(t, how.down, "one lost write or answer is no failure; "+of)
	require.NotEmpty(t, r.Header.Get("Retry-After"))
	made := a.made(t)
	require.LessOrEqual(t, made, 1, of)
	r = a.run(t)
	of += " and again " + r.shown()
	switch {
	case made == 1 && op.again != 0:
		require.Contains(t, []int{op.again, 200, 201}, r.StatusCode, of)
	default:
		require.Less(t, r.StatusCode, 300, of)
	}
	if made == 1 && op.adds {
		made++
	}
	require.Equal(t, max(made, 1), a.made(t), of)
	return true
}
