package spotify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/musictest"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// tempo is a Deezer that knows these tempos, by the HTTP that it speaks.
type tempo struct {
	*httptest.Server
	mu    sync.Mutex
	known map[string]float64 // by ISRC
	asked []string
	fail  string // what is answered instead
	code  int
}

func deezer(t *testing.T, known map[string]float64) *tempo {
	t.Helper()
	d := &tempo{known: known}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		isrc := strings.TrimPrefix(r.URL.Path, "/track/isrc:")
		d.asked = append(d.asked, isrc)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		bpm, ok := d.known[isrc]
		switch {
		case d.code != 0:
			w.WriteHeader(d.code)
		case d.fail != "":
			fmt.Fprint(w, d.fail)
		case !ok:
			fmt.Fprint(w, `{"error":{"type":"DataException","message":"no data","code":800}}`)
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{"id": 7, "isrc": isrc, "bpm": bpm, "gain": -8.1})
		}
	}))
	t.Cleanup(d.Close)
	return d
}

func asked(isrcs ...string) (all []spotify.Asked) {
	for i, isrc := range isrcs {
		all = append(all, spotify.Asked{ID: fmt.Sprintf("%022d", i+1), ISRC: isrc})
	}
	return all
}

func TestDeezer(t *testing.T) {
	d := deezer(t, map[string]float64{"SEA": 120.5, "SEB": 0, "SEC": 90})
	s := spotify.Deezer(spotify.SourceOptions{BaseURL: d.URL, PerSecond: 1e6})
	require.Equal(t, "deezer", s.Name())
	found, err := s.Sounds(t.Context(), asked("SEA", "SEB", "", "SEX", "SEA"))
	require.NoError(t, err)
	want := spotify.Sound{Tempo: spotify.Value{Value: 120.5, Source: "deezer", Confidence: 0.7}}
	require.Equal(t, map[string]spotify.Sound{fmt.Sprintf("%022d", 1): want, fmt.Sprintf("%022d", 5): want}, found, "0 is how it says that it does not know")
	require.Equal(t, []string{"SEA", "SEB", "SEX"}, d.asked, "a recording is asked for once")
	again, err := s.Sounds(t.Context(), asked("SEA", "SEX"))
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Len(t, d.asked, 3, "also what it does not know is remembered")

	for _, bad := range []struct {
		fail string
		code int
		says string
	}{
		{`{"error":{"type":"Exception","message":"Quota limit exceeded","code":4}}`, 0, "asked too much"},
		{`{"error":{"type":"X","message":"x","code":1}}`, 0, "an error of its own"},
		{`<html>`, 0, "not what was asked for"},
		{"", 429, "asked too much"},
		{"", 500, "status 500"},
	} {
		d.fail, d.code = bad.fail, bad.code
		found, err = s.Sounds(t.Context(), asked("SEA", "SEC"))
		require.ErrorContains(t, err, bad.says)
		require.NotContains(t, err.Error(), "SEC", "what was asked for stands in no error")
		require.Len(t, found, 1, "what was remembered is there")
	}
	d.fail, d.code = "", 0
	few := spotify.Deezer(spotify.SourceOptions{BaseURL: d.URL, PerSecond: 1e6, MostRequests: 1})
	found, err = few.Sounds(t.Context(), asked("SEA", "SEC"))
	require.NoError(t, err)
	require.Len(t, found, 1, "it is bounded")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = few.Sounds(ctx, asked("SEC"))
	require.ErrorIs(t, err, context.Canceled)
	d.CloseClientConnections()
	d.Close()
	_, err = few.Sounds(t.Context(), asked("SEC"))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "SEC")
}

