package tunevector_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// BenchmarkReplan lets a listener of 100,000 tracks hear a vector of an hour, with a log of answers in situations and two variables that are read, and reports the
// medians of wall-clock and processor milliseconds for one batch: of interactions after a track that was heard or skipped, and of readings that turn everything
// around each time. by=create is the reference: what making the same vector takes.
//
//	go test -run '^$' -bench Replan ./tunevector
func BenchmarkReplan(b *testing.B) {
	for _, by := range []string{"create", "complete", "skip", "readings"} {
		b.Run("music=100000/by="+by, func(b *testing.B) {
			h := openWith(b, func(_ *house, o *tunevector.Options) { o.Music = large() })
			h.likes(b, preference.Genre, "genre 3", 1)
			h.likes(b, preference.Genre, "genre 7", 0.6)
			h.likes(b, preference.Genre, "genre 11", -0.5)
			h.likes(b, preference.Tempo, "100-110", 0.5)
			noise, steps := h.opt(b, variable.AmbientNoise), h.opt(b, variable.Accelerometer)
			some, err := large().Candidates(h.ctx, tunevector.CandidateQuery{Limit: 200, Seed: 3})
			require.NoError(b, err)
			for i, t := range some {
				h.now = h.now.Add(time.Hour)
				h.read(b, noise, variable.Reading{Value: float64(30 + i%60)})
				h.record(b, ml.Interaction{EventID: uuid.New(), TrackID: t.ID, Action: []ml.Action{ml.Complete, ml.Skip}[i%2], At: h.now})
			}
			var wall, used []float64
			replans, changes := 0, 0
			v, at := tunevector.TuneVector{}, 0
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				if v.Plan == nil || at >= 8 {
					d := ai(60)
					d.Seed = p(int64(n % 20))
					v, at = h.create(b, d), 0
					h.record(b, h.did(v, ml.Play, 0))
				}
				h.now = h.now.Add(4 * time.Minute)
				h.read(b, steps, variable.Reading{Value: 0.1})
				v = h.get(b, v.ID)
				at++
				b.StartTimer()
				began, before := time.Now(), processor()
				var told []tunevector.Replanned
				switch by {
				case "create":
					d := ai(60)
					d.Seed = p(int64(n % 20))
					h.create(b, d)
				case "readings":
					h.now = h.now.Add(2 * time.Minute) // so that the readings before are out of the window
					var err error
					told, err = h.RecordReadings(h.ctx, h.listener, noise.ID, []variable.Reading{{Value: []float64{30, 80}[n%2]}})
					require.NoError(b, err)
				default:
					told = h.record(b, h.did(v, ml.Action(by), min(at, len(v.Plan.Tracks)-1))).Replanned
				}
				wall = append(wall, float64(time.Since(began))/1e6)
				used = append(used, float64(processor()-before)/1e6)
				for _, r := range told {
					replans++
					changes += len(r.Changes)
				}
			}
			b.ReportMetric(median(wall), "median-ms/batch")
			b.ReportMetric(median(used), "median-cpu-ms/batch")
			b.ReportMetric(float64(replans)/float64(len(wall)), "replanned/batch")
			b.ReportMetric(float64(changes)/float64(len(wall)), "changed-tracks/batch")
		})
	}
}
