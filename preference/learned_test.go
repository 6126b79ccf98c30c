package preference_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
)

func like(g ...string) preference.Signal {
	return preference.Signal{EventID: uuid.New(), Strength: 1, Genres: g}
}

func (h *home) learn(t testing.TB, signals ...preference.Signal) {
	t.Helper()
	require.NoError(t, h.Learn(t.Context(), h.profile, signals))
}

// weights returns what was learned, by "type:value".
func (h *home) weights(t testing.TB, live func(uuid.UUID) bool) map[string]float64 {
	t.Helper()
	learned, err := h.Learned(t.Context(), h.profile, live)
	require.NoError(t, err)
	m := map[string]float64{}
	for i, l := range learned {
		m[string(l.Type)+":"+l.Value] = l.Weight
		if i > 0 {
			require.LessOrEqual(t, math.Abs(l.Weight), math.Abs(learned[i-1].Weight), "strongest first")
		}
	}
	return m
}

func openProfile(t testing.TB, h *home) uuid.UUID {
	t.Helper()
	id := uuid.New()
	openGate(t, h.store, id)
	return id
}

func TestLearn(t *testing.T) {
	h := newHome(t, preference.Options{})
	h.learn(t)
	require.Empty(t, h.weights(t, nil))
	require.Equal(t, []string{"gate"}, h.keys(t), "nothing learned, nothing stored")

	h.learn(t, preference.Signal{EventID: uuid.New(), Strength: 0.5, Genres: []string{"Rock", " rock "}, Artists: []string{"Muse"}, Instruments: []string{"guitar"}, Tempo: 120})
	w := h.weights(t, nil)
	require.Len(t, w, 4)
	for _, k := range []string{"genre:Rock", "artist:Muse", "instrument:guitar", "tempo:113-123"} {
		require.InDelta(t, 0.5/3.5, w[k], 1e-6, k)
	}
	for range 9 {
		h.learn(t, preference.Signal{EventID: uuid.New(), Strength: -1, Genres: []string{"ROCK"}, At: h.now})
	}
	learned, err := h.Learned(t.Context(), h.profile, nil)
	require.NoError(t, err)
	require.Equal(t, preference.Genre, learned[0].Type)
	require.Equal(t, "ROCK", learned[0].Value, "the first way of writing it in the order of bytes")
	require.Equal(t, 10, learned[0].Count)
	require.InDelta(t, (0.5-9)/(9.5+3), learned[0].Weight, 1e-6)
}

// A taste at once after what was learned is that which would be read, under the consents that live, and reads nothing of it.
func TestTasteAfterLessons(t *testing.T) {
	h := newHome(t, preference.Options{})
	consent := uuid.New()
	rated := like("ambient")
	rated.Consent = consent
	none, err := h.LearnLessons(t.Context(), h.profile, nil)
	require.NoError(t, err)
	require.Nil(t, none)
	signals := []preference.Signal{like("rock"), rated}
	for range 2 { // what is told again teaches nothing, and is known
		lessons, err := h.LearnLessons(t.Context(), h.profile, signals)
		require.NoError(t, err)
		for _, live := range []func(uuid.UUID) bool{nil, func(id uuid.UUID) bool { return id == consent }} {
			want, err := h.Taste(t.Context(), h.profile, live)
			require.NoError(t, err)
			got, err := h.TasteAfter(t.Context(), h.profile, live, lessons)
			require.NoError(t, err)
			require.Equal(t, want.Genres(), got.Genres())
			require.Len(t, got.Genres(), map[bool]int{true: 1, false: 2}[live == nil])
			for _, genre := range []string{"rock", "ambient", "jazz"} {
				x := preference.Traits{Genres: []string{genre}}
				require.Equal(t, want.ScoreOnly(x), got.ScoreOnly(x))
			}
		}
	}
	lessons, err := h.LearnLessons(t.Context(), h.profile, []preference.Signal{{}})
	require.Error(t, err)
	require.Nil(t, lessons)
}

func (h *home) keys(t testing.TB) (keys []string) {
	t.Helper()
	for item, err := range store.All(t.Context(), h.store, store.Query{Table: store.Users, Partition: h.profile, Read: store.Strong}) {
		require.NoError(t, err)
		keys = append(keys, item.Key.Sort)
	}
	return keys
}

func TestLearnSharesAmongGenres(t *testing.T) {
	h := newHome(t, preference.Options{})
	h.learn(t, like("a", "b", "c", "d"))
	require.InDelta(t, 0.5/3.5, h.weights(t, nil)["genre:a"], 1e-6)
}

