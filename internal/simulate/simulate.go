package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/variable"
)

// Arm is a way of choosing music.
type Arm string

// The arms.
const (
	AI         Arm = "ai"
	Fixed      Arm = "fixed"
	Taste      Arm = "taste"
	Popularity Arm = "popularity"
	Random     Arm = "random"
)

// Arms are all of them.
func Arms() []Arm { return []Arm{AI, Fixed, Taste, Popularity, Random} }

// Options say what is simulated.
type Options struct {
	Seed      uint64
	Days      int
	Listeners int  // beside the crowd
	Matters   bool // whether situations do
	Crowd     int  // listeners of whom there is a log from the beginning; 0: 30
}

// Outcome is how often tracks were skipped.
type Outcome struct {
	Skipped, Played []int // by day
	Tried           int   // tracks that were tries, see tunevector
}

// Share is the share of skips from one day on to before another.
func (o Outcome) Share(from, to int) float64 {
	skipped, played := 0, 0
	for d := from; d < min(to, len(o.Played)); d++ {
		skipped += o.Skipped[d]
		played += o.Played[d]
	}
	return float64(skipped) / float64(played)
}

// life is a run of one arm.
type life struct {
	*world
	o       Options
	arm     Arm
	app     *rhythmiq.App
	now     time.Time
	ids     []uuid.UUID
	vars    []map[variable.Type]uuid.UUID
	out     Outcome
	recents []map[string]time.Time // when a listener heard what, for the arms that choose by themselves
}

// begins is a Monday.
var begins = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Run lets the listeners live with one way of choosing music.
func Run(ctx context.Context, o Options, arm Arm) (Outcome, error) {
	if o.Crowd == 0 {
		o.Crowd = 30
	}
	l := &life{world: newWorld(o.Seed, o.Listeners+o.Crowd, o.Matters), o: o, arm: arm, now: begins.Add(-time.Hour)}
	music, err := catalog.New(l.music)
	if err != nil {
		return Outcome{}, err
	}
	if l.app, err = rhythmiq.New(rhythmiq.Config{Music: music, Now: func() time.Time { return l.now }, Seed: o.Seed + 1}); err != nil {
		return Outcome{}, err
	}
	if err := l.settle(ctx); err != nil {
		return Outcome{}, err
	}
	for day := range o.Days {
		l.out.Skipped, l.out.Played = append(l.out.Skipped, 0), append(l.out.Played, 0)
		for i := range o.Listeners {
			if err := l.session(ctx, i, day); err != nil {
				return Outcome{}, fmt.Errorf("simulate: %s, listener %d, day %d: %w", arm, i, day, err)
			}
		}
		if day%7 == 0 { //nolint:mnd // weekly
			l.now = begins.AddDate(0, 0, day).Add(23 * time.Hour) //nolint:mnd // at night
			if _, err := l.app.Models.Train(ctx, nil); err != nil && !errors.Is(err, ml.ErrTooLittle) {
				return Outcome{}, err
			}
		}
		if err := l.app.Learning.Refresh(ctx); err != nil {
			return Outcome{}, err
		}
	}
	return l.out, nil
}

// settle signs everybody up, and logs what the crowd has heard.
func (l *life) settle(ctx context.Context) error {
	for i := range l.people {
		p, err := l.app.Profiles.Create(ctx, profile.Registration{
			Username: fmt.Sprintf("listener%d", i), FirstName: "A", LastName: "B", Email: fmt.Sprintf("l%d@example.com", i), PhoneNumber: "+43 1 58858 0",
			Identity: &profile.Identity{Issuer: "https://example.com", Subject: strconv.Itoa(i)},
		})
		if err != nil {
			return err
		}
		if i >= l.o.Listeners {
			if err := l.crowd(ctx, p.ID, i); err != nil {
				return err
			}
			continue
		}
		l.ids, l.vars, l.recents = append(l.ids, p.ID), append(l.vars, map[variable.Type]uuid.UUID{}), append(l.recents, map[string]time.Time{})
		if l.arm != AI {
			continue
		}
		for _, t := range variable.Types() {
			a := variable.Addition{Type: t.Type, OptedIn: true}
			if t.TimeZone {
				a.TimeZone = "Europe/Vienna"
			}
			v, err := l.app.Variables.Create(ctx, p.ID, a)
			if err != nil {
				return err
			}
			l.vars[i][t.Type] = v.ID
		}
	}
	return l.app.Learning.Refresh(ctx)
}

