package variable_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/rhythmiq/rhythmiq/variable"
)

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{1, variable.MaxBatch} {
		b.Run(map[bool]string{true: "one", false: "batch"}[size == 1], func(b *testing.B) {
			h := newHome(b)
			v := h.create(b, variable.AmbientNoise)
			batch := make([]variable.Reading, size)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					n++
					batch[i] = variable.Reading{Value: 40, At: h.clock.Add(-time.Duration(n%1_000_000) * time.Second)}
				}
				if err := h.Record(b.Context(), h.profile, v.ID, batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	h := newHome(b)
	for _, s := range variable.Types() {
		v := h.create(b, s.Type)
		if s.Form == variable.Number && !s.TuneVector {
			for i := range 100 {
				h.record(b, v, variable.Reading{Value: s.Min, At: h.clock.Add(-time.Duration(i) * time.Hour)})
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Snapshot(b.Context(), h.profile); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCoarsen(b *testing.B) {
	c := variable.Coordinates{Latitude: 52.51628, Longitude: 13.37770}
	for b.Loop() {
		c = c.Coarsen()
	}
}
