package ml_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

func TestLogKeepsEventsInOrderOfTime(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann, bob := b.listener(t, 1), b.listener(t, 2)
	vector := uuid.New()
	late := ml.Interaction{
		EventID: eventID(1), TrackID: "t1", TuneVectorID: vector, Action: ml.Skip, PositionSeconds: ptr(31.5),
		At: noon.Add(-time.Minute + 3).In(time.FixedZone("east", 7200)),
	}
	early := ml.Interaction{EventID: eventID(2), TrackID: "t2", Action: ml.Rate, Rating: ptr(4), At: noon.Add(-80 * 24 * time.Hour)}
	b.log(t, ann, late, early)
	b.log(t, bob, event(1, "t9", ml.Like, noon)) // an id is the listener's own

	late.At = late.At.UTC()
	require.Equal(t, []ml.Interaction{early, late}, b.kept(t, ann))
	down := collect(t, b.Interactions(t.Context(), ann, time.Time{}, time.Time{}, true))
	require.Equal(t, []ml.Interaction{late, early}, down)
	require.Equal(t, []ml.Interaction{late}, collect(t, b.Interactions(t.Context(), ann, late.At, time.Time{}, false)))
	require.Equal(t, []ml.Interaction{early}, collect(t, b.Interactions(t.Context(), ann, time.Time{}, late.At, false)))
	require.Equal(t, []ml.Interaction{late, early}, collect(t, b.Recent(t.Context(), ann, 2)))
	require.Equal(t, []ml.Interaction{late}, collect(t, b.Recent(t.Context(), ann, 1)))
	for i, err := range b.Recent(t.Context(), ann, 2) {
		require.NoError(t, err)
		require.Equal(t, late, i)
		break
	}
	far := time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)
	require.Len(t, collect(t, b.Interactions(t.Context(), ann, time.Time{}.Add(-time.Hour), far, false)), 2)

	status, values := b.events.last(t, "ml.log")
	require.Equal(t, "ok", status)
	require.Equal(t, map[string]float64{"events": 1, "fresh": 1}, values)
}

func TestLogExpires(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann := b.listener(t, 1)
	b.log(t, ann, event(1, "t", ml.Play, noon))
	b.clock.add(ml.Retention - time.Second)
	require.Len(t, b.kept(t, ann), 1)
	b.clock.add(time.Second)
	require.Empty(t, b.kept(t, ann))
}

func TestLogIsIdempotent(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann := b.listener(t, 1)
	first, second := event(1, "a", ml.Like, noon), event(2, "b", ml.Play, noon.Add(-50*24*time.Hour))
	b.log(t, ann, first, second)
	third := event(3, "c", ml.Play, noon)
	fresh, err := b.Log(t.Context(), ann, []ml.Interaction{second, third, first, third})
	require.NoError(t, err)
	require.Equal(t, []ml.Interaction{third}, fresh)
	fresh, err = b.Log(t.Context(), ann, []ml.Interaction{first})
	require.NoError(t, err)
	require.Empty(t, fresh)
	require.Equal(t, []ml.Interaction{second, first, third}, b.kept(t, ann))
}

// A position that is all but 0 passes the checks, and is below what DynamoDB can hold.
func TestLogOfNextToNothing(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann := b.listener(t, 1)
	e := event(1, "a", ml.Skip, noon)
	e.PositionSeconds = ptr(1e-200)
	for _, want := range []int{1, 0} {
		fresh, err := b.Log(t.Context(), ann, []ml.Interaction{e})
		require.NoError(t, err)
		require.Len(t, fresh, want)
	}
	require.Equal(t, 1e-200, *e.PositionSeconds, "the caller's event is the caller's")
	require.Equal(t, []*float64{ptr(0.0)}, []*float64{b.kept(t, ann)[0].PositionSeconds})
}

