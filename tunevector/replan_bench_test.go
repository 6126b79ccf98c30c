package tunevector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/planner/instances"
	"github.com/rhythmiq/rhythmiq/variable"
)

// BenchmarkReplan lets a listener hear vectors of an hour from 100,000 tracks, and reports what one batch takes from its call to its answer (logging, learning,
// reading all that is known of the listener, planning and storing): the median, the 5th and the 99th percentile in milliseconds, and of processor time (the 5th is what is left of it on a machine that others use, too). The listener is one of whom much is
// known: 300 interactions in known situations, four preferences, five variables, a live model of taste of all tracks, searched in 8 bits with the best
// scored again in 32, as a host may choose at no loss in what is found (ml.RecommenderOptions.Precision).
//
//	by=complete, skip  two interactions with one playing vector: a track was played, and heard to its end or skipped
//	by=readings        a reading of noise that turns quiet into loud and back; the tracks heard are told of in between, unmeasured
//	vectors=8          such a batch about eight playing vectors, which is the most that one call re-plans
//
// The reference in the same run is first-*: what it takes to make such a vector. planner-ms is what of a batch was spent in planning proper.
//
//	go test -run '^$' -bench Replan -benchtime 200x ./tunevector
func BenchmarkReplan(b *testing.B) {
	for _, by := range []string{"complete", "skip", "readings"} {
		for _, vectors := range []int{1, 8} {
			if by != "skip" && vectors > 1 {
				continue
			}
			b.Run("music=100000/by="+by+"/vectors="+strconv.Itoa(vectors), func(b *testing.B) { benchmarkReplan(b, by, vectors) })
		}
	}
}

// measured are times of many calls.
type measured struct{ wall, used []float64 }

func (m *measured) time(f func()) {
	began, before := time.Now(), processor()
	f()
	m.wall = append(m.wall, float64(time.Since(began))/1e6)
	m.used = append(m.used, float64(processor()-before)/1e6)
}

func benchmarkReplan(b *testing.B, by string, vectors int) {
	h, noise := wellKnown(b)
	playing := make([]tunevector.TuneVector, vectors)
	var first, batch measured
	at, seed, replans, changes := 0, int64(0), 0, 0
	planner := time.Duration(0)
	next := func() []ml.Interaction { // of each vector a track, and what became of the one before
		h.now = h.now.Add(4 * time.Minute)
		at++
		var batch []ml.Interaction
		for _, v := range playing {
			done := ml.Action(by)
			if by == "readings" {
				done = ml.Complete
			}
			e := h.did(v, done, at-1)
			e.PositionSeconds = p(20.0)
			batch = append(batch, e, h.did(v, ml.Play, at))
		}
		return batch
	}
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		if playing[0].Plan == nil || at >= 8 {
			at = 0
			for i := range playing {
				d := ai(60)
				d.Seed = p(seed)
				seed++
				first.time(func() { playing[i] = h.create(b, d) })
				h.record(b, h.did(playing[i], ml.Play, 0))
			}
		}
		for i := range playing {
			playing[i] = h.get(b, playing[i].ID)
		}
		told, events := []tunevector.Replanned(nil), next()
		reading := variable.Reading{Value: []float64{30, 80}[n%2]}
		if by == "readings" {
			h.record(b, events...)
			h.now = h.now.Add(2 * time.Minute)
			h.read(b, noise, reading) // which the one that is measured confirms
			h.now = h.now.Add(time.Minute)
		}
		before := len(h.observed.of("tunevector.plan"))
		b.StartTimer()
		batch.time(func() {
			if by == "readings" {
				var err error
				told, err = h.RecordReadings(h.ctx, h.listener, noise.ID, []variable.Reading{reading})
				require.NoError(b, err)
			} else {
				told = h.record(b, events...).Replanned
			}
		})
		for _, e := range h.observed.of("tunevector.plan")[before:] {
			planner += e.Duration
		}
		for _, r := range told {
			replans++
			changes += len(r.Changes)
		}
	}
	b.ReportMetric(0, "ns/op") // much of which is not measured
	for name, values := range map[string][]float64{
		"p%d-ms/batch": batch.wall, "p%d-cpu-ms/batch": batch.used, "first-p%d-ms": first.wall, "first-p%d-cpu-ms": first.used,
	} {
		slices.Sort(values)
		for _, percent := range []int{5, 50, 99} {
			b.ReportMetric(values[len(values)*percent/100], fmt.Sprintf(name, percent))
		}
	}
	n := float64(len(batch.wall))
	b.ReportMetric(planner.Seconds()*1000/n, "planner-ms/batch")
	b.ReportMetric(float64(replans)/n, "replanned/batch")
	b.ReportMetric(float64(changes)/n, "changed-tracks/batch")
}

