package preference_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/preference"
)

// likes makes set preferences, in their order, of "type:value=weight".
func likes(t testing.TB, specs ...string) []preference.Preference {
	t.Helper()
	var set []preference.Preference
	for i, s := range specs {
		p := preference.Preference{Index: i, Weight: 1}
		typ, rest, ok := strings.Cut(s, ":")
		require.True(t, ok)
		p.Type, p.Value = preference.Type(typ), rest
		if value, weight, ok := strings.Cut(rest, "="); ok {
			p.Value = value
			_, err := fmt.Sscan(weight, &p.Weight)
			require.NoError(t, err)
		}
		set = append(set, p)
	}
	return set
}

func genres(g ...string) preference.Traits { return preference.Traits{Genres: g} }

func TestScore(t *testing.T) {
	// 0.7 is the reach of a type with weight 1.
	for name, c := range map[string]struct {
		set     []string
		x       preference.Traits
		score   float64
		reasons []string
	}{
		"nothing known":         {nil, genres("rock"), 0, nil},
		"nothing of the music":  {[]string{"genre:rock"}, preference.Traits{}, 0, nil},
		"another type":          {[]string{"artist:rock"}, genres("rock"), 0, nil},
		"the favorite genre":    {[]string{"genre:rock"}, genres("Rock"), 0.7, []string{"you like rock"}},
		"the eleventh":          {[]string{"genre:0=0", "genre:1=0", "genre:2=0", "genre:3=0", "genre:4=0", "genre:5=0", "genre:6=0", "genre:7=0", "genre:8=0", "genre:9=0", "genre:rock"}, genres("rock"), 0.7 * 0.75, []string{"you like rock"}},
		"half as much":          {[]string{"genre:rock=0.5"}, genres("rock"), 0.35, []string{"you like rock"}},
		"avoided":               {[]string{"genre:rock=-1"}, genres("rock"), -0.7, []string{"you avoid rock"}},
		"avoided has no rank":   {[]string{"genre:jazz", "genre:rock=-1"}, genres("rock"), -0.7, []string{"you avoid rock"}},
		"a kind of rock":        {[]string{"genre:Rock"}, genres("indie rock"), 0.7 * 0.6, []string{"you like Rock"}},
		"joined by a hyphen":    {[]string{"genre:rock"}, genres("classic-rock"), 0.7 * 0.6, []string{"you like rock"}},
		"in the middle":         {[]string{"genre:rock"}, genres("german rock music"), 0.7 * 0.6, []string{"you like rock"}},
		"no word of its own":    {[]string{"genre:rock"}, genres("rockabilly", "krautrock"), 0, nil},
		"rock in general":       {[]string{"genre:indie rock"}, genres("rock"), 0.7 * 0.3, []string{"you like indie rock"}},
		"the same, joined":      {[]string{"genre:hip-hop"}, genres("Hip Hop", "hip_hop", "HIP/HOP", " hip  hop "), 0.7, []string{"you like hip-hop"}},
		"the most specific":     {[]string{"genre:rock=-1", "genre:indie rock=0.5"}, genres("uk indie rock"), 0.7 * 0.5 * (0.5 + 0.5*math.Exp2(-0.1)) * 0.6, []string{"you like indie rock"}},
		"of equal ones":         {[]string{"genre:rock=-0.5", "genre:indie=0.4"}, genres("indie rock"), -0.7 * 0.5 * 0.6, []string{"you avoid rock"}},
		"two genres":            {[]string{"genre:rock=0.5", "genre:jazz=-0.5"}, genres("rock", "jazz"), 0, []string{"you like rock", "you avoid jazz"}},
		"once, at its best":     {[]string{"genre:rock"}, genres("indie rock", "rock", "hard rock"), 0.7, []string{"you like rock"}},
		"artist":                {[]string{"artist:Sigur Rós"}, preference.Traits{Artists: []string{"SIGUR RÓS"}}, 0.7, []string{"you like Sigur Rós"}},
		"artists are whole":     {[]string{"artist:Rós"}, preference.Traits{Artists: []string{"Sigur Rós"}}, 0, nil},
		"artists keep hyphens":  {[]string{"artist:Jay-Z"}, preference.Traits{Artists: []string{"jay z"}}, 0, nil},
		"instrument":            {[]string{"instrument:guitar"}, preference.Traits{Instruments: []string{"Electric Guitar"}}, 0.7 * 0.6, []string{"you like guitar"}},
		"genre and artist":      {[]string{"genre:rock", "artist:muse=0.5"}, preference.Traits{Genres: []string{"rock"}, Artists: []string{"Muse"}}, 1 - 0.3*(1-0.7*0.5*(0.5+0.5*math.Exp2(-0.1))), []string{"you like rock", "you like muse"}},
		"tempo":                 {[]string{"tempo:120"}, preference.Traits{Tempo: 120}, 0.7, []string{"you like 120 BPM"}},
		"tempo in a range":      {[]string{"tempo:90-110"}, preference.Traits{Tempo: 99.5}, 0.7, []string{"you like 90–110 BPM"}},
		"a tenth of an octave":  {[]string{"tempo:90-100"}, preference.Traits{Tempo: 100 * math.Exp2(0.1)}, 0.35, []string{"you like 90–100 BPM"}},
		"far off":               {[]string{"tempo:100"}, preference.Traits{Tempo: 100 * math.Exp2(0.2001)}, 0, nil},
		"half the tempo":        {[]string{"tempo:120"}, preference.Traits{Tempo: 60}, 0.35, []string{"you like 120 BPM"}},
		"double the tempo":      {[]string{"tempo:75"}, preference.Traits{Tempo: 150}, 0.35, []string{"you like 75 BPM"}},
		"avoided tempo":         {[]string{"tempo:120=-1"}, preference.Traits{Tempo: 120}, -0.7, []string{"you avoid 120 BPM"}},
		"the best tempo":        {[]string{"tempo:120", "tempo:118-122=0.5", "tempo:200"}, preference.Traits{Tempo: 120}, 0.7, []string{"you like 120 BPM"}},
		"at most three reasons": {[]string{"genre:a", "genre:b", "genre:c", "genre:d"}, genres("d", "c", "b", "a"), 0.7 * (1 - 0.5*(1-math.Exp2(-0.1))*0.5*(1-math.Exp2(-0.2))*0), []string{"you like a", "you like b", "you like c"}},
		"full folding":          {[]string{"artist:Straße"}, preference.Traits{Artists: []string{"STRASSE"}}, 0.7, []string{"you like Straße"}},
		"composed":              {[]string{"artist:Bülent"}, preference.Traits{Artists: []string{"bu\u0308lent"}}, 0.7, []string{"you like Bülent"}},
		"an absurd name":        {[]string{"genre:rock"}, genres(strings.Repeat("rock ", 200)), 0, nil},
		"an absurd foreign one": {[]string{"genre:rock"}, genres(strings.Repeat("röck ", 200)), 0, nil},
		"blank":                 {[]string{"genre:rock"}, genres("", " ", "--"), 0, nil},
		"many words":            {[]string{"genre:h"}, genres("a b c d e f g h i j"), 0.42, []string{"you like h"}},
	} {
		t.Run(name, func(t *testing.T) {
			taste := preference.NewTaste(likes(t, c.set...), nil, nil)
			score, reasons := taste.Score(c.x)
			require.InDelta(t, c.score, score, 1e-12)
			require.Equal(t, c.reasons, reasons)
			require.Equal(t, score, taste.ScoreOnly(c.x))
			likings := slices.DeleteFunc(slices.Clone(reasons), func(r string) bool { return !strings.HasPrefix(r, "you like") })
			require.Equal(t, append([]string(nil), likings...), taste.Likings(c.x))
		})
	}
}

