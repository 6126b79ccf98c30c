package preference_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// TestMain is goleak.VerifyTestMain with an os.Exit of its own, which gobco asks for.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// home is a service over a store in memory, with one profile and a clock that stands still until it is moved.
type home struct {
	*preference.Service
	store   store.Store
	profile uuid.UUID
	now     time.Time
}

func newHome(t testing.TB, o preference.Options) *home {
	t.Helper()
	return newHomeOn(t, memstore.New(nil), o)
}

func newHomeOn(t testing.TB, st store.Store, o preference.Options) *home {
	t.Helper()
	h := &home{store: st, profile: uuid.New(), now: time.Date(2026, 5, 4, 12, 0, 0, 123456789, time.UTC)}
	if o.Now == nil {
		o.Now = func() time.Time { return h.now }
	}
	s, err := preference.NewService(st, o)
	require.NoError(t, err)
	h.Service = s
	openGate(t, st, h.profile)
	return h
}

func openGate(t testing.TB, st store.Store, id uuid.UUID) {
	t.Helper()
	require.NoError(t, st.Apply(t.Context(), store.Put(store.Item{Key: profile.GateKey(id), Body: []byte(`{}`)}, store.None)))
}

func closeGate(t testing.TB, st store.Store, id uuid.UUID) {
	t.Helper()
	require.NoError(t, st.Apply(t.Context(), store.Delete(profile.GateKey(id), store.None)))
}

func (h *home) add(t testing.TB, typ preference.Type, value string, weight float64) preference.Preference {
	t.Helper()
	p, err := h.Create(t.Context(), h.profile, preference.Addition{Type: typ, Value: value, Weight: &weight})
	require.NoError(t, err)
	return p
}

// values lists the whole list's values, and checks that the indexes are 0…n−1.
func (h *home) values(t testing.TB) []string {
	t.Helper()
	page, _, _, err := h.List(t.Context(), h.profile, 100, "")
	require.NoError(t, err)
	values := []string{}
	for i, p := range page {
		require.Equal(t, i, p.Index)
		values = append(values, p.Value)
	}
	return values
}

func ptr[T any](v T) *T { return &v }

func requireFields(t testing.TB, err error, want map[string]string) {
	t.Helper()
	e, ok := fault.As(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, fault.Invalid, e.Kind)
	require.Equal(t, want, e.Fields)
}

func requireKind(t testing.TB, err error, kind fault.Kind, message string) {
	t.Helper()
	e, ok := fault.As(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, e.Kind)
	require.Equal(t, message, e.Message)
}

func TestCreate(t *testing.T) {
	h := newHome(t, preference.Options{})
	at := h.now.Truncate(time.Millisecond)
	p, err := h.Create(t.Context(), h.profile, preference.Addition{Type: preference.Genre, Value: " Rock "})
	require.NoError(t, err)
	require.NotEqual(t, uuid.Nil, p.ID)
	require.Equal(t, preference.Preference{ID: p.ID, Type: preference.Genre, Value: " Rock ", Weight: 1, CreatedAt: at, UpdatedAt: at}, p)
	got, v, err := h.Get(t.Context(), h.profile, p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)
	require.NotZero(t, v)

	second, err := h.Create(t.Context(), h.profile, preference.Addition{Type: preference.Tempo, Value: "90-110", Weight: ptr(-0.5), Index: ptr(0)})
	require.NoError(t, err)
	require.Zero(t, second.Index)
	require.InDelta(t, -0.5, second.Weight, 0)
	third, err := h.Create(t.Context(), h.profile, preference.Addition{Type: preference.Artist, Value: "Rock", Index: ptr(2)})
	require.NoError(t, err, "the same value of another type")
	require.Equal(t, 2, third.Index)
	require.Equal(t, []string{"90-110", " Rock ", "Rock"}, h.values(t))
}

