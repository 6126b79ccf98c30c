package rhythmiq_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// document is what a reader finds in an export.
type document struct {
	ExportedAt  time.Time          `json:"exportedAt"`
	Profile     map[string]any     `json:"profile"`
	Spotify     *linking.Link      `json:"spotify"`
	Identity    map[string]string  `json:"identity"`
	Sessions    []map[string]any   `json:"sessions"`
	APIKeys     []map[string]any   `json:"apiKeys"`
	Preferences []map[string]any   `json:"preferences"`
	Learned     []map[string]any   `json:"learned"`
	Variables   []exportedVariable `json:"variables"`
	TuneVectors []map[string]any   `json:"tuneVectors"`
	Events      []map[string]any   `json:"interactions"`
}

type exportedVariable struct {
	Variable map[string]any   `json:"variable"`
	Readings []map[string]any `json:"readings"`
}

func export(t *testing.T, app *rhythmiq.App, id uuid.UUID) (document, string) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, app.Export(t.Context(), id, &out))
	var d document
	in := json.NewDecoder(strings.NewReader(out.String()))
	in.DisallowUnknownFields()
	require.NoError(t, in.Decode(&d), out.String())
	require.False(t, in.More())
	return d, out.String()
}

// full makes a listener who has some of everything, and returns the secrets that nobody must see again.
func full(t *testing.T, app *rhythmiq.App) (id uuid.UUID, secrets []string) {
	t.Helper()
	ctx := t.Context()
	r := registration(1)
	r.Identity = &profile.Identity{Issuer: "https://id.example.com", Subject: "s-1"}
	p, err := app.Profiles.Create(ctx, r)
	require.NoError(t, err)
	session, err := app.Profiles.Login(ctx, profile.Credentials{Username: r.Username, Password: r.Password})
	require.NoError(t, err)
	_, key, err := app.Profiles.CreateAPIKey(ctx, p.ID)
	require.NoError(t, err)
	for _, genre := range []string{"jazz", "rock"} {
		_, err := app.Preferences.Create(ctx, p.ID, preference.Addition{Type: preference.Genre, Value: genre})
		require.NoError(t, err)
	}
	_, err = app.Variables.Create(ctx, p.ID, variable.Addition{Type: variable.TimeOfDay, OptedIn: true, TimeZone: "Europe/Berlin"})
	require.NoError(t, err)
	_, err = app.Variables.Create(ctx, p.ID, variable.Addition{Type: variable.Accelerometer})
	require.NoError(t, err)
	noise, err := app.Variables.Create(ctx, p.ID, variable.Addition{Type: variable.AmbientNoise, OptedIn: true})
	require.NoError(t, err)
	readings := make([]variable.Reading, 150) // more than a page
	for i := range readings {
		readings[i] = variable.Reading{Value: 40, At: noon.Add(-time.Duration(i) * time.Minute)}
	}
	require.NoError(t, app.Variables.Record(ctx, p.ID, noise.ID, readings))
	v, err := app.TuneVectors.Create(ctx, p.ID, tunevector.Definition{Name: "Hour", Mode: tunevector.AI, DurationMinutes: 60})
	require.NoError(t, err)
	track := v.Plan.Tracks[0].TrackID
	_, err = app.TuneVectors.Record(ctx, p.ID, []ml.Interaction{
		{EventID: uuid.New(), TrackID: track, TuneVectorID: v.ID, Action: ml.Like, At: noon},
		{EventID: uuid.New(), TrackID: track, TuneVectorID: v.ID, Action: ml.Skip, PositionSeconds: ptr(12.5), At: noon},
	})
	require.NoError(t, err)
	return p.ID, []string{r.Password, session.Token, key, "argon2id"}
}

func TestExportHasAllThatIsHeld(t *testing.T) {
	c := &clock{now: noon}
	app := newApp(t, rhythmiq.Config{Now: c.Now, Seed: 1})
	id, secrets := full(t, app)
	d, text := export(t, app, id)
	require.True(t, d.ExportedAt.Equal(noon))
	require.Equal(t, id.String(), d.Profile["profileId"])
	require.Equal(t, "listener1@example.com", d.Profile["email"])
	require.Equal(t, map[string]string{"issuer": "https://id.example.com", "subject": "s-1"}, d.Identity)
	require.Len(t, d.Sessions, 1)
	require.Contains(t, d.Sessions[0], "expiresAt")
	require.Len(t, d.APIKeys, 1)
	require.Len(t, d.Preferences, 2)
	require.NotEmpty(t, d.Learned)
	require.Len(t, d.Variables, 3)
	byType := map[any]int{}
	for _, v := range d.Variables {
		byType[v.Variable["type"]] = len(v.Readings)
	}
	require.Equal(t, map[any]int{"time-of-day": 0, "accelerometer": 0, "ambient-noise": 150}, byType)
	require.Len(t, d.TuneVectors, 1)
	require.NotEmpty(t, d.TuneVectors[0]["plan"])
	require.Len(t, d.Events, 2)
	for _, s := range secrets {
		require.NotContains(t, text, s)
	}
}