func TestScoreOfLearned(t *testing.T) {
	learned := []preference.Learned{
		{Type: "genre", Value: "ambient", Weight: 0.5, Count: 3},
		{Type: "genre", Value: "metal", Weight: -0.5, Count: 3},
		{Type: "genre", Value: "rock", Weight: -0.5, Count: 3},
		{Type: "genre", Value: "pop", Weight: -1, Count: 3},
		{Type: "artist", Value: "Muse", Weight: 0.8, Count: 3},
		{Type: "tempo", Value: "114-123", Weight: 0.5, Count: 3},
		{Type: "genre", Value: "folk", Weight: 0.25, Count: 2},
		{Type: "instrument", Value: "harp", Weight: -0.25, Count: 1},
	}
	taste := preference.NewTaste(likes(t, "genre:rock=0.2", "genre:Pop", "genre:country=-1"), learned, nil)
	for _, c := range []struct {
		x      preference.Traits
		score  float64
		reason string
	}{
		{genres("ambient"), 0.7 * 0.3, "you often play ambient"},
		{genres("metal"), -0.7 * 0.3, "you tend to skip metal"},
		{genres("rock"), 0.7 * (0.2 - 0.3*0.8), "you tend to skip rock"},
		{genres("pop"), 0.7 * (0.5 + 0.5*math.Exp2(-0.1) - 0.6*(1-(0.5+0.5*math.Exp2(-0.1)))), "you like Pop"},
		{preference.Traits{Artists: []string{"muse"}}, 0.7 * 0.48, "you often play Muse"},
		{preference.Traits{Tempo: 118}, 0.7 * 0.3, "you often play 114–123 BPM"},
		{genres("folk"), 0.7 * 0.15, "you played folk"},
		{preference.Traits{Instruments: []string{"harp"}}, -0.7 * 0.15, "you skipped harp"},
	} {
		score, reasons := taste.Score(c.x)
		require.InDelta(t, c.score, score, 1e-12, c.reason)
		require.Equal(t, []string{c.reason}, reasons)
	}
	require.Equal(t, []string{"Pop", "ambient", "folk"}, taste.Genres(), "rock is not liked any more")
	require.Equal(t, []string{"Muse"}, taste.Artists())
	require.InDelta(t, math.Sqrt(114*123), taste.Tempo(), 1e-9)
	require.True(t, taste.Avoids(genres("country")))
	require.False(t, taste.Avoids(genres("metal")), "what is learned forbids nothing")
}