func TestCreateNamesEveryWrongField(t *testing.T) {
	const (
		tempo = "Tempo must be beats per minute between 20 and 300, such as 120, or a range such as 90-110"
		types = "Type must be one of genre, tempo, instrument, artist"
	)
	for name, c := range map[string]struct {
		in   preference.Addition
		want map[string]string
	}{
		"nothing": {preference.Addition{}, map[string]string{"type": "Type is required", "value": "Value is required"}},
		"everything": {
			preference.Addition{Type: "mood", Value: " \t", Weight: ptr(1.1), Index: ptr(2)},
			map[string]string{"type": types, "value": "Value is required", "weight": "Weight must be between -1 and 1", "index": "Index must be between 0 and 1"},
		},
		"long":           {preference.Addition{Type: "genre", Value: strings.Repeat("ä", 101)}, map[string]string{"value": "Value must be at most 100 characters long"}},
		"no UTF-8":       {preference.Addition{Type: "genre", Value: "a\xff"}, map[string]string{"value": "Value must be valid UTF-8"}},
		"weight low":     {preference.Addition{Type: "genre", Value: "a", Weight: ptr(-1.0001)}, map[string]string{"weight": "Weight must be between -1 and 1"}},
		"weight NaN":     {preference.Addition{Type: "genre", Value: "a", Weight: ptr(math.NaN())}, map[string]string{"weight": "Weight must be between -1 and 1"}},
		"weight Inf":     {preference.Addition{Type: "genre", Value: "a", Weight: ptr(math.Inf(-1))}, map[string]string{"weight": "Weight must be between -1 and 1"}},
		"index below":    {preference.Addition{Type: "genre", Value: "a", Index: ptr(-1)}, map[string]string{"index": "Index must be between 0 and 1"}},
		"tempo word":     {preference.Addition{Type: "tempo", Value: "fast"}, map[string]string{"value": tempo}},
		"tempo low":      {preference.Addition{Type: "tempo", Value: "19"}, map[string]string{"value": tempo}},
		"tempo high":     {preference.Addition{Type: "tempo", Value: "301"}, map[string]string{"value": tempo}},
		"tempo high end": {preference.Addition{Type: "tempo", Value: "90-301"}, map[string]string{"value": tempo}},
		"tempo backward": {preference.Addition{Type: "tempo", Value: "110-90"}, map[string]string{"value": tempo}},
		"tempo fraction": {preference.Addition{Type: "tempo", Value: "120.5"}, map[string]string{"value": tempo}},
		"tempo zero":     {preference.Addition{Type: "tempo", Value: "090"}, map[string]string{"value": tempo}},
		"tempo negative": {preference.Addition{Type: "tempo", Value: "-90"}, map[string]string{"value": tempo}},
		"tempo open":     {preference.Addition{Type: "tempo", Value: "90-"}, map[string]string{"value": tempo}},
		"tempo arabic":   {preference.Addition{Type: "tempo", Value: "١٢٠"}, map[string]string{"value": tempo}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t, preference.Options{})
			h.add(t, preference.Genre, "jazz", 1)
			_, err := h.Create(t.Context(), h.profile, c.in)
			requireFields(t, err, c.want)
			require.Equal(t, []string{"jazz"}, h.values(t), "nothing changed")
		})
	}
	t.Run("index in an empty list", func(t *testing.T) {
		h := newHome(t, preference.Options{})
		_, err := h.Create(t.Context(), h.profile, preference.Addition{Type: "genre", Value: "a", Index: ptr(1)})
		requireFields(t, err, map[string]string{"index": "Index must be 0"})
	})
}

func TestCreateTakesWhatIsAllowed(t *testing.T) {
	h := newHome(t, preference.Options{})
	for _, a := range []preference.Addition{
		{Type: "genre", Value: strings.Repeat("ä", 100), Weight: ptr(-1.0)},
		{Type: "instrument", Value: "a\x00b", Weight: ptr(0.0)},
		{Type: "tempo", Value: "20"},
		{Type: "tempo", Value: "300"},
		{Type: "tempo", Value: " 20 - 300 "},
		{Type: "artist", Value: "Sigur Rós"},
	} {
		p, err := h.Create(t.Context(), h.profile, a)
		require.NoError(t, err, "%+v", a)
		got, _, err := h.Get(t.Context(), h.profile, p.ID)
		require.NoError(t, err)
		require.Equal(t, a.Value, got.Value, "kept as written")
	}
}

