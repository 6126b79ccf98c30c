package capacity_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/internal/capacity"
	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

type object = map[string]any

// house is a running server on a metered store, and a listener who has what a listener typically has.
type house struct {
	t       *testing.T
	meter   *capacity.Meter
	app     *rhythmiq.App
	charged *reported // what DynamoDB says; nil where there is none
	url     string
	client  *http.Client
	now     time.Time

	token, key                    string
	profile, preference, variable string
	vector, keyID                 string
	callback, cookie              string // of a link that was begun
	fake                          *spotifytest.Server
	tracks                        []string // of the vector
}

// What the listener has.
const (
	hostToken     = "a token of the host's own"
	identityToken = "a token of an external issuer"
	password      = "correct horse battery"
	preferences   = 20
	readings      = 50
	interactions  = 100
	librarySize   = 500 // tracks at Spotify
)

var issuer = profile.Identity{Issuer: "https://id.example.com", Subject: "auth0|5f7c8ec7c33c6c004bbafe82"}

// newHouse makes one. It can have links to Spotify, and music from there.
func newHouse(t *testing.T, open func(now func() time.Time) store.Store, hasSpotify, hasMusic bool) *house {
	t.Helper()
	// Far ahead, since DynamoDB deletes what has expired by its own clock.
	h := &house{t: t, now: time.Date(2096, 3, 1, 18, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return h.now }
	h.meter = capacity.NewMeter(open(clock))
	config := rhythmiq.Config{
		Store: h.meter, Now: clock, Seed: 1,
		Profile: profile.Options{Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}},
	}
	if hasSpotify {
		links := h.links(t)
		config.Spotify = links
		if hasMusic {
			config.Music = h.music(t, links)
		}
	}
	app, err := rhythmiq.New(config)
	require.NoError(t, err)
	api, err := httpapi.New(app, httpapi.Options{
		CallerRate: &httpapi.Rate{}, SignUpRate: &httpapi.Rate{},
		Authenticators: []httpapi.Authenticator{httpapi.OwnTokens(app), httpapi.AuthenticatorFunc(h.foreign)},
	})
	require.NoError(t, err)
	h.app = app
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	h.url, h.client = server.URL, server.Client()
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.furnish(t)
	if hasSpotify {
		h.begin(t)
		h.must(t, "GET", "{callback}", nil, "Cookie", h.cookie)
	}
	return h
}

// music is what the listener has at Spotify, beside the demo catalog.
func (h *house) music(t *testing.T, links *spotify.Links) *spotify.Provider {
	t.Helper()
	var tracks []spotifytest.Track
	for i := range librarySize {
		tracks = append(tracks, spotifytest.Track{
			Name: fmt.Sprintf("A Song of Some Length No. %d", i), Artists: []string{fmt.Sprintf("The Nineteen Orchestras %d", i%19)}, Milliseconds: 200_000 + 100*i, ISRC: fmt.Sprintf("SEABC26%05d", i),
		})
	}
	h.fake.SetLibrary("1165421234", spotifytest.Library{Saved: h.fake.AddTracks(tracks...)})
	clock := func() time.Time { return h.now }
	client, err := spotify.NewClient(spotify.ClientOptions{Tokens: links, BaseURL: h.fake.URL() + "/v1", HTTP: h.fake.Client(), Now: clock})
	require.NoError(t, err)
	provider, err := spotify.NewProvider(spotify.ProviderOptions{Client: client, Store: h.meter, Gate: links, Host: catalog.Demo(), Now: clock})
	require.NoError(t, err)
	return provider
}

// own has a vector planned from the listener's own music, to be exported.
func (h *house) own(t *testing.T) {
	t.Helper()
	h.vector = h.must(t, "POST", "/me/tune-vectors", object{
		"name": "Evening focus", "mode": "ai", "durationMinutes": 60, "direction": "descent", "seed": 7,
	})["tuneVectorId"].(string)
}