func TestLearnDecays(t *testing.T) {
	h := newHome(t, preference.Options{})
	h.learn(t, like("rock"))
	require.InDelta(t, 1.0/4, h.weights(t, nil)["genre:rock"], 1e-6)
	h.now = h.now.Add(preference.HalfLife)
	require.InDelta(t, 0.5/3.5, h.weights(t, nil)["genre:rock"], 1e-6)
	late := like("late")
	late.At = h.now.Add(-preference.HalfLife)
	ahead := like("ahead")
	ahead.At = h.now.Add(time.Hour)
	h.learn(t, ahead, late)
	require.InDelta(t, 0.5/3.5, h.weights(t, nil)["genre:late"], 1e-6, "a late event counts as what it is by now")
	require.InDelta(t, 1.0/4, h.weights(t, nil)["genre:ahead"], 1e-6, "the future is now")
	h.now = h.now.Add(20 * preference.HalfLife)
	h.learn(t, like("new"))
	require.Equal(t, []string{"genre:new"}, slices.Collect(keysOf(h.weights(t, nil))), "what says nothing any more is dropped")
}

func keysOf(m map[string]float64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestLearnOnce(t *testing.T) {
	h := newHome(t, preference.Options{})
	var batch []preference.Signal
	for range 500 {
		batch = append(batch, like("rock"))
	}
	h.learn(t, batch...)
	before := h.weights(t, nil)
	item, err := h.store.Get(t.Context(), store.Key{Table: store.Users, Partition: h.profile, Sort: "learned"}, store.Strong)
	require.NoError(t, err)
	h.learn(t, batch...)
	h.learn(t, batch[3], batch[3])
	require.Equal(t, before, h.weights(t, nil))
	again, err := h.store.Get(t.Context(), item.Key, store.Strong)
	require.NoError(t, err)
	require.Equal(t, item.Version, again.Version, "nothing new, nothing written")
	x := like("jazz")
	h.learn(t, x, x)
	require.InDelta(t, 0.25, h.weights(t, nil)["genre:jazz"], 1e-6)
	for range preference.SeenWindow {
		h.learn(t, like("filler"))
	}
	h.learn(t, x)
	require.InDelta(t, 2.0/5, h.weights(t, nil)["genre:jazz"], 1e-6, "out of the window")
}

// What is left of signals that cancel out can be below what DynamoDB can hold.
func TestLearnNextToNothing(t *testing.T) {
	h := newHome(t, preference.Options{})
	for _, strength := range []float64{1, -1, 1e-200} {
		x := like("rock")
		x.Strength, x.At = strength, h.now
		h.learn(t, x)
	}
	require.Equal(t, map[string]float64{"genre:rock": 0}, h.weights(t, nil))
}

func TestLearnRefusesNonsense(t *testing.T) {
	h := newHome(t, preference.Options{})
	err := h.Learn(t.Context(), h.profile, []preference.Signal{
		like("rock"),
		{Strength: 1.01, Tempo: math.NaN()},
		{EventID: uuid.New(), Strength: math.NaN(), Tempo: math.Inf(1)},
	})
	requireFields(t, err, map[string]string{
		"signals[1].eventId": "Event id is required", "signals[1].strength": "Strength must be between -1 and 1", "signals[1].tempo": "Tempo must be a number",
		"signals[2].strength": "Strength must be between -1 and 1", "signals[2].tempo": "Tempo must be a number",
	})
	require.Empty(t, h.weights(t, nil))
	h.learn(t, preference.Signal{EventID: uuid.New(), Strength: 0, Genres: []string{"said nothing of"}})
	h.learn(t, preference.Signal{EventID: uuid.New(), Strength: 1, Genres: []string{"", " ", strings.Repeat("x", 101), "\xff"}, Tempo: 19})
	h.learn(t, preference.Signal{EventID: uuid.New(), Strength: 1, Tempo: 301})
	require.Empty(t, h.weights(t, nil))
}

func TestTempoBins(t *testing.T) {
	h := newHome(t, preference.Options{})
	for _, bpm := range []float64{20, 300, 119.9, 120.1} {
		h.learn(t, preference.Signal{EventID: uuid.New(), Strength: 1, Tempo: bpm})
	}
	require.Equal(t, map[string]float64{"tempo:20-22": 0.25, "tempo:293-300": 0.25, "tempo:113-123": 0.4}, h.weights(t, nil))
	for bpm := 20.0; bpm <= 300; bpm += 0.37 {
		profile := openProfile(t, h)
		require.NoError(t, h.Learn(t.Context(), profile, []preference.Signal{{EventID: uuid.New(), Strength: 1, Tempo: bpm}}))
		taste, err := h.Taste(t.Context(), profile, nil)
		require.NoError(t, err)
		require.Greater(t, taste.ScoreOnly(preference.Traits{Tempo: bpm}), 0.09, "%v BPM is played", bpm)
	}
}

func TestLearnedIsBounded(t *testing.T) {
	h := newHome(t, preference.Options{})
	for i := range 30 {
		var batch []preference.Signal
		for j := range 10 {
			x := like(fmt.Sprintf("<&>%03d %s", 10*i+j, strings.Repeat("&", 90)))
			x.Strength = 0.5 + float64(10*i+j)/1000
			if j%2 == 0 {
				x.Consent = uuid.UUID{byte(i + 1)}
			}
			batch = append(batch, x)
		}
		h.learn(t, batch...)
	}
	all := func(uuid.UUID) bool { return true }
	w := h.weights(t, all)
	require.LessOrEqual(t, len(w), preference.MaxLearned)
	require.Contains(t, w, "genre:<&>299 "+strings.Repeat("&", 90), "the strongest stays")
	require.NotContains(t, w, "genre:<&>000 "+strings.Repeat("&", 90), "the weakest goes")
	require.Contains(t, w, "genre:<&>101 "+strings.Repeat("&", 90), "interactions are not pushed out by consents")

	many := newHome(t, preference.Options{})
	var batch []preference.Signal
	for i := range 300 {
		batch = append(batch, like(fmt.Sprintf("%03d", i)))
	}
	many.learn(t, batch...)
	w = many.weights(t, nil)
	require.Len(t, w, preference.MaxLearned)
	require.Contains(t, w, "genre:000", "of equal ones the first stay")
	require.Contains(t, w, "genre:199")
}

func TestConsents(t *testing.T) {
	h := newHome(t, preference.Options{})
	mine, other := uuid.New(), uuid.New()
	under := func(consent uuid.UUID, g string) preference.Signal {
		x := like(g)
		x.Consent = consent
		return x
	}
	h.learn(t, like("rock"), under(mine, "rock"), under(mine, "jazz"), under(other, "folk"))
	require.Equal(t, map[string]float64{"genre:rock": 0.25}, h.weights(t, nil), "no consent lives")
	lives := func(c uuid.UUID) bool { return c == mine }
	require.Equal(t, map[string]float64{"genre:rock": 0.4, "genre:jazz": 0.25}, h.weights(t, lives))
	taste, err := h.Taste(t.Context(), h.profile, func(uuid.UUID) bool { return false })
	require.NoError(t, err)
	require.Equal(t, []string{"rock"}, taste.Genres())
	require.Len(t, h.weights(t, func(uuid.UUID) bool { return true }), 3, "all that is held")

	require.NoError(t, h.Forget(t.Context(), h.profile, mine))
	require.NoError(t, h.Forget(t.Context(), h.profile, mine))
	h.learn(t, under(mine, "late"))
	all := func(uuid.UUID) bool { return true }
	require.Equal(t, map[string]float64{"genre:rock": 0.25, "genre:folk": 0.25}, h.weights(t, all))
	item, err := h.store.Get(t.Context(), store.Key{Table: store.Users, Partition: h.profile, Sort: "learned"}, store.Strong)
	require.NoError(t, err)
	require.NotContains(t, string(item.Body), "late")
	require.NotContains(t, string(item.Body), "jazz")

	fresh := openProfile(t, h)
	require.NoError(t, h.Forget(t.Context(), fresh, mine))
	require.NoError(t, h.Learn(t.Context(), fresh, []preference.Signal{under(mine, "late")}))
	learned, err := h.Learned(t.Context(), fresh, all)
	require.NoError(t, err)
	require.Empty(t, learned, "forgotten before anything was learned")

	require.NoError(t, h.Forget(t.Context(), h.profile, uuid.Nil))
	require.Equal(t, map[string]float64{"genre:folk": 0.25}, h.weights(t, all))
	h.learn(t, like("again"))
	require.Equal(t, map[string]float64{"genre:again": 0.25}, h.weights(t, nil), "interactions go on")
	for range 70 {
		require.NoError(t, h.Forget(t.Context(), h.profile, uuid.New()))
	}
	item, err = h.store.Get(t.Context(), item.Key, store.Strong)
	require.NoError(t, err)
	require.Less(t, len(item.Body), 10_000, "what is remembered as ended is bounded")
}

func TestConcurrentLearning(t *testing.T) {
	h := newHome(t, preference.Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if err := h.Learn(context.WithoutCancel(t.Context()), h.profile, []preference.Signal{like("rock")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	learned, err := h.Learned(t.Context(), h.profile, nil)
	require.NoError(t, err)
	require.Equal(t, 80, learned[0].Count)
	require.InDelta(t, 80.0/83, learned[0].Weight, 1e-6)
}

// Whatever the order and the batches in which signals come, the same is learned, and it is what the formula says.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHome(t, preference.Options{})
		n := rapid.IntRange(1, 30).Draw(rt, "n")
		signals := make([]preference.Signal, n)
		want := map[string][2]float64{}
		for i := range signals {
			age := time.Duration(rapid.IntRange(0, int(6*preference.HalfLife/time.Millisecond)).Draw(rt, "age")) * time.Millisecond
			genre := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "genre")
			signals[i] = preference.Signal{EventID: uuid.New(), Genres: []string{genre}, Strength: rapid.SampledFrom([]float64{-1, -0.5, 0.5, 1}).Draw(rt, "strength"), At: h.now.Truncate(time.Millisecond).Add(-age)}
			decay := math.Exp2(-float64(age) / float64(preference.HalfLife))
			sums := want["genre:"+genre]
			want["genre:"+genre] = [2]float64{sums[0] + signals[i].Strength*decay, sums[1] + math.Abs(signals[i].Strength)*decay}
		}
		h.now = h.now.Truncate(time.Millisecond)
		for range 3 {
			p := openProfile(t, h)
			order := rand.Perm(n)
			for len(order) > 0 {
				k := 1 + rand.IntN(len(order))
				var batch []preference.Signal
				for _, i := range order[:k] {
					batch = append(batch, signals[i])
				}
				require.NoError(rt, h.Learn(t.Context(), p, batch))
				order = order[k:]
			}
			learned, err := h.Learned(t.Context(), p, nil)
			require.NoError(rt, err)
			require.Len(rt, learned, len(want))
			for _, l := range learned {
				sums := want[string(l.Type)+":"+l.Value]
				require.InDelta(rt, sums[0]/(sums[1]+preference.Evidence), l.Weight, 1e-6)
			}
		}
	})
}

