package ml_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
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
