package spotify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// SourceOptions tune [ReccoBeats] and [Deezer]; the zero value is right.
type SourceOptions struct {
	// BaseURL is where the service is; "": where it is for everybody.
	BaseURL string
	HTTP    *http.Client // nil: one of its own
	// Timeout is how long one answer may take; 0: 5 s.
	Timeout time.Duration
	// MostRequests bounds one call of Sounds; tracks beyond that stay unknown until the next import. 0: 50.
	MostRequests int
	// PerSecond is how many requests are made a second; 0: 5.
	PerSecond float64
	// Remembered is how many tracks' answers are kept in memory, "unknown" included, so that the same music in many libraries is asked for once; 0: 10,000.
	Remembered int
}

// source is what both have in common: pace, memory, and reading JSON.
type source struct {
	o       SourceOptions
	name    string
	limiter *rate.Limiter
	memory  *lru.Cache[string, Sound] // by what it goes by; a zero Sound: it does not know it
	batch   int
	key     func(Asked) string // "": it has no way to know it
	fetch   func(ctx context.Context, s *source, keys []string) (map[string]Sound, error)
}

func newSource(name, baseURL string, o SourceOptions) *source {
	o.BaseURL = strings.TrimSuffix(or(o.BaseURL, baseURL), "/")
	o.Timeout, o.MostRequests = or(o.Timeout, 5*time.Second), or(o.MostRequests, 50)
	o.PerSecond, o.Remembered = or(o.PerSecond, 5), or(o.Remembered, 10_000)
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	memory, err := lru.New[string, Sound](max(o.Remembered, 1))
	if err != nil { // not for a size above 0
		memory = nil
	}
	return &source{o: o, name: name, limiter: rate.NewLimiter(rate.Limit(o.PerSecond), max(1, int(o.PerSecond))), memory: memory}
}

// Name returns the service's name.
func (s *source) Name() string { return s.name }

// Sounds asks for what is not remembered, a batch at a time.
func (s *source) Sounds(ctx context.Context, tracks []Asked) (map[string]Sound, error) {
	found := map[string]Sound{}
	ids := map[string][]string{} // by key: several tracks can be one recording
	var keys []string
	for _, t := range tracks {
		key := s.key(t)
		if key == "" {
			continue
		}
		if sound, known := s.memory.Get(key); known {
			if sound != (Sound{}) {
				found[t.ID] = sound
			}
			continue
		}
		if ids[key] == nil {
			keys = append(keys, key)
		}
		ids[key] = append(ids[key], t.ID)
	}
	requests := 0
	for batch := range slices.Chunk(keys, s.batch) {
		if requests++; requests > s.o.MostRequests {
			break
		}
		if err := s.limiter.Wait(ctx); err != nil {
			return found, err
		}
		sounds, err := s.fetch(ctx, s, batch)
		if err != nil {
			return found, err
		}
		for _, key := range batch {
			s.memory.Add(key, sounds[key])
			for _, id := range ids[key] {
				if sound := sounds[key]; sound != (Sound{}) {
					found[id] = sound
				}
			}
		}
	}
	return found, nil
}

// get reads JSON, a megabyte at most. What was asked for stands in no error.
func (s *source) get(ctx context.Context, path string, query url.Values, out any) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	u := s.o.BaseURL + path
	if query != nil {
		u += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	res, err := s.o.HTTP.Do(r)
	if err != nil {
		return kindOf(err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		return errSourceBusy
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", res.StatusCode)
	}
	const most = 1 << 20
	if err := json.NewDecoder(io.LimitReader(res.Body, most)).Decode(out); err != nil {
		return errNoJSON
	}
	return nil
}

// reccoConfidence is how far ReccoBeats' values are trusted: they are computed from the sound, as Spotify's were, but by another's method. It is a choice, and
// no measurement.
const reccoConfidence = 0.8

// ReccoBeats asks api.reccobeats.com, 40 tracks at a time, by their Spotify ids. All five features are known of what it knows.
func ReccoBeats(o SourceOptions) FeatureSource {
	s := newSource("reccobeats", "https://api.reccobeats.com/v1", o)
	s.batch = 40
	s.key = func(t Asked) string { return t.ID }
	s.fetch = reccoBeats
	return s
}

func reccoBeats(ctx context.Context, s *source, ids []string) (map[string]Sound, error) {
	var said struct {
		Content []struct {
			Href             string   `json:"href"` // https://open.spotify.com/track/<id>; "id" is one of its own
			Energy           *float64 `json:"energy"`
			Valence          *float64 `json:"valence"`
			Tempo            *float64 `json:"tempo"`
			Acousticness     *float64 `json:"acousticness"`
			Instrumentalness *float64 `json:"instrumentalness"`
		} `json:"content"`
	}
	if err := s.get(ctx, "/audio-features", url.Values{"ids": {strings.Join(ids, ",")}}, &said); err != nil {
		return nil, err
	}
	share := func(v *float64) Value {
		if v == nil || !(*v >= 0 && *v <= 1) {
			return Value{}
		}
		return Value{*v, s.name, reccoConfidence}
	}
	found := map[string]Sound{}
	for _, x := range said.Content {
		u, err := url.Parse(x.Href)
		if err != nil {
			continue
		}
		id := u.Path[strings.LastIndex(u.Path, "/")+1:]
		if !slices.Contains(ids, id) {
			continue // answers come in any order, without what it does not know, and are joined by the link alone
		}
		found[id] = Sound{
			Energy: share(x.Energy), Valence: share(x.Valence), Tempo: bpm(x.Tempo, s.name, reccoConfidence),
			Acousticness: share(x.Acousticness), Instrumentalness: share(x.Instrumentalness),
		}
	}
	return found, nil
}

// deezerConfidence is how far Deezer's BPM is trusted: it is of the same recording, by ISRC, and half or double of what others say more often than theirs. A
// choice, likewise.
const deezerConfidence = 0.7

// Deezer asks api.deezer.com for the tempo of recordings, one by one, by their ISRC, which Spotify tells of most tracks.
func Deezer(o SourceOptions) FeatureSource {
	s := newSource("deezer", "https://api.deezer.com", o)
	s.batch = 1
	s.key = func(t Asked) string { return t.ISRC }
	s.fetch = deezer
	return s
}

// deezerNoData is how Deezer says that it does not have something, and deezerQuota that it was asked more than 50 times in 5 s; both with status 200.
const (
	deezerNoData = 800
	deezerQuota  = 4
)

func deezer(ctx context.Context, s *source, isrcs []string) (map[string]Sound, error) {
	var said struct {
		BPM   *float64 `json:"bpm"` // 0: it does not know
		Error *struct {
			Code int `json:"code"`
		} `json:"error"`
	}
	if err := s.get(ctx, "/track/isrc:"+url.PathEscape(isrcs[0]), nil, &said); err != nil {
		return nil, err
	}
	switch {
	case said.Error == nil:
		return map[string]Sound{isrcs[0]: {Tempo: bpm(said.BPM, s.name, deezerConfidence)}}, nil
	case said.Error.Code == deezerNoData:
		return map[string]Sound{}, nil
	case said.Error.Code == deezerQuota:
		return nil, errSourceBusy
	default:
		return nil, errors.New("it answers with an error of its own")
	}
}