func TestUnreadableDocuments(t *testing.T) {
	for _, sort := range []string{"preferences", "learned"} {
		t.Run(sort, func(t *testing.T) {
			h := newHome(t, preference.Options{})
			require.NoError(t, h.store.Apply(t.Context(), store.Put(store.Item{
				Key: store.Key{Table: store.Users, Partition: h.profile, Sort: sort}, Body: []byte(`{"preferences": 1, "parts": 1}`),
			}, store.None)))
			_, err := h.Taste(t.Context(), h.profile, nil)
			require.Error(t, err)
			if sort == "learned" {
				require.Error(t, h.Learn(t.Context(), h.profile, []preference.Signal{like("a")}))
				_, err = h.Learned(t.Context(), h.profile, nil)
			} else {
				_, _, _, listErr := h.List(t.Context(), h.profile, 1, "")
				require.Error(t, listErr)
				_, _, getErr := h.Get(t.Context(), h.profile, uuid.New())
				require.Error(t, getErr)
				_, err = h.Create(t.Context(), h.profile, preference.Addition{Type: "genre", Value: "a"})
			}
			require.Error(t, err)
			require.Equal(t, fault.None, fault.KindOf(err), "our fault, not the caller's")
		})
	}
}

func BenchmarkLearn(b *testing.B) {
	h := newHome(b, preference.Options{})
	var all []preference.Signal
	for i := range 300 {
		all = append(all, preference.Signal{EventID: uuid.New(), Strength: 1, Genres: []string{fmt.Sprint("genre ", i%80)}, Artists: []string{fmt.Sprint("Artist ", i%120)}, Tempo: float64(60 + i%100)})
	}
	h.learn(b, all...)
	batch := make([]preference.Signal, 10)
	b.ReportAllocs()
	for b.Loop() {
		for i := range batch {
			batch[i] = all[i]
			batch[i].EventID = uuid.New()
		}
		if err := h.Learn(b.Context(), h.profile, batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTaste(b *testing.B) {
	h := newHome(b, preference.Options{})
	for i := range 20 {
		h.add(b, preference.Genre, fmt.Sprint("genre ", i), 1)
	}
	for i := range 100 {
		h.learn(b, preference.Signal{EventID: uuid.New(), Strength: 1, Genres: []string{fmt.Sprint("genre ", i)}, Artists: []string{fmt.Sprint("Artist ", i)}, Tempo: float64(60 + i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Taste(b.Context(), h.profile, nil); err != nil {
			b.Fatal(err)
		}
	}
}
