package catalog

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"testing"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// million is the size that a catalog must bear.
const million = 1_000_000

// bigCSV is a feature set of n tracks as real ones are: ids of 22 characters, titles of about 20, an artist for every eight tracks, and
// one of 120 genres; one in ten has a second.
func bigCSV(n int) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"track_id", "artists", "track_name", "popularity", "duration_ms", "explicit", "energy", "valence", "tempo", "acousticness", "instrumentalness", "track_genre"})
	d := dice(7)
	share := func() string { return strconv.FormatFloat(float64(d.below(1000))/1000, 'f', 3, 64) }
	for i := range n {
		words := &profiles[i%len(profiles)].words
		title := fmt.Sprintf("%s %s No. %d", d.pick(words.like), d.pick(words.things), i/8)
		artist := fmt.Sprintf("%s%s %d", heads[i/8%len(heads)], tails[i/8%len(tails)], i/8)
		genre := fmt.Sprintf("genre %d", i%120)
		if i%10 == 0 {
			genre += ";genre " + strconv.Itoa(i/10%120)
		}
		_ = w.Write([]string{
			fmt.Sprintf("%022d", i), artist, title, strconv.Itoa(d.below(101)), strconv.Itoa(120000 + d.below(200000)), strconv.FormatBool(d.percent(10)),
			share(), share(), strconv.Itoa(60 + d.below(130)), share(), share(), genre,
		})
	}
	w.Flush()
	return b.Bytes()
}

// BenchmarkMillion reads a million tracks and says what they take, beside encoding/csv reading the same bytes and keeping nothing.
//
//	go test -run '^$' -bench Million -benchtime 1x ./tunevector/catalog
func BenchmarkMillion(b *testing.B) {
	file := bigCSV(million)
	b.Run("load", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&before)
			b.StartTimer()
			c, report, err := Load(context.Background(), bytes.NewReader(file), nil)
			if err != nil || report.Tracks != million {
				b.Fatal(report, err)
			}
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&after)
			words := c.wordBytes()
			b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/million, "bytes/track")
			b.ReportMetric(float64(words)/million, "wordbytes/track")
			runtime.KeepAlive(c)
			b.StartTimer()
		}
		b.ReportMetric(million*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("encoding-csv", func(b *testing.B) {
		for b.Loop() {
			r := csv.NewReader(bytes.NewReader(file))
			r.ReuseRecord = true
			rows := 0
			for {
				_, err := r.Read()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				rows++
			}
			if rows != million+1 {
				b.Fatal(rows)
			}
		}
		b.ReportMetric(million*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}

// wordBytes is the size of the ids, titles, URIs and names themselves.
func (c *Catalog) wordBytes() int {
	n := 0
	for _, t := range []*texts{&c.ids, &c.titles, &c.uris} {
		for _, chunk := range t.chunks {
			n += len(chunk)
		}
	}
	for _, l := range []*lists{&c.artists, &c.genres, &c.instruments} {
		for _, name := range l.names {
			n += len(name)
		}
	}
	return n
}

// BenchmarkCandidates asks for the candidates of an hour, among 100,000 tracks.
func BenchmarkCandidates(b *testing.B) {
	c, _, err := Load(context.Background(), bytes.NewReader(bigCSV(100_000)), nil)
	if err != nil {
		b.Fatal(err)
	}
	arc := make([]tunevector.Features, 17)
	for i := range arc {
		down := float64(i) / 16
		arc[i] = tunevector.Features{Energy: 0.85 - 0.6*down, Valence: 0.6 - 0.2*down, Tempo: 130 - 40*down, Acousticness: 0.1 + 0.5*down, Instrumentalness: 0.1 + 0.4*down}
	}
	for _, bench := range []struct {
		name  string
		query tunevector.CandidateQuery
	}{
		{"along", tunevector.CandidateQuery{Along: arc}},
		{"genre", tunevector.CandidateQuery{Along: arc, Genres: []string{"Genre 7"}}},
		{"word", tunevector.CandidateQuery{Along: arc, Genres: []string{"genre"}}},
		{"anywhere", tunevector.CandidateQuery{}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			seed := uint64(0)
			for b.Loop() {
				seed++
				bench.query.Seed = seed
				if tracks, err := c.Candidates(context.Background(), bench.query); err != nil || len(tracks) != defaultLimit {
					b.Fatal(len(tracks), err)
				}
			}
		})
	}
}

// BenchmarkDemo makes the demo catalog.
func BenchmarkDemo(b *testing.B) {
	for b.Loop() {
		Demo()
	}
}