func TestWeightsOfTypes(t *testing.T) {
	x := preference.Traits{Genres: []string{"rock"}, Artists: []string{"muse"}}
	set := likes(t, "genre:rock", "artist:muse=-1")
	for _, c := range []struct {
		weights map[preference.Type]float64
		score   float64
		first   []string
	}{
		{nil, 0, []string{"you like rock", "you avoid muse"}},
		{map[preference.Type]float64{"genre": 0}, -0.7, []string{"you avoid muse"}},
		{map[preference.Type]float64{"artist": 2}, 0.7 - 0.91, []string{"you avoid muse", "you like rock"}},
		{map[preference.Type]float64{"artist": 0.5, "genre": 1}, 0.7 - (1 - math.Sqrt(0.3)), []string{"you like rock", "you avoid muse"}},
	} {
		score, reasons := preference.NewTaste(set, nil, c.weights).Score(x)
		require.InDelta(t, c.score, score, 1e-12)
		require.Equal(t, c.first, reasons)
	}
}

func TestAvoids(t *testing.T) {
	taste := preference.NewTaste(likes(t, "genre:rock=-1", "genre:indie rock=0", "genre:pop=-0.99", "artist:Nickelback=-1", "tempo:150-170=-1", "instrument:banjo=-1"), nil, nil)
	for name, c := range map[string]struct {
		x    preference.Traits
		want bool
	}{
		"the genre":                 {genres("jazz", "ROCK"), true},
		"a kind of it":              {genres("hard-rock"), true},
		"a kind that is allowed":    {genres("indie rock"), false},
		"a kind of that":            {genres("uk indie rock"), false},
		"not quite forbidden":       {genres("pop"), false},
		"more general than avoided": {preference.Traits{Artists: []string{"nickel"}}, false},
		"the artist":                {preference.Traits{Artists: []string{"a", "nickelback "}}, true},
		"the artist as a genre":     {genres("nickelback"), false},
		"the instrument":            {preference.Traits{Instruments: []string{"Banjo"}}, true},
		"the tempo":                 {preference.Traits{Tempo: 160}, true},
		"near the tempo":            {preference.Traits{Tempo: 174}, true},
		"half the tempo":            {preference.Traits{Tempo: 80}, false},
		"another tempo":             {preference.Traits{Tempo: 120}, false},
		"nothing":                   {preference.Traits{}, false},
		"an absurd name":            {genres(strings.Repeat("rock ", 200)), false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, taste.Avoids(c.x)) })
	}
	require.False(t, preference.Taste{}.Avoids(preference.Traits{Genres: []string{"rock"}, Tempo: 160}))
}