func TestLogRefusesAnIDThatStandsForAnotherEvent(t *testing.T) {
	base := ml.Interaction{
		EventID: eventID(1), TrackID: "a", TuneVectorID: eventID(70), Action: ml.Rate, Rating: ptr(4), PositionSeconds: ptr(1.0), At: noon.Add(-2 * time.Hour),
	}
	for name, change := range map[string]func(*ml.Interaction){
		"track":       func(i *ml.Interaction) { i.TrackID = "b" },
		"vector":      func(i *ml.Interaction) { i.TuneVectorID = eventID(71) },
		"action":      func(i *ml.Interaction) { i.Action, i.Rating = ml.Like, nil },
		"rating":      func(i *ml.Interaction) { i.Rating = ptr(5) },
		"position":    func(i *ml.Interaction) { i.PositionSeconds = ptr(2.0) },
		"no position": func(i *ml.Interaction) { i.PositionSeconds = nil },
		"an hour off": func(i *ml.Interaction) { i.At = i.At.Add(time.Hour - 1) },
		"before":      func(i *ml.Interaction) { i.At = i.At.Add(-time.Hour) },
	} {
		other := base
		change(&other)
		t.Run(name+" in the log", func(t *testing.T) {
			b := newBench(t, ml.Options{})
			ann := b.listener(t, 1)
			b.log(t, ann, base)
			_, err := b.Log(t.Context(), ann, []ml.Interaction{event(5, "new", ml.Play, noon), other, event(6, "new", ml.Play, noon)})
			requireTaken(t, err, "events[1].eventId")
			require.Equal(t, []ml.Interaction{base}, b.kept(t, ann), "nothing of the batch is kept")
		})
		t.Run(name+" in the batch", func(t *testing.T) {
			b := newBench(t, ml.Options{})
			ann := b.listener(t, 1)
			_, err := b.Log(t.Context(), ann, []ml.Interaction{base, event(5, "new", ml.Play, noon), other})
			requireTaken(t, err, "events[2].eventId")
			require.Empty(t, b.kept(t, ann))
		})
	}
}

func requireTaken(t *testing.T, err error, fields ...string) {
	t.Helper()
	require.ErrorIs(t, err, fault.ErrConflict)
	e, _ := fault.As(err)
	require.Len(t, e.Fields, len(fields))
	for _, f := range fields {
		require.Equal(t, "Event ID already stands for another event", e.Fields[f])
	}
}

// The comment on Log says how far an id is searched for; this holds it to that.
func TestLogTakesAnIDFarApartForTwoEvents(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann := b.listener(t, 1)
	b.log(t, ann, event(1, "a", ml.Like, noon.Add(-2*time.Hour)))
	b.log(t, ann, event(1, "a", ml.Like, noon.Add(-2*time.Hour+time.Hour+time.Nanosecond)))
	require.Len(t, b.kept(t, ann), 2)

	// Each of the two can be repeated, though the other one is near enough to be seen now.
	b.log(t, ann, event(2, "b", ml.Like, noon.Add(-90*time.Minute)))
	for _, ago := range []time.Duration{-2 * time.Hour, -time.Hour + time.Nanosecond} {
		fresh, err := b.Log(t.Context(), ann, []ml.Interaction{event(1, "a", ml.Like, noon.Add(ago)), event(2, "b", ml.Like, noon.Add(-90*time.Minute))})
		require.NoError(t, err)
		require.Empty(t, fresh)
	}
}

