package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
)

// featureSources are what -spotify-features may name.
var featureSources = map[string]func(spotify.SourceOptions) spotify.FeatureSource{"reccobeats": spotify.ReccoBeats, "deezer": spotify.Deezer}

// sources reads -spotify-features.
func (f *spotifyFlags) sources() (sources []spotify.FeatureSource, err error) {
	for name := range strings.SplitSeq(f.features, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		source, known := featureSources[name]
		if !known {
			return nil, fmt.Errorf("-spotify-features knows reccobeats and deezer, and not %q", name)
		}
		sources = append(sources, source(spotify.SourceOptions{}))
	}
	return sources, nil
}

// listening is what listeners have at Spotify: links to it, and the music that is there. The App comes last, since it is made of both.
type listening struct {
	links *spotify.Links
	music *spotify.Provider
	app   atomic.Pointer[rhythmiq.App]
}

// attach has the links tell the App and the music what becomes of them.
func (l *listening) attach(o *spotify.Options) {
	o.Linked = append(o.Linked, func(ctx context.Context, profileID uuid.UUID) error {
		_, err := l.music.Import(ctx, profileID)
		return err
	})
	o.Forget = append(o.Forget, func(ctx context.Context, profileID uuid.UUID) error {
		return l.app.Load().TuneVectors.Withdraw(ctx, profileID)
	})
}

// open makes the provider, beside the host's own music.
func (l *listening) open(f spotifyFlags, s store.Store, host tunevector.MusicProvider, log *slog.Logger, m *metrics) error {
	base := ""
	if f.baseURL != "" {
		base = strings.TrimSuffix(f.baseURL, "/") + "/v1"
	}
	client, err := spotify.NewClient(spotify.ClientOptions{Tokens: l.links, BaseURL: base, Extended: f.extended, Market: f.market, Observer: m})
	if err != nil {
		return fmt.Errorf("spotify: %w", err)
	}
	sources, err := f.sources()
	if err != nil {
		return err
	}
	l.music, err = spotify.NewProvider(spotify.ProviderOptions{
		Client: client, Store: s, Gate: l.links, Host: host, Features: sources, Logger: log, Observer: m,
	})
	return err
}

// serve gives the App that is made of the links and the music.
func (l *listening) serve(app *rhythmiq.App) {
	l.app.Store(app)
	l.music.ImportInto(app.Preferences)
}
