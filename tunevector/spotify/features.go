package spotify

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync"

	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
)

// Value is what is known of one feature of a track: 0 with a confidence of 0 where that is nothing.
type Value struct {
	Value      float64 `json:"v"`
	Source     string  `json:"s,omitempty"` // a [FeatureSource]'s name, or one of tunevector's Source…
	Confidence float64 `json:"c,omitempty"` // 0–1
}

// Sound is what is known of how a track sounds, and from where.
type Sound struct {
	Energy           Value `json:"e,omitzero"`
	Valence          Value `json:"v,omitzero"`
	Tempo            Value `json:"t,omitzero"` // BPM
	Acousticness     Value `json:"a,omitzero"`
	Instrumentalness Value `json:"i,omitzero"`
}

func (s *Sound) values() [5]*Value {
	return [5]*Value{&s.Energy, &s.Valence, &s.Tempo, &s.Acousticness, &s.Instrumentalness}
}

// describe gives a track the features as the planner takes them: with the source of each and the confidence in it, and the mean of the confidences, as package
// catalog has it.
func (s *Sound) describe(t *tunevector.Track) {
	sum := 0.0
	for _, v := range s.values() {
		sum += v.Confidence
	}
	t.Confidence = math.Round(sum/float64(len(s.values()))*100) / 100 //nolint:mnd // two decimals
	t.Features = tunevector.Features{
		Energy: s.Energy.Value, Valence: s.Valence.Value, Tempo: s.Tempo.Value, Acousticness: s.Acousticness.Value, Instrumentalness: s.Instrumentalness.Value,
	}
	from := func(v Value) tunevector.FeatureSource {
		return tunevector.FeatureSource{Source: v.Source, Confidence: v.Confidence}
	}
	t.FeatureSources = &tunevector.FeatureSources{
		Energy: from(s.Energy), Valence: from(s.Valence), Tempo: from(s.Tempo), Acousticness: from(s.Acousticness), Instrumentalness: from(s.Instrumentalness),
	}
}

// complete reports whether there is a value for everything.
func (s *Sound) complete() bool {
	for _, v := range s.values() {
		if v.Confidence == 0 {
			return false
		}
	}
	return true
}

// add takes from o what s has not.
func (s *Sound) add(o Sound) {
	from := o.values()
	for i, v := range s.values() {
		if v.Confidence == 0 {
			*v = *from[i]
		}
	}
}

// Asked is a track whose features are asked for.
type Asked struct {
	ID   string // Spotify's
	ISRC string // "" where it is not known
}

// FeatureSource is somebody who knows how tracks sound. None is asked unless a host adds it, since it is told what listeners have in their libraries (though
// not whose that is): see [ReccoBeats] and [Deezer].
type FeatureSource interface {
	// Name stands by each value that it gave, and is never empty.
	Name() string
	// Sounds returns what it knows of those tracks, by id. What it does not know it leaves out. It asks for as many at a time as it may, in a bounded time.
	// With an error it may return what it has found until then.
	Sounds(ctx context.Context, tracks []Asked) (map[string]Sound, error)
}

// chain finds out how tracks sound. Each feature comes from the first that knows it: the sources in their order, and then what is usual for what the track
// is tagged as (the listener's playlists that it is in are named so, or its artist), for its genres, for podcasts, or for anything.
// (The host's own catalog, where it has the very track, goes before all of that: see [Provider]. What was found is kept with the track.)
type chain struct {
	sources []FeatureSource
	log     *slog.Logger

	mu     sync.Mutex // guards priors
	priors *catalog.Priors
}

// hear completes the sounds of pieces, as far as that can be. A source that fails is passed over, and asked again with the next import; only an end of ctx is
// an error.
func (c *chain) hear(ctx context.Context, pieces []piece) error {
	for _, source := range c.sources {
		var asked []Asked
		for i := range pieces {
			if p := &pieces[i]; !p.Episode && (p.Sound == nil || !p.Sound.complete()) {
				asked = append(asked, Asked{p.ID, p.ISRC})
			}
		}
		if len(asked) == 0 {
			return ctx.Err()
		}
		found, err := source.Sounds(ctx, asked)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.log.WarnContext(ctx, "a source of features failed, its tracks go without", "source", source.Name(), "error", err)
		}
		for i := range pieces {
			p := &pieces[i]
			if sound, ok := found[p.ID]; ok {
				if p.Sound == nil {
					p.Sound = &Sound{}
				}
				p.Sound.add(sound)
			}
		}
	}
	return ctx.Err()
}

// sound is what is known of how a piece sounds, with what is usual for its tags, for its genres, or for anything, in the place of what is not.
func (c *chain) sound(p *piece) Sound {
	var s Sound
	if p.Sound != nil {
		s = *p.Sound
	}
	kind := tunevector.Playlist
	if p.Episode {
		kind = tunevector.Podcast
	}
	c.mu.Lock()
	usual, from := c.priors.OfTags(append(slices.Clone(p.Tags), p.Genres...))
	if from.Confidence == 0 {
		usual, from = c.priors.Of(p.Genres, kind)
	}
	c.mu.Unlock()
	for i, v := range [5]float64{usual.Energy, usual.Valence, usual.Tempo, usual.Acousticness, usual.Instrumentalness} {
		if have := s.values()[i]; have.Confidence == 0 {
			*have = Value{v, from.Source, from.Confidence}
		}
	}
	return s
}

// tags are the words of a text that say how music sounds.
func (c *chain) tags(text string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.priors.Tags(text)
}

// bpm is a tempo that music can have.
func bpm(v *float64, source string, confidence float64) Value {
	const slowest, fastest = 20, 400
	if v == nil || !(*v >= slowest && *v <= fastest) {
		return Value{} // 0 is how they say that they do not know
	}
	return Value{*v, source, confidence}
}

// errSourceBusy says that a source wants to be left alone for now.
var errSourceBusy = errors.New("it answers that it is asked too much")