func TestCheckNamesEveryWrongField(t *testing.T) {
	b := newBench(t, ml.Options{})
	good := event(1, "t", ml.Play, noon)
	wrong := func(change func(*ml.Interaction)) ml.Interaction {
		e := good
		change(&e)
		return e
	}
	for name, c := range map[string]struct {
		events []ml.Interaction
		fields map[string]string
	}{
		"good":     {[]ml.Interaction{good}, nil},
		"none":     {nil, map[string]string{"events": "At least one event is required"}},
		"as many":  {make500(ml.MaxBatch), nil},
		"too many": {make500(ml.MaxBatch + 1), map[string]string{"events": "At most 500 events can be recorded at once"}},
		"empty, second": {[]ml.Interaction{good, {}}, map[string]string{
			"events[1].eventId": "Event ID is required", "events[1].trackId": "Track ID is required",
			"events[1].action": "Action is required", "events[1].at": "Time is required",
		}},
		"all of all": {[]ml.Interaction{
			wrong(func(i *ml.Interaction) { i.TrackID = string(make([]rune, 201)); i.Rating = ptr(3) }),
			wrong(func(i *ml.Interaction) { i.TrackID = "\xff"; i.Action = "listen"; i.PositionSeconds = ptr(-0.1) }),
			wrong(func(i *ml.Interaction) { i.Action = ml.Rate }),
			wrong(func(i *ml.Interaction) { i.Action = ml.Rate; i.Rating = ptr(0); i.PositionSeconds = ptr(math.NaN()) }),
			wrong(func(i *ml.Interaction) { i.Action = ml.Rate; i.Rating = ptr(6); i.PositionSeconds = ptr(86400.1) }),
			wrong(func(i *ml.Interaction) { i.At = noon.Add(5*time.Minute + 1) }),
			wrong(func(i *ml.Interaction) { i.At = noon.Add(-ml.Retention - 1) }),
		}, map[string]string{
			"events[0].trackId": "Track ID must be at most 200 characters long", "events[0].rating": "Rating is only for the action rate",
			"events[1].trackId": "Track ID must be valid UTF-8", "events[1].positionSeconds": "Position must be between 0 and 86400 seconds",
			"events[1].action": "Action must be one of play, complete, skip, like, dislike, save, rate",
			"events[2].rating": "Rating is required to rate",
			"events[3].rating": "Rating must be between 1 and 5", "events[3].positionSeconds": "Position must be between 0 and 86400 seconds",
			"events[4].rating": "Rating must be between 1 and 5", "events[4].positionSeconds": "Position must be between 0 and 86400 seconds",
			"events[5].at": "Time must not be more than 5 minutes in the future",
			"events[6].at": "Time must not be more than 90 days ago",
		}},
		"at the edges": {[]ml.Interaction{
			wrong(func(i *ml.Interaction) { i.TrackID = string(make([]rune, 200)); i.PositionSeconds = ptr(0.0) }),
			wrong(func(i *ml.Interaction) { i.Action = ml.Rate; i.Rating = ptr(1); i.PositionSeconds = ptr(86400.0) }),
			wrong(func(i *ml.Interaction) { i.Action = ml.Rate; i.Rating = ptr(5); i.At = noon.Add(5 * time.Minute) }),
			wrong(func(i *ml.Interaction) { i.At = noon.Add(-ml.Retention) }),
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := b.Check(c.events)
			if c.fields == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fault.ErrInvalid)
			e, _ := fault.As(err)
			require.Equal(t, c.fields, e.Fields)

			ann := b.listener(t, 1)
			_, err = b.Log(t.Context(), ann, c.events)
			require.ErrorIs(t, err, fault.ErrInvalid)
			require.Empty(t, b.kept(t, ann))
		})
	}
}

func make500(n int) []ml.Interaction {
	events := make([]ml.Interaction, n)
	for i := range events {
		events[i] = event(i, fmt.Sprint("t", i), ml.Play, noon.Add(-time.Duration(i)*time.Minute))
	}
	return events
}

func TestLogOfAWholeBatch(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann := b.listener(t, 1)
	b.log(t, ann, make500(ml.MaxBatch)...)
	require.Len(t, b.kept(t, ann), ml.MaxBatch)
}

func TestLogOfNoProfile(t *testing.T) {
	b := newBench(t, ml.Options{})
	nobody := uuid.New()
	_, err := b.Log(t.Context(), nobody, []ml.Interaction{event(1, "t", ml.Play, noon)})
	require.ErrorIs(t, err, fault.ErrNotFound)
	require.ErrorContains(t, err, "Profile with the specified ID does not exist")
	require.Empty(t, b.kept(t, nobody))

	// The deletion has begun, and has not come to the log yet.
	ann := b.listener(t, 1)
	b.log(t, ann, event(1, "t", ml.Play, noon))
	require.NoError(t, b.store.Store.Apply(t.Context(), store.Delete(profile.GateKey(ann), store.None)))
	_, err = b.Log(t.Context(), ann, []ml.Interaction{event(1, "t", ml.Play, noon)})
	require.ErrorIs(t, err, fault.ErrNotFound)
}