// crowd logs what one of the crowd has heard in the month before.
func (l *life) crowd(ctx context.Context, id uuid.UUID, i int) error {
	const heard = 60
	r := l.random(uint64(i), 1)
	var events []ml.Interaction
	for n := range heard {
		at := begins.AddDate(0, 0, -n/2-1)
		track := l.music[r.IntN(len(l.music))].ID
		events = append(events, l.answer(r, i, r.IntN(len(situations)), track, uuid.Nil, at)...)
	}
	_, err := l.app.Learning.Log(ctx, id, events)
	return err
}

// answer is what a listener does with a track.
func (l *life) answer(r *rand.Rand, listener, situation int, track string, vector uuid.UUID, at time.Time) []ml.Interaction {
	skips, after, likes := r.Float64(), r.ExpFloat64(), r.Float64()
	e := ml.Interaction{EventID: event(r), TrackID: track, TuneVectorID: vector, Action: ml.Complete, At: at}
	if skips < l.skips(listener, situation, track) {
		seconds := math.Round(min(25*after, 150)) //nolint:mnd // see the package comment
		e.Action, e.PositionSeconds = ml.Skip, &seconds
		return []ml.Interaction{e}
	}
	if likes < 0.1 { //nolint:mnd // likewise
		like := e
		like.EventID, like.Action = event(r), ml.Like
		return []ml.Interaction{e, like}
	}
	return []ml.Interaction{e}
}

func event(r *rand.Rand) (id uuid.UUID) {
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	return id
}

// session is a listener's on one day.
func (l *life) session(ctx context.Context, i, day int) error {
	r := l.random(uint64(i), uint64(day), 2)
	date := begins.AddDate(0, 0, day)
	may := today(date)
	in := may[r.IntN(len(may))]
	s := &situations[in]
	hour := s.hour - 1 + 0.5*r.NormFloat64() // Vienna is an hour ahead, or two
	l.now = date.Add(time.Duration(hour * float64(time.Hour)))
	if err := l.read(ctx, r, i, s); err != nil {
		return err
	}
	vector, next, err := l.choose(ctx, r, i)
	if err != nil {
		return err
	}
	for n := range perVector {
		track, tried, err := next(n)
		if err != nil {
			return err
		}
		events := l.answer(l.random(uint64(i), uint64(day), uint64(n), 3), i, in, track, vector, l.now)
		l.out.Played[day]++
		if tried {
			l.out.Tried++
		}
		took := 210.0
		if e := events[0]; e.Action == ml.Skip {
			l.out.Skipped[day]++
			took = *e.PositionSeconds
		}
		l.now = l.now.Add(time.Duration(took) * time.Second)
		for k := range events {
			events[k].At = l.now.Add(time.Duration(k) * time.Millisecond)
		}
		l.recents[i][track] = l.now
		if _, err := l.app.TuneVectors.Record(ctx, l.ids[i], events); err != nil {
			return err
		}
	}
	return nil
}

