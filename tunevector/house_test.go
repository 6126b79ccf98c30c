package tunevector_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
	"github.com/rhythmiq/rhythmiq/variable"
)

// shelf is a MusicProvider over a slice.
type shelf struct {
	mu     sync.Mutex
	tracks []tunevector.Track
	err    error // what both methods answer, where set
	failAt int   // … or that call from now on; 0: none
	calls  int
	empty  error // what Candidates answers, where set
}

var _ tunevector.MusicProvider = (*shelf)(nil)

func (s *shelf) Candidates(_ context.Context, q tunevector.CandidateQuery) ([]tunevector.Track, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.empty != nil {
		return nil, s.empty
	}
	if err := s.call(); err != nil {
		return nil, err
	}
	kind := cmp.Or(q.Kind, tunevector.Playlist)
	var fit []tunevector.Track
	for _, t := range s.tracks {
		if t.Kind == kind && among(q.Genres, t.Genres) && among(q.Artists, t.Artists) && !slices.Contains(q.Exclude, t.ID) &&
			(!q.ExcludeExplicit || !t.Explicit) && (q.MaxSeconds == 0 || t.DurationSeconds <= q.MaxSeconds) {
			fit = append(fit, t)
		}
	}
	limit := cmp.Or(q.Limit, 500)
	if len(q.Along) == 0 || len(fit) <= limit {
		return fit[:min(limit, len(fit))], nil
	}
	slices.SortStableFunc(fit, func(a, b tunevector.Track) int { return cmp.Compare(nearest(a, q.Along), nearest(b, q.Along)) })
	return fit[:limit], nil
}

func among(wanted, has []string) bool {
	return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool {
		return slices.ContainsFunc(has, func(h string) bool { return strings.EqualFold(w, h) })
	})
}

func nearest(t tunevector.Track, along []tunevector.Features) float64 {
	best := 2.0
	for _, at := range along {
		best = min(best, planner.Distance(t.Features, at))
	}
	return best
}

func (s *shelf) Tracks(_ context.Context, ids []string) ([]tunevector.Track, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(); err != nil {
		return nil, err
	}
	var found []tunevector.Track
	for _, id := range ids {
		for _, t := range s.tracks {
			if t.ID == id {
				found = append(found, t)
			}
		}
	}
	return found, nil
}

// call counts, and fails where it is to.
func (s *shelf) call() error {
	if s.calls++; s.calls == s.failAt {
		return errBroken
	}
	return s.err
}

func (s *shelf) failCall(at int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.failAt = 0, at
}

// change changes what is on the shelf.
func (s *shelf) change(f func(tracks []tunevector.Track) []tunevector.Track) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tracks = f(s.tracks)
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// lister is a shelf that knows its genres.
type lister struct{ *shelf }

func (l lister) Genres(_ context.Context, kind tunevector.Kind) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.call(); err != nil {
		return nil, err
	}
	var genres []string
	for _, t := range l.tracks {
		if t.Kind == kind {
			genres = append(genres, t.Genres...)
		}
	}
	slices.Sort(genres)
	return slices.Compact(genres), nil
}

// styles are the genres on the test shelf and what they sound like.
var styles = []struct {
	genre  string
	kind   tunevector.Kind
	center tunevector.Features
	count  int
}{
	{"rock", tunevector.Playlist, tunevector.Features{Energy: 0.75, Valence: 0.55, Tempo: 130, Acousticness: 0.1, Instrumentalness: 0.1}, 60},
	{"ambient", tunevector.Playlist, tunevector.Features{Energy: 0.25, Valence: 0.3, Tempo: 85, Acousticness: 0.75, Instrumentalness: 0.8}, 60},
	{"pop", tunevector.Playlist, tunevector.Features{Energy: 0.6, Valence: 0.6, Tempo: 115, Acousticness: 0.25, Instrumentalness: 0.05}, 60},
	{"jazz", tunevector.Playlist, tunevector.Features{Energy: 0.4, Valence: 0.5, Tempo: 105, Acousticness: 0.6, Instrumentalness: 0.5}, 60},
	{"talk", tunevector.Podcast, tunevector.Features{Energy: 0.4, Valence: 0.5, Tempo: 100, Acousticness: 0.8, Instrumentalness: 0}, 20},
	{"rain", tunevector.Soundscape, tunevector.Features{Energy: 0.1, Valence: 0.3, Tempo: 60, Acousticness: 0.9, Instrumentalness: 1}, 20},
}