// A weight that is all but 0 passes the checks, and is below what DynamoDB can hold.
func TestWeightOfNextToNothing(t *testing.T) {
	h := newHome(t, preference.Options{})
	p := h.add(t, preference.Genre, "rock", -1e-200)
	require.Zero(t, p.Weight)
	p, _, err := h.Update(t.Context(), h.profile, h.add(t, preference.Genre, "pop", 1).ID, preference.Changes{Weight: ptr(1e-200)}, store.Version{})
	require.NoError(t, err)
	require.Zero(t, p.Weight)
}

func TestDuplicates(t *testing.T) {
	for _, c := range []struct {
		typ       preference.Type
		have, new string
		same      bool
	}{
		{"genre", "Rock", " rOCK\n", true},
		{"genre", "rock", "rock 'n' roll", false},
		{"artist", "Sigur Rós", "SIGUR RÓS", true},
		{"artist", "Bu\u0308lent", "BÜLENT", true}, // composed or not, it looks the same
		{"artist", "Straße", "STRASSE", true},
		{"tempo", "120", " 120 ", true},
		{"tempo", "120", "120-120", true},
		{"tempo", "90-110", "90 - 110", true},
		{"tempo", "90-110", "90-111", false},
	} {
		t.Run(c.have+"/"+c.new, func(t *testing.T) {
			h := newHome(t, preference.Options{})
			h.add(t, c.typ, c.have, 1)
			_, err := h.Create(t.Context(), h.profile, preference.Addition{Type: c.typ, Value: c.new})
			if !c.same {
				require.NoError(t, err)
				return
			}
			requireKind(t, err, fault.Conflict, "A preference of the same type and value already exists")
			other := h.add(t, c.typ, map[preference.Type]string{"genre": "x", "artist": "x", "tempo": "77"}[c.typ], 1)
			_, _, err = h.Update(t.Context(), h.profile, other.ID, preference.Changes{Value: &c.new}, store.Version{})
			requireKind(t, err, fault.Conflict, "A preference of the same type and value already exists")
			require.Equal(t, c.have, h.values(t)[0])
		})
	}
}

func TestFull(t *testing.T) {
	h := newHome(t, preference.Options{})
	for i := range preference.MaxPreferences {
		h.add(t, preference.Genre, fmt.Sprint("genre ", i), 1)
	}
	_, err := h.Create(t.Context(), h.profile, preference.Addition{Type: "genre", Value: "one more", Index: ptr(0)})
	requireKind(t, err, fault.Conflict, "A profile holds at most 100 preferences")
	_, err = h.Create(t.Context(), h.profile, preference.Addition{Type: "genre", Value: "one more", Index: ptr(100)})
	requireFields(t, err, map[string]string{"index": "Index must be between 0 and 99"})
	require.Len(t, h.values(t), 100)
}

func TestUpdate(t *testing.T) {
	h := newHome(t, preference.Options{})
	var ids []uuid.UUID
	for _, v := range []string{"a", "b", "c", "d"} {
		ids = append(ids, h.add(t, preference.Genre, v, 1).ID)
	}
	created := h.now.Truncate(time.Millisecond)
	h.now = h.now.Add(time.Hour)
	_, before, err := h.Get(t.Context(), h.profile, ids[0])
	require.NoError(t, err)

	p, v, err := h.Update(t.Context(), h.profile, ids[1], preference.Changes{Type: ptr(preference.Genre), Value: ptr("B"), Weight: ptr(0.25)}, before)
	require.NoError(t, err)
	require.Equal(t, preference.Preference{ID: ids[1], Type: "genre", Value: "B", Weight: 0.25, Index: 1, CreatedAt: created, UpdatedAt: h.now.Truncate(time.Millisecond)}, p)
	require.NotEqual(t, before, v)
	got, now, err := h.Get(t.Context(), h.profile, ids[1])
	require.NoError(t, err)
	require.Equal(t, p, got)
	require.Equal(t, v, now)

	for _, c := range []struct {
		id   uuid.UUID
		to   int
		want []string
	}{
		{ids[0], 3, []string{"B", "c", "d", "a"}},
		{ids[0], 0, []string{"a", "B", "c", "d"}},
		{ids[2], 1, []string{"a", "c", "B", "d"}},
		{ids[3], 3, []string{"a", "c", "B", "d"}},
	} {
		p, _, err := h.Update(t.Context(), h.profile, c.id, preference.Changes{Index: &c.to}, store.Version{})
		require.NoError(t, err)
		require.Equal(t, c.to, p.Index)
		require.Equal(t, c.want, h.values(t))
	}
	_, _, err = h.Update(t.Context(), h.profile, ids[0], preference.Changes{Value: ptr("new"), Index: ptr(3)}, store.Version{})
	require.NoError(t, err)
	require.Equal(t, []string{"c", "B", "d", "new"}, h.values(t))
}

