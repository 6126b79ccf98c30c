package variable_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/variable"
)

func TestRecord(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.Accelerometer)
	h.told = nil
	now := h.clock.Truncate(time.Millisecond)
	h.record(
		t, v,
		variable.Reading{Value: 50, At: h.clock.Add(-time.Hour).In(time.FixedZone("", 3600))},
		variable.Reading{Value: 0, Cadence: ptr(168.5)},
		variable.Reading{Value: 1.5, At: h.clock.Add(5 * time.Minute), Cadence: ptr(0.0)},
		variable.Reading{Value: 2, At: h.clock.AddDate(0, 0, -90)},
	)
	want := []variable.Reading{
		{Value: 1.5, At: now.Add(5 * time.Minute), Cadence: ptr(0.0)},
		{Value: 0, At: now, Cadence: ptr(168.5)},
		{Value: 50, At: now.Add(-time.Hour)},
	}
	h.advance(time.Millisecond) // the oldest is past its retention
	require.Equal(t, want, h.readings(t, v))
	require.Len(t, h.told, 1)
	require.Equal(t, h.profile, h.told[0].ProfileID)
	require.Equal(t, v, h.told[0].Variable)
	require.Len(t, h.told[0].Readings, 4)
	require.Equal(t, want[1], h.told[0].Readings[1], "as kept")
	require.Zero(t, h.told[0].OptedOut)
}

// Numbers that are all but 0 pass the checks, and are below what DynamoDB can hold.
func TestRecordNextToNothing(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.Accelerometer)
	h.record(t, v, variable.Reading{Value: 1e-200, Cadence: ptr(1e-200)})
	got := h.readings(t, v)
	require.Len(t, got, 1)
	require.Zero(t, got[0].Value)
	require.Zero(t, *got[0].Cadence)
}

func TestRecordNamesEveryWrongField(t *testing.T) {
	vector := uuid.New()
	h := newHome(t)
	for name, c := range map[string]struct {
		typ  variable.Type
		in   []variable.Reading
		want map[string]string
	}{
		"nothing":     {variable.AmbientNoise, nil, map[string]string{"readings": "At least one reading is required"}},
		"too many":    {variable.AmbientNoise, make([]variable.Reading, 501), map[string]string{"readings": "At most 500 readings can be sent at once"}},
		"silent type": {variable.TimeOfDay, []variable.Reading{{Value: 7}}, map[string]string{"readings": "A variable of type time-of-day takes no readings"}},
		"several": {
			variable.AmbientNoise,
			[]variable.Reading{
				{Value: 30},
				{Value: 140.1, At: h.clock.Add(5*time.Minute + time.Millisecond), Cadence: ptr(1.0), TuneVectorID: vector},
				{Value: math.NaN(), At: h.clock.AddDate(0, 0, -90).Add(-time.Millisecond)},
				{Place: &variable.Coordinates{}},
			},
			map[string]string{
				"readings[1].value":        "Value must be between 0 and 140 dB(A)",
				"readings[1].at":           "At must not be more than five minutes in the future",
				"readings[1].cadence":      "A variable of type ambient-noise has no cadence",
				"readings[1].tuneVectorId": "A variable of type ambient-noise has no tune vector",
				"readings[2].value":        "Value must be between 0 and 140 dB(A)",
				"readings[2].at":           "At must not be before the retention of 90 days",
				"readings[3].value":        "Value must be a number",
			},
		},
		"rating": {
			variable.VectorRating,
			[]variable.Reading{{Value: 0.9, TuneVectorID: vector}, {Value: 5}},
			map[string]string{"readings[0].value": "Value must be between 1 and 5 points", "readings[1].tuneVectorId": "Tune vector id is required"},
		},
		"cadence": {
			variable.Accelerometer,
			[]variable.Reading{{Value: 1, Cadence: ptr(-1.0)}, {Value: 1, Cadence: ptr(300.1)}, {Value: 1, Cadence: ptr(math.NaN())}},
			map[string]string{
				"readings[0].cadence": "Cadence must be between 0 and 300 steps per minute",
				"readings[1].cadence": "Cadence must be between 0 and 300 steps per minute",
				"readings[2].cadence": "Cadence must be between 0 and 300 steps per minute",
			},
		},
		"place": {
			variable.Location,
			[]variable.Reading{
				{Value: 3},
				{Value: 3, Place: &variable.Coordinates{}},
				{Place: &variable.Coordinates{Latitude: 90.1, Longitude: -180.1}},
				{Place: &variable.Coordinates{Latitude: math.NaN(), Longitude: math.Inf(1)}},
			},
			map[string]string{
				"readings[0].value":           "Value must be latitude and longitude",
				"readings[1].value":           "Value must be latitude and longitude",
				"readings[2].value.latitude":  "Latitude must be between -90 and 90",
				"readings[2].value.longitude": "Longitude must be between -180 and 180",
				"readings[3].value.latitude":  "Latitude must be between -90 and 90",
				"readings[3].value.longitude": "Longitude must be between -180 and 180",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			v := h.create(t, c.typ)
			requireFields(t, h.Record(t.Context(), h.profile, v.ID, c.in), c.want)
			require.Empty(t, h.stored(t, store.Interactions, v.Consent), "all or none")
			_, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
			require.NoError(t, err)
			requireFields(t, h.Record(t.Context(), h.profile, v.ID, c.in), c.want)
		})
	}
}

