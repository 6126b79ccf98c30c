package tunevector_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// between is a store that does something once, right before or after the next vector is put into it.
type between struct {
	store.Store
	before, after func()
}

func (b *between) Unwrap() store.Store { return b.Store }

func (b *between) Apply(ctx context.Context, writes ...store.Write) error {
	vector := false
	for _, w := range writes {
		vector = vector || strings.HasPrefix(w.Key.Sort, "vector#") && w.Body != nil
	}
	if !vector {
		return b.Store.Apply(ctx, writes...)
	}
	before, after := b.before, b.after
	b.before, b.after = nil, nil
	if before != nil {
		before()
	}
	err := b.Store.Apply(ctx, writes...)
	if after != nil {
		after()
	}
	return err
}

// raced is a house whose listener answers to loud music by how loud it is, and where somebody comes in between.
type raced struct {
	*house
	between    *between
	noise      variable.Variable
	one, other tunevector.TuneVector // planned before anything was opted into
}

const loudness = 83.0625 // a number that nothing else has

func race(t *testing.T) *raced {
	t.Helper()
	r := &raced{house: open(t)}
	r.between = &between{Store: r.store.Store}
	r.store.Store = r.between
	r.one, r.other = r.create(t, ai(40)), r.create(t, ai(45))
	r.noise = r.opt(t, variable.AmbientNoise)
	r.live(t, r.noise, 6)
	r.now = r.now.Add(time.Hour)
	r.read(t, r.noise, variable.Reading{Value: loudness})
	return r
}

// raw is all that is stored, but for the names of consents that have ended, by which what comes late is known.
func (r *raced) raw(t *testing.T) string {
	t.Helper()
	scanner, ok := store.As[store.Scanner](r.between.Store)
	require.True(t, ok)
	var all strings.Builder
	for _, table := range []store.Table{store.Users, store.Interactions, store.Models} {
		page, err := scanner.Scan(t.Context(), table, "", store.MaxPage)
		for ; err == nil; page, err = scanner.Scan(t.Context(), table, page.Next, store.MaxPage) {
			for _, item := range page.Items {
				fmt.Fprintln(&all, item.Key.Sort, string(item.Body))
			}
			if page.Next == "" {
				break
			}
		}
		require.NoError(t, err)
	}
	return regexp.MustCompile(`"ended":\[[^]]*\]`).ReplaceAllString(all.String(), "")
}

// traces are those of what was read that are stored.
func (r *raced) traces(t *testing.T) (found []string) {
	t.Helper()
	all := r.raw(t)
	for _, trace := range []string{"83.0625", `"held"`, "loud", "than your usual", r.noise.Consent.String()} {
		if strings.Contains(all, trace) {
			found = append(found, trace)
		}
	}
	return found
}

func (r *raced) plays(v tunevector.TuneVector) ml.Interaction {
	e := r.did(v, ml.Play, 0)
	e.At = r.now
	return e
}

// A plan that is on its way into the store while a consent ends tells nothing of what was read under it, neither there nor in the answer.
func TestOptingOutWhileSomethingIsPlanned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*testing.T, *raced)
		call    func(*testing.T, *raced) any
		late    bool // the consent ends after the first of the vectors was stored
	}{
		"create": {call: func(t *testing.T, r *raced) any { return r.create(t, ai(30)) }},
		"update": {call: func(t *testing.T, r *raced) any {
			return r.update(t, r.one.ID, func(d *tunevector.Definition) { d.Curve = tunevector.Linear })
		}},
		"re-sort": {
			prepare: func(t *testing.T, r *raced) {
				r.one = r.create(t, ai(30))
			},
			call: func(t *testing.T, r *raced) any {
				return r.update(t, r.one.ID, func(d *tunevector.Definition) { d.Order = tunevector.Shuffle })
			},
		},
		"interactions": {call: func(t *testing.T, r *raced) any {
			told := r.record(t, r.plays(r.one), r.plays(r.other))
			require.Len(t, told.Replanned, 2)
			return told
		}},
		"a reading": {
			prepare: func(t *testing.T, r *raced) {
				r.record(t, r.plays(r.one), r.plays(r.other))
				r.now = r.now.Add(time.Minute)
				r.read(t, r.noise, variable.Reading{Value: 31}) // the first of another situation, which the next one confirms
			},
			call: func(t *testing.T, r *raced) any {
				r.now = r.now.Add(time.Minute)
				told, err := r.RecordReadings(r.ctx, r.listener, r.noise.ID, []variable.Reading{{Value: 31}})
				require.NoError(t, err)
				return told
			},
			late: true,
		},
		"a renewal": {
			prepare: func(t *testing.T, r *raced) {
				steps := r.opt(t, variable.Accelerometer)
				r.read(t, steps, variable.Reading{Value: 2, Cadence: p(160.0)})
				r.one = r.create(t, ai(30))
				r.optOut(t, steps)
			},
			call: func(t *testing.T, r *raced) any { return r.get(t, r.one.ID) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := race(t)
			if c.prepare != nil {
				c.prepare(t, r)
			}
			require.NotEmpty(t, r.traces(t))
			ended := false
			end := func() {
				r.optOut(t, r.noise)
				ended = true
			}
			if c.late {
				r.between.after = end
			} else {
				r.between.before = end
			}
			answer := fmt.Sprint(c.call(t, r))
			require.True(t, ended)
			require.Empty(t, r.traces(t))
			for _, word := range []string{"loud", "quiet", "than your usual"} {
				require.NotContains(t, answer, word)
			}
			for _, v := range []tunevector.TuneVector{r.one, r.other} {
				requirePlan(t, r.get(t, v.ID))
			}
		})
	}
}