func TestUpdateThatChangesNothing(t *testing.T) {
	h := newHome(t, preference.Options{})
	p := h.add(t, preference.Genre, "a", 0.5)
	_, before, err := h.Get(t.Context(), h.profile, p.ID)
	require.NoError(t, err)
	h.now = h.now.Add(time.Hour)
	for _, c := range []preference.Changes{{}, {Value: ptr("a"), Weight: ptr(0.5), Index: ptr(0), Type: ptr(preference.Genre)}} {
		same, v, err := h.Update(t.Context(), h.profile, p.ID, c, store.Version{})
		require.NoError(t, err)
		require.Equal(t, p, same)
		require.Equal(t, before, v)
	}
}

func TestUpdateRefusals(t *testing.T) {
	h := newHome(t, preference.Options{})
	p := h.add(t, preference.Tempo, "100", 1)
	h.add(t, preference.Genre, "b", 1)
	all := preference.Changes{Type: ptr(preference.Genre), Value: ptr("fast"), Weight: ptr(2.0), Index: ptr(2)}
	_, _, err := h.Update(t.Context(), h.profile, p.ID, all, store.NewVersion())
	requireFields(t, err, map[string]string{
		"type":   "Type cannot be changed; delete the preference and create a new one",
		"value":  "Tempo must be beats per minute between 20 and 300, such as 120, or a range such as 90-110",
		"weight": "Weight must be between -1 and 1",
		"index":  "Index must be between 0 and 1",
	})
	_, _, err = h.Update(t.Context(), h.profile, p.ID, preference.Changes{Type: ptr(preference.Type("mood")), Value: ptr("")}, store.Version{})
	requireFields(t, err, map[string]string{"type": "Type must be one of genre, tempo, instrument, artist", "value": "Value is required"})

	unknown := uuid.New()
	const missing = "Preference with the specified ID does not exist"
	_, _, err = h.Update(t.Context(), h.profile, unknown, preference.Changes{Weight: ptr(3.0), Type: ptr(preference.Artist)}, store.Version{})
	requireFields(t, err, map[string]string{"weight": "Weight must be between -1 and 1"})
	_, _, err = h.Update(t.Context(), h.profile, unknown, preference.Changes{Weight: ptr(0.3)}, store.NewVersion())
	requireKind(t, err, fault.NotFound, missing)
	_, _, err = h.Get(t.Context(), h.profile, unknown)
	requireKind(t, err, fault.NotFound, missing)
	requireKind(t, h.Delete(t.Context(), h.profile, unknown, store.NewVersion()), fault.NotFound, missing)
	_, _, err = h.Get(t.Context(), uuid.New(), p.ID)
	requireKind(t, err, fault.NotFound, missing)

	_, _, err = h.Update(t.Context(), h.profile, p.ID, preference.Changes{Weight: ptr(0.3)}, store.NewVersion())
	requireKind(t, err, fault.Stale, "The preferences have changed in the meantime")
	requireKind(t, h.Delete(t.Context(), h.profile, p.ID, store.NewVersion()), fault.Stale, "The preferences have changed in the meantime")
	require.Equal(t, []string{"100", "b"}, h.values(t))
}

func TestDelete(t *testing.T) {
	h := newHome(t, preference.Options{})
	a, b := h.add(t, preference.Genre, "a", 1), h.add(t, preference.Genre, "b", 1)
	_, v, err := h.Get(t.Context(), h.profile, a.ID)
	require.NoError(t, err)
	require.NoError(t, h.Delete(t.Context(), h.profile, a.ID, v))
	require.Equal(t, []string{"b"}, h.values(t))
	require.NoError(t, h.Delete(t.Context(), h.profile, b.ID, store.Version{}))
	require.Empty(t, h.values(t))
	page, next, v, err := h.List(t.Context(), h.profile, 1, "")
	require.NoError(t, err)
	require.NotNil(t, page, "an empty list is [] in JSON")
	require.Empty(t, next)
	require.NotZero(t, v, "an emptied list keeps a version")
	has, err := h.Any(t.Context(), h.profile)
	require.NoError(t, err)
	require.False(t, has)
}