// A profile that is deleted while its events are written leaves none of them, though the wiping came before the rows.
func TestLogTakesBackWhatADeletionMissed(t *testing.T) {
	for name, fails := range map[string]error{"all written": nil, "half written": store.ErrUnavailable} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ml.Options{})
			ann := b.listener(t, 1)
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			b.store.on(nil, nil, func(w []store.Write) error {
				if n++; n == 2 {
					b.store.on(nil, nil, nil)
					require.NoError(t, b.store.Store.Apply(t.Context(), store.Delete(profile.GateKey(ann), store.None)))
					require.NoError(t, b.DeleteAll(t.Context(), ann))
					cancel() // the caller does not wait for it
					if fails == nil {
						require.NoError(t, b.store.Store.Apply(t.Context(), w...))
					}
					return errors.Join(fails)
				}
				return nil
			})
			_, err := b.Log(ctx, ann, make500(150))
			require.ErrorIs(t, err, fault.ErrNotFound)
			require.Empty(t, b.kept(t, ann))
		})
	}
}

func TestLogThatFailsIsCompletedByRepeating(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann := b.listener(t, 1)
	n := 0
	b.store.on(nil, nil, func([]store.Write) error {
		if n++; n >= 2 {
			return store.ErrUnavailable
		}
		return nil
	})
	events := make500(250)
	_, err := b.Log(t.Context(), ann, events)
	require.ErrorIs(t, err, fault.ErrUnavailable)
	status, _ := b.events.last(t, "ml.log")
	require.Equal(t, "unavailable", status)
	require.Len(t, b.kept(t, ann), 100)
	b.store.on(nil, nil, nil)
	fresh, err := b.Log(t.Context(), ann, events)
	require.NoError(t, err)
	require.Len(t, fresh, 150)
	require.Len(t, b.kept(t, ann), 250)
}

func TestLogPassesFaultsOn(t *testing.T) {
	broken := errors.New("broken")
	first := func(n int) func() error { // fails at the n-th call
		return func() error {
			if n--; n == 0 {
				return broken
			}
			return nil
		}
	}
	for name, faults := range map[string]func(*bench){
		"gate":    func(b *bench) { f := first(1); b.store.on(func(store.Key) error { return f() }, nil, nil) },
		"listing": func(b *bench) { f := first(1); b.store.on(nil, func(store.Query) error { return f() }, nil) },
		"writing": func(b *bench) { f := first(1); b.store.on(nil, nil, func([]store.Write) error { return f() }) },
		"taking back": func(b *bench) {
			b.store.on(func(store.Key) error { return store.ErrNotFound }, nil, func(w []store.Write) error {
				if w[0].Delete {
					return broken
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ml.Options{})
			ann := b.listener(t, 1)
			faults(b)
			_, err := b.Log(t.Context(), ann, []ml.Interaction{event(1, "t", ml.Play, noon)})
			require.ErrorIs(t, err, broken)
		})
	}
	b := newBench(t, ml.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Log(ctx, b.listener(t, 1), []ml.Interaction{event(1, "t", ml.Play, noon)})
	require.ErrorIs(t, err, context.Canceled)
}

// Whatever is logged, in whatever batches and however often, the log is the set of it.
func TestLogIsASet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, ml.Options{})
		ann := b.listener(t, 1)
		model := map[uuid.UUID]ml.Interaction{}
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			ids := rapid.SliceOfN(rapid.IntRange(0, 30), 1, 20).Draw(rt, "ids")
			batch, want := make([]ml.Interaction, len(ids)), 0
			for i, n := range ids {
				// An id always stands for the same event; the times lie near each other and days apart.
				batch[i] = event(n, strconv.Itoa(n%7), ml.Like, noon.Add(-time.Duration(n*n)*time.Hour))
				if _, known := model[batch[i].EventID]; !known {
					want++
				}
				model[batch[i].EventID] = batch[i]
			}
			fresh, err := b.Log(t.Context(), ann, batch)
			require.NoError(rt, err)
			require.Len(rt, fresh, want)
		}
		kept := b.kept(t, ann)
		require.Len(rt, kept, len(model))
		for i, e := range kept {
			require.Equal(rt, model[e.EventID], e)
			require.False(rt, i > 0 && e.At.Before(kept[i-1].At))
		}
	})
}

func TestLogAtOnce(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann := b.listener(t, 1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := b.Log(t.Context(), ann, make500(60))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, b.kept(t, ann), 60)
}