func TestRangesOfTypes(t *testing.T) {
	for _, s := range variable.Types() {
		require.NotEmpty(t, s.Doc)
		if s.Form != variable.Number {
			continue
		}
		t.Run(string(s.Type), func(t *testing.T) {
			h := newHome(t)
			v := h.create(t, s.Type)
			r := variable.Reading{}
			if s.TuneVector {
				r.TuneVectorID = uuid.New()
			}
			for _, r.Value = range []float64{s.Min, s.Max} {
				h.record(t, v, r)
				h.advance(time.Second)
			}
			require.InDelta(t, s.Max, h.readings(t, v)[0].Value, 0)
			require.Equal(t, r.TuneVectorID, h.readings(t, v)[0].TuneVectorID)
			for _, r.Value = range []float64{math.Nextafter(s.Min, -1e9), math.Nextafter(s.Max, 1e9), math.Inf(-1)} {
				require.ErrorIs(t, h.Record(t.Context(), h.profile, v.ID, []variable.Reading{r}), fault.ErrInvalid)
			}
			require.NotEmpty(t, s.Unit)
		})
	}
	variable.Types()[0].Type = "changed"
	spec, ok := variable.SpecOf(variable.AmbientNoise)
	require.True(t, ok, "the table is nobody's to change")
	require.InDelta(t, 140.0, spec.Max, 0)
	_, ok = variable.SpecOf("mood")
	require.False(t, ok)
}

func TestRecordNeedsConsent(t *testing.T) {
	h := newHome(t)
	v, err := h.Create(t.Context(), h.profile, variable.Addition{Type: variable.AmbientNoise})
	require.NoError(t, err)
	requireKind(t, h.Record(t.Context(), h.profile, v.ID, []variable.Reading{{Value: 1}}), fault.Conflict, notIn)
	requireKind(t, h.Record(t.Context(), h.profile, uuid.New(), nil), fault.NotFound, missing)
	page, next, err := h.Readings(t.Context(), h.profile, v.ID, 10, "")
	require.NoError(t, err)
	require.NotNil(t, page)
	require.Empty(t, page)
	require.Empty(t, next)
	_, _, err = h.Readings(t.Context(), h.profile, uuid.New(), 10, "")
	requireKind(t, err, fault.NotFound, missing)
	require.Empty(t, h.told)
	require.Empty(t, h.stored(t, store.Interactions, uuid.Nil))
}