func TestProfileIsGone(t *testing.T) {
	h := newHome(t, preference.Options{})
	p := h.add(t, preference.Genre, "a", 1)
	closeGate(t, h.store, h.profile)
	const gone = "Profile with the specified ID does not exist"
	_, err := h.Create(t.Context(), h.profile, preference.Addition{Type: "genre", Value: "b"})
	requireKind(t, err, fault.NotFound, gone)
	_, err = h.Create(t.Context(), uuid.New(), preference.Addition{Type: "genre", Value: "b"})
	requireKind(t, err, fault.NotFound, gone)
	_, _, _, err = h.List(t.Context(), uuid.New(), 10, "")
	requireKind(t, err, fault.NotFound, gone)
	requireKind(t, h.Learn(t.Context(), h.profile, []preference.Signal{{EventID: uuid.New(), Strength: 1, Genres: []string{"a"}}}), fault.NotFound, gone)
	require.NoError(t, h.Forget(t.Context(), h.profile, uuid.New()))

	has, err := h.Any(t.Context(), h.profile)
	require.NoError(t, err)
	require.True(t, has)
	require.Equal(t, "preferences", h.Kind())
	for range 2 {
		require.NoError(t, h.DeleteAll(t.Context(), h.profile))
		has, err = h.Any(t.Context(), h.profile)
		require.NoError(t, err)
		require.False(t, has)
	}
	_, _, err = h.Get(t.Context(), h.profile, p.ID)
	requireKind(t, err, fault.NotFound, "Preference with the specified ID does not exist")
	requireEmptyStore(t, h.store, h.profile)
}

func requireEmptyStore(t testing.TB, st store.Store, profileID uuid.UUID) {
	t.Helper()
	for item, err := range store.All(t.Context(), st, store.Query{Table: store.Users, Partition: profileID, Read: store.Strong}) {
		require.NoError(t, err)
		t.Errorf("left behind: %v", item.Key)
	}
}

