package tunevector_test

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/tunevector/planner/instances"
)

// large is the catalog of the planner's benchmarks, 100,000 tracks, as a provider has it.
var large = sync.OnceValue(func() *catalog.Catalog {
	made := instances.NewCatalog(100_000, 1)
	tracks := make([]tunevector.Track, len(made.Tracks))
	for i, t := range made.Tracks {
		tracks[i] = tunevector.Track{
			ID: t.ID, Title: t.ID, Artists: t.Artists, Genres: []string{fmt.Sprintf("genre %d", made.Genre[i])}, Kind: tunevector.Playlist,
			DurationSeconds: t.Duration, Features: t.Features, Confidence: t.Confidence, Provenance: tunevector.FromCatalog,
		}
	}
	c, err := catalog.New(tracks)
	if err != nil {
		panic(err)
	}
	return c
})

// BenchmarkCreate makes vectors of an hour for a listener with some preferences, the store in memory, and reports the medians of wall-clock
// and processor milliseconds, the cost of the plan and how many candidates the planner was handed. Only plans along the arc have a bound.
//
//	go test -run '^$' -bench Create ./tunevector
func BenchmarkCreate(b *testing.B) {
	providers := []struct {
		name   string
		music  func() tunevector.MusicProvider
		genres []string
	}{
		{"demo", func() tunevector.MusicProvider { return catalog.Demo() }, []string{"rock", "jazz", "ambient"}},
		{"100000", func() tunevector.MusicProvider { return large() }, []string{"genre 3", "genre 7", "genre 11"}},
	}
	for _, provider := range providers {
		for _, mode := range []tunevector.Mode{tunevector.AI, tunevector.Guided} {
			for _, order := range []tunevector.Order{tunevector.ByArc, tunevector.EnergyAscending} {
				b.Run(fmt.Sprintf("music=%s/mode=%s/bound=%v", provider.name, mode, order == tunevector.ByArc), func(b *testing.B) {
					h := openWith(b, func(_ *house, o *tunevector.Options) { o.Music = provider.music() })
					h.likes(b, preference.Genre, provider.genres[0], 1)
					h.likes(b, preference.Genre, provider.genres[1], 0.6)
					h.likes(b, preference.Genre, provider.genres[2], -0.5)
					h.likes(b, preference.Tempo, "100-110", 0.5)
					var wall, used, costs []float64
					b.ReportAllocs()
					for n := int64(0); b.Loop(); n++ {
						d := ai(60)
						d.Direction = tunevector.Ascent
						if mode == tunevector.Guided {
							d = guided(tunevector.Stage{Genre: provider.genres[0], Minutes: 20}, tunevector.Stage{Genre: provider.genres[1], Minutes: 20},
								tunevector.Stage{Genre: provider.genres[2], Minutes: 20})
						}
						d.Order, d.Seed = order, p(n%20)
						began, before := time.Now(), processor()
						v := h.create(b, d)
						wall = append(wall, float64(time.Since(began))/1e6)
						used = append(used, float64(processor()-before)/1e6)
						costs = append(costs, v.Plan.Cost)
						b.StopTimer()
						require.NoError(b, h.Delete(h.ctx, h.listener, v.ID, store.Version{}))
						b.StartTimer()
					}
					b.ReportMetric(median(wall), "median-ms/plan")
					b.ReportMetric(median(used), "median-cpu-ms/plan")
					b.ReportMetric(median(costs), "median-cost")
					for _, e := range h.observed.of("tunevector.plan") {
						for _, value := range e.Values {
							if value.Name == "candidates" {
								b.ReportMetric(value.Number, "candidates")
							}
						}
					}
				})
			}
		}
	}
}

// processor is the time that this process has used of the processors.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