func TestEndsOfTheEarth(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.Location)
	h.record(
		t, v,
		variable.Reading{Place: &variable.Coordinates{Latitude: 90, Longitude: 180}},
		variable.Reading{Place: &variable.Coordinates{Latitude: -90, Longitude: -180}},
	)
	require.Len(t, h.readings(t, v), 2)
}

func TestReadingsExpire(t *testing.T) {
	h := newHome(t)
	v, err := h.Create(t.Context(), h.profile, variable.Addition{Type: variable.AmbientNoise, OptedIn: true, RetentionDays: ptr(2)})
	require.NoError(t, err)
	whole := h.clock.Truncate(time.Second)
	h.record(t, v, variable.Reading{Value: 1, At: whole}, variable.Reading{Value: 2, At: whole.Add(time.Millisecond)})
	var ends []time.Time
	for item, err := range store.All(t.Context(), h.store, store.Query{Table: store.Interactions, Partition: v.Consent, Read: store.Strong}) {
		require.NoError(t, err)
		ends = append(ends, item.ExpiresAt.UTC())
	}
	require.Equal(t, []time.Time{whole.Add(48 * time.Hour), whole.Add(48*time.Hour + time.Second)}, ends, "not before the retention has ended")
}

func TestRecordTwiceIsOnce(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	var batch []variable.Reading
	for i := range variable.MaxBatch {
		batch = append(batch, variable.Reading{Value: float64(i % 7), At: h.clock.Add(-time.Duration(i/2) * time.Second)})
	}
	h.record(t, v, batch...)
	once := h.readings(t, v)
	h.record(t, v, batch...)
	require.Equal(t, once, h.readings(t, v))
	require.Len(t, once, variable.MaxBatch)
	require.True(t, slices.IsSortedFunc(once, func(a, b variable.Reading) int { return b.At.Compare(a.At) }))
}

func TestReadingsPages(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	for i := range 10 {
		h.record(t, v, variable.Reading{Value: float64(i), At: h.clock.Add(time.Duration(i-10) * time.Minute)})
	}
	var got []float64
	token, pages := "", 0
	for {
		page, next, err := h.Readings(t.Context(), h.profile, v.ID, 5, token)
		require.NoError(t, err)
		pages++
		for _, r := range page {
			got = append(got, r.Value)
		}
		h.record(t, v, variable.Reading{Value: 99}) // in front of what is listed, between pages
		h.advance(time.Second)
		if token = next; token == "" {
			break
		}
		require.Regexp(t, `^[A-Za-z0-9_-]+$`, token)
	}
	require.Equal(t, []float64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, got)
	require.Equal(t, 2, pages, "no empty page at the end")
	_, _, err := h.Readings(t.Context(), h.profile, v.ID, 0, "?")
	requireFields(t, err, map[string]string{"limit": "Limit must be between 1 and 100", "pageToken": "Page token is not valid"})
}

func TestRetention(t *testing.T) {
	h := newHome(t)
	v, err := h.Create(t.Context(), h.profile, variable.Addition{Type: variable.AmbientNoise, OptedIn: true, RetentionDays: ptr(10)})
	require.NoError(t, err)
	days := func(n int) time.Time { return h.clock.AddDate(0, 0, -n) }
	h.record(t, v, variable.Reading{Value: 1, At: days(1)}, variable.Reading{Value: 5, At: days(5)}, variable.Reading{Value: 9, At: days(9)})
	values := func() (all []float64) {
		for _, r := range h.readings(t, v) {
			all = append(all, r.Value)
		}
		return all
	}
	keep := func(days int) {
		_, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{RetentionDays: &days}, store.Version{})
		require.NoError(t, err)
	}
	keep(4)
	require.Equal(t, []float64{1}, values(), "a shorter retention counts at once")
	keep(10)
	require.Equal(t, []float64{1, 5, 9}, values())
	keep(30)
	h.advance(48 * time.Hour)
	require.Equal(t, []float64{1, 5}, values(), "a longer one does not prolong what was recorded before")
	require.Len(t, h.stored(t, store.Interactions, v.Consent), 2, "expired")
}