// What cannot be taken out at once, since the store fails, is taken out later.
func TestOptingOutWhileSomethingIsPlannedAndTheStoreFails(t *testing.T) {
	t.Parallel()
	r := race(t)
	r.between.before = func() {
		r.optOut(t, r.noise)
		r.store.failRead(1)
	}
	_, err := r.Create(r.ctx, r.listener, ai(30))
	require.ErrorIs(t, err, errBroken)
	require.NotEmpty(t, r.traces(t))
	require.NoError(t, r.Resume(r.ctx))
	require.Contains(t, r.raw(t), "withhold-late", "it is not due yet")

	r.now = r.now.Add(15 * time.Minute)
	for at := 1; ; at++ {
		r.store.failRead(at)
		if err = r.Resume(r.ctx); err == nil {
			break
		}
		require.ErrorIs(t, err, errBroken)
	}
	r.store.failRead(0)
	all := r.raw(t)
	for _, trace := range []string{"83.0625", `"held"`, "loud", "than your usual", "withhold-late"} {
		require.False(t, strings.Contains(all, trace), trace) //nolint:testifylint // which would print all of it
	}
	vectors, _, err := r.List(r.ctx, r.listener, 9, "")
	require.NoError(t, err)
	require.Len(t, vectors, 3)
	require.Empty(t, r.traces(t))
}

// A consent that is given while old ones are looked for is none of those that have ended.
func TestOptingInAgainWhileVectorsAreLookedThrough(t *testing.T) {
	t.Parallel()
	r := race(t)
	r.optOut(t, r.noise)
	r.now = r.now.Add(15 * time.Minute)
	again, err := r.variables.Update(r.ctx, r.listener, r.noise.ID, variable.Changes{OptedIn: p(true)}, store.Version{})
	require.NoError(t, err)
	r.read(t, again, variable.Reading{Value: loudness})
	v := r.create(t, ai(30))
	require.NoError(t, r.Resume(r.ctx))
	require.Equal(t, v, r.get(t, v.ID))
}

// What is deleted while its consent ends is gone, and so is who owned it.
func TestDeletedWhileAConsentEnds(t *testing.T) {
	t.Parallel()
	r := race(t)
	r.between.after = func() {
		require.NoError(t, r.DeleteAll(r.ctx, r.listener))
		r.optOut(t, r.noise)
	}
	_, err := r.Create(r.ctx, r.listener, ai(30))
	require.ErrorIs(t, err, fault.ErrNotFound)
	require.NoError(t, r.DeleteAll(r.ctx, r.listener))
	require.NotContains(t, r.raw(t), "withhold-late")

	r = race(t)
	r.between.after = func() {
		require.NoError(t, r.DeleteAll(r.ctx, r.listener))
		r.optOut(t, r.noise)
	}
	require.Empty(t, r.record(t, r.plays(r.one)).Replanned)
	require.Zero(t, r.items(t, "vector#"))
	r.now = r.now.Add(time.Hour)
	require.NoError(t, r.Resume(r.ctx))
	require.NotContains(t, r.raw(t), "withhold-late")
}
