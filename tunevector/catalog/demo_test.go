package catalog

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

func TestDemoFillsAnyVector(t *testing.T) {
	c := Demo()
	require.GreaterOrEqual(t, c.Len(), 3000)
	for kind, genres := range map[tunevector.Kind]int{tunevector.Playlist: 30, tunevector.Podcast: 7, tunevector.Soundscape: 8} {
		found, err := c.Genres(context.Background(), kind)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(found), genres, kind)
		seconds := 0.0
		for _, track := range ask(t, c, tunevector.CandidateQuery{Kind: kind, Limit: maxLimit}) {
			seconds += track.DurationSeconds
		}
		require.Greater(t, seconds, 2*86400.0, "a vector of a day has a choice of %s", kind)
		for _, genre := range found {
			seconds := 0.0
			for _, track := range ask(t, c, tunevector.CandidateQuery{Kind: kind, Genres: []string{genre}, Limit: maxLimit}) {
				seconds += track.DurationSeconds
			}
			require.Greater(t, seconds, 3600.0, "an hour of %s", genre)
		}
	}
}

// All of it is taken in, so generate may pass over the errors of add; and all is as it should be.
func TestDemoIsSound(t *testing.T) {
	tracks := everything(Demo())
	want := 0
	for _, p := range profiles {
		if p.kind == music {
			want += demoMusic
		} else {
			want += demoSpoken
		}
	}
	require.Len(t, tracks, want)
	_, err := New(tracks)
	require.NoError(t, err, "every track is within the bounds that hosts are held to")
	explicit, artists, titles := 0, map[string]bool{}, map[string]bool{}
	for _, track := range tracks {
		require.InDelta(t, 1, track.Confidence, 0)
		require.NotEmpty(t, track.Instruments)
		require.NotEmpty(t, track.Genres)
		require.Equal(t, "rhythmiq:"+track.ID, track.URI)
		require.Equal(t, tunevector.FromCatalog, track.Provenance)
		if track.Explicit {
			explicit++
		}
		song := track.Artists[0] + "\x00" + track.Title
		require.False(t, titles[song], "an artist has a title once: %q", song)
		titles[song] = true
		for _, artist := range track.Artists {
			artists[artist] = true
		}
	}
	require.Greater(t, explicit, 50)
	require.Greater(t, len(artists), 500)
	require.Empty(t, Demo().versions, "no song is there twice")
}

// The same on every machine: nothing is computed in floating point but the last division of whole numbers.
func TestDemoIsTheSameEverywhere(t *testing.T) {
	h := fnv.New64a()
	for _, track := range everything(Demo()) {
		_, err := h.Write([]byte(strings.Replace(fmt.Sprintf("%+v\n", track), " FeatureSources:<nil>", "", 1)))
		require.NoError(t, err)
	}
	require.Equal(t, uint64(demoSum), h.Sum64(), "the demo catalog changed: say so in the changelog, and set demoSum")
}

// demoSum is the FNV-1a hash of the demo's tracks.
const demoSum = 0x3803947fe97f466

// Every artist's name has a stem in it that is no word, and none is one that people know.
func TestDemoArtistsAreInvented(t *testing.T) {
	known := strings.Split(strings.ToLower("ABBA,AC/DC,Adele,Air,Alabama,Aretha Franklin,Arctic Monkeys,Asia,Bach,Bad Bunny,Beck,Beethoven,Beyoncé,Billie Eilish,Björk,Black Sabbath,Blur,Bob Dylan,Bob Marley,Boston,Bread,Bruce Springsteen,Cake,Chicago,Cher,Coldplay,Cream,Daft Punk,David Bowie,Drake,Dua Lipa,Eagles,Eminem,Enya,Fela Kuti,Fleetwood Mac,Foreigner,Garbage,Genesis,Gorillaz,Green Day,Heart,Jay-Z,Johnny Cash,Journey,Kansas,Kendrick Lamar,Kraftwerk,Lady Gaga,Led Zeppelin,Live,Madonna,Massive Attack,Metallica,Michael Jackson,Miles Davis,Moby,Mozart,Muse,Nirvana,Oasis,Pink Floyd,Portishead,Prince,Pulp,Queen,Radiohead,Rihanna,Santana,Seal,Sia,Skrillex,Sting,Styx,Taylor Swift,The Beatles,The Rolling Stones,The Weeknd,Tool,Toto,Train,Travis,U2,Vangelis,Wham!,Yes,Zedd"), ",")
	stem := func(name string) bool {
		for _, word := range strings.Fields(name) {
			for _, head := range heads {
				if rest, ok := strings.CutPrefix(word, head); ok && slices.Contains(tails, rest) {
					return true
				}
			}
		}
		return false
	}
	for _, track := range everything(Demo()) {
		for _, artist := range track.Artists {
			require.True(t, stem(artist), artist)
			require.NotContains(t, known, strings.ToLower(artist))
		}
	}
}