func TestOptingOut(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	for range 3 {
		var batch []variable.Reading
		for i := range 400 {
			batch = append(batch, variable.Reading{Value: float64(i % 140)})
		}
		h.advance(time.Second)
		h.record(t, v, batch...)
	}
	h.told = nil
	out, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(false)}, v.Version)
	require.NoError(t, err)
	require.False(t, out.OptedIn)
	require.Zero(t, out.Consent)
	require.Empty(t, h.stored(t, store.Interactions, v.Consent))
	require.Equal(t, []variable.Change{{ProfileID: h.profile, Variable: out, OptedOut: v.Consent}}, h.told)
	require.Empty(t, h.readings(t, v))
	in, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(true)}, store.Version{})
	require.NoError(t, err)
	require.NotEqual(t, v.Consent, in.Consent)
	require.Empty(t, h.readings(t, in))
}

var errDown = errors.New("the store is down")

func TestOptingOutWhileTheStoreFails(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	h.record(t, v, variable.Reading{Value: 1}, variable.Reading{Value: 2})
	h.told = nil
	h.store.set(func(f *flaky) {
		f.list = func(q store.Query) error {
			if q.Table == store.Interactions {
				return errDown
			}
			return nil
		}
	})
	_, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.NoError(t, err, "they are out of reach, which is what was asked for")
	require.Len(t, h.told, 1)
	require.Empty(t, h.readings(t, v))
	require.Len(t, h.stored(t, store.Interactions, v.Consent), 2)
	_, err = h.Resume(t.Context())
	require.ErrorIs(t, err, errDown)

	h.store.set(func(f *flaky) { f.list = nil })
	n, err := h.Resume(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Empty(t, h.stored(t, store.Interactions, v.Consent))
	require.Len(t, h.told, 2)
	n, err = h.Resume(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}

// A consent that ends between the writing and the looking takes back what was written.
func TestLateReadings(t *testing.T) {
	end := map[string]func(h *home, v variable.Variable) error{
		"opted out": func(h *home, v variable.Variable) error {
			_, err := h.Update(context.Background(), h.profile, v.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
			return err
		},
		"opted out and in again": func(h *home, v variable.Variable) error {
			for _, in := range []bool{false, true} {
				if _, err := h.Update(context.Background(), h.profile, v.ID, variable.Changes{OptedIn: &in}, store.Version{}); err != nil {
					return err
				}
			}
			return nil
		},
		"deleted": func(h *home, v variable.Variable) error {
			return h.Delete(context.Background(), h.profile, v.ID, store.Version{})
		},
		"profile deleted": func(h *home, _ variable.Variable) error {
			return h.DeleteAll(context.Background(), h.profile)
		},
	}
	for name, end := range end {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fails %v", name, fails), func(t *testing.T) {
				h := newHome(t)
				v := h.create(t, variable.AmbientNoise)
				batch := make([]variable.Reading, 250) // three Applies
				for i := range batch {
					batch[i] = variable.Reading{Value: 1, At: h.clock.Add(-time.Duration(i) * time.Second)}
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				applies := 0
				h.store.set(func(f *flaky) {
					f.apply = func(writes []store.Write) error {
						if writes[0].Key.Table != store.Interactions || writes[0].Delete {
							return nil
						}
						if applies++; applies == 2 {
							f.apply, f.list = nil, nil
							require.NoError(t, end(h, v))
							if fails { // the caller hangs up as well
								cancel()
								return ctx.Err()
							}
						}
						return nil
					}
				})
				err := h.Record(ctx, h.profile, v.ID, batch)
				require.Error(t, err)
				if strings.Contains(name, "deleted") {
					requireKind(t, err, fault.NotFound, missing)
				} else {
					requireKind(t, err, fault.Conflict, notIn)
				}
				require.Empty(t, h.stored(t, store.Interactions, v.Consent))
			})
		}
	}
}

func TestRecordWhileTheStoreFails(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	batch := []variable.Reading{{Value: 1, At: h.clock}}
	fail := func(table store.Table, deletes bool) func([]store.Write) error {
		return func(writes []store.Write) error {
			if writes[0].Key.Table == table && writes[0].Delete == deletes {
				return store.ErrUnavailable
			}
			return nil
		}
	}
	h.store.set(func(f *flaky) { f.apply = fail(store.Interactions, false) })
	require.ErrorIs(t, h.Record(t.Context(), h.profile, v.ID, batch), fault.ErrUnavailable)
	h.store.set(func(f *flaky) { f.apply = nil })

	// The look at the consent fails: the outcome is unknown, and recording again is safe.
	reads := 0
	h.store.set(func(f *flaky) {
		f.read = func(store.Key) error {
			if reads++; reads == 2 {
				return store.ErrUnavailable
			}
			return nil
		}
	})
	require.ErrorIs(t, h.Record(t.Context(), h.profile, v.ID, batch), fault.ErrUnavailable)
	h.store.set(func(f *flaky) { f.read = nil })
	h.record(t, v, batch...)
	require.Len(t, h.readings(t, v), 1)

	// Taking back fails.
	h.store.set(func(f *flaky) {
		f.apply = func(writes []store.Write) error {
			if writes[0].Key.Table != store.Interactions {
				return nil
			}
			f.apply = nil
			require.NoError(t, h.Delete(t.Context(), h.profile, v.ID, store.Version{}))
			f.apply = fail(store.Interactions, true)
			return nil
		}
	})
	require.ErrorIs(t, h.Record(t.Context(), h.profile, v.ID, batch), fault.ErrUnavailable)
}

// Readings are recorded while their listener opts out and in: whatever happens, nothing is readable that is not consented to,
// and nothing is left in the store of any consent that has ended.
func TestOptingOutRacesRecording(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	ctx := context.WithoutCancel(t.Context())
	consents := []uuid.UUID{v.Consent}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				batch := make([]variable.Reading, 150)
				for j := range batch {
					batch[j] = variable.Reading{Value: float64(w), At: h.now().Add(-time.Duration(150*i+j) * time.Millisecond)}
				}
				if err := h.Record(ctx, h.profile, v.ID, batch); err != nil && !errors.Is(err, fault.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 30 {
		changed, err := h.Update(ctx, h.profile, v.ID, variable.Changes{OptedIn: ptr(i%2 == 1)}, store.Version{})
		require.NoError(t, err)
		if changed.OptedIn {
			consents = append(consents, changed.Consent)
		} else {
			require.Empty(t, h.readings(t, v))
		}
	}
	out, err := h.Update(ctx, h.profile, v.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.NoError(t, err)
	require.False(t, out.OptedIn)
	close(stop)
	wg.Wait()
	_, err = h.Resume(ctx)
	require.NoError(t, err)
	for _, c := range consents {
		require.Empty(t, h.stored(t, store.Interactions, c))
	}
}

// Somebody else is always quicker: the caller is told to try again, not that something broke.
func TestContention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which makes the pauses between attempts cost nothing
		h := newHome(t)
		v := h.create(t, variable.AmbientNoise)
		h.store.set(func(f *flaky) {
			f.apply = func(w []store.Write) error { return &store.ConflictError{Keys: []store.Key{w[0].Key}} }
		})
		_, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
		require.ErrorIs(t, err, fault.ErrUnavailable)
		require.ErrorIs(t, h.Delete(t.Context(), h.profile, v.ID, store.Version{}), fault.ErrUnavailable)
	})
}

