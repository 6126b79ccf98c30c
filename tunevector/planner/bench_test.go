package planner_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
	"github.com/rhythmiq/rhythmiq/tunevector/planner/instances"
)

// published is the catalogue of the benchmarks: 100,000 tracks, seed 1.
var published = sync.OnceValue(func() *instances.Catalogue { return instances.NewCatalogue(100_000, 1) })

// shortlisted is how many candidates a plan asks the index for.
const shortlisted = 320

// BenchmarkPlan plans the forty published instances from 100,000 tracks, the shortlist from the index included, and
// reports over them: the median in wall-clock and processor milliseconds, and (with the bound) how much of greedy's excess over the
// bound is left, the mean over the instances: by the greedy that looks at the whole cost, and by the one that looks at the track alone.
//
//	go test -run '^$' -bench Plan ./tunevector/planner
func BenchmarkPlan(b *testing.B) {
	for _, bound := range []bool{false, true} {
		b.Run(fmt.Sprintf("bound=%v", bound), func(b *testing.B) {
			all := instances.All(published())
			var wall, cpu, left, gaps []float64
			b.ReportAllocs()
			for b.Loop() {
				for _, in := range all {
					started, used := time.Now(), processor()
					p := in.Problem(shortlisted)
					p.Bound = bound
					s, err := planner.Solve(context.Background(), p)
					if err != nil {
						b.Fatal(in.Name, err)
					}
					wall = append(wall, milliseconds(time.Since(started)))
					cpu = append(cpu, milliseconds(processor()-used))
					if bound {
						gaps = append(gaps, s.Gap)
						left = append(left, (s.Cost-s.LowerBound)/(*s.Baselines.Greedy-s.LowerBound))
					}
				}
			}
			b.ReportMetric(median(wall), "median-ms/plan")
			b.ReportMetric(median(cpu), "median-cpu-ms/plan")
			if bound {
				b.ReportMetric(mean(left), "excess-left")
				b.ReportMetric(mean(gaps), "gap")
			}
		})
	}
}

// BenchmarkShortlist asks the index for the shortlists of the forty instances.
func BenchmarkShortlist(b *testing.B) {
	all := instances.All(published())
	var wall []float64
	for b.Loop() {
		for _, in := range all {
			started := time.Now()
			in.Shortlist(shortlisted)
			wall = append(wall, milliseconds(time.Since(started)))
		}
	}
	b.ReportMetric(median(wall), "median-ms/list")
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

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

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