// links links accounts at a Spotify in memory.
func (h *house) links(t *testing.T) *spotify.Links {
	t.Helper()
	clock := func() time.Time { return h.now }
	h.fake = spotifytest.New(spotifytest.Options{Now: clock})
	h.fake.Add(spotifytest.Account{ID: "1165421234", AccountID: "9f2c4b7e1d0a4f6e", DisplayName: "Ada Lovelace"})
	keys, err := spotify.NewKeyring(spotify.CipherKey{ID: "2026-11", Secret: make([]byte, 32)})
	require.NoError(t, err)
	links, err := spotify.NewLinks(h.meter, spotify.Options{
		ClientID: h.fake.ClientID(), ClientSecret: h.fake.ClientSecret(), RedirectURI: "https://music.example.com/spotify/callback", Cipher: keys,
		PerSecond: 1e6, Burst: 1e6, AccountsURL: h.fake.URL(), APIURL: h.fake.URL(), Client: h.fake.Client(), Now: clock,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, links.Close()) })
	return links
}

// begin begins a link, and has the browser go to Spotify and almost back.
func (h *house) begin(t *testing.T) {
	t.Helper()
	begun, err := h.app.Spotify.Begin(t.Context(), uuid.MustParse(h.profile), linking.Request{Scopes: []string{spotify.ScopeModifyPrivate}})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, begun.AuthorizeURL, http.NoBody)
	require.NoError(t, err)
	answer, err := h.fake.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	to, err := url.Parse(answer.Header.Get("Location"))
	require.NoError(t, err)
	h.callback, h.cookie = "/spotify/callback?"+to.RawQuery, begun.Cookie.Name+"="+begun.Cookie.Value
}

// foreign knows the tokens that are not RhythmIQ's.
func (h *house) foreign(_ context.Context, token string) (httpapi.Principal, error) {
	switch token {
	case hostToken:
		return httpapi.Principal{ProfileID: uuid.MustParse(h.profile)}, nil
	case identityToken:
		return httpapi.Principal{Identity: &issuer}, nil
	}
	return httpapi.Principal{}, fault.ErrUnauthorized
}

func registration(name string) object {
	return object{
		"username": name, "firstName": "Augusta", "lastName": "Byron-Lovelace", "email": name + "@example.com",
		"phoneNumber": "+1 201-555-0123", "password": password,
	}
}

// furnish gives the listener what they have.
func (h *house) furnish(t *testing.T) {
	t.Helper()
	h.token = identityToken // the profile is bound to it
	h.profile = h.must(t, "POST", "/profiles", registration("ada.lovelace"))["profileId"].(string)
	h.token = h.must(t, "POST", "/sessions", object{"username": "ada.lovelace", "password": password})["token"].(string)
	made := h.must(t, "POST", "/me/api-keys", nil)
	h.keyID, h.key = made["apiKeyId"].(string), made["apiKey"].(string)
	for i := range preferences {
		kind, value := "genre", []string{"ambient", "rock", "jazz", "folk", "classical"}[i%5]
		if i >= 5 {
			kind, value = "artist", fmt.Sprintf("The Nineteen Orchestras %d", i)
		}
		id := h.must(t, "POST", "/me/preferences", object{"type": kind, "value": value, "weight": 0.75})["preferenceId"].(string)
		if i == preferences/2 {
			h.preference = id
		}
	}
	h.must(t, "POST", "/me/variables", object{"type": "time-of-day", "timeZone": "Europe/Berlin", "optedIn": true})
	h.must(t, "POST", "/me/variables", object{"type": "accelerometer", "optedIn": true})
	h.variable = h.must(t, "POST", "/me/variables", object{"type": "ambient-noise", "optedIn": true})["variableId"].(string)
	batch := make([]object, readings)
	for i := range batch {
		batch[i] = object{"value": 40.5 + float64(i)/10, "at": h.ago(time.Duration(i) * time.Minute)}
	}
	h.must(t, "POST", "/me/variables/{variable}/readings", object{"readings": batch})
	h.must(t, "POST", "/me/tune-vectors", object{
		"name": "Sunday", "mode": "guided", "durationMinutes": 60, "seed": 3,
		"stages": []object{{"genre": "rock", "minutes": 20}, {"genre": "ambient", "minutes": 40}},
	})
	h.vector = h.must(t, "POST", "/me/tune-vectors", object{
		"name": "Evening focus", "mode": "ai", "durationMinutes": 60, "direction": "descent", "seed": 7,
	})["tuneVectorId"].(string)
	for _, track := range h.must(t, "GET", "/me/tune-vectors/{vector}", nil)["plan"].(object)["tracks"].([]any) {
		h.tracks = append(h.tracks, track.(object)["trackId"].(string))
	}
	events := make([]object, interactions)
	for i := range events {
		events[i] = event(fmt.Sprintf("demo-ambient-%03d", 1+i), []string{"play", "complete", "like", "skip"}[i%4], h.ago(48*time.Hour+time.Duration(i)*time.Minute))
	}
	h.must(t, "POST", "/me/interactions", object{"events": events})
	playing := event(h.tracks[0], "complete", h.ago(time.Minute)) // the vector begins to play
	playing["tuneVectorId"] = h.vector
	h.must(t, "POST", "/me/interactions", object{"events": []object{playing}})
}