func TestDeleteAll(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann, bob := b.listener(t, 1), b.listener(t, 2)
	b.log(t, ann, make500(250)...)
	b.log(t, bob, event(1, "t", ml.Play, noon))
	left, err := b.Any(t.Context(), ann)
	require.NoError(t, err)
	require.False(t, left)
	require.Equal(t, "interactions", b.Kind())
	require.NoError(t, b.DeleteAll(t.Context(), ann))
	require.Empty(t, b.kept(t, ann))
	require.Len(t, b.kept(t, bob), 1)
	_, values := b.events.last(t, "ml.delete")
	require.Equal(t, map[string]float64{"events": 250}, values)
	require.Len(t, collect(t, b.OfDay(t.Context(), noon)), 1, "gone from the index too")
	require.NoError(t, b.DeleteAll(t.Context(), ann))
}

func TestOfDay(t *testing.T) {
	b := newBench(t, ml.Options{})
	midnight := noon.Add(-12 * time.Hour)
	want := map[uuid.UUID][]ml.Interaction{}
	for n := range byte(40) {
		id := b.listener(t, n)
		in := []ml.Interaction{event(1, "first", ml.Play, midnight), event(2, "last", ml.Play, noon)}
		b.log(t, id, append(in, event(3, "yesterday", ml.Play, midnight.Add(-1)))...)
		want[id] = in
	}
	got := map[uuid.UUID][]ml.Interaction{}
	for _, l := range collect(t, b.OfDay(t.Context(), noon.Add(3*time.Hour))) {
		got[l.ProfileID] = append(got[l.ProfileID], l.Interaction)
	}
	require.Equal(t, want, got)
	require.Len(t, collect(t, b.OfDay(t.Context(), midnight.Add(-time.Hour))), 40)
	for _, err := range b.OfDay(t.Context(), noon) {
		require.NoError(t, err)
		break // a reader may stop
	}
	broken := errors.New("broken")
	b.store.on(nil, func(store.Query) error { return broken }, nil)
	n := 0
	for _, err := range b.OfDay(t.Context(), noon) {
		require.ErrorIs(t, err, broken)
		n++
	}
	require.Equal(t, 1, n, "the first error ends it")
}

func TestAverageSkipSeconds(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann := b.listener(t, 1)
	seconds, n, err := b.AverageSkipSeconds(t.Context(), ann)
	require.NoError(t, err)
	require.Zero(t, seconds)
	require.Zero(t, n)

	skip := func(i int, at time.Time, position *float64) ml.Interaction {
		e := event(i, "t", ml.Skip, at)
		e.PositionSeconds = position
		return e
	}
	played := event(4, "t", ml.Play, noon)
	played.PositionSeconds = ptr(200.0)
	b.log(t, ann, skip(1, noon, ptr(10.0)), skip(2, noon, ptr(20.0)), skip(3, noon, nil), played)
	seconds, n, err = b.AverageSkipSeconds(t.Context(), ann)
	require.NoError(t, err)
	require.InDelta(t, 15, seconds, 1e-9)
	require.Equal(t, 2, n)

	// Only the newest 500 count: 499 plays leave room for the newest skip.
	b.clock.add(24 * time.Hour)
	later := make([]ml.Interaction, 499)
	for i := range later {
		later[i] = event(100+i, "t", ml.Play, noon.Add(23*time.Hour))
	}
	b.log(t, ann, later...)
	b.log(t, ann, skip(5, noon.Add(time.Hour), ptr(40.0)))
	seconds, n, err = b.AverageSkipSeconds(t.Context(), ann)
	require.NoError(t, err)
	require.InDelta(t, 40, seconds, 1e-9)
	require.Equal(t, 1, n)

	broken := errors.New("broken")
	b.store.on(nil, func(store.Query) error { return broken }, nil)
	_, _, err = b.AverageSkipSeconds(t.Context(), ann)
	require.ErrorIs(t, err, broken)
}

func TestStrength(t *testing.T) {
	for _, c := range []struct {
		event ml.Interaction
		want  float64
	}{
		{ml.Interaction{Action: ml.Play}, 0.1},
		{ml.Interaction{Action: ml.Complete}, 0.4},
		{ml.Interaction{Action: ml.Like}, 0.8},
		{ml.Interaction{Action: ml.Save}, 1},
		{ml.Interaction{Action: ml.Dislike}, -1},
		{ml.Interaction{Action: ml.Rate, Rating: ptr(1)}, -1},
		{ml.Interaction{Action: ml.Rate, Rating: ptr(3)}, 0},
		{ml.Interaction{Action: ml.Rate, Rating: ptr(4)}, 0.5},
		{ml.Interaction{Action: ml.Rate, Rating: ptr(5)}, 1},
		{ml.Interaction{Action: ml.Rate}, 0},
		{ml.Interaction{Action: ml.Skip}, -0.3},
		{ml.Interaction{Action: ml.Skip, PositionSeconds: ptr(0.0)}, -0.6},
		{ml.Interaction{Action: ml.Skip, PositionSeconds: ptr(30.0)}, -0.3},
		{ml.Interaction{Action: ml.Skip, PositionSeconds: ptr(60.0)}, -0.15},
		{ml.Interaction{Action: "hum"}, 0},
	} {
		require.InDelta(t, c.want, c.event.Strength(), 1e-12, "%v", c.event)
	}
}

