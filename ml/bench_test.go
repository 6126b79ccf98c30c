package ml_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/als"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/ml/itemknn"
	"github.com/rhythmiq/rhythmiq/ml/localtrainer"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
	"github.com/rhythmiq/rhythmiq/store"
)

// BenchmarkLog logs 500 new events of one listener: beside it the same 500 rows put by store.Bulk alone, and the same events again.
func BenchmarkLog(b *testing.B) {
	x := newBench(b, ml.Options{})
	ann := x.listener(b, 1)
	events := make500(ml.MaxBatch)
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			if err := x.DeleteAll(b.Context(), ann); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			if _, err := x.Log(b.Context(), ann, events); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("repeated", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Log(b.Context(), ann, events); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("reference/bulk", func(b *testing.B) {
		for b.Loop() {
			writes := make([]store.Write, len(events))
			for i, e := range events {
				body, err := json.Marshal(e)
				if err != nil {
					b.Fatal(err)
				}
				writes[i] = store.Put(store.Item{Key: store.Key{Table: store.Interactions, Partition: ann, Sort: fmt.Sprint("x#", i)}, Body: body}, store.None)
			}
			if err := store.Bulk(b.Context(), x.store, writes...); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRefresh counts a day of 100,000 events by 200 listeners with 2,000 tracks: the cost of popularity each hour is about
// three days of this.
func BenchmarkRefresh(b *testing.B) {
	x := newBench(b, ml.Options{})
	for l := range 200 {
		ann := x.listener(b, byte(l))
		events := make500(ml.MaxBatch)
		for i := range events {
			events[i].TrackID = fmt.Sprint("track", (i*i+l*7)%2000)
			events[i].At = noon.Add(-time.Duration(i) * time.Second)
		}
		if _, err := x.Log(b.Context(), ann, events); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		x.clock.add(time.Hour)
		if err := x.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// A listener's personal model, from 100 tracks that they heard of 50,000: in closed form from 64 factors, searched in each precision, and from neighbors; with the 200 tracks that suit
// best, and the vector alone.
func BenchmarkFor(b *testing.B) {
	for _, c := range []struct {
		a ml.Algorithm
		p ml.Precision
	}{{als.Algorithm{}, ml.FP32}, {als.Algorithm{}, ml.FP16}, {als.Algorithm{}, ml.INT8}, {itemknn.Algorithm{}, ""}} {
		a := c.a
		b.Run(a.Name()+string(c.p), func(b *testing.B) {
			d := mltest.Planted(3000, 50_000, 40, 1)
			m, err := a.Fit(b.Context(), d, map[string]ml.Values{"als": {"iterations": "1"}}[a.Name()], ml.FitOptions{})
			require.NoError(b, err)
			kept := &blobs.Memory{}
			h := newBench(b, ml.Options{})
			trainer, err := localtrainer.New(kept, localtrainer.Options{})
			require.NoError(b, err)
			r, err := ml.NewRecommender(h.Service, ml.RecommenderOptions{Algorithms: []ml.Algorithm{a}, Blobs: kept, Trainer: trainer, Precision: c.p})
			require.NoError(b, err)
			artifact, err := ml.WriteArtifact(b.Context(), kept, "models/a", m, nil)
			require.NoError(b, err)
			v, err := r.Registry().Register(b.Context(), ml.Version{Algorithm: a.Name(), Artifact: artifact})
			require.NoError(b, err)
			require.NoError(b, r.Registry().Promote(b.Context(), v.ID, uuid.Nil))
			require.NoError(b, r.Poll(b.Context()))
			heard := map[string]float64{}
			for i := range 100 {
				heard[d.Items[i*40]] = 0.4
			}
			b.Run("with-best", func(b *testing.B) {
				for b.Loop() {
					u, err := r.For(b.Context(), heard)
					if err != nil || len(u.Top(10)) != 10 {
						b.Fatal("no answer")
					}
				}
			})
			f, ok := m.(ml.Factored)
			if !ok {
				return
			}
			own := ml.Heard{Listener: -1}
			for i := range 100 {
				own.Items, own.Weights = append(own.Items, int32(i*40)), append(own.Weights, 0.4)
			}
			_, k := f.Factors()
			vector := make([]float32, k)
			b.Run("vector-alone", func(b *testing.B) {
				for b.Loop() {
					f.Vector(vector, own)
				}
			})
		})
	}
}