// wellKnown is a house with a large catalog, a live model of taste, and a listener who has shown, 300 times, that they like it lively where it is loud and calm where it
// is quiet.
func wellKnown(b *testing.B) (*house, variable.Variable) {
	b.Helper()
	h := openWith(b, func(_ *house, o *tunevector.Options) { o.Music, o.Models = large(), tastes() })
	h.likes(b, preference.Genre, "genre 3", 1)
	h.likes(b, preference.Genre, "genre 7", 0.6)
	h.likes(b, preference.Genre, "genre 11", -0.5)
	h.likes(b, preference.Tempo, "100-110", 0.5)
	h.opt(b, variable.TimeOfDay)
	noise, steps, heart, weather := h.opt(b, variable.AmbientNoise), h.opt(b, variable.Accelerometer), h.opt(b, variable.HeartRateVariability), h.opt(b, variable.OutsideTemperature)
	some, err := large().Candidates(h.ctx, tunevector.CandidateQuery{Limit: 300, Seed: 3})
	require.NoError(b, err)
	for i, t := range some {
		h.now = h.now.Add(time.Hour)
		level := float64(30 + i*7%55)
		h.read(b, noise, variable.Reading{Value: level})
		h.read(b, steps, variable.Reading{Value: float64(i % 3)})
		h.read(b, heart, variable.Reading{Value: float64(30 + i%40)})
		h.read(b, weather, variable.Reading{Value: float64(5 + i%20)})
		e := ml.Interaction{EventID: uuid.New(), TrackID: t.ID, Action: ml.Complete, At: h.now}
		if t.Features.Energy > 0.5 != (level > 57) {
			e.Action, e.PositionSeconds = ml.Skip, p(20.0)
		}
		h.record(b, e)
	}
	return h, noise
}

// tastes is a model, live, that knows each of the 100,000 tracks, from 5,000 listeners who heard 60 tracks of one genre each.
var tastes = sync.OnceValue(func() *ml.Recommender {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	ctx := context.Background()
	made := instances.NewCatalog(100_000, 1)
	by := make([][]string, instances.Genres)
	for i, g := range made.Genre {
		by[g] = append(by[g], made.Tracks[i].ID)
	}
	random := rand.New(rand.NewPCG(1, 5))
	var data ml.Builder
	for u := range 5000 {
		of := by[u%len(by)]
		for i := range 60 {
			id := of[random.IntN(len(of))]
			if i < 30 {
				id = of[(u/len(by)*30+i)%len(of)] // so that none is left out
			}
			data.Add(strconv.Itoa(u), id, 1, 0)
		}
	}
	d, err := data.Data()
	must(err)
	log, err := ml.NewService(memstore.New(nil), ml.Options{Describe: func(ctx context.Context, ids []string) (map[string]ml.Item, error) {
		tracks, err := large().Tracks(ctx, ids)
		items := map[string]ml.Item{}
		for _, track := range tracks {
			items[track.ID], _ = track.Item()
		}
		return items, err
	}})
	must(err)
	kept := &blobs.Memory{}
	trainer, err := localtrainer.New(kept, localtrainer.Options{})
	must(err)
	artifact, err := trainer.Train(ctx, ml.Job{ID: "one", Algorithm: als.Algorithm{}, Values: ml.Values{"iterations": "2"}, Data: d}, nil)
	must(err)
	r, err := ml.NewRecommender(log, ml.RecommenderOptions{Algorithms: []ml.Algorithm{als.Algorithm{}}, Blobs: kept, Trainer: trainer, Precision: ml.INT8})
	must(err)
	v, err := r.Registry().Register(ctx, ml.Version{Algorithm: "als", Artifact: artifact})
	must(err)
	must(r.Registry().Promote(ctx, v.ID, uuid.Nil))
	must(r.Poll(ctx))
	return r
})
