package main

import (
	"fmt"
	"log/slog"
	"strings"

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

// listening is what listeners have at Spotify: links to it, and the music that is there.
type listening struct {
	links *spotify.Links
	music *spotify.Provider
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