func TestTasteLists(t *testing.T) {
	taste := preference.NewTaste(likes(t, "genre: Jazz ", "genre:rock", "genre:Hip-Hop=0.1", "genre:hip hop", "genre:polka=-1", "artist:Muse", "tempo:90-110=0.5", "tempo:120"), nil, nil)
	require.Equal(t, []string{"Jazz", "rock", "Hip-Hop"}, taste.Genres())
	require.Equal(t, []string{"Muse"}, taste.Artists())
	require.InDelta(t, 120, taste.Tempo(), 1e-9)
	taste.Genres()[0] = "changed"
	require.Equal(t, "Jazz", taste.Genres()[0], "a Taste is immutable")

	var none preference.Taste
	require.Empty(t, none.Genres())
	require.Zero(t, none.Tempo())
	score, reasons := none.Score(preference.Traits{Genres: []string{"rock"}, Tempo: 120})
	require.Zero(t, score)
	require.Empty(t, reasons)

	broken := preference.NewTaste(likes(t, "tempo:fast", "genre: "), []preference.Learned{{Type: "tempo", Value: "?"}}, nil)
	require.Zero(t, broken.Tempo())
}

func TestTasteOfService(t *testing.T) {
	h := newHome(t, preference.Options{Weights: map[preference.Type]float64{"genre": 2}})
	h.add(t, preference.Genre, "rock", 1)
	h.learn(t, like("jazz"), like("jazz"))
	taste, err := h.Taste(t.Context(), h.profile, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"rock", "jazz"}, taste.Genres())
	require.InDelta(t, 0.91, taste.ScoreOnly(genres("rock")), 1e-12)
	taste, err = h.Taste(t.Context(), openProfile(t, h), nil)
	require.NoError(t, err)
	require.Empty(t, taste.Genres())
}