func TestResumeGoesOn(t *testing.T) {
	h := newHome(t)
	var vs []variable.Variable
	for _, typ := range []variable.Type{variable.AmbientNoise, variable.OutsideTemperature, variable.HeartRateVariability} {
		v := h.create(t, typ)
		h.record(t, v, variable.Reading{Value: 1})
		vs = append(vs, v)
	}
	h.refuse = errDown
	for _, v := range vs {
		require.ErrorIs(t, h.Delete(t.Context(), h.profile, v.ID, store.Version{}), errDown)
	}
	h.refuse, h.told = nil, nil
	h.store.set(func(f *flaky) {
		f.list = func(q store.Query) error {
			if q.Partition == vs[1].Consent {
				return errDown
			}
			return nil
		}
	})
	_, err := h.Resume(t.Context())
	require.ErrorIs(t, err, errDown)
	require.Len(t, h.told, 2, "the others are done")
	h.store.set(func(f *flaky) { f.list = func(store.Query) error { return errDown } })
	_, err = h.Resume(t.Context())
	require.ErrorIs(t, err, errDown)
	h.store.set(func(f *flaky) { f.list = nil })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.Resume(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, err = h.Resume(t.Context())
	require.NoError(t, err)
	require.Len(t, h.told, 3)
}

func TestStoreFails(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.HeartRateVariability)
	h.store.set(func(f *flaky) {
		f.list = func(store.Query) error { return errDown }
		f.read = func(store.Key) error { return errDown }
		f.apply = func([]store.Write) error { return errDown }
	})
	calls := map[string]func() error{
		"create": func() error {
			_, err := h.Create(t.Context(), h.profile, variable.Addition{Type: variable.Location})
			return err
		},
		"get": func() error { _, err := h.Get(t.Context(), h.profile, v.ID); return err },
		"update": func() error {
			_, err := h.Update(t.Context(), h.profile, v.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
			return err
		},
		"delete":     func() error { return h.Delete(t.Context(), h.profile, v.ID, store.Version{}) },
		"list":       func() error { _, _, err := h.List(t.Context(), h.profile, 1, ""); return err },
		"record":     func() error { return h.Record(t.Context(), h.profile, v.ID, []variable.Reading{{Value: 1}}) },
		"readings":   func() error { _, _, err := h.Readings(t.Context(), h.profile, v.ID, 1, ""); return err },
		"snapshot":   func() error { _, err := h.Snapshot(t.Context(), h.profile); return err },
		"consents":   func() error { _, err := h.Consents(t.Context(), h.profile); return err },
		"past":       func() error { _, err := h.Past(t.Context(), h.profile, []time.Time{h.clock}); return err },
		"any":        func() error { _, err := h.Any(t.Context(), h.profile); return err },
		"delete all": func() error { return h.DeleteAll(t.Context(), h.profile) },
	}
	for name, call := range calls {
		require.ErrorIs(t, call(), errDown, name)
	}
	h.store.set(func(f *flaky) {
		f.read, f.apply = nil, nil
		f.list = func(q store.Query) error {
			if q.Table == store.Interactions {
				return errDown
			}
			return nil
		}
	})
	for _, name := range []string{"readings", "snapshot", "past", "delete all"} {
		require.ErrorIs(t, calls[name](), errDown, name)
	}
	require.NoError(t, calls["delete all"](), "the variable is gone, the rest is Resume's")
	h.store.set(func(f *flaky) {
		f.list = nil
		f.read = func(store.Key) error { return errDown }
	})
	require.ErrorIs(t, calls["list"](), errDown, "whether there is a profile is not known")

	h = newHome(t)
	v = h.create(t, variable.AmbientNoise)
	h.store.set(func(f *flaky) {
		f.apply = func(writes []store.Write) error {
			if len(writes) == 1 && writes[0].Key.Table == store.Users { // the job that is done
				return errDown
			}
			return nil
		}
	})
	require.ErrorIs(t, h.DeleteAll(t.Context(), h.profile), errDown)
	h = newHome(t)
	v = h.create(t, variable.AmbientNoise)
	h.store.set(func(f *flaky) { f.apply = func([]store.Write) error { return errDown } })
	require.ErrorIs(t, h.DeleteAll(t.Context(), h.profile), errDown)
	require.ErrorIs(t, h.Delete(t.Context(), h.profile, v.ID, store.Version{}), errDown)
}

func TestUnreadableItems(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.HeartRateVariability)
	key := store.Key{Table: store.Users, Partition: h.profile, Sort: "variable#" + v.ID.String()}
	put := func(key store.Key) {
		require.NoError(t, h.store.Store.Apply(t.Context(), store.Put(store.Item{Key: key, Body: []byte(`{"at":"x","createdAt":7}`)}, store.None)))
	}
	put(store.Key{Table: store.Interactions, Partition: v.Consent, Sort: "reading#2026-05-04T00:00:00.000Z#0123456789abcdef"})
	_, _, err := h.Readings(t.Context(), h.profile, v.ID, 1, "")
	require.Error(t, err)
	_, err = h.Snapshot(t.Context(), h.profile)
	require.Error(t, err)
	put(key)
	_, err = h.Get(t.Context(), h.profile, v.ID)
	require.Error(t, err)
	require.Equal(t, fault.None, fault.KindOf(err), "our fault, not the caller's")
	_, err = h.Update(t.Context(), h.profile, v.ID, variable.Changes{}, store.Version{})
	require.Error(t, err)
	require.Error(t, h.Delete(t.Context(), h.profile, v.ID, store.Version{}))
	_, err = h.Any(t.Context(), h.profile)
	require.Error(t, err)

	for n := range 16 {
		put(store.Key{Table: store.Users, Partition: store.HashPartition("jobs", strconv.Itoa(n)), Sort: "wipe-readings#x"})
	}
	h.store.set(func(f *flaky) { f.list = nil })
	require.NoError(t, h.store.Store.Apply(t.Context(), store.Put(store.Item{
		Key: store.Key{Table: store.Users, Partition: store.HashPartition("jobs", "0"), Sort: "wipe-readings#y"}, Body: []byte(`{"consent": 7}`),
	}, store.None)))
	_, err = h.Resume(t.Context())
	require.Error(t, err)
}

