package tunevector_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
)

// What the service adds to the planner's own time: planner-ms/op is what of each call was spent in the planner.
func BenchmarkService(b *testing.B) {
	h := openWith(b, func(_ *house, o *tunevector.Options) { o.Music = catalog.Demo() })
	h.likes(b, preference.Genre, "rock", 1)
	h.likes(b, preference.Genre, "ambient", 0.5)
	v := h.create(b, ai(60))
	run := func(name string, f func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			before := len(h.observed.of("tunevector.plan"))
			for b.Loop() {
				f(b)
			}
			var spent time.Duration
			for _, e := range h.observed.of("tunevector.plan")[before:] {
				spent += e.Duration
			}
			b.ReportMetric(spent.Seconds()*1000/float64(b.N), "planner-ms/op")
		})
	}
	run("create an hour", func(b *testing.B) { h.create(b, ai(60)) })
	run("create a guided hour", func(b *testing.B) {
		h.create(b, guided(tunevector.Stage{Genre: "rock", Minutes: 20}, tunevector.Stage{Genre: "ambient", Minutes: 40}))
	})
	run("get", func(b *testing.B) { h.get(b, v.ID) })
	run("re-plan after a skip", func(b *testing.B) {
		fresh := h.create(b, ai(60))
		e := h.did(fresh, ml.Skip, 0)
		e.EventID, e.PositionSeconds = uuid.New(), p(1.0)
		_, err := h.Record(h.ctx, h.listener, []ml.Interaction{e})
		require.NoError(b, err)
	})
	run("recommend 20", func(b *testing.B) { h.recommend(b, 20) })
}
