package planner_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
	"github.com/rhythmiq/rhythmiq/tunevector/planner/instances"
)

// published is the catalog of the benchmarks: 100,000 tracks, seed 1.
var published = sync.OnceValue(func() *instances.Catalog { return instances.NewCatalog(100_000, 1) })

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
			var wall, cpu, left, leftOfPath, gaps []float64
			song := make([]float64, len(all)) // what greedy on the target alone comes to
			if bound {
				for i, in := range all {
					song[i] = songPath(in.Problem(shortlisted))
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				for i, in := range all {
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
						leftOfPath = append(leftOfPath, (s.Cost-s.LowerBound)/(song[i]-s.LowerBound))
					}
				}
			}
			b.ReportMetric(median(wall), "median-ms/plan")
			b.ReportMetric(median(cpu), "median-cpu-ms/plan")
			if bound {
				b.ReportMetric(mean(left), "excess-left")
				b.ReportMetric(mean(leftOfPath), "excess-left-of-target-greedy")
				b.ReportMetric(mean(gaps), "gap")
			}
		})
	}
}

// songPath is the cost of what song path tools do: always the track nearest to the target that keeps the hard constraints.
func songPath(p planner.Problem) float64 {
	p.Weights = planner.DefaultWeights
	var seq []planner.Candidate
	for t := 0.0; t < p.Duration; {
		next, least := -1, math.Inf(1)
	candidates:
		for i, c := range p.Candidates {
			if len(p.Stages) > 0 && !c.Stages.Has(planner.StageAt(p.Stages, t, c.Duration)) {
				continue
			}
			for j, before := range seq {
				if before.ID == c.ID || len(seq)-j < planner.DefaultArtistGap && shares(before, c) {
					continue candidates
				}
			}
			if d := planner.Distance(c.Features, p.Arc.At((t+c.Duration/2)/p.Duration)); d < least {
				next, least = i, d
			}
		}
		if next < 0 || t+p.Candidates[next].Duration/2 >= p.Duration {
			break
		}
		seq = append(seq, p.Candidates[next])
		t += p.Candidates[next].Duration
	}
	o := oracle{p: p}
	return o.cost(seq)
}

// BenchmarkShortlistLoss plans the forty instances from ever longer shortlists with the same effort otherwise, and reports
// the mean cost relative to that from the shortlist in use: what the shortlist loses (above 1 means that the longer one does worse, as the
// same beam has more to look at). "whole" lets the planner itself choose by target, taste and familiarity among all tracks.
func BenchmarkShortlistLoss(b *testing.B) {
	all := instances.All(published())
	inUse := make([]float64, len(all))
	for i, in := range all {
		inUse[i] = cost(b, in.Name, in.Problem(shortlisted))
	}
	for _, c := range []struct {
		name    string
		problem func(instances.Instance) planner.Problem
	}{
		{"160", func(in instances.Instance) planner.Problem { return in.Problem(160) }},
		{"640", func(in instances.Instance) planner.Problem { return in.Problem(640) }},
		{"1280", func(in instances.Instance) planner.Problem { return in.Problem(1280) }},
		{"1280 to 320", func(in instances.Instance) planner.Problem { return in.Problem(1280) }},
		{"whole", instances.Instance.Whole},
	} {
		b.Run(c.name, func(b *testing.B) {
			var plain, taste []float64
			for b.Loop() {
				for i, in := range all {
					p := c.problem(in)
					p.Effort.Candidates = max(len(p.Candidates), 160)
					switch c.name {
					case "whole":
						p.Effort.Candidates = 1280
					case "1280 to 320":
						p.Effort.Candidates = 320
					}
					relative := cost(b, in.Name, p) / inUse[i]
					if in.Taste {
						taste = append(taste, relative)
					} else {
						plain = append(plain, relative)
					}
				}
			}
			b.ReportMetric(mean(plain), "cost-plain")
			b.ReportMetric(mean(taste), "cost-taste")
		})
	}
}

func cost(b *testing.B, name string, p planner.Problem) float64 {
	s, err := planner.Solve(context.Background(), p)
	if err != nil {
		b.Fatal(name, err)
	}
	return s.Cost
}

// BenchmarkIndex builds an index of a million tracks and reports its bytes per track.
func BenchmarkIndex(b *testing.B) {
	const n = 1_000_000
	random := rand.New(rand.NewPCG(1, 1))
	features := make([]planner.Features, n)
	for i := range features {
		features[i] = randomFeatures(random)
	}
	var x *planner.Index
	for b.Loop() {
		genres := make([]uint16, 1)
		x = planner.NewIndex(n, func(i int) planner.Entry {
			genres[0] = uint16(i % 100)
			return planner.Entry{Features: features[i], Genres: genres}
		})
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	runtime.KeepAlive(x)
	runtime.GC() // x is no longer used
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(before.HeapAlloc-after.HeapAlloc)/n, "bytes/track")
}

// BenchmarkDay plans 24 hours, with and without the bound.
func BenchmarkDay(b *testing.B) {
	for _, bound := range []bool{false, true} {
		b.Run(fmt.Sprintf("bound=%v", bound), func(b *testing.B) {
			in := instances.All(published())[0]
			for b.Loop() {
				p := in.Problem(2466)
				p.Duration, p.Bound = 24*3600, bound
				cost(b, in.Name, p)
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
