package tunevector

import (
	"context"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/planner"
)

// Features is where music stands in the five dimensions: energy, valence, acousticness
// and instrumentalness in 0–1 (as Spotify's audio features define them), tempo in BPM.
type Features = planner.Features

// Kind is what a vector is made of, and what a track is.
type Kind string

// The kinds.
const (
	Playlist   Kind = "playlist"
	Podcast    Kind = "podcast"
	Soundscape Kind = "soundscape"
)

// Provenance says where a track's data came from, and so what may be done with it.
type Provenance string

// The provenances.
const (
	FromCatalog Provenance = "catalog" // the host's own data: may train models
	FromSpotify Provenance = "spotify" // must not train anything, nor be kept
)

// Track is a piece of music as a provider knows it.
type Track struct {
	ID              string     `json:"trackId"`
	URI             string     `json:"uri,omitempty"`
	Title           string     `json:"title,omitempty"`
	Artists         []string   `json:"artists,omitempty"`
	Genres          []string   `json:"genres,omitempty"` // lower case
	Instruments     []string   `json:"instruments,omitempty"`
	Kind            Kind       `json:"kind"`
	DurationSeconds float64    `json:"durationSeconds"`
	Explicit        bool       `json:"explicit,omitempty"`
	Features        Features   `json:"features"`
	Confidence      float64    `json:"confidence"`           // in the features: 1 measured … 0 a guess that knows nothing; of their confidences the mean
	Popularity      float64    `json:"popularity,omitempty"` // 0–1 as the provider has it, 0 where unknown
	Provenance      Provenance `json:"provenance"`

	// FeatureSources are where each of the features comes from, and how far it is trusted by itself; nil: nobody says, and Confidence is that in each. Tracks share
	// them: whoever wants others puts others in their place.
	FeatureSources *FeatureSources `json:"featureSources,omitempty"`
}

// FeatureSource is where the value of one feature comes from.
type FeatureSource struct {
	Source     string  `json:"source"`     // one of the constants Source…, or the name of somebody who was asked
	Confidence float64 `json:"confidence"` // 0–1
}

// Where features come from that no other service was asked for.
const (
	SourceCatalog = "catalog" // the host's own music says so
	SourceTags    = "tags"    // usual for what the track is tagged as
	SourceGenres  = "genres"  // usual for its genres
	SourceKind    = "kind"    // usual for podcasts, or for soundscapes
	SourceGlobal  = "global"  // the middle of everything, with a confidence of 0
)

// FeatureSources are where the features of a track come from.
type FeatureSources struct {
	Energy           FeatureSource `json:"energy"`
	Valence          FeatureSource `json:"valence"`
	Tempo            FeatureSource `json:"tempo"`
	Acousticness     FeatureSource `json:"acousticness"`
	Instrumentalness FeatureSource `json:"instrumentalness"`
}

// confidences are those of the sources as the planner takes them, within bounds; nil where they are all the same, which is then of Confidence.
func (t *Track) confidences() *planner.Confidences {
	s := t.FeatureSources
	if s == nil || s.Energy.Confidence == t.Confidence && s.Valence.Confidence == t.Confidence && s.Tempo.Confidence == t.Confidence &&
		s.Acousticness.Confidence == t.Confidence && s.Instrumentalness.Confidence == t.Confidence {
		return nil
	}
	within := func(x FeatureSource) float64 {
		if x.Confidence > 0 {
			return min(x.Confidence, 1)
		}
		return 0 // also for NaN
	}
	return &planner.Confidences{
		Energy: within(s.Energy), Valence: within(s.Valence), Tempo: within(s.Tempo),
		Acousticness: within(s.Acousticness), Instrumentalness: within(s.Instrumentalness),
	}
}

// guessed reports whether the energy is not much more than a guess.
func (t *Track) guessed() bool {
	if t.FeatureSources != nil {
		return t.FeatureSources.Energy.Confidence < guessedBelow
	}
	return t.Confidence < guessedBelow
}

// Item returns what a learner may see of the track; false where its provenance forbids training.
func (t Track) Item() (ml.Item, bool) {
	if t.Provenance != FromCatalog {
		return ml.Item{}, false
	}
	return ml.Item{
		ID: t.ID, Artists: t.Artists, Tags: t.Genres, Confidence: t.Confidence,
		Features: map[string]float64{
			"energy": t.Features.Energy, "valence": t.Features.Valence, "tempo": t.Features.Tempo,
			"acousticness": t.Features.Acousticness, "instrumentalness": t.Features.Instrumentalness,
		},
	}, true
}

