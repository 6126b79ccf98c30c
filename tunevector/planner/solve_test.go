package planner_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/tunevector/planner"
	"github.com/rhythmiq/rhythmiq/tunevector/planner/instances"
)

var (
	calm   = planner.Features{Energy: 0.2, Valence: 0.4, Tempo: 70, Acousticness: 0.8, Instrumentalness: 0.6}
	lively = planner.Features{Energy: 0.9, Valence: 0.7, Tempo: 140, Acousticness: 0.1, Instrumentalness: 0.1}
)

// tracks are n different ones, of as many artists, three and a half minutes each.
func tracks(n int) []planner.Candidate {
	random := rand.New(rand.NewPCG(uint64(n), 5))
	all := make([]planner.Candidate, n)
	for i := range all {
		all[i] = planner.Candidate{
			ID: fmt.Sprintf("t%03d", i), Artists: []string{fmt.Sprint("a", i)}, Duration: 210, Features: randomFeatures(random),
			Confidence: 1, Stages: planner.AllStages,
		}
	}
	return all
}

func problem(n int) planner.Problem {
	return planner.Problem{
		Candidates: tracks(n), Arc: planner.Arc{Start: calm, End: lively}, Duration: 1800, Seed: 1,
		Effort: planner.Effort{Moves: 3000, BoundPasses: 4},
	}
}

func solve(t *testing.T, p planner.Problem) planner.Solution {
	t.Helper()
	s, err := planner.Solve(context.Background(), p)
	require.NoError(t, err)
	requireSound(t, p, s)
	return s
}

// A bound that is asked for later is that of Solve; a quick one is a bound as well.
func TestSolveThenBound(t *testing.T) {
	p := problem(60)
	s, bound, err := planner.SolveThenBound(t.Context(), p)
	require.NoError(t, err)
	require.Zero(t, s.LowerBound)
	require.Equal(t, planner.OverNone, s.BoundOver)
	bound(t.Context(), &s)
	p.Bound = true
	tight := solve(t, p)
	require.Equal(t, tight, s)

	p.Effort.BoundPasses = 1
	quick := solve(t, p)
	require.Equal(t, tight.Tracks, quick.Tracks)
	require.Positive(t, quick.LowerBound)
	require.LessOrEqual(t, quick.LowerBound, tight.LowerBound)

	_, bound, err = planner.SolveThenBound(t.Context(), planner.Problem{})
	require.Error(t, err)
	require.Nil(t, bound)
}

func TestSolveIsTheSameForTheSameInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := problem(60)
		p.Bound = true
		first, err := planner.Solve(context.Background(), p)
		require.NoError(t, err)
		p.Candidates = rapid.Permutation(p.Candidates).Draw(t, "order")
		second, err := planner.Solve(context.Background(), p)
		require.NoError(t, err)
		require.Equal(t, first, second)
	})
}

func TestSeedChangesOnlyWhatIsRandom(t *testing.T) {
	p := problem(60)
	one := solve(t, p)
	p.Seed = 2
	two := solve(t, p)
	require.NotEqual(t, *one.Baselines.Shuffle, *two.Baselines.Shuffle)
	require.InDelta(t, *one.Baselines.Greedy, *two.Baselines.Greedy, 0)
	require.InDelta(t, *one.Baselines.Sorted, *two.Baselines.Sorted, 0)
}

func TestTheBoundDoesNotChangeThePlan(t *testing.T) {
	p := problem(60)
	without := solve(t, p)
	require.Equal(t, planner.OverNone, without.BoundOver)
	require.Zero(t, without.LowerBound)
	p.Bound = true
	with := solve(t, p)
	require.Equal(t, without.Tracks, with.Tracks)
	require.Equal(t, planner.OverAll, with.BoundOver)
	require.Positive(t, with.LowerBound)
	require.InDelta(t, (with.Cost-with.LowerBound)/with.LowerBound, with.Gap, 1e-12)
}