func music() []tunevector.Track {
	random := rand.New(rand.NewPCG(1, 2))
	unit := func(v, spread float64) float64 { return min(max(v+spread*random.NormFloat64(), 0), 1) }
	var tracks []tunevector.Track
	for _, s := range styles {
		for i := range s.count {
			tracks = append(tracks, tunevector.Track{
				ID: fmt.Sprintf("%s-%02d", s.genre, i), URI: fmt.Sprintf("test:%s:%d", s.genre, i), Title: fmt.Sprintf("%s No. %d", s.genre, i),
				Artists: []string{fmt.Sprintf("%s artist %d", s.genre, i/3)}, Genres: []string{s.genre}, Kind: s.kind, DurationSeconds: 150 + 120*random.Float64(),
				Explicit: i%9 == 4, Confidence: 1, Popularity: random.Float64() * 0.9, Provenance: tunevector.FromCatalog,
				Features: tunevector.Features{
					Energy: unit(s.center.Energy, 0.15), Valence: unit(s.center.Valence, 0.1), Tempo: s.center.Tempo * (1 + 0.1*random.NormFloat64()),
					Acousticness: unit(s.center.Acousticness, 0.1), Instrumentalness: unit(s.center.Instrumentalness, 0.1),
				},
			})
		}
	}
	return tracks
}

// brittle is a store that fails when it is told to: the n-th Apply from now on, before or after it was made, and all after it.
type brittle struct {
	store.Store
	mu      sync.Mutex
	applies int
	failAt  int  // 0: never
	after   bool // that write is made, and the answer lost
	reads   error
	gets    int
	getAt   int    // the read from now on that fails; 0: none
	torn    func() // called between two reads
	before  func() // called before an Apply
	behind  bool   // eventual lists show nothing yet
}

var errCrash = fmt.Errorf("crash: %w", store.ErrUnavailable)

func (b *brittle) Apply(ctx context.Context, writes ...store.Write) error {
	b.mu.Lock()
	b.applies++
	down, lost, before := b.failAt > 0 && b.applies >= b.failAt, b.after && b.applies == b.failAt, b.before
	b.before = nil
	b.mu.Unlock()
	if before != nil {
		before()
	}
	if down && !lost {
		return errCrash
	}
	if err := b.Store.Apply(ctx, writes...); err != nil || !down {
		return err
	}
	return errCrash
}

func (b *brittle) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	b.mu.Lock()
	err, torn := b.read(), b.torn
	b.mu.Unlock()
	if err != nil {
		return store.Item{}, err
	}
	if torn != nil && strings.HasPrefix(key.Sort, "plan#") {
		torn()
	}
	return b.Store.Get(ctx, key, r)
}

func (b *brittle) List(ctx context.Context, q store.Query) (store.Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.read(); err != nil {
		return store.Page{}, err
	}
	if b.behind && q.Read == store.Eventual {
		return store.Page{}, nil
	}
	return b.Store.List(ctx, q)
}

func (b *brittle) read() error {
	if b.gets++; b.gets == b.getAt {
		return errBroken
	}
	return b.reads
}

func (b *brittle) failRead(at int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gets, b.getAt = 0, at
}

func (b *brittle) fail(at int, after bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.applies, b.failAt, b.after = 0, at, after
}

func (b *brittle) onApply(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = f
}

func (b *brittle) breakReads(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads = err
}

func (b *brittle) tear(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.torn = f
}

// events is an Observer that keeps what it is told.
type events struct {
	mu  sync.Mutex
	all []observe.Event
}

func (e *events) Observe(_ context.Context, event observe.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) of(operation string) []observe.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.all), func(o observe.Event) bool { return o.Operation != operation })
}

// house is the services wired together, and one listener in them.
type house struct {
	*tunevector.Service
	ctx         context.Context
	store       *brittle
	music       *shelf
	profiles    *profile.Service
	preferences *preference.Service
	variables   *variable.Service
	learning    *ml.Service
	observed    *events
	options     tunevector.Options
	listener    uuid.UUID
	now         time.Time
}

// noon is when the houses' clocks start: a time at which the hour says nothing.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func open(t require.TestingT) *house { return openWith(t, nil) }

func openWith(t require.TestingT, adjust func(*house, *tunevector.Options)) *house {
	h := &house{ctx: context.Background(), music: &shelf{tracks: music()}, observed: &events{}, now: noon, listener: uuid.New()}
	clock := func() time.Time { return h.now }
	h.store = &brittle{Store: memstore.New(&memstore.Options{Now: clock})}
	var err error
	h.profiles, err = profile.NewService(h.store, profile.Options{Now: clock})
	require.NoError(t, err)
	h.preferences, err = preference.NewService(h.store, preference.Options{Now: clock})
	require.NoError(t, err)
	h.variables, err = variable.NewService(h.store, variable.Options{Now: clock})
	require.NoError(t, err)
	h.learning, err = ml.NewService(h.store, ml.Options{Now: clock})
	require.NoError(t, err)
	h.options = tunevector.Options{
		Store: h.store, Music: lister{h.music}, Preferences: h.preferences, Variables: h.variables, Learning: h.learning,
		Now: clock, Observer: h.observed, Seed: 1,
	}
	if adjust != nil {
		adjust(h, &h.options)
	}
	h.Service, err = tunevector.NewService(h.options)
	require.NoError(t, err)
	h.profiles.Depend(h.Service)
	h.admit(t, h.listener)
	return h
}