// MusicProvider is where music comes from: a catalog file, Spotify, a host's own
// service. musictest proves that one keeps this contract.
//
// Both methods are safe for concurrent use, honor the context, and return tracks that
// are the caller's to keep and change. An empty answer is no error. An error that a
// caller can wait out matches rhythmiq.ErrUnavailable.
type MusicProvider interface {
	// Candidates returns tracks fit for a plan, at most q.Limit, never one of q.Exclude, no track twice: for each
	// of q.Along those nearest to it, so that a plan finds some at every point. The same query on the same
	// music gives the same answer; another Seed may give others that are as fit.
	Candidates(ctx context.Context, q CandidateQuery) ([]Track, error)
	// Tracks returns the tracks with these ids in the order of ids; unknown ones are left out.
	Tracks(ctx context.Context, ids []string) ([]Track, error)
}

// GenreLister is implemented by providers that know which genres they have, so that an unknown one can be told.
type GenreLister interface {
	Genres(ctx context.Context, kind Kind) ([]string, error) // lower case, in alphabetical order
}

// ListenerTracks is implemented by providers that know some tracks only in a listener's name. Whatever is asked for a listener is asked by it, and
// Tracks is for what is asked of all listeners together: which music may be learned from, for one.
type ListenerTracks interface {
	TracksFor(ctx context.Context, listener uuid.UUID, ids []string) ([]Track, error) // as Tracks
}

// LibraryHolder is implemented by providers that keep a copy of what a listener has in an account of theirs, so that it is in the export of all that is held
// about them. Nil where nothing is.
type LibraryHolder interface {
	Library(ctx context.Context, listener uuid.UUID) ([]Track, error)
}

// LibraryImporter is implemented by providers that read what a listener has in an account of theirs as soon as it is linked, so that the first vector is planned from it.
type LibraryImporter interface {
	ImportLibrary(ctx context.Context, listener uuid.UUID) error
}

// Lender is implemented by providers that have music from accounts which listeners link and unlink. What is made of such music, or of preferences imported
// from there, is kept only while the account is linked: see [Service.Withdraw].
type Lender interface {
	// Guard returns writes that go into every Apply which keeps something lent: they fail once the link that there is now has ended. None where there is no link.
	Guard(ctx context.Context, listener uuid.UUID) ([]store.Write, error)
	// Lent returns those of the ids that are of lent music.
	Lent(ctx context.Context, ids []string) (map[string]bool, error)
}

// PlaylistWriter is implemented by providers that can put a plan into a listener's own account, where their player finds it.
type PlaylistWriter interface {
	// WritePlaylist makes a playlist of a vector's plan, or updates the one that was made of it before.
	WritePlaylist(ctx context.Context, listener uuid.UUID, v TuneVector) (WrittenPlaylist, error)
}

// WrittenPlaylist is a playlist as it was written.
type WrittenPlaylist struct {
	ID      string `json:"playlistId"`
	URI     string `json:"uri"`
	URL     string `json:"url"`
	Created bool   `json:"created"` // false: there was one, and it was updated
	Tracks  int    `json:"tracks"`  // that are in it
	LeftOut int    `json:"leftOut"` // tracks of the plan that the account's service does not have; never such as it could not be asked for
}

// CandidateQuery asks for candidates. The zero value asks for any music.
type CandidateQuery struct {
	Kind            Kind       // "" means playlist
	Genres          []string   // any of these, without regard to case; none for all
	Artists         []string   // any of these, without regard to case; none for all
	Along           []Features // points of the arc, in order; none: anywhere
	Exclude         []string   // ids
	ExcludeExplicit bool
	MaxSeconds      float64 // longest track wanted; 0 for no limit
	Limit           int     // 1–10,000; 0 means 500
	Seed            uint64
	Listener        uuid.UUID // for providers that know the listener; zero for none
	// Beside says that this is asked for beside all music along the arc, as more of what the listener likes: a provider that has enough of the listener's own need not
	// fill up from elsewhere.
	Beside bool
}
