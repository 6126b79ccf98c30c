package variable_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/variable"
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
	*variable.Service
	store   *flaky
	seen    *events
	profile uuid.UUID
	mu      sync.Mutex
	clock   time.Time
	told    []variable.Change
	refuse  error // what the hook answers
}

func (h *home) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *home) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

func newHome(t testing.TB) *home {
	t.Helper()
	h := &home{profile: uuid.New(), clock: time.Date(2026, 5, 4, 12, 0, 0, 123456789, time.UTC), seen: &events{}}
	h.store = &flaky{Store: memstore.New(&memstore.Options{Now: h.now})}
	s, err := variable.NewService(h.store, variable.Options{Now: h.now, Observer: h.seen})
	require.NoError(t, err)
	s.OnChange(func(_ context.Context, c variable.Change) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.refuse == nil {
			h.told = append(h.told, c)
		}
		return h.refuse
	})
	h.Service = s
	require.NoError(t, h.store.Store.Apply(t.Context(), store.Put(store.Item{Key: profile.GateKey(h.profile), Body: []byte(`{}`)}, store.None)))
	return h
}

// create makes a variable that is opted into.
func (h *home) create(t testing.TB, typ variable.Type) variable.Variable {
	t.Helper()
	a := variable.Addition{Type: typ, OptedIn: true}
	if typ == variable.TimeOfDay {
		a.TimeZone = "Europe/Berlin"
	}
	v, err := h.Create(t.Context(), h.profile, a)
	require.NoError(t, err)
	return v
}

func (h *home) record(t testing.TB, v variable.Variable, readings ...variable.Reading) {
	t.Helper()
	require.NoError(t, h.Record(t.Context(), h.profile, v.ID, readings))
}

// readings lists all readings, page by page.
func (h *home) readings(t testing.TB, v variable.Variable) []variable.Reading {
	t.Helper()
	all, token := []variable.Reading{}, ""
	for {
		page, next, err := h.Readings(t.Context(), h.profile, v.ID, 100, token)
		require.NoError(t, err)
		all = append(all, page...)
		if token = next; token == "" {
			return all
		}
	}
}

// stored counts the items of a partition, whoever can reach them.
func (h *home) stored(t testing.TB, table store.Table, partition uuid.UUID) (keys []string) {
	t.Helper()
	for item, err := range store.All(context.WithoutCancel(t.Context()), h.store.Store, store.Query{Table: table, Partition: partition, Read: store.Strong}) {
		require.NoError(t, err)
		keys = append(keys, item.Key.Sort)
	}
	return keys
}

// flaky is a store that can be told to fail, and whose eventual reads see nothing at all.
type flaky struct {
	store.Store
	mu    sync.Mutex
	apply func(writes []store.Write) error // called before each Apply; nil: none
	read  func(key store.Key) error        // called before each strong Get
	list  func(q store.Query) error        // called before each List
	// behind makes eventual lists of readings show nothing yet; those of variables, with their consents, never do.
	behind bool
}

func (f *flaky) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if r == store.Eventual {
		return store.Item{}, store.ErrNotFound
	}
	f.mu.Lock()
	read := f.read
	f.mu.Unlock()
	if read != nil {
		if err := read(key); err != nil {
			return store.Item{}, err
		}
	}
	return f.Store.Get(ctx, key, r)
}

func (f *flaky) List(ctx context.Context, q store.Query) (store.Page, error) {
	if q.Read == store.Eventual && (q.Table != store.Interactions || f.behind) {
		return store.Page{}, nil
	}
	f.mu.Lock()
	list := f.list
	f.mu.Unlock()
	if list != nil {
		if err := list(q); err != nil {
			return store.Page{}, err
		}
	}
	return f.Store.List(ctx, q)
}

func (f *flaky) Apply(ctx context.Context, writes ...store.Write) error {
	f.mu.Lock()
	apply := f.apply
	f.mu.Unlock()
	if apply != nil {
		if err := apply(writes); err != nil {
			return err
		}
	}
	return f.Store.Apply(ctx, writes...)
}