func TestSnapshot(t *testing.T) {
	h := newHome(t)
	snap, err := h.Snapshot(t.Context(), h.profile)
	require.NoError(t, err)
	require.Empty(t, snap.Latest)
	require.Nil(t, snap.Zone)

	now := h.clock.Truncate(time.Millisecond)
	noise, clock, heart, place := h.create(t, variable.AmbientNoise), h.create(t, variable.TimeOfDay), h.create(t, variable.HeartRateVariability), h.create(t, variable.Location)
	silent := h.create(t, variable.OutsideTemperature)
	out := h.create(t, variable.Accelerometer)
	h.record(t, out, variable.Reading{Value: 1})
	_, err = h.Update(t.Context(), h.profile, out.ID, variable.Changes{OptedIn: ptr(false)}, store.Version{})
	require.NoError(t, err)
	h.record(t, noise, variable.Reading{Value: 40, At: now.Add(-time.Hour)}, variable.Reading{Value: 60, At: now.Add(-time.Minute)}, variable.Reading{Value: 50, At: now.Add(-2 * time.Minute)})
	h.record(t, place, variable.Reading{Place: &variable.Coordinates{Latitude: 52.52, Longitude: 13.405}})
	for i, ms := range []float64{30, 70, 50, 40} {
		h.record(t, heart, variable.Reading{Value: ms, At: now.Add(-time.Duration(i) * time.Hour)})
	}
	h.record(t, heart, variable.Reading{Value: 300, At: now.AddDate(0, 0, -31)})

	snap, err = h.Snapshot(t.Context(), h.profile)
	require.NoError(t, err)
	require.Equal(t, map[variable.Type]variable.Reading{
		variable.AmbientNoise:         {Value: 60, At: now.Add(-time.Minute)},
		variable.HeartRateVariability: {Value: 30, At: now},
		variable.Location:             {Place: ptr(variable.Coordinates{Latitude: 52.52, Longitude: 13.405}.Coarsen()), At: now},
	}, snap.Latest)
	require.Equal(t, "Europe/Berlin", snap.Zone.String())
	require.Equal(t, variable.Consents{
		variable.AmbientNoise: noise.Consent, variable.TimeOfDay: clock.Consent, variable.HeartRateVariability: heart.Consent,
		variable.Location: place.Consent, variable.OutsideTemperature: silent.Consent,
	}, snap.Consents)
	require.True(t, snap.Live(noise.Consent))
	require.False(t, snap.Live(out.Consent))
	consents, err := h.Consents(t.Context(), h.profile)
	require.NoError(t, err)
	require.Equal(t, snap.Consents, consents)
	require.Zero(t, snap.RMSSDBaseline, "four of the last 30 days are too few")
	h.record(t, heart, variable.Reading{Value: 60, At: now.AddDate(0, 0, -29)})
	snap, err = h.Snapshot(t.Context(), h.profile)
	require.NoError(t, err)
	require.InDelta(t, 50.0, snap.RMSSDBaseline, 0)
	h.record(t, heart, variable.Reading{Value: 60, At: now.AddDate(0, 0, -28)})
	snap, err = h.Snapshot(t.Context(), h.profile)
	require.NoError(t, err)
	require.InDelta(t, 55.0, snap.RMSSDBaseline, 0)
}