// The demo sounds as its profiles say: the means and spreads of a genre, and energy that goes with valence and against acousticness.
func TestDemoIsLikeItsProfiles(t *testing.T) {
	tracks := everything(Demo())
	at := 0
	var energies, valences, acoustic []float64
	for _, p := range profiles {
		n := demoMusic
		if p.kind != music {
			n = demoSpoken
		}
		var e, v, a, bpm []float64
		for _, track := range tracks[at : at+n] {
			require.Equal(t, p.genre, track.Genres[0])
			e, v, a = append(e, track.Features.Energy), append(v, track.Features.Valence), append(a, track.Features.Acousticness)
			bpm = append(bpm, track.Features.Tempo)
			if p.kind == music {
				energies = append(energies, (track.Features.Energy-float64(p.energy.mean)/100)/float64(p.energy.sd)*100)
				valences = append(valences, (track.Features.Valence-float64(p.valence.mean)/100)/float64(p.valence.sd)*100)
				acoustic = append(acoustic, (track.Features.Acousticness-float64(p.acousticness.mean)/100)/float64(p.acousticness.sd)*100)
			}
		}
		at += n
		require.InDelta(t, float64(p.energy.mean)/100, mean(e), 0.09, "energy of %s", p.genre)
		require.InDelta(t, float64(p.valence.mean)/100, mean(v), 0.12, "valence of %s", p.genre)
		require.InDelta(t, float64(p.acousticness.mean)/100, mean(a), 0.12, "acousticness of %s", p.genre)
		require.InDelta(t, float64(p.tempo.mean), mean(bpm), 12, "tempo of %s", p.genre)
		require.InDelta(t, float64(p.energy.sd)/100, math.Sqrt(covariance(e, e)), 0.07, "spread of the energy of %s", p.genre)
	}
	correlation := func(a, b []float64) float64 { return covariance(a, b) / math.Sqrt(covariance(a, a)*covariance(b, b)) }
	require.InDelta(t, 0.35, correlation(energies, valences), 0.1)
	require.InDelta(t, -0.55, correlation(energies, acoustic), 0.15)
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func covariance(a, b []float64) float64 {
	ma, mb, sum := mean(a), mean(b), 0.0
	for i := range a {
		sum += (a[i] - ma) * (b[i] - mb)
	}
	return sum / float64(len(a))
}

// An hour that descends, one that ascends and a steady one can be planned close to their arc.
func TestDemoPlansWell(t *testing.T) {
	c := Demo()
	high := tunevector.Features{Energy: 0.85, Valence: 0.65, Tempo: 130, Acousticness: 0.1, Instrumentalness: 0.1}
	low := tunevector.Features{Energy: 0.25, Valence: 0.4, Tempo: 90, Acousticness: 0.7, Instrumentalness: 0.5}
	middle := tunevector.Features{Energy: 0.55, Valence: 0.5, Tempo: 110, Acousticness: 0.35, Instrumentalness: 0.2}
	for name, arc := range map[string]planner.Arc{"descent": {Start: high, End: low}, "ascent": {Start: low, End: high}, "steady": {Start: middle, End: middle}} {
		var along []tunevector.Features
		for i := range 17 {
			along = append(along, arc.At((float64(i)+0.5)/17))
		}
		p := planner.Problem{Arc: arc, Duration: 3600, Bound: true}
		for _, track := range ask(t, c, tunevector.CandidateQuery{Along: along}) {
			p.Candidates = append(p.Candidates, planner.Candidate{ID: track.ID, Artists: track.Artists, Duration: track.DurationSeconds, Features: track.Features, Confidence: 1})
		}
		plan, err := planner.Solve(context.Background(), p)
		require.NoError(t, err)
		sum := 0.0
		for _, placed := range plan.Tracks {
			sum += placed.Distance
		}
		t.Logf("%s: %d tracks, mean distance from the arc %.3f, gap %.3f", name, len(plan.Tracks), sum/float64(len(plan.Tracks)), plan.Gap)
		require.Less(t, sum/float64(len(plan.Tracks)), 0.12, name)
	}
}

func TestPriors(t *testing.T) {
	p := NewPriors()
	metal, from := p.Of([]string{"Black Metal"}, tunevector.Playlist)
	require.Equal(t, tunevector.FeatureSource{Source: tunevector.SourceGenres, Confidence: tagConfidence}, from)
	ambient, _ := p.Of([]string{"ambient"}, tunevector.Playlist)
	require.Greater(t, metal.Energy, ambient.Energy+0.3)
	nothing, from := p.Of([]string{"zxqvian"}, tunevector.Playlist)
	require.Equal(t, tunevector.FeatureSource{Source: tunevector.SourceGlobal}, from)
	require.InDelta(t, globalPrior[tempo], nothing.Tempo, 0)
	_, from = p.Of(nil, tunevector.Podcast)
	require.Equal(t, tunevector.FeatureSource{Source: tunevector.SourceKind, Confidence: tagConfidence}, from, "a podcast sounds like podcasts")

	// Tags say how music sounds, whatever it is.
	require.Equal(t, []string{"running", "workout"}, p.Tags("My (Running!) WORKOUT mix, 2026"))
	require.Empty(t, p.Tags("metal and sleeping bags"), "metal is a genre, and sleeping is not sleep")
	asleep, from := p.OfTags([]string{"black metal", "sleep"})
	require.Equal(t, tunevector.FeatureSource{Source: tunevector.SourceTags, Confidence: tagConfidence}, from)
	require.Less(t, asleep.Energy, 0.2)
	_, from = p.OfTags([]string{"black metal"})
	require.Zero(t, from.Confidence)
	_, from = p.Of([]string{"sleep", "workout"}, tunevector.Playlist)
	require.Equal(t, tunevector.SourceTags, from.Source)
	_, from = p.Of([]string{"sleep", "black metal"}, tunevector.Playlist)
	require.Equal(t, tunevector.SourceGenres, from.Source)
	for i := range 2*mostRemembered + 1 {
		p.Of([]string{fmt.Sprint("genre ", i)}, tunevector.Playlist)
	}
	require.LessOrEqual(t, len(p.p.memo), mostRemembered+1)
	again, _ := p.Of([]string{"Black Metal"}, tunevector.Playlist)
	require.Equal(t, metal, again)
}

// Each feature says where it is from and how far it is trusted, and a catalog made of such tracks says the same again.
func TestFeatureSources(t *testing.T) {
	tracks, _ := func() ([]tunevector.Track, Report) {
		c, report, err := Load(t.Context(), strings.NewReader(`id,duration_s,kind,genres,energy,valence,tempo,acousticness,instrumentalness,confidence
all,200,,rock,0.5,0.5,120,0.5,0.5,0.8
some,200,,rock,0.5,,120,,,
tagged,200,,sleep,0.5,,,,,0.5
talk,200,podcast,,,,120,,,
none,200,,zxqvian,,,,,,
`), nil)
		require.NoError(t, err)
		all, err := c.Tracks(t.Context(), []string{"all", "some", "tagged", "talk", "none"})
		require.NoError(t, err)
		return all, report
	}()
	of := func(source string, confidence float64) tunevector.FeatureSource {
		return tunevector.FeatureSource{Source: source, Confidence: confidence}
	}
	file, genres, kind, global := of("catalog", 1), of("genres", 0.3), of("kind", 0.3), of("global", 0)
	for i, want := range []tunevector.FeatureSources{
		{Energy: of("catalog", 0.8), Valence: of("catalog", 0.8), Tempo: of("catalog", 0.8), Acousticness: of("catalog", 0.8), Instrumentalness: of("catalog", 0.8)},
		{Energy: file, Valence: genres, Tempo: file, Acousticness: genres, Instrumentalness: genres},
		{Energy: of("catalog", 0.5), Valence: of("tags", 0.3), Tempo: of("tags", 0.3), Acousticness: of("tags", 0.3), Instrumentalness: of("tags", 0.3)},
		{Energy: kind, Valence: kind, Tempo: file, Acousticness: kind, Instrumentalness: kind},
		{Energy: global, Valence: global, Tempo: global, Acousticness: global, Instrumentalness: global},
	} {
		require.Equal(t, want, *tracks[i].FeatureSources, tracks[i].ID)
		sum := want.Energy.Confidence + want.Valence.Confidence + want.Tempo.Confidence + want.Acousticness.Confidence + want.Instrumentalness.Confidence
		require.InDelta(t, sum/5, tracks[i].Confidence, 0.005, "the mean")
	}
	partly := tunevector.Track{
		ID: "x", DurationSeconds: 200, Genres: []string{"rock"}, Features: tunevector.Features{Energy: 0.9, Tempo: 120}, Confidence: 0.32,
		FeatureSources: &tunevector.FeatureSources{Energy: of("somebody", 0.6), Tempo: of("somebody else", 1)},
	}
	c, err := New([]tunevector.Track{partly})
	require.NoError(t, err)
	got := c.track(0)
	require.Equal(t, tunevector.FeatureSources{Energy: of("catalog", 0.8), Valence: genres, Tempo: of("catalog", 0.8), Acousticness: genres, Instrumentalness: genres}, *got.FeatureSources)
	require.Same(t, got.FeatureSources, c.track(0).FeatureSources, "all that have the same share them")
}