func (h *house) ago(d time.Duration) string { return h.now.Add(-d).Format(time.RFC3339) }

func event(track, action, at string) object {
	return object{"eventId": uuid.NewString(), "trackId": track, "action": action, "at": at}
}

// fill puts ids in the place of their names.
func (h *house) fill(s string) string {
	return strings.NewReplacer("{preference}", h.preference, "{variable}", h.variable, "{vector}", h.vector, "{key}", h.keyID, "{callback}", h.callback,
		"/me", "/profiles/"+h.profile).Replace(s)
}

// must makes a request that has to succeed, and returns its answer.
func (h *house) must(t *testing.T, method, path string, content any, headers ...string) object {
	t.Helper()
	var sent bytes.Buffer
	if content != nil {
		require.NoError(t, json.NewEncoder(&sent).Encode(content))
	}
	r, err := http.NewRequestWithContext(t.Context(), method, h.url+h.fill(path), &sent)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	if h.token != "" {
		r.Header.Set("Authorization", "Bearer "+h.token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := h.client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Less(t, answer.StatusCode, 400, "%s %s: %s", method, path, text)
	var got object
	_ = json.Unmarshal(text, &got) // a playlist is none
	return got
}

// logIn gives the listener a session that is good now.
func (h *house) logIn() {
	s, err := h.app.Profiles.Login(context.Background(), profile.Credentials{Username: "ada.lovelace", Password: password})
	if err != nil {
		panic(err)
	}
	h.token = s.Token
}

// name is a key as table/owner/sort key, without what is random where the table of costs speaks of it.
func (h *house) name(k store.Key) string {
	owner := fmt.Sprintf("%x", k.Partition)
	switch {
	case uuid.UUID(k.Partition).String() == h.profile:
		owner = "me"
	case k.Sort == "claim" && k.Partition == store.HashPartition("username", "ada.lovelace"):
		owner = "username"
	case k.Sort == "claim" && k.Partition == identityPartition():
		owner = "identity"
	case k.Sort == "spotify#claim": // one for each of the account's ids
		owner = "account-" + owner
	}
	return string(k.Table) + "/" + owner + "/" + strings.NewReplacer(h.preference, "{preference}", h.variable, "{variable}", h.vector, "{vector}").Replace(k.Sort)
}

// identityPartition is that of the claim on the external identity.
func identityPartition() store.Partition {
	name := binary.BigEndian.AppendUint64(nil, uint64(len(issuer.Issuer)))
	return store.HashPartition("identity", string(name)+issuer.Issuer+issuer.Subject)
}