// A listing may be behind, but what is planned by is not: it is asked for right after readings were recorded.
func TestReadingsOfAMomentAgo(t *testing.T) {
	h := newHome(t)
	h.store.behind = true
	v := h.create(t, variable.AmbientNoise)
	h.record(t, v, variable.Reading{Value: 40})
	listed, _, err := h.Readings(t.Context(), h.profile, v.ID, 10, "")
	require.NoError(t, err)
	require.Empty(t, listed)
	snap, err := h.Snapshot(t.Context(), h.profile)
	require.NoError(t, err)
	require.Len(t, snap.Latest, 1)
}

// Who measures every few minutes has a baseline of the month, and not of the last days.
func TestBaselineOfMany(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.HeartRateVariability)
	for d := range 40 {
		var batch []variable.Reading
		for i := range 144 {
			batch = append(batch, variable.Reading{Value: float64(100 + d), At: h.clock.AddDate(0, 0, -d).Add(-time.Duration(i) * 10 * time.Minute)})
		}
		h.record(t, v, batch...)
	}
	snap, err := h.Snapshot(t.Context(), h.profile)
	require.NoError(t, err)
	require.InDelta(t, 100.0, snap.Latest[variable.HeartRateVariability].Value, 0)
	require.InDelta(t, 114.5, snap.RMSSDBaseline, 0.5, "the median of 100 … 129")
	var lists atomic.Int64
	h.store.set(func(f *flaky) {
		f.list = func(store.Query) error {
			if lists.Add(1) > 10 {
				return errDown
			}
			return nil
		}
	})
	_, err = h.Snapshot(t.Context(), h.profile)
	require.ErrorIs(t, err, errDown)
}

func TestEvents(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	h.record(t, v, variable.Reading{Value: 1}, variable.Reading{Value: 2})
	require.Error(t, h.Record(t.Context(), h.profile, v.ID, nil))
	_, err := h.Snapshot(t.Context(), h.profile)
	require.NoError(t, err)
	require.NoError(t, h.Delete(t.Context(), h.profile, v.ID, store.Version{}))
	var got []string
	for _, e := range h.seen.all {
		got = append(got, fmt.Sprint(e.Operation, " ", e.Status, " ", e.Values))
	}
	require.Equal(t, []string{
		"variable.create ok []", "variable.record ok [{readings 2}]", "variable.record invalid [{readings 0}]", "variable.snapshot ok []",
		"variable.wipe ok [{readings 2}]", "variable.delete ok []",
	}, got)
}