// admit opens a gate, which is all that there must be of a profile here.
func (h *house) admit(t require.TestingT, id uuid.UUID) {
	require.NoError(t, h.store.Apply(h.ctx, store.Put(store.Item{Key: profile.GateKey(id), Body: []byte(`{}`)}, store.Absent)))
}

func (h *house) create(t require.TestingT, d tunevector.Definition) tunevector.TuneVector {
	v, err := h.Create(h.ctx, h.listener, d)
	require.NoError(t, err)
	return v
}

func (h *house) get(t require.TestingT, id uuid.UUID) tunevector.TuneVector {
	v, err := h.Get(h.ctx, h.listener, id)
	require.NoError(t, err)
	return v
}

func (h *house) update(t require.TestingT, id uuid.UUID, change func(*tunevector.Definition)) tunevector.TuneVector {
	v, err := h.tryUpdate(id, change)
	require.NoError(t, err)
	return v
}

func (h *house) tryUpdate(id uuid.UUID, change func(*tunevector.Definition)) (tunevector.TuneVector, error) {
	return h.Update(h.ctx, h.listener, id, func(d *tunevector.Definition) error { change(d); return nil }, store.Version{})
}

// did makes an interaction with the track at a position of v.
func (h *house) did(v tunevector.TuneVector, action ml.Action, position int) ml.Interaction {
	return ml.Interaction{EventID: uuid.New(), TrackID: v.Plan.Tracks[position].TrackID, TuneVectorID: v.ID, Action: action, At: h.now}
}

func (h *house) record(t require.TestingT, done ...ml.Interaction) tunevector.Recorded {
	r, err := h.Record(h.ctx, h.listener, done)
	require.NoError(t, err)
	return r
}

// opt opts the listener into a variable.
func (h *house) opt(t require.TestingT, kind variable.Type) variable.Variable {
	a := variable.Addition{Type: kind, OptedIn: true}
	if kind == variable.TimeOfDay {
		a.TimeZone = "Europe/Berlin"
	}
	v, err := h.variables.Create(h.ctx, h.listener, a)
	require.NoError(t, err)
	return v
}

func (h *house) optOut(t require.TestingT, v variable.Variable) {
	no := false
	_, err := h.variables.Update(h.ctx, h.listener, v.ID, variable.Changes{OptedIn: &no}, store.Version{})
	require.NoError(t, err)
}

func (h *house) read(t require.TestingT, v variable.Variable, readings ...variable.Reading) {
	require.NoError(t, h.variables.Record(h.ctx, h.listener, v.ID, readings))
}

func (h *house) likes(t require.TestingT, kind preference.Type, value string, weight float64) {
	_, err := h.preferences.Create(h.ctx, h.listener, preference.Addition{Type: kind, Value: value, Weight: &weight})
	require.NoError(t, err)
}

// items counts what is stored of the listener under a prefix.
func (h *house) items(t require.TestingT, prefix string) int {
	n := 0
	for _, err := range store.All(h.ctx, h.store, store.Query{Table: store.Users, Partition: h.listener, Prefix: prefix, Read: store.Strong}) {
		require.NoError(t, err)
		n++
	}
	return n
}

func ids(v tunevector.TuneVector) []string {
	all := make([]string, len(v.Plan.Tracks))
	for i, t := range v.Plan.Tracks {
		all[i] = t.TrackID
	}
	return all
}

func p[T any](v T) *T { return &v }

// guided and ai are definitions that need nothing more.
func guided(stages ...tunevector.Stage) tunevector.Definition {
	if len(stages) == 0 {
		stages = []tunevector.Stage{{Genre: "rock", Minutes: 15}, {Genre: "ambient", Minutes: 15}}
	}
	return tunevector.Definition{Name: "guided", Mode: tunevector.Guided, Stages: stages}
}

func ai(minutes int) tunevector.Definition {
	return tunevector.Definition{Name: "ai", Mode: tunevector.AI, DurationMinutes: minutes}
}

// wrong are the fields that an error names.
func wrong(t *testing.T, err error) map[string]string {
	t.Helper()
	require.Error(t, err)
	e, ok := fault.As(err)
	require.True(t, ok, "%v", err)
	require.ErrorIs(t, err, fault.ErrInvalid)
	require.NotEmpty(t, e.Fields)
	return e.Fields
}

// asConflict is the message of a conflict.
func asConflict(err error) (string, bool) {
	e, ok := fault.As(err)
	if !ok || e.Kind != fault.Conflict {
		return "", false
	}
	return e.Message, true
}

var errBroken = errors.New("broken")