// set changes what fails, safely.
func (f *flaky) set(change func(*flaky)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
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

const (
	missing   = "Variable with the specified ID does not exist"
	gone      = "Profile with the specified ID does not exist"
	notIn     = "The variable is not opted into"
	oneOf     = "Type must be one of ambient-noise, time-of-day, outside-temperature, location, vector-rating, heart-rate-variability, accelerometer"
	retention = "Retention must be between 1 and 365 days"
	zone      = "Time zone must be the name of an IANA time zone, such as Europe/Berlin"
)

func TestCreate(t *testing.T) {
	h := newHome(t)
	at := h.clock.Truncate(time.Millisecond)
	v, err := h.Create(t.Context(), h.profile, variable.Addition{Type: variable.AmbientNoise})
	require.NoError(t, err)
	require.Equal(t, variable.Variable{ID: v.ID, Type: variable.AmbientNoise, RetentionDays: 90, CreatedAt: at, UpdatedAt: at, Version: v.Version}, v, "opted in by nothing")
	require.EqualValues(t, 7, v.ID.Version())
	require.NotZero(t, v.Version)
	require.Empty(t, h.told)
	got, err := h.Get(t.Context(), h.profile, v.ID)
	require.NoError(t, err)
	require.Equal(t, v, got)

	v, err = h.Create(t.Context(), h.profile, variable.Addition{Type: variable.TimeOfDay, OptedIn: true, RetentionDays: ptr(365), TimeZone: "Asia/Tokyo"})
	require.NoError(t, err)
	require.True(t, v.OptedIn)
	require.NotEqual(t, uuid.Nil, v.Consent)
	require.Equal(t, 365, v.RetentionDays)
	require.Equal(t, "Asia/Tokyo", v.TimeZone)
	require.Equal(t, []variable.Change{{ProfileID: h.profile, Variable: v}}, h.told)

	_, err = h.Create(t.Context(), h.profile, variable.Addition{Type: variable.AmbientNoise})
	requireKind(t, err, fault.Conflict, "A variable of type ambient-noise already exists")
	_, err = h.Create(t.Context(), uuid.New(), variable.Addition{Type: variable.AmbientNoise})
	requireKind(t, err, fault.NotFound, gone)
}

func TestCreateNamesEveryWrongField(t *testing.T) {
	h := newHome(t)
	for name, c := range map[string]struct {
		in   variable.Addition
		want map[string]string
	}{
		"nothing":      {variable.Addition{}, map[string]string{"type": "Type is required"}},
		"all":          {variable.Addition{Type: "mood", RetentionDays: ptr(0), TimeZone: "Mars/Olympus"}, map[string]string{"type": oneOf, "retentionDays": retention, "timeZone": zone}},
		"long":         {variable.Addition{Type: variable.Location, RetentionDays: ptr(366)}, map[string]string{"retentionDays": retention}},
		"foreign zone": {variable.Addition{Type: variable.Location, TimeZone: "UTC"}, map[string]string{"timeZone": "Only a variable of type time-of-day has a time zone"}},
		"no zone":      {variable.Addition{Type: variable.TimeOfDay}, map[string]string{"timeZone": "Time zone is required"}},
		"Local":        {variable.Addition{Type: variable.TimeOfDay, TimeZone: "Local"}, map[string]string{"timeZone": zone}},
		"path":         {variable.Addition{Type: variable.TimeOfDay, TimeZone: "../UTC"}, map[string]string{"timeZone": zone}},
		"very long":    {variable.Addition{Type: variable.TimeOfDay, TimeZone: string(make([]byte, 65))}, map[string]string{"timeZone": zone}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Create(t.Context(), h.profile, c.in)
			requireFields(t, err, c.want)
			require.Equal(t, []string{"gate"}, h.stored(t, store.Users, h.profile), "nothing changed")
		})
	}
}

func TestOneOfEachType(t *testing.T) {
	h := newHome(t)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		made int
	)
	for range 32 {
		wg.Go(func() {
			_, err := h.Create(context.WithoutCancel(t.Context()), h.profile, variable.Addition{Type: variable.Location})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made++
			case !errors.Is(err, fault.ErrConflict):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, made)
	all, _, err := h.List(t.Context(), h.profile, 100, "")
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestUpdate(t *testing.T) {
	h := newHome(t)
	v, err := h.Create(t.Context(), h.profile, variable.Addition{Type: variable.TimeOfDay, TimeZone: "UTC"})
	require.NoError(t, err)
	h.advance(time.Hour)

	same, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{Type: ptr(variable.TimeOfDay), OptedIn: ptr(false), RetentionDays: ptr(90), TimeZone: ptr("UTC")}, v.Version)
	require.NoError(t, err)
	require.Equal(t, v, same, "nothing changed")

	moved, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{RetentionDays: ptr(1), TimeZone: ptr("Asia/Tokyo")}, v.Version)
	require.NoError(t, err)
	require.Equal(t, variable.Variable{
		ID: v.ID, Type: v.Type, RetentionDays: 1, TimeZone: "Asia/Tokyo", CreatedAt: v.CreatedAt, UpdatedAt: h.clock.Truncate(time.Millisecond), Version: moved.Version,
	}, moved)
	require.NotEqual(t, v.Version, moved.Version)
	require.Empty(t, h.told, "nothing that counts for music")

	in, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(true)}, store.Version{})
	require.NoError(t, err)
	require.True(t, in.OptedIn)
	require.NotZero(t, in.Consent)
	again, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(true)}, store.Version{})
	require.NoError(t, err)
	require.Equal(t, in, again)
	zoned, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{TimeZone: ptr("UTC")}, store.Version{})
	require.NoError(t, err)
	_, err = h.Update(t.Context(), h.profile, v.ID, variable.Changes{RetentionDays: ptr(9)}, store.Version{})
	require.NoError(t, err)
	require.Equal(t, []variable.Change{{ProfileID: h.profile, Variable: in}, {ProfileID: h.profile, Variable: zoned}}, h.told)
}