func TestReccoBeats(t *testing.T) {
	tracks := musictest.Tracks()[:90]
	front := recco(t, tracks)
	s := spotify.ReccoBeats(spotify.SourceOptions{BaseURL: front.URL + "/v1/", PerSecond: 1e6, Timeout: 5 * time.Second, Remembered: 10})
	var all []spotify.Asked
	for i := range 120 {
		all = append(all, spotify.Asked{ID: fmt.Sprintf("%022d", i+1)})
	}
	found, err := s.Sounds(t.Context(), all)
	require.NoError(t, err)
	require.Len(t, found, 90, "40 at a time, and what it does not know is left out")
	require.Equal(t, spotify.Value{Value: tracks[3].Features.Energy, Source: "reccobeats", Confidence: 0.8}, found[tracks[3].ID].Energy)

	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"content": [{"href": "https://open.spotify.com/track/0000000000000000000001", "energy": 1.5, "valence": null, "tempo": 1000, "acousticness": 0.5},
			{"href": "https://open.spotify.com/track/0000000000000000000099", "energy": 0.5}, {"href": "%zz"}]}`)
	}))
	defer odd.Close()
	s = spotify.ReccoBeats(spotify.SourceOptions{BaseURL: odd.URL, PerSecond: 1e6})
	found, err = s.Sounds(t.Context(), all[:1])
	require.NoError(t, err)
	require.Equal(t, map[string]spotify.Sound{all[0].ID: {Acousticness: spotify.Value{Value: 0.5, Source: "reccobeats", Confidence: 0.8}}}, found, "what no music has is not known")
}

// dumb is a source that fails.
type dumb struct{ calls int }

func (*dumb) Name() string { return "broken" }

func (b *dumb) Sounds(context.Context, []spotify.Asked) (map[string]spotify.Sound, error) {
	b.calls++
	return map[string]spotify.Sound{}, errBroken
}

// Each feature comes from the first that knows it, with the confidence in that; what nobody knows is what is usual. A source that fails keeps nobody from the rest, and what was
// once said is not asked for again.
func TestChain(t *testing.T) {
	d := deezer(t, map[string]float64{"SE1": 120.5, "SE2": 100})
	b := &dumb{}
	partial := &partly{sound: map[string]spotify.Sound{}}
	s := open(t, func(_ *spotify.ClientOptions, p *spotify.ProviderOptions) {
		p.Features = []spotify.FeatureSource{b, partial, spotify.Deezer(spotify.SourceOptions{BaseURL: d.URL, PerSecond: 1e6})}
	})
	saved := s.fake.AddTracks(
		spotifytest.Track{Name: "One", Artists: []string{"A"}, Milliseconds: 100_000, ISRC: "se1"}, spotifytest.Track{Name: "Two", Artists: []string{"A"}, Milliseconds: 100_000, ISRC: "SE2"},
		spotifytest.Track{Name: "Three", Artists: []string{"A"}, Milliseconds: 100_000},
	)
	partial.sound[saved[1]] = spotify.Sound{
		Energy: spotify.Value{Value: 0.9, Source: "partly", Confidence: 1}, Tempo: spotify.Value{Value: 99, Source: "partly", Confidence: 1},
	}
	s.fake.SetLibrary("ada", spotifytest.Library{Saved: saved})
	s.desk.link(t, s.ada, "ada", all()...)
	by := map[string]tunevector.Track{}
	for _, track := range s.candidates(t, query(s.ada)) {
		by[track.ID] = track
	}
	require.InDelta(t, 120.5, by[saved[0]].Features.Tempo, 1e-9)
	require.InDelta(t, 0.14, by[saved[0]].Confidence, 1e-9, "a fifth of Deezer's 0.7")
	require.InDelta(t, 99, by[saved[1]].Features.Tempo, 1e-9, "the first source goes before")
	require.InDelta(t, 0.9, by[saved[1]].Features.Energy, 1e-9)
	require.InDelta(t, 0.4, by[saved[1]].Confidence, 1e-9)
	require.Zero(t, by[saved[2]].Confidence)
	require.Equal(t, 1, b.calls)
	require.Contains(t, s.log.String(), "a source of features failed")
	asked := len(d.asked)
	s.clock.advance(25 * time.Hour)
	s.candidates(t, query(s.ada))
	require.Len(t, d.asked, asked)

	ctx, cancel := context.WithCancel(t.Context())
	partial.do = cancel
	_, err := s.provider.Import(ctx, s.ada)
	require.ErrorIs(t, err, context.Canceled)
}

// partly knows some features of some tracks.
type partly struct {
	sound map[string]spotify.Sound
	do    func()
}

func (*partly) Name() string { return "partly" }

func (p *partly) Sounds(_ context.Context, tracks []spotify.Asked) (map[string]spotify.Sound, error) {
	if p.do != nil {
		p.do()
	}
	found := map[string]spotify.Sound{}
	for _, t := range tracks {
		if s, ok := p.sound[t.ID]; ok {
			found[t.ID] = s
		}
	}
	return found, nil
}