func TestWriters(t *testing.T) {
	// Two services on one store, as two instances of a host would be, so that not only their own locks keep writers apart.
	st := memstore.New(nil)
	h := newHomeOn(t, st, preference.Options{})
	other, err := preference.NewService(st, preference.Options{})
	require.NoError(t, err)
	services := []*preference.Service{h.Service, other}
	const writers = 8
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		made int
		full int
	)
	for w := range writers {
		wg.Go(func() {
			for i := range 20 {
				p, err := services[w%2].Create(context.WithoutCancel(t.Context()), h.profile, preference.Addition{Type: "genre", Value: fmt.Sprint(w, "/", i), Index: ptr(0)})
				mu.Lock()
				switch {
				case err == nil && p.Index == 0:
					made++
				case errors.Is(err, fault.ErrConflict):
					full++
				default:
					t.Errorf("writer %d: %v", w, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Equal(t, 100, made)
	require.Equal(t, 60, full)
	require.Len(t, h.values(t), 100)
}

func TestCreationAgainstDeletion(t *testing.T) {
	for range 50 {
		h := newHome(t, preference.Options{})
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				_, err := h.Create(context.WithoutCancel(t.Context()), h.profile, preference.Addition{Type: "genre", Value: strconv.Itoa(w)})
				if err != nil && !errors.Is(err, fault.ErrNotFound) {
					t.Error(err)
				}
				err = h.Learn(context.WithoutCancel(t.Context()), h.profile, []preference.Signal{{EventID: uuid.New(), Strength: 1, Genres: []string{"a"}}})
				if err != nil && !errors.Is(err, fault.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		closeGate(t, h.store, h.profile)
		require.NoError(t, h.DeleteAll(t.Context(), h.profile))
		wg.Wait()
		requireEmptyStore(t, h.store, h.profile)
	}
}

// applies notes how many writes each Apply has.
type applies struct {
	store.Store
	counts []int
}

func (a *applies) Apply(ctx context.Context, w ...store.Write) error {
	a.counts = append(a.counts, len(w))
	return a.Store.Apply(ctx, w...)
}

// Only the first preference of a list needs the gate in its write.
func TestCreateWrites(t *testing.T) {
	st := &applies{Store: memstore.New(nil)}
	h := newHomeOn(t, st, preference.Options{})
	st.counts = nil
	a := h.add(t, preference.Genre, "a", 1)
	b := h.add(t, preference.Genre, "b", 1)
	require.NoError(t, h.Delete(t.Context(), h.profile, a.ID, store.Version{}))
	require.NoError(t, h.Delete(t.Context(), h.profile, b.ID, store.Version{}))
	h.add(t, preference.Genre, "c", 1)
	require.Equal(t, []int{2, 1, 1, 1, 2}, st.counts)
}

// gone is a store in which a profile is deleted while a preference is being created: after the gate was found open.
type gone struct {
	store.Store
	delete func()
}

func (g *gone) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	item, err := g.Store.Get(ctx, key, r)
	if key.Sort == "gate" && g.delete != nil {
		g.delete()
	}
	return item, err
}

func TestDeletedWhileCreating(t *testing.T) {
	st := &gone{Store: memstore.New(nil)}
	h := newHomeOn(t, st, preference.Options{})
	h.add(t, preference.Genre, "a", 1)
	st.delete = func() {
		closeGate(t, h.store, h.profile)
		require.NoError(t, h.DeleteAll(t.Context(), h.profile))
	}
	_, err := h.Create(t.Context(), h.profile, preference.Addition{Type: "genre", Value: "b"})
	requireKind(t, err, fault.NotFound, "Profile with the specified ID does not exist")
	requireEmptyStore(t, h.store, h.profile)
}

// events collects what a service observed.
type events struct {
	mu  sync.Mutex
	all []observe.Event
}

func (e *events) Observe(_ context.Context, x observe.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, x)
}

func TestObserver(t *testing.T) {
	var seen events
	h := newHome(t, preference.Options{Observer: &seen})
	p := h.add(t, preference.Genre, "a", 1)
	_, _, err := h.Update(t.Context(), h.profile, p.ID, preference.Changes{Index: ptr(7)}, store.Version{})
	require.Error(t, err)
	require.NoError(t, h.Learn(t.Context(), h.profile, []preference.Signal{{EventID: uuid.New(), Strength: 1, Genres: []string{"b"}}}))
	_, err = h.Taste(t.Context(), h.profile, nil)
	require.NoError(t, err)
	require.NoError(t, h.Forget(t.Context(), h.profile, uuid.New()))
	require.NoError(t, h.Delete(t.Context(), h.profile, p.ID, store.Version{}))
	require.NoError(t, h.DeleteAll(t.Context(), h.profile))
	var got []string
	for _, e := range seen.all {
		got = append(got, e.Operation+" "+e.Status)
	}
	require.Equal(t, []string{
		"preference.create ok", "preference.update invalid", "preference.learn ok", "preference.taste ok",
		"preference.forget ok", "preference.delete ok", "preference.delete-all ok",
	}, got)
	require.Equal(t, []observe.Value{{Name: "signals", Number: 1}}, seen.all[2].Values)
	require.Equal(t, []observe.Value{{Name: "set", Number: 1}, {Name: "learned", Number: 1}}, seen.all[3].Values)
}

func TestOptions(t *testing.T) {
	_, err := preference.NewService(nil, preference.Options{Weights: map[preference.Type]float64{
		"genre": 0, "artist": 10, "tempo": 10.1, "instrument": math.NaN(), "mood": 1,
	}})
	requireFields(t, err, map[string]string{
		"Store":               "is required",
		"weights[tempo]":      "Weight must be between 0 and 10",
		"weights[instrument]": "Weight must be between 0 and 10",
		"weights[mood]":       "Type must be one of genre, tempo, instrument, artist",
	})
	s, err := preference.NewService(memstore.New(nil), preference.Options{Weights: map[preference.Type]float64{"genre": 0, "artist": 10}})
	require.NoError(t, err)
	require.NotNil(t, s)
}