func TestTasteAndDiscovery(t *testing.T) {
	p := problem(60)
	before := solve(t, p)
	absent := -1
	for i, c := range p.Candidates {
		if !slices.Contains(ids(before), c.ID) {
			absent = i
		}
	}
	p.Candidates[absent].Taste = 1
	p.Weights = planner.DefaultWeights
	p.Weights.Taste = 1000
	require.Contains(t, ids(solve(t, p)), p.Candidates[absent].ID, "loved above all")

	// Half of the tracks are known.
	p = problem(60)
	known := make(map[string]bool)
	for i := range p.Candidates {
		if i%2 == 0 {
			p.Candidates[i].Familiarity = 1
			known[p.Candidates[i].ID] = true
		}
	}
	share := func(discovery float64) (share float64) {
		p.Discovery = discovery
		p.Weights = planner.DefaultWeights
		p.Weights.Novelty = 100
		s := solve(t, p)
		for _, id := range ids(s) {
			if known[id] {
				share += 1 / float64(len(s.Tracks))
			}
		}
		return share
	}
	require.InDelta(t, 1, share(-1), 1e-9)
	require.InDelta(t, 0, share(1), 1e-9)
}

func TestConfidenceWeighsTheTarget(t *testing.T) {
	sure := planner.Candidate{ID: "sure", Duration: 600, Features: calm, Confidence: 1}
	guess := planner.Candidate{ID: "guess", Duration: 600, Features: calm, Confidence: 0.1}
	unknown := planner.Candidate{ID: "unknown", Duration: 600}
	p := planner.Problem{Candidates: []planner.Candidate{guess, unknown}, Arc: planner.Arc{Start: calm, End: calm}, Duration: 600}
	require.Equal(t, []string{"guess"}, ids(solve(t, p)))
	p.Candidates = append(p.Candidates, sure)
	require.Equal(t, []string{"sure"}, ids(solve(t, p)))
}

// What is known counts, feature by feature: a tempo that was measured makes a track better than another where it is right, and worse where it is not.
func TestConfidenceIsOfEachFeature(t *testing.T) {
	at := func(id string, tempo, confidence float64) planner.Candidate {
		f := calm
		f.Tempo = tempo
		return planner.Candidate{
			ID: id, Duration: 600, Features: f, Confidence: 0.3,
			Confidences: &planner.Confidences{Energy: 0.3, Valence: 0.3, Tempo: confidence, Acousticness: 0.3, Instrumentalness: 0.3},
		}
	}
	p := planner.Problem{Arc: planner.Arc{Start: calm, End: calm}, Duration: 600}
	p.Candidates = []planner.Candidate{at("guess", calm.Tempo, 0.3), at("measured", calm.Tempo, 1)}
	s := solve(t, p)
	require.Equal(t, []string{"measured"}, ids(s))
	require.InDelta(t, 600.0/210*10*0.7*0.7*0.1, s.Terms.Target, 1e-9, "0.7 of what is not known of the other features, which weigh 0.7")
	p.Candidates = []planner.Candidate{at("guess", calm.Tempo*1.4, 0.3), at("measured", calm.Tempo*1.4, 1)}
	require.Equal(t, []string{"guess"}, ids(solve(t, p)))

	// Nothing that is not known is looked at.
	only := planner.Candidate{ID: "tempo only", Duration: 600, Features: planner.Features{Tempo: calm.Tempo}, Confidences: &planner.Confidences{Tempo: 1}}
	p.Candidates = []planner.Candidate{only}
	require.InDelta(t, 600.0/210*10*0.7*0.1, solve(t, p).Terms.Target, 1e-9)
	only.Confidences = &planner.Confidences{Tempo: 1, Energy: 2}
	p.Candidates = []planner.Candidate{only}
	_, err := planner.Solve(t.Context(), p)
	require.ErrorContains(t, err, "candidates[0].confidences.energy")
}

func TestContextThatHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := problem(60)
	p.Bound = true
	s, err := planner.Solve(ctx, p)
	require.NoError(t, err)
	requireSound(t, p, s)
	require.False(t, s.Complete)
	require.Equal(t, planner.OverNone, s.BoundOver)

	// Where greedy runs into a dead end there is a plan all the same.
	p.Stages = []planner.Stage{{Name: "one", End: 900}, {Name: "two", End: 1800}}
	for i := range p.Candidates {
		p.Candidates[i].Stages = planner.Stages(i % 2)
	}
	s, err = planner.Solve(ctx, p)
	require.NoError(t, err)
	requireSound(t, p, s)
}

// countdown is a context that ends after it was asked so many times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestContextThatEndsAnywhere(t *testing.T) {
	p := problem(40)
	p.Bound = true
	complete := 0
	for left := 0; complete == 0; left += 1 + left/8 {
		s, err := planner.Solve(&countdown{context.Background(), left}, p)
		require.NoError(t, err)
		requireSound(t, p, s)
		require.LessOrEqual(t, s.LowerBound, s.Cost)
		if s.Complete {
			complete++
			require.Equal(t, solve(t, p), s)
		}
	}
}