// read records what the sensors say in a situation.
func (l *life) read(ctx context.Context, r *rand.Rand, i int, s *situation) error {
	cadence := s.cadence
	if cadence > 0 {
		cadence += 8 * r.NormFloat64()
	}
	place := s.place
	readings := map[variable.Type]func() variable.Reading{
		variable.AmbientNoise:       func() variable.Reading { return variable.Reading{Value: max(s.noise+4*r.NormFloat64(), 20)} },
		variable.OutsideTemperature: func() variable.Reading { return variable.Reading{Value: 12 + 6*r.NormFloat64()} },
		variable.Location:           func() variable.Reading { return variable.Reading{Place: &place} },
		variable.HeartRateVariability: func() variable.Reading {
			return variable.Reading{Value: 45 * math.Exp(0.25*r.NormFloat64())}
		},
		variable.Accelerometer: func() variable.Reading {
			a := variable.Reading{Value: max(s.movement*(1+0.2*r.NormFloat64()), 0)}
			if cadence > 0 {
				c := max(cadence+3*r.NormFloat64(), 0)
				a.Cadence = &c
			}
			return a
		},
	}
	for _, t := range variable.Types() {
		sense, sensed := readings[t.Type]
		if !sensed {
			continue
		}
		var some []variable.Reading
		for n := range 3 {
			reading := sense()
			reading.At = l.now.Add(time.Duration(n-3) * 20 * time.Second) //nolint:mnd // the minute before
			if r.Float64() < 0.9 {                                        //nolint:mnd // one in ten is missing
				some = append(some, reading)
			}
		}
		if l.arm == AI && len(some) > 0 {
			if err := l.app.Variables.Record(ctx, l.ids[i], l.vars[i][t.Type], some); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose begins a session: it returns the vector, if there is one, and what tells which track is next, and whether it was a try.
func (l *life) choose(ctx context.Context, r *rand.Rand, i int) (uuid.UUID, func(n int) (string, bool, error), error) {
	listed := func(ids []string, err error) (uuid.UUID, func(int) (string, bool, error), error) {
		return uuid.Nil, func(n int) (string, bool, error) { return ids[n], false, nil }, err
	}
	switch l.arm {
	case AI, Fixed:
	case Taste:
		found, err := l.app.TuneVectors.Recommend(ctx, l.ids[i], perVector)
		var ids []string
		for _, f := range found {
			ids = append(ids, f.TrackID)
		}
		return listed(ids, err)
	case Popularity:
		popular, err := l.app.Learning.Popularity(ctx)
		ids := popular.Top(tracks)
		slices.SortStableFunc(ids, func(a, b string) int { return l.lately(i, a) - l.lately(i, b) })
		return listed(append(ids[:min(perVector, len(ids))], l.any(r)...), err)
	case Random:
		return listed(l.any(r), nil)
	}
	d := tunevector.Definition{Name: "session", Mode: tunevector.AI, DurationMinutes: 29}
	if l.arm == Fixed {
		m := l.middle
		tempo := middleTempo * math.Exp2(m[1])
		d.Start = &tunevector.Aim{Energy: &m[0], Tempo: &tempo, Valence: &m[2], Acousticness: &m[3]}
		d.End = d.Start
	}
	v, err := l.app.TuneVectors.Create(ctx, l.ids[i], d)
	if err != nil {
		return uuid.Nil, nil, err
	}
	return v.ID, func(n int) (string, bool, error) {
		if n > 0 {
			if v, err = l.app.TuneVectors.Get(ctx, l.ids[i], v.ID); err != nil {
				return "", false, err
			}
		}
		if n >= len(v.Plan.Tracks) {
			return l.any(r)[0], false, nil // the plan is over
		}
		t := v.Plan.Tracks[n]
		return t.TrackID, t.Try, nil
	}, nil
}

// lately is 1 for what a listener heard within a week, else 0.
func (l *life) lately(i int, track string) int {
	const week = 7 * 24 * time.Hour
	if at, heard := l.recents[i][track]; heard && l.now.Sub(at) < week {
		return 1
	}
	return 0
}

func (l *life) any(r *rand.Rand) []string {
	ids := make([]string, perVector)
	for n, at := range r.Perm(len(l.music))[:perVector] {
		ids[n] = l.music[at].ID
	}
	return ids
}