func TestExportOfWhoHasNothing(t *testing.T) {
	app := newApp(t, rhythmiq.Config{})
	d, text := export(t, app, register(t, app, 1).ID)
	require.Nil(t, d.Identity)
	require.Empty(t, d.Events)
	require.Contains(t, text, `"interactions": [`, "an empty list, not null")
	require.NotContains(t, text, "null")
}

func TestExportOfNobodyWritesNothing(t *testing.T) {
	app := newApp(t, rhythmiq.Config{})
	var out bytes.Buffer
	require.ErrorIs(t, app.Export(t.Context(), uuid.New(), &out), rhythmiq.ErrNotFound)
	require.Empty(t, out.String())
}

// Wherever the store fails, Export says so, and what it wrote cannot be taken for a whole document.
func TestExportTellsOfEveryFault(t *testing.T) {
	c := &clock{now: noon}
	r := record(memstore.New(&memstore.Options{Now: c.Now}))
	app := newApp(t, rhythmiq.Config{Store: r, Now: c.Now, Seed: 1})
	id, _ := full(t, app)
	broken := errors.New("broken")
	for n := 1; ; n++ {
		calls := 0
		r.failing(func(store.Table, string) error {
			if calls++; calls == n {
				return broken
			}
			return nil
		})
		var out bytes.Buffer
		err := app.Export(t.Context(), id, &out)
		if calls < n {
			require.NoError(t, err)
			require.True(t, json.Valid(out.Bytes()))
			require.Greater(t, n, 10, "it asks the store for each of its parts")
			return
		}
		require.ErrorIs(t, err, broken, "call %d", n)
		require.False(t, json.Valid(out.Bytes()))
	}
}

// What is deleted in the meantime is missing, and the rest is there.
func TestExportDuringDeletions(t *testing.T) {
	c := &clock{now: noon}
	app := newApp(t, rhythmiq.Config{Now: c.Now, Seed: 1})
	id, _ := full(t, app)
	ctx := t.Context()

	// The exporter writes in pieces of 4 KiB. The variable goes while the first hundred of its readings are written …
	variables, _, err := app.Variables.List(ctx, id, 10, "")
	require.NoError(t, err)
	out := &trigger{at: `"ambient-noise"`, do: func() {
		require.NoError(t, app.Variables.Delete(ctx, id, variables[2].ID, store.Version{}))
	}}
	require.NoError(t, app.Export(ctx, id, out))
	var d document
	require.NoError(t, json.Unmarshal(out.Bytes(), &d))
	require.Len(t, d.Variables, 3)
	require.Len(t, d.Variables[2].Readings, 100)
	require.Len(t, d.TuneVectors, 1)

	// … and the second vector while the first one is.
	second, err := app.TuneVectors.Create(ctx, id, tunevector.Definition{Name: "Second", Mode: tunevector.AI, DurationMinutes: 10})
	require.NoError(t, err)
	out = &trigger{at: `"tuneVectors"`, do: func() {
		require.NoError(t, app.TuneVectors.Delete(ctx, id, second.ID, store.Version{}))
	}}
	require.NoError(t, app.Export(ctx, id, out))
	d = document{}
	require.NoError(t, json.Unmarshal(out.Bytes(), &d))
	require.Len(t, d.TuneVectors, 1)
	require.Equal(t, "Hour", d.TuneVectors[0]["name"])
	require.Len(t, d.Events, 2)
}

// trigger is a writer that does something once some text has been written.
type trigger struct {
	bytes.Buffer
	at string
	do func()
}

func (w *trigger) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if w.do != nil && strings.Contains(w.String(), w.at) {
		do := w.do
		w.do = nil
		do()
	}
	return n, err
}

// narrow is a writer with room for so many bytes.
type narrow struct{ after int }

func (w *narrow) Write(b []byte) (int, error) {
	if w.after -= len(b); w.after < 0 {
		return 0, errFull
	}
	return len(b), nil
}

var errFull = errors.New("disk full")

func TestExportToAWriterThatFails(t *testing.T) {
	c := &clock{now: noon}
	app := newApp(t, rhythmiq.Config{Now: c.Now, Seed: 1})
	id, _ := full(t, app)
	for _, after := range []int{0, 5000, 10000} {
		require.ErrorIs(t, app.Export(t.Context(), id, &narrow{after}), errFull)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, app.Export(ctx, id, &bytes.Buffer{}), context.Canceled)
}