func TestInfeasible(t *testing.T) {
	stages := []planner.Stage{{Name: "rock", End: 900}, {Name: "ambient", End: 1800}}
	for _, c := range []struct {
		name    string
		change  func(*planner.Problem)
		stage   int
		missing float64
		pin     int
		message string
	}{
		{"no candidates", func(p *planner.Problem) { p.Candidates = nil }, -1, 1800, -1, "short of 1800 seconds"},
		{"too few", func(p *planner.Problem) { p.Candidates = p.Candidates[:4] }, -1, 960, -1, "short of 960 seconds"},
		{"too long", func(p *planner.Problem) { p.Duration = 90 }, -1, 0, -1, "every track is too long"},
		{"a stage without music", func(p *planner.Problem) {
			p.Stages = stages
			for i := range p.Candidates {
				p.Candidates[i].Stages = planner.Stages(0)
			}
		}, 1, 960, -1, "stage 1 (ambient) is short of 960 seconds"},
		{"first stage without music", func(p *planner.Problem) {
			p.Stages = stages
			for i := range p.Candidates {
				p.Candidates[i].Stages = planner.Stages(1)
			}
		}, 0, 900, -1, "stage 0 (rock) is short of 900 seconds"},
		{"a pin beyond the end", func(p *planner.Problem) { p.Pinned = map[int]string{20: "t001"} }, -1, 0, 20, "pinned track at position 20"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := problem(30)
			c.change(&p)
			_, err := planner.Solve(context.Background(), p)
			var infeasible *planner.InfeasibleError
			require.ErrorAs(t, err, &infeasible)
			require.Equal(t, c.stage, infeasible.Stage)
			require.InDelta(t, c.missing, infeasible.MissingSeconds, 0)
			require.Equal(t, c.pin, infeasible.Pin)
			require.ErrorContains(t, err, c.message)
		})
	}
}

func TestArtistGapGivesWay(t *testing.T) {
	p := problem(20)
	for i := range p.Candidates {
		p.Candidates[i].Artists = []string{"the only one"}
	}
	s := solve(t, p)
	require.Equal(t, 1, s.ArtistGap)
	for i := range p.Candidates {
		p.Candidates[i].Artists = []string{fmt.Sprint("one of two: ", i%2)}
	}
	require.Equal(t, 2, solve(t, p).ArtistGap)
	p.Candidates = tracks(20)
	require.Equal(t, planner.DefaultArtistGap, solve(t, p).ArtistGap)
}

func TestPrefixAndPins(t *testing.T) {
	p := problem(80)
	p.Bound = true
	first := solve(t, p)
	byID := make(map[string]planner.Candidate)
	for _, c := range p.Candidates {
		byID[c.ID] = c
	}
	for _, track := range first.Tracks[:3] {
		p.Prefix = append(p.Prefix, byID[track.ID])
	}
	p.Arc.End = calm
	p.Pinned = map[int]string{1: "t001", 5: "t002", 6: "t003"} // the first is past
	again := solve(t, p)
	require.Equal(t, ids(first)[:3], ids(again)[:3])
	require.Equal(t, "t002", again.Tracks[5].ID)
	require.True(t, again.Tracks[6].Pinned)
	require.Zero(t, again.Tracks[0].Terms)
	require.Positive(t, again.Tracks[3].Jump)
	require.Positive(t, again.LowerBound)

	// Two pinned tracks of an artist may stand together; others keep away from them.
	for i := range p.Candidates {
		if slices.Contains([]string{"t002", "t003", "t004"}, p.Candidates[i].ID) {
			p.Candidates[i].Artists = []string{"same"}
		}
	}
	require.Equal(t, planner.DefaultArtistGap, solve(t, p).ArtistGap)

	// More pins than the bound takes in order.
	p.Pinned = make(map[int]string)
	for i := range 6 {
		p.Pinned[3+i] = fmt.Sprintf("t%03d", 40+i)
	}
	require.Positive(t, solve(t, p).LowerBound)

	// What was played fills the duration already.
	p.Pinned = nil
	p.Duration = 400
	done := solve(t, p)
	require.Len(t, done.Tracks, 3)
	require.InDelta(t, done.Cost, done.LowerBound, 1e-9)
	require.True(t, done.Complete)
}