func TestUpdateRefusals(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	clock := h.create(t, variable.TimeOfDay)
	for name, c := range map[string]struct {
		id   uuid.UUID
		in   variable.Changes
		want map[string]string
	}{
		"all": {
			v.ID,
			variable.Changes{Type: ptr(variable.Location), RetentionDays: ptr(0), TimeZone: ptr("UTC")},
			map[string]string{"type": "Type cannot be changed; delete the variable and create a new one", "retentionDays": retention, "timeZone": "Only a variable of type time-of-day has a time zone"},
		},
		"no such type": {v.ID, variable.Changes{Type: ptr(variable.Type("mood"))}, map[string]string{"type": oneOf}},
		"empty zone":   {clock.ID, variable.Changes{TimeZone: ptr("")}, map[string]string{"timeZone": "Time zone is required"}},
		"unknown":      {uuid.New(), variable.Changes{Type: ptr(variable.Location), TimeZone: ptr("x")}, map[string]string{"timeZone": zone}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Update(t.Context(), h.profile, c.id, c.in, store.NewVersion())
			requireFields(t, err, c.want)
		})
	}
	out := variable.Changes{OptedIn: ptr(false)}
	_, err := h.Update(t.Context(), h.profile, uuid.New(), out, store.NewVersion())
	requireKind(t, err, fault.NotFound, missing)
	_, err = h.Update(t.Context(), h.profile, v.ID, out, store.NewVersion())
	requireKind(t, err, fault.Stale, "The variable has changed in the meantime")
	requireKind(t, h.Delete(t.Context(), h.profile, uuid.New(), store.NewVersion()), fault.NotFound, missing)
	requireKind(t, h.Delete(t.Context(), h.profile, v.ID, store.NewVersion()), fault.Stale, "The variable has changed in the meantime")
	_, err = h.Get(t.Context(), uuid.New(), v.ID)
	requireKind(t, err, fault.NotFound, missing)
	got, err := h.Get(t.Context(), h.profile, v.ID)
	require.NoError(t, err)
	require.Equal(t, v, got)
}

func TestList(t *testing.T) {
	h := newHome(t)
	page, next, err := h.List(t.Context(), h.profile, 1, "")
	require.NoError(t, err)
	require.NotNil(t, page)
	require.Empty(t, page)
	require.Empty(t, next)
	var want, got []variable.Type
	for _, s := range variable.Types() {
		h.create(t, s.Type)
		want = append(want, s.Type)
	}
	for token := ""; ; token = next {
		page, next, err = h.List(t.Context(), h.profile, 2, token)
		require.NoError(t, err)
		for _, v := range page {
			got = append(got, v.Type)
		}
		if next == "" {
			break
		}
		require.Regexp(t, `^[A-Za-z0-9_-]+$`, next)
	}
	require.Equal(t, want, got, "in order of creation")
	_, next, err = h.List(t.Context(), h.profile, 7, "")
	require.NoError(t, err)
	require.Empty(t, next)

	for _, limit := range []int{0, 101} {
		_, _, err = h.List(t.Context(), h.profile, limit, "!")
		requireFields(t, err, map[string]string{"limit": "Limit must be between 1 and 100", "pageToken": "Page token is not valid"})
	}
	_, _, err = h.List(t.Context(), h.profile, 1, "AAAA")
	requireFields(t, err, map[string]string{"pageToken": "Page token is not valid"})
	_, _, err = h.List(t.Context(), uuid.New(), 1, "")
	requireKind(t, err, fault.NotFound, gone)
}