// What a listener told of some tracks can be taken out of the log, in any number of pages, and of nobody else's.
func TestForget(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann, bob := b.listener(t, 1), b.listener(t, 2)
	var left []ml.Interaction
	for n := range 600 {
		e := event(n+1, fmt.Sprint("lent-", n), ml.Play, noon.Add(time.Duration(n-600)*time.Minute))
		if n%7 == 0 {
			e.TrackID = "own"
			left = append(left, e)
		}
		b.log(t, ann, e)
	}
	b.log(t, bob, event(1, "lent-1", ml.Play, noon))
	which := func(_ context.Context, ids []string) (map[string]bool, error) {
		lent := map[string]bool{}
		for _, id := range ids {
			lent[id] = id != "own"
		}
		require.LessOrEqual(t, len(ids), 250)
		return lent, nil
	}
	require.NoError(t, b.Forget(t.Context(), ann, which))
	require.Equal(t, left, b.kept(t, ann))
	require.Len(t, b.kept(t, bob), 1)
	require.NoError(t, b.Forget(t.Context(), ann, which))
	require.Equal(t, left, b.kept(t, ann))
	broken := errors.New("broken")
	require.ErrorIs(t, b.Forget(t.Context(), ann, func(context.Context, []string) (map[string]bool, error) { return nil, broken }), broken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.Forget(ctx, ann, which), context.Canceled)
}

// Events about some tracks are kept only while a guard holds, together with it.
func TestLogGuarded(t *testing.T) {
	b := newBench(t, ml.Options{})
	ann := b.listener(t, 1)
	gate := store.Key{Table: store.Users, Partition: ann, Sort: "a-gate"}
	require.NoError(t, b.store.Apply(t.Context(), store.Put(store.Item{Key: gate, Body: []byte("{}")}, store.None)))
	g := ml.Guard{Tracks: map[string]bool{"lent": true}, Writes: []store.Write{store.Put(store.Item{Key: gate, Body: []byte("{}")}, store.Present)}}
	own, lent, later := event(1, "own", ml.Like, noon), event(2, "lent", ml.Like, noon.Add(time.Second)), event(3, "lent", ml.Play, noon.Add(2*time.Second))
	fresh, kept, err := b.LogGuarded(t.Context(), ann, []ml.Interaction{lent, own}, g)
	require.NoError(t, err)
	require.True(t, kept)
	require.Equal(t, []ml.Interaction{lent, own}, fresh)
	fresh, kept, err = b.LogGuarded(t.Context(), ann, []ml.Interaction{lent, own}, g)
	require.NoError(t, err)
	require.True(t, kept)
	require.Empty(t, fresh)

	require.NoError(t, b.store.Apply(t.Context(), store.Delete(gate, store.None)))
	more := event(4, "own", ml.Play, noon.Add(3*time.Second))
	fresh, kept, err = b.LogGuarded(t.Context(), ann, []ml.Interaction{later, more}, g)
	require.NoError(t, err)
	require.False(t, kept)
	require.Equal(t, []ml.Interaction{more}, fresh)
	require.Equal(t, []ml.Interaction{own, lent, more}, b.kept(t, ann))
	fresh, kept, err = b.LogGuarded(t.Context(), ann, []ml.Interaction{later}, g)
	require.NoError(t, err)
	require.False(t, kept)
	require.Empty(t, fresh)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = b.LogGuarded(ctx, ann, []ml.Interaction{later}, g)
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = b.LogGuarded(t.Context(), uuid.New(), []ml.Interaction{later}, g)
	require.ErrorIs(t, err, profile.ErrNotFound)
}