func TestManyPins(t *testing.T) {
	p := problem(60)
	p.Duration = 3600
	p.Bound = true
	p.Pinned = make(map[int]string)
	for i := range 11 {
		p.Pinned[i+i/3] = fmt.Sprintf("t%03d", i)
	}
	s := solve(t, p)
	require.Positive(t, s.LowerBound)
}

func TestGuidedStages(t *testing.T) {
	p := problem(90)
	p.Stages = []planner.Stage{{Name: "a", End: 500}, {Name: "b", End: 1100}, {Name: "c", End: 1800}}
	for i := range p.Candidates {
		p.Candidates[i].Stages = planner.Stages(i % 3)
	}
	p.Candidates[7].Stages = 0 // plays nowhere, but where it is pinned
	p.Bound = true
	s := solve(t, p)
	require.NotContains(t, ids(s), p.Candidates[7].ID)
	require.Equal(t, 0, s.Tracks[0].Stage)
	require.Equal(t, 2, s.Tracks[len(s.Tracks)-1].Stage)
	p.Pinned = map[int]string{1: p.Candidates[7].ID}
	require.Equal(t, p.Candidates[7].ID, solve(t, p).Tracks[1].ID)
}

func TestStageAt(t *testing.T) {
	stages := []planner.Stage{{End: 100}, {End: 200}, {End: 300}}
	for _, c := range []struct {
		start, duration float64
		stage           int
	}{
		{0, 0, 0},
		{0, 199, 0},
		{0, 200, 1}, // its middle is on the boundary
		{99, 1, 0},
		{90, 60, 1},
		{0, 450, 2}, // it passes over a stage
		{250, 100, 2},
		{290, 60, 2}, // its middle is beyond the end
	} {
		require.Equal(t, c.stage, planner.StageAt(stages, c.start, c.duration), "%v", c)
	}
	require.Equal(t, -1, planner.StageAt(nil, 10, 10))
}

// A stage gets its minutes within half a track, whatever the lengths.
func TestEachStageGetsItsTime(t *testing.T) {
	changes := 0
	rapid.Check(t, func(t *rapid.T) {
		p := problem(80)
		p.Duration = float64(rapid.IntRange(1200, 3000).Draw(t, "duration"))
		p.Effort = planner.Effort{Beam: 4, Moves: 500}
		p.Seed = rapid.Uint64().Draw(t, "seed")
		cuts := rapid.SliceOfNDistinct(rapid.IntRange(1, 19), 1, 3, rapid.ID[int]).Draw(t, "cuts")
		slices.Sort(cuts)
		for _, cut := range append(cuts, 20) {
			p.Stages = append(p.Stages, planner.Stage{Name: "stage", End: p.Duration * float64(cut) / 20})
		}
		for i := range p.Candidates {
			p.Candidates[i].Stages = planner.Stages(i % len(p.Stages))
			p.Candidates[i].Duration = float64(rapid.IntRange(60, 500).Draw(t, "seconds"))
		}
		s, err := planner.Solve(context.Background(), p)
		require.NoError(t, err)
		requireSound(t, p, s)
		for i, track := range s.Tracks[1:] {
			if track.Stage > s.Tracks[i].Stage {
				changes++
			}
		}
		// Sorted, the music changes when it did.
		for _, order := range orders {
			r, err := planner.Reorder(context.Background(), p, s.Tracks, order)
			require.NoError(t, err)
			for i := range s.Tracks {
				require.Equal(t, s.Tracks[i].Stage, r.Tracks[i].Stage)
				if i > 0 && s.Tracks[i].Stage != s.Tracks[i-1].Stage {
					require.InDelta(t, s.Tracks[i].Start, r.Tracks[i].Start, 1e-6)
				}
			}
		}
	})
	require.Positive(t, changes)
}

func TestManyCandidatesAreShortlisted(t *testing.T) {
	c := instances.NewCatalog(3000, 3)
	for _, in := range instances.All(c)[:40:40] {
		if in.Name != "ascent/taste/0" && in.Name != "guided/plain/1" {
			continue
		}
		p := in.Whole()
		require.False(t, p.Shortlisted)
		p.Bound = true
		p.Effort = planner.Effort{Candidates: 150, Moves: 2000, BoundPasses: 1}
		var pinned string
		for _, c := range p.Candidates {
			if c.Stages == 0 || len(p.Stages) == 0 {
				pinned = c.ID
				break
			}
		}
		p.Pinned = map[int]string{2: pinned}
		s := solve(t, p)
		require.Equal(t, 150, s.Considered)
		require.Equal(t, planner.OverShortlist, s.BoundOver)
	}
	// A shortlist that all moments agree on early.
	p := problem(40)
	p.Stages = []planner.Stage{{Name: "a", End: 900}, {Name: "b", End: 1800}}
	p.Effort.Candidates = 39
	require.Equal(t, 39, solve(t, p).Considered)
}

