package rhythmiq_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// links is what a host's Config has of Spotify, as far as the front door asks for it.
type links struct {
	rhythmiq.SpotifyLinks
	link    linking.Link
	deleted []uuid.UUID
	works   int
	err     error
}

func (l *links) Link(context.Context, uuid.UUID) (linking.Link, error) { return l.link, l.err }
func (l *links) Kind() string                                          { return "a link" }
func (l *links) Any(context.Context, uuid.UUID) (bool, error)          { return false, nil }

func (l *links) DeleteAll(_ context.Context, id uuid.UUID) error {
	l.deleted = append(l.deleted, id)
	return nil
}

func (l *links) Work(ctx context.Context) error {
	l.works++
	if l.works == 2 { // one that takes its time keeps nobody else waiting
		<-ctx.Done()
	}
	return l.err
}

func TestSpotifyBelongsToTheApp(t *testing.T) {
	l := &links{link: linking.Link{State: linking.None}}
	app := newApp(t, rhythmiq.Config{Spotify: l})
	p := register(t, app, 1)
	_, text := export(t, app, p.ID)
	require.NotContains(t, text, "spotify")
	l.link = linking.Link{State: linking.Linked, Account: &linking.Account{ID: "ada"}}
	_, text = export(t, app, p.ID)
	require.Contains(t, text, `"spotify": {"state":"linked","account":{"accountId":"ada"}}`)
	l.err = errors.New("out of reach")
	require.ErrorIs(t, app.Export(t.Context(), p.ID, t.Output()), l.err)
	require.ErrorIs(t, app.Sweep(t.Context()), l.err)
	require.Equal(t, 1, l.works)
	l.err = nil
	require.NoError(t, app.Profiles.Delete(t.Context(), p.ID, false, store.Version{}))
	require.Equal(t, []uuid.UUID{p.ID}, l.deleted)
}

func TestRunRefreshesWhileItTrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &links{link: linking.Link{State: linking.None}}
		app, err := rhythmiq.New(rhythmiq.Config{Spotify: l})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		require.NoError(t, app.Run(ctx))
		require.Equal(t, 2, l.works, "one at a time")
	})
}

// telling are links that tell of what becomes of them.
type telling struct {
	links
	linked, ended func(context.Context, uuid.UUID) error
}

func (l *telling) Tell(linked, ended func(context.Context, uuid.UUID) error) {
	l.linked, l.ended = linked, ended
}

// lending is music from accounts, as far as the front door asks for it.
type lending struct {
	tunevector.MusicProvider
	imported []uuid.UUID
	into     *preference.Service
	guarded  int
}

func (l *lending) PreferenceSources() []preference.Source {
	return []preference.Source{preference.Spotify}
}
func (l *lending) ImportInto(s *preference.Service) { l.into = s }

func (l *lending) ImportLibrary(_ context.Context, id uuid.UUID) error {
	l.imported = append(l.imported, id)
	return nil
}

func (l *lending) Guard(context.Context, uuid.UUID) ([]store.Write, error) { return nil, nil }

func (l *lending) Lent(context.Context, []string) (_ map[string]bool, _ error) { l.guarded++; return }

// New connects links and music: what is in an account comes when it is linked, and goes when it is unlinked.
func TestNewConnectsLinksAndMusic(t *testing.T) {
	l, music := &telling{}, &lending{MusicProvider: demo()}
	l.link = linking.Link{State: linking.None}
	app := newApp(t, rhythmiq.Config{Spotify: l, Music: music})
	require.Same(t, app.Preferences, music.into)
	p := register(t, app, 1)
	require.NoError(t, l.linked(t.Context(), p.ID))
	require.Equal(t, []uuid.UUID{p.ID}, music.imported)
	require.NoError(t, l.ended(t.Context(), p.ID))
	hour := tunevector.Definition{Name: "An hour", Mode: tunevector.AI, DurationMinutes: 60}
	_, err := app.TuneVectors.Create(t.Context(), p.ID, hour)
	require.NoError(t, err)
	asked := music.guarded
	require.NoError(t, l.ended(t.Context(), p.ID))
	require.Greater(t, music.guarded, asked, "it is looked whether anything of the vector is lent")

	l = &telling{} // over a catalog there is nothing to import, and nothing to take back
	newApp(t, rhythmiq.Config{Spotify: l})
	require.NoError(t, l.linked(t.Context(), p.ID))
	require.NoError(t, l.ended(t.Context(), p.ID))
}