func TestDelete(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	h.record(t, v, variable.Reading{Value: 1}, variable.Reading{Value: 2})
	h.told = nil
	require.NoError(t, h.Delete(t.Context(), h.profile, v.ID, v.Version))
	require.Empty(t, h.stored(t, store.Interactions, v.Consent))
	require.Equal(t, []string{"gate"}, h.stored(t, store.Users, h.profile))
	require.Len(t, h.told, 1)
	require.Equal(t, v.Consent, h.told[0].OptedOut)
	require.Equal(t, variable.AmbientNoise, h.told[0].Variable.Type)
	require.False(t, h.told[0].Variable.OptedIn)
	_, err := h.Get(t.Context(), h.profile, v.ID)
	requireKind(t, err, fault.NotFound, missing)
	n, err := h.Resume(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Len(t, h.told, 1, "no job was left")

	again, err := h.Create(t.Context(), h.profile, variable.Addition{Type: variable.AmbientNoise})
	require.NoError(t, err, "the type is free again")
	require.NoError(t, h.Delete(t.Context(), h.profile, again.ID, store.Version{}))
	require.Len(t, h.told, 1, "no consent has ended")
}

func TestDeleteAll(t *testing.T) {
	h := newHome(t)
	require.Equal(t, "variables", h.Kind())
	var consents []uuid.UUID
	for _, s := range variable.Types() {
		v := h.create(t, s.Type)
		if s.Form == variable.Number && !s.TuneVector {
			h.record(t, v, variable.Reading{Value: s.Min})
		}
		consents = append(consents, v.Consent)
	}
	off, err := h.Update(t.Context(), h.profile, h.mustFind(t, variable.Location).ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.NoError(t, err)
	require.False(t, off.OptedIn)
	has, err := h.Any(t.Context(), h.profile)
	require.NoError(t, err)
	require.True(t, has)
	h.told = nil
	for range 2 {
		require.NoError(t, h.DeleteAll(t.Context(), h.profile))
		has, err = h.Any(t.Context(), h.profile)
		require.NoError(t, err)
		require.False(t, has)
	}
	for _, c := range consents {
		require.Empty(t, h.stored(t, store.Interactions, c))
	}
	require.Equal(t, []string{"gate"}, h.stored(t, store.Users, h.profile))
	require.Empty(t, h.told)
	_, err = h.Resume(t.Context())
	require.NoError(t, err)
	require.Empty(t, h.told, "no job was left")
}

func (h *home) mustFind(t testing.TB, typ variable.Type) variable.Variable {
	t.Helper()
	all, _, err := h.List(t.Context(), h.profile, 100, "")
	require.NoError(t, err)
	for _, v := range all {
		if v.Type == typ {
			return v
		}
	}
	t.Fatal("no variable of type ", typ)
	return variable.Variable{}
}

func TestHookRefuses(t *testing.T) {
	h := newHome(t)
	h.refuse = errors.New("no")
	v, err := h.Create(t.Context(), h.profile, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
	require.ErrorIs(t, err, h.refuse)
	require.True(t, v.OptedIn, "it was stored")
	require.ErrorIs(t, h.Record(t.Context(), h.profile, v.ID, []variable.Reading{{Value: 3}}), h.refuse)
	require.Len(t, h.readings(t, v), 1)
	_, err = h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.ErrorIs(t, err, h.refuse)
	require.Empty(t, h.stored(t, store.Interactions, v.Consent))

	_, err = h.Resume(t.Context())
	require.ErrorIs(t, err, h.refuse)
	h.refuse = nil
	n, err := h.Resume(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, []variable.Change{{ProfileID: h.profile, Variable: variable.Variable{ID: v.ID, Type: v.Type}, OptedOut: v.Consent}}, h.told)
	_, err = h.Resume(t.Context())
	require.NoError(t, err)
	require.Len(t, h.told, 1)

	v, err = h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(true)}, store.Version{})
	require.NoError(t, err)
	h.refuse = fault.ErrNotFound
	require.Error(t, h.Delete(t.Context(), h.profile, v.ID, store.Version{}))
	_, err = h.Resume(t.Context())
	require.NoError(t, err, "who is not found needs not be told")
	h.refuse = errors.New("no")
	_, err = h.Resume(t.Context())
	require.NoError(t, err, "no job was left")
}

func TestNewService(t *testing.T) {
	_, err := variable.NewService(nil, variable.Options{})
	requireFields(t, err, map[string]string{"Store": "is required"})
	st, id := memstore.New(nil), uuid.New()
	require.NoError(t, st.Apply(t.Context(), store.Put(store.Item{Key: profile.GateKey(id), Body: []byte(`{}`)}, store.None)))
	s, err := variable.NewService(st, variable.Options{})
	require.NoError(t, err)
	v, err := s.Create(t.Context(), id, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), v.CreatedAt, time.Minute)
	require.NoError(t, s.Record(t.Context(), id, v.ID, []variable.Reading{{Value: 40}}), "without a hook")
}
