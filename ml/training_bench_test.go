package ml

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// crowd is a store of nothing but interactions, which it makes up as they are asked for: of so many listeners, each with 100 tracks of 50,000 within 90 days. No two events are of the same
// listener and track.
type crowd struct {
	store.Store
	listeners int
	until     time.Time
	places    map[store.Partition][2]int // day and shard
}

const (
	crowdTracks = 50_000
	crowdEvents = 100
	crowdDays   = 90
)

func newCrowd(listeners int, until time.Time) *crowd {
	c := &crowd{listeners: listeners, until: until, places: map[store.Partition][2]int{}}
	for d := range crowdDays {
		for shard := range dayShards {
			c.places[dayPartition(c.day(d), shard)] = [2]int{d, shard}
		}
	}
	return c
}

func (c *crowd) day(d int) time.Time { return dayOf(c.until).AddDate(0, 0, -d-1) }

// List implements store.Store. A cursor is where it goes on.
func (c *crowd) List(ctx context.Context, q store.Query) (store.Page, error) {
	at, known := c.places[q.Partition]
	if !known {
		return store.Page{}, ctx.Err()
	}
	day, shard := at[0], at[1]
	begin := c.day(day)
	of := (crowdEvents - day + crowdDays - 1) / crowdDays // events of a listener on that day
	next, _ := strconv.Atoi(q.Cursor)
	page := store.Page{Items: make([]store.Item, 0, q.Limit)}
	for ; len(page.Items) < q.Limit; next++ {
		listener := next/of*dayShards + shard
		if listener >= c.listeners {
			return page, ctx.Err()
		}
		event := day + next%of*crowdDays
		var id uuid.UUID
		id[0], id[1], id[2], id[14] = byte(listener>>16), byte(listener>>8), byte(listener), byte(shard)
		track := (listener*7919 + event*487) % crowdTracks
		page.Items = append(page.Items, store.Item{
			Key: store.Key{
				Table: store.Interactions, Partition: id,
				Sort: eventPrefix + sortOf(begin.Add(time.Duration(listener%86_400)*time.Second), uuid.UUID{15: byte(event), 14: 1, 6: 0x40, 8: 0x80}),
			},
			Body: fmt.Appendf(nil, `{"trackId":"track-%d","action":"complete"}`, track),
		})
	}
	page.Next = strconv.Itoa(next)
	return page, ctx.Err()
}

// BenchmarkTrainingData reads the log of 100,000 listeners, 10 million events of as many cells, and before that the same rows without doing anything with them, as the
// reference; memory is what the process took at most.
//
//	go test ./ml -run '^$' -bench TrainingData -benchtime 1x
func BenchmarkTrainingData(b *testing.B) {
	listeners := 100_000
	if x, err := strconv.Atoi(os.Getenv("RHYTHMIQ_LISTENERS")); err == nil {
		listeners = x
	}
	until := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	c := newCrowd(listeners, until)
	s, err := NewService(c, Options{Now: func() time.Time { return until }})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("reference/reading", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for d := range crowdDays {
				for _, err := range s.OfDay(b.Context(), c.day(d)) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n), "events")
		}
		b.ReportMetric(peak(b), "peak-MB")
	})
	b.Run("training", func(b *testing.B) {
		var d *Data
		for b.Loop() {
			if d, err = s.TrainingData(b.Context(), until); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(d.Heard.Cells()), "cells")
		b.ReportMetric(peak(b), "peak-MB")
	})
}

// peak is how much memory the process took at most, in MB; 0 where that is not told.
func peak(b *testing.B) float64 {
	b.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
			return kib * 1024 / 1e6
		}
	}
	return 0
}