func TestLongPlanBeyondTheTableOfTransitions(t *testing.T) {
	c := instances.NewCatalog(2600, 4)
	p := instances.All(c)[0].Whole()
	p.Bound = true
	p.Effort = planner.Effort{Candidates: 2500, Beam: 4, Moves: 300, BoundPasses: 1}
	s := solve(t, p)
	require.Equal(t, 2500, s.Considered)
	require.Positive(t, s.LowerBound)
}

func TestInvalidInputNamesEveryField(t *testing.T) {
	nan := math.NaN()
	good := tracks(2)[0]
	p := planner.Problem{
		Candidates: []planner.Candidate{
			good, good,
			{ID: "", Duration: -1, Confidence: 2, Taste: -2, Familiarity: nan},
			{ID: "x", Duration: nan, Confidence: 1, Features: planner.Features{Energy: nan, Valence: 2}},
		},
		Arc:       planner.Arc{Start: calm, End: lively, Curve: "none"},
		Duration:  math.Inf(1),
		ArtistGap: -1,
		Discovery: nan,
		Weights:   planner.Weights{Target: -1, Taste: nan},
		Effort:    planner.Effort{Beam: -1, Moves: 1 << 40},
		Stages:    []planner.Stage{{End: 10}, {End: 5}},
		Prefix:    []planner.Candidate{{ID: "p"}},
		Pinned:    map[int]string{-1: "x", 0: "gone", 1: "gone", 2: "p", 3: good.ID, 4: good.ID},
	}
	_, err := planner.Solve(context.Background(), p)
	var invalid *planner.InvalidError
	require.ErrorAs(t, err, &invalid)
	var fields []string
	for f := range invalid.Fields {
		fields = append(fields, f)
	}
	require.ElementsMatch(t, []string{
		"candidates[1].id", "candidates[2].id", "candidates[2].duration", "candidates[2].confidence", "candidates[2].taste",
		"candidates[2].familiarity", "candidates[3].duration", "candidates[3].features.energy", "candidates[3].features.valence",
		"candidates[3].features.tempo", "arc.curve", "duration", "artistGap", "discovery", "weights.target", "weights.taste",
		"effort.beam", "effort.moves", "stages[1].end", "prefix[0].duration", "pinned[-1]", "pinned[1]", "pinned[2]", "pinned[4]",
	}, fields)

	p = problem(3)
	p.Stages = make([]planner.Stage, 65)
	for i := range p.Stages {
		p.Stages[i].End = float64(i + 1)
	}
	_, err = planner.Solve(context.Background(), p)
	require.ErrorContains(t, err, "stages must be at most 64")
	require.ErrorContains(t, err, "stages[64].end must be the duration")
}

// What nobody would ask for must not make the planner panic or return anything unsound.
func FuzzSolve(f *testing.F) {
	f.Add(uint64(1), uint16(20), 1800.0, 3, 0.5, 210.0)
	f.Add(uint64(2), uint16(1), 1e-9, 0, -1.0, 1e-9)
	f.Add(uint64(3), uint16(9), 600000.0, 99, math.NaN(), 100000.0)
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, duration float64, gap int, discovery, length float64) {
		random := rand.New(rand.NewPCG(seed, 0))
		p := planner.Problem{
			Candidates: tracks(int(n % 50)), Arc: planner.Arc{Start: randomFeatures(random), End: randomFeatures(random)},
			Duration: duration, ArtistGap: gap, Discovery: discovery, Seed: seed, Bound: seed%2 == 0,
			Effort: planner.Effort{Beam: 3, Moves: 200, BoundPasses: 2},
		}
		for i := range p.Candidates {
			c := &p.Candidates[i]
			c.Duration = length * (0.5 + random.Float64())
			c.Artists = []string{strconv.Itoa(random.IntN(8))}
			c.Confidence, c.Taste, c.Familiarity = random.Float64(), 2*random.Float64()-1, random.Float64()
		}
		s, err := planner.Solve(context.Background(), p)
		if err != nil {
			require.Zero(t, s)
			return
		}
		requireSound(t, p, s)
		require.LessOrEqual(t, s.LowerBound, s.Cost)
		require.False(t, math.IsNaN(s.Cost))
	})
}