func TestScoreProperties(t *testing.T) {
	words := []string{"rock", "indie rock", "Indie-Rock", "jazz", "free jazz", "Ärzte", "die ärzte", "pop"}
	types := preference.Types()
	rapid.Check(t, func(t *rapid.T) {
		drawValue := func(typ preference.Type) string {
			if typ == preference.Tempo {
				return strconv.Itoa(rapid.IntRange(20, 300).Draw(t, "bpm"))
			}
			return rapid.SampledFrom(words).Draw(t, "value")
		}
		var set []preference.Preference
		var learned []preference.Learned
		for i := range rapid.IntRange(0, 12).Draw(t, "set") {
			typ := rapid.SampledFrom(types).Draw(t, "type")
			set = append(set, preference.Preference{Type: typ, Value: drawValue(typ), Index: i, Weight: rapid.Float64Range(-1, 1).Draw(t, "weight")})
		}
		for range rapid.IntRange(0, 12).Draw(t, "learned") {
			typ := rapid.SampledFrom(types).Draw(t, "type")
			learned = append(learned, preference.Learned{Type: typ, Value: drawValue(typ), Weight: rapid.Float64Range(-1, 1).Draw(t, "weight")})
		}
		x := preference.Traits{
			Genres:      rapid.SliceOfN(rapid.SampledFrom(words), 0, 6).Draw(t, "genres"),
			Artists:     rapid.SliceOfN(rapid.SampledFrom(words), 0, 3).Draw(t, "artists"),
			Instruments: rapid.SliceOfN(rapid.SampledFrom(words), 0, 3).Draw(t, "instruments"),
			Tempo:       rapid.SampledFrom([]float64{0, 20, 60, 99.5, 120, 300, 1e9}).Draw(t, "tempo"),
		}
		taste := preference.NewTaste(set, learned, map[preference.Type]float64{"artist": rapid.Float64Range(0, 10).Draw(t, "artists")})
		score, reasons := taste.Score(x)
		require.LessOrEqual(t, math.Abs(score), 1.0)
		require.Equal(t, score, taste.ScoreOnly(x))
		if score != 0 {
			require.NotEmpty(t, reasons)
		}
		// The order in which music lists its genres and the case they are in make no difference.
		shuffled := x
		shuffled.Genres = nil
		for _, i := range rand.Perm(len(x.Genres)) {
			shuffled.Genres = append(shuffled.Genres, strings.ToUpper(x.Genres[i]))
		}
		require.InDelta(t, score, taste.ScoreOnly(shuffled), 1e-12)
	})
}

func TestScoreOnlyAllocatesNothing(t *testing.T) {
	taste, music := bench(t)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for i := range music {
			taste.ScoreOnly(music[i])
			taste.Avoids(music[i])
		}
	}))
}

// bench returns a rich taste, and 1,000 pieces of music.
func bench(t testing.TB) (preference.Taste, []preference.Traits) {
	t.Helper()
	var names []string
	for _, a := range []string{"indie", "hard", "classic", "electronic", "nu", "Björk", "deep"} {
		for _, b := range []string{"Rock", "pop", "house", "jazz", "folk", "Óskar", "soul"} {
			names = append(names, a+" "+b, b)
		}
	}
	var set []preference.Preference
	for i := range 100 {
		typ := preference.Types()[i%4]
		p := preference.Preference{Type: typ, Value: names[i%len(names)], Index: i, Weight: float64(i%20)/10 - 1}
		if typ == preference.Tempo {
			p.Value = fmt.Sprintf("%d-%d", 20+i, 120+i)
		}
		set = append(set, p)
	}
	var learned []preference.Learned
	for i := range 200 {
		learned = append(learned, preference.Learned{Type: preference.Types()[i%4], Value: strconv.Itoa(60 + i), Weight: 0.5})
	}
	r := rand.New(rand.NewPCG(1, 2))
	music := make([]preference.Traits, 1000)
	for i := range music {
		music[i] = preference.Traits{
			Genres:  []string{names[r.IntN(len(names))], names[r.IntN(len(names))], "uk " + names[r.IntN(len(names))]},
			Artists: []string{names[r.IntN(len(names))]}, Instruments: []string{"electric guitar"}, Tempo: 60 + 120*r.Float64(),
		}
	}
	return preference.NewTaste(set, learned, nil), music
}

func BenchmarkScoreOnly1000(b *testing.B) {
	taste, music := bench(b)
	b.ReportAllocs()
	for b.Loop() {
		for i := range music {
			taste.ScoreOnly(music[i])
		}
	}
}

func BenchmarkScore1000(b *testing.B) {
	taste, music := bench(b)
	b.ReportAllocs()
	for b.Loop() {
		for i := range music {
			taste.Score(music[i])
		}
	}
}

func BenchmarkAvoids1000(b *testing.B) {
	taste, music := bench(b)
	b.ReportAllocs()
	for b.Loop() {
		for i := range music {
			taste.Avoids(music[i])
		}
	}
}
