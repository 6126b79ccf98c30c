package capacity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/capacity"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

var update = flag.Bool("update", false, "write the table of costs into testdata and into the README")

// row is an operation of the API, and what it cannot do without.
type row struct {
	name         string // as in the OpenAPI document; after a comma, what is special
	method, path string
	content      func(*house) any
	token        func(*house) string // nil: that of the session
	headers      func(*house) []string

	// reads are the requests that must be made: an item or a listing each, by the sort key in the listener's partition of users, or by
	// table/owner/sort key, with * for anything; with "!" where it must be read strongly.
	reads string
	// writes are the items that must be written, in the same way; those of one transaction stand in brackets.
	writes string
	// spotify has the listener's account linked at Spotify, and music has their music come from there.
	spotify, music bool
	// jobs are the units of what is written and deleted again: so that a crash leaves nothing half-done.
	jobs float64
	// why it costs more than that; "" where it does not.
	why string
}

func sends(o object) func(*house) any { return func(*house) any { return o } }

// What is read to plan or to choose music for somebody.
const listening = " variable#*! interactions/*/reading#newest interactions/*/reading#other preferences learned interactions/me/event#*"

const (
	whyFresh = "preferences, what was learned and the newest readings are read strongly: what was forbidden, skipped or measured a moment ago counts"
	whyStand = "; the consents are asked for again once the plan is stored, so that it keeps nothing of one that has just ended"
	whyTurns = "the turn is taken before Spotify is asked and given back after it, so that one writes at a time; the link is asked for with each request to Spotify; whether the plan may be shown hangs on consents"
	whyGo    = "whether the profile is there is asked once more, for callers in Go that come without a session"
)

func rows() []row {
	const get, post, put, patch, del = "GET", "POST", "PUT", "PATCH", "DELETE"
	return []row{
		{
			name: "CreateProfile", method: post, path: "/profiles", content: sends(registration("charles.babbage")), token: func(*house) string { return "" },
			writes: "[users/*/profile users/*/login users/*/gate users/*/claim]",
			why:    "looks whether the names are free before it hashes the password, which costs far more",
		},
		{name: "GetProfile", method: get, path: "/me", reads: "login! profile!"},
		{
			name: "GetProfile, with an API key", method: get, path: "/me", headers: func(h *house) []string { return []string{"X-Api-Key", h.key} },
			reads: "login! api-key#*! profile!",
		},
		{
			name: "GetProfile, by an external identity", method: get, path: "/me", token: func(*house) string { return identityToken },
			reads: "identity! profile!",
		},
		{name: "GetProfile, for a host that says who calls", method: get, path: "/me", token: func(*house) string { return hostToken }, reads: "profile!"},
		{name: "UpdateProfile", method: put, path: "/me", content: sends(object{"firstName": "Ada"}), reads: "login! profile!", writes: "profile"},
		{
			name: "DeleteProfile", method: del, path: "/me?cascade=true", reads: "login! profile! users/me/*! interactions/*/reading#*! interactions/me/event#*!",
			writes: "[profile gate login] vector#* plan#* playing#* variable#* variable-type#* preferences learned api-key* interactions/*/* [users/*/claim]",
			jobs:   4 + 4, // the deletion and the mark on the profile, put and deleted in transactions
			why:    "each kind is listed by itself, in pages; the consents end one by one, each with a job, before their readings are deleted, and it is noted for models that something was withdrawn; a job that may look for late plans is deleted unseen",
		},
		{
			name: "ExportProfile", method: get, path: "/me/export",
			reads: "login! profile! variable#*! api-keys! preferences learned vector#* plan#* interactions/*/reading#* interactions/me/event#*",
			why:   "put together from the services' listings, some of which read the same items; the log is read strongly, so that nothing is missing",
		},
		{
			name: "CreateSession", method: post, path: "/sessions", content: sends(object{"username": "ada.lovelace", "password": password}),
			reads: "username! login!", writes: "login",
		},
		{
			name: "EndSession", method: del, path: "/sessions/current", reads: "login!", writes: "login",
			why: "the session is read to check the token, and again to end it",
		},
		{name: "CreateApiKey", method: post, path: "/me/api-keys", reads: "login! api-keys!", writes: "[api-keys api-key#* gate]"},
		{name: "ListApiKeys", method: get, path: "/me/api-keys", reads: "login! api-keys!"},
		{name: "DeleteApiKey", method: del, path: "/me/api-keys/{key}", reads: "login! api-keys!", writes: "[api-keys api-key#*]"},
		{
			name: "CreatePreference", method: post, path: "/me/preferences", content: sends(object{"type": "genre", "value": "soul"}),
			reads: "login! preferences!", writes: "preferences", why: whyGo,
		},
		{
			name: "CreatePreference, with an Idempotency-Key", method: post, path: "/me/preferences", content: sends(object{"type": "genre", "value": "soul"}),
			headers: func(*house) []string { return []string{"Idempotency-Key", "7e0a4a52-6f4b-4f0e-8a44-6f2fbbd3b0a1"} },
			reads:   "login! preferences!", writes: "preferences users/*/answer", jobs: 1, why: whyGo, // the key is claimed before
		},
		{name: "ListPreferences", method: get, path: "/me/preferences", reads: "login! preferences"},
		{name: "GetPreference", method: get, path: "/me/preferences/{preference}", reads: "login! preferences"},
		{
			name: "UpdatePreference", method: patch, path: "/me/preferences/{preference}", content: sends(object{"weight": 0.5}),
			reads: "login! preferences!", writes: "preferences",
		},
		{name: "DeletePreference", method: del, path: "/me/preferences/{preference}", reads: "login! preferences!", writes: "preferences"},
		{
			name: "CreateTuneVector", method: post, path: "/me/tune-vectors",
			content: sends(object{"name": "Up", "mode": "ai", "durationMinutes": 60, "direction": "ascent", "seed": 5}),
			reads:   "login!" + listening, writes: "[vector#* plan#* gate]", why: whyFresh + whyStand,
		},
		{name: "ListTuneVectors", method: get, path: "/me/tune-vectors", reads: "login! vector#* variable#*!"},
		{name: "GetTuneVector", method: get, path: "/me/tune-vectors/{vector}", reads: "login! vector#{vector} plan#{vector}#* variable#*!"},
		{
			name: "UpdateTuneVector", method: patch, path: "/me/tune-vectors/{vector}", content: sends(object{"curve": "linear"}),
			reads: "login! vector#{vector}! plan#{vector}#*!" + listening, writes: "[vector#* plan#*]", why: whyFresh + whyStand,
		},
		{
			name: "UpdateTuneVector, its name only", method: patch, path: "/me/tune-vectors/{vector}", content: sends(object{"name": "Night"}),
			reads: "login! vector#{vector}! plan#{vector}#*! variable#*!", writes: "vector#*",
		},
		{
			name: "DeleteTuneVector", method: del, path: "/me/tune-vectors/{vector}",
			reads: "login! vector#{vector}!", writes: "[vector#* plan#* playing#*]",
		},
		{
			name: "ExportTuneVector", method: get, path: "/me/tune-vectors/{vector}/export",
			reads: "login! vector#{vector} plan#{vector}#* variable#*!",
		},
		{
			name: "CreateVariable", method: post, path: "/me/variables", content: sends(object{"type": "outside-temperature"}),
			reads: "login!", writes: "[variable#* variable-type#* gate]",
		},
		{name: "ListVariables", method: get, path: "/me/variables", reads: "login! variable#*!"},
		{name: "GetVariable", method: get, path: "/me/variables/{variable}", reads: "login! variable#{variable}!"},
		{
			name: "UpdateVariable", method: patch, path: "/me/variables/{variable}", content: sends(object{"retentionDays": 30}),
			reads: "login! variable#{variable}!", writes: "variable#*",
		},
		{
			name: "DeleteVariable", method: del, path: "/me/variables/{variable}",
			reads:  "login! variable#{variable}! interactions/*/reading#*! learned! playing#* vector#{vector}! plan#{vector}#*!" + listening,
			writes: "[variable#* variable-type#*] interactions/*/reading#* learned [vector#* plan#*]",
			jobs:   2 + 1 + 4, // put with the end of the consent, and deleted; and to look for late plans, with the gate
			why:    whyFresh + whyStand + "; which vectors play is read strongly, and so are those made under the consent; it is noted for models that something was withdrawn",
		},
		{
			name: "RecordReadings, nothing plays", method: post, path: "/me/variables/{variable}/readings", content: func(h *house) any {
				h.now = h.now.Add(2 * time.Hour)
				h.logIn()
				return object{"value": 42.5}
			},
			reads: "login! variable#{variable}! playing#none", writes: "interactions/*/reading#*",
			why: "the consent is asked for before and after writing; which vectors play is read strongly",
		},
		{
			name: "RecordReadings, to a playing vector", method: post, path: "/me/variables/{variable}/readings", content: sends(object{"value": 42.5}),
			reads: "login! variable#{variable}! playing#* vector#{vector}! plan#{vector}#*!" + listening, writes: "interactions/*/reading#*",
			why: "as above; " + whyFresh,
		},
		{name: "ListReadings", method: get, path: "/me/variables/{variable}/readings", reads: "login! variable#{variable}! interactions/*/reading#*"},
		{
			name: "RecordInteractions, a play outside of any vector", method: post, path: "/me/interactions", content: func(h *house) any {
				return object{"events": []object{event("demo-jazz-001", "play", h.ago(0))}}
			},
			reads: "login! gate! interactions/me/event#2096-03-01*! learned!", writes: "interactions/me/event#* learned",
		},
		{
			name: "RecordInteractions, a skip in a playing vector", method: post, path: "/me/interactions", content: func(h *house) any {
				e := event(h.tracks[5], "skip", h.ago(0)) // late enough that the rest is planned anew
				e["tuneVectorId"], e["positionSeconds"] = h.vector, 9
				return object{"events": []object{e}}
			},
			reads:  "login! gate! interactions/me/event#2096-03-01*! learned! vector#{vector}! plan#{vector}#*!" + strings.Replace(listening, " learned", "", 1),
			writes: "interactions/me/event#* learned [vector#* plan#*]",
			why:    whyFresh + whyStand,
		},
		{name: "ListRecommendations", method: get, path: "/me/recommendations", reads: "login!" + listening, why: whyFresh + "; " + whyGo},
		{
			name: "CreateSpotifyLink", method: post, path: "/me/spotify-link", spotify: true,
			reads: "login! gate! spotify#link!", writes: "users/*/spotify#flow",
		},
		{
			name: "FinishSpotifyLink, of an account that is linked", method: get, path: "{callback}", spotify: true,
			content: func(h *house) any { h.begin(h.t); return nil },
			headers: func(h *house) []string { return []string{"Cookie", h.cookie} }, token: func(*house) string { return "" },
			reads:  "users/*/spotify#flow! users/account-*/spotify#claim! spotify#link!",
			writes: "users/*/spotify#flow [spotify#link spotify#gate#* gate users/*/refresh-spotify@*]",
			why:    "an account is found by each of its two ids, apart",
		},
		{
			name: "SignInBySpotify", method: get, path: "/sign-in/spotify", spotify: true, token: func(*house) string { return "" },
			writes: "users/*/spotify#flow",
		},
		{name: "GetSpotifyLink", method: get, path: "/me/spotify-link", spotify: true, reads: "login! profile! spotify#link!"},
		{
			name: "DeleteSpotifyLink", method: del, path: "/me/spotify-link", spotify: true,
			reads: "login! gate! spotify#link! spotify#none!", writes: "[spotify#link spotify#gate#* users/account-*/spotify#claim users/*/refresh-spotify@*]",
			jobs: 2 + 1, // put with the end of the link, and deleted
			why:  "the session is read to check the token, and the password beside it to see whether anything else lets the listener in",
		},
		{
			name: "ExportSpotifyPlaylist", method: post, path: "/me/tune-vectors/{vector}/spotify-playlist", spotify: true, music: true,
			content: func(h *house) any { h.own(h.t); return nil },
			reads:   "login! vector#{vector} plan#{vector}* spotify#link! spotify#library! spotify#found! spotify#playlist#{vector}!",
			writes:  "[spotify#gate#* spotify#playlist#{vector}]",
			why:     whyTurns,
		},
		{
			name: "ExportSpotifyPlaylist, of one that was exported before", method: post, path: "/me/tune-vectors/{vector}/spotify-playlist", spotify: true, music: true,
			content: func(h *house) any {
				h.own(h.t)
				h.must(h.t, post, "/me/tune-vectors/{vector}/spotify-playlist", nil)
				return nil
			},
			reads:  "login! vector#{vector} plan#{vector}* spotify#link! spotify#library! spotify#found! spotify#playlist#{vector}!",
			writes: "[spotify#gate#* spotify#playlist#{vector}]",
			why:    whyTurns,
		},
		{name: "GetHealth", method: get, path: "/healthz", reads: "none"},
		{name: "GetDocument", method: get, path: "/openapi.json"},
	}
}

// cost is a row of the table.
type cost struct {
	name           string
	actual, lowest capacity.Units
	why            string
}

// measure makes the request of a row in a new house, and returns what was booked.
func (r row) measure(t *testing.T, h *house) (cost, []capacity.Request) {
	t.Helper()
	var content any
	if r.content != nil {
		content = r.content(h)
	}
	session := h.token
	if r.token != nil {
		h.token = r.token(h)
	}
	var headers []string
	if r.headers != nil {
		headers = r.headers(h)
	}
	before := h.state()
	h.meter.Take()
	h.charged.take()
	h.must(t, r.method, r.path, content, headers...)
	h.token = session
	booked := h.meter.Take()
	c := cost{name: r.name, why: r.why, lowest: r.lowest(t, before, h.state())}
	for _, b := range booked {
		c.actual = c.actual.Plus(b.Units)
	}
	return c, booked
}

// table measures all rows, each in a house of its own but those that only read, and shows each to look.
func table(t *testing.T, newHouse func(spotify, music bool) *house, look func(h *house, c cost, booked []capacity.Request)) (costs []cost) {
	t.Helper()
	var shared *house
	for _, r := range rows() {
		var h *house
		switch {
		case r.method != "GET" || r.spotify:
			h = newHouse(r.spotify, r.music)
		case shared == nil:
			shared = newHouse(false, false)
			h = shared
		default:
			h = shared
		}
		c, booked := r.measure(t, h)
		look(h, c, booked)
		costs = append(costs, c)
	}
	return costs
}

// state is every item by its name, see house.name.
func (h *house) state() map[string]store.Item {
	s := map[string]store.Item{}
	for _, i := range h.meter.Items() {
		s[h.name(i.Key)] = i
	}
	return s
}

// full is a pattern with table and owner.
func full(pattern string) string {
	switch {
	case pattern == "identity", pattern == "username":
		return "users/" + pattern + "/claim"
	case !strings.Contains(pattern, "/"):
		return "users/me/" + pattern
	}
	return pattern
}

func matches(t *testing.T, pattern, name string) bool {
	t.Helper()
	ok, err := path.Match(full(pattern), name)
	require.NoError(t, err)
	return ok
}

// lowest is what the rules charge for the items that must be touched.
func (r row) lowest(t *testing.T, before, after map[string]store.Item) (u capacity.Units) {
	t.Helper()
	for _, read := range strings.Fields(r.reads) {
		pattern, strong := strings.CutSuffix(read, "!")
		how := store.Eventual
		if strong {
			how = store.Strong
		}
		bytes := 0
		for name, item := range before {
			if matches(t, pattern, name) {
				bytes += capacity.Size(item)
			}
		}
		u.Read += capacity.Read(bytes, how)
	}
	u.Write = r.jobs
	for n, group := range strings.FieldsFunc(r.writes, func(c rune) bool { return c == '[' || c == ']' }) {
		together := strings.HasPrefix(r.writes, "[") == (n%2 == 0)
		for _, pattern := range strings.Fields(group) {
			u.Write += changes(t, pattern, before, after, together)
		}
	}
	return u
}

// changes is what it costs to write the items of a pattern that are others before and after.
func changes(t *testing.T, pattern string, before, after map[string]store.Item, together bool) (units float64) {
	t.Helper()
	for name, old := range before {
		if !matches(t, pattern, name) {
			continue
		}
		now, there := after[name]
		switch {
		case !there:
			units += capacity.NewChange(&old, nil, together).Write()
		case now.Version != old.Version:
			units += capacity.NewChange(&old, &now, together).Write()
		}
	}
	for name, now := range after {
		if _, there := before[name]; !there && matches(t, pattern, name) {
			units += capacity.NewChange(nil, &now, together).Write()
		}
	}
	return units
}

const (
	golden   = "testdata/costs.md"
	readme   = "../../README.md"
	tableAt  = "<!-- costs: go test ./internal/capacity -run Costs -update -->\n"
	tableEnd = "<!-- end of costs -->"
)

func render(costs []cost) string {
	var b strings.Builder
	b.WriteString("| operation | reads | writes | lowest reads | lowest writes | why it is above |\n|---|--:|--:|--:|--:|---|\n")
	for _, c := range costs {
		fmt.Fprintf(&b, "| %s | %g | %g | %g | %g | %s |\n", c.name, c.actual.Read, c.actual.Write, c.lowest.Read, c.lowest.Write, c.why)
	}
	return b.String()
}

// TestCosts holds what every operation of the API costs against the table that is kept, which is the README's. With -update it writes both.
func TestCosts(t *testing.T) {
	inMemory := func(spotify, music bool) *house {
		return newHouse(t, func(now func() time.Time) store.Store { return memstore.New(&memstore.Options{Now: now}) }, spotify, music)
	}
	shown := render(table(t, inMemory, func(_ *house, c cost, booked []capacity.Request) {
		above := c.actual.Read > c.lowest.Read || c.actual.Write > c.lowest.Write
		require.Equal(t, above, c.why != "", "%s is above the lowest possible without a reason, or has a reason and is not: %+v %v", c.name, c, booked)
		require.GreaterOrEqual(t, c.actual.Read, c.lowest.Read, c.name)
		require.GreaterOrEqual(t, c.actual.Write, c.lowest.Write, c.name)
	}))
	holdTable(t, shown, golden, tableAt, tableEnd)
}

// holdTable holds a table against the file that keeps it, and against what the README shows of it between two marks. With -update it writes both.
func holdTable(t *testing.T, shown, golden, at, end string) {
	t.Helper()
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), at)
	require.True(t, ok, "the README has no place for the table")
	kept, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "the README's table has no end")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(shown), 0o600))
		require.NoError(t, os.WriteFile(readme, []byte(head+at+shown+end+tail), 0o600))
		return
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), shown)
	require.Equal(t, string(want), kept, "the README shows another table")
}

// TestEveryOperationHasACost compares the rows with the OpenAPI document.
func TestEveryOperationHasACost(t *testing.T) {
	text, err := os.ReadFile("../../httpapi/openapi.json")
	require.NoError(t, err)
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	require.NoError(t, json.NewDecoder(bytes.NewReader(text)).Decode(&document))
	named, rated := map[string]bool{}, map[string]bool{}
	for _, methods := range document.Paths {
		for _, m := range methods {
			var o struct {
				ID string `json:"operationId"`
			}
			if json.Unmarshal(m, &o) == nil && o.ID != "" {
				named[o.ID] = true
			}
		}
	}
	for _, r := range rows() {
		name, _, _ := strings.Cut(r.name, ",")
		rated[name] = true
	}
	require.Equal(t, named, rated)
}

// reported sums up what DynamoDB says it has charged, but for transactions, in which DynamoDB Local counts the largest item only.
type reported struct {
	mu    sync.Mutex
	units capacity.Units
}

func (r *reported) observe(_ context.Context, q dynamostore.Request) {
	if q.Operation == "TransactWriteItems" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.units = r.units.Plus(capacity.Units{Read: q.ReadUnits, Write: q.WriteUnits})
}

// take returns what was charged since the last take; nil is where nothing is.
func (r *reported) take() capacity.Units {
	if r == nil {
		return capacity.Units{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.units
	r.units = capacity.Units{}
	return u
}

// TestCostsOnDynamoDB makes the same requests on a DynamoDB. What it reports must be what the rules say, request for request of
// an operation together, and the table must come out the same.
func TestCostsOnDynamoDB(t *testing.T) {
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	dynamotest.Endpoint(t)
	onDynamoDB := func(spotify, music bool) *house {
		charged := &reported{}
		h := newHouse(t, func(now func() time.Time) store.Store {
			return dynamotest.Store(t, now, func(o *dynamostore.Options) { o.Observe = charged.observe })
		}, spotify, music)
		h.charged = charged
		return h
	}
	require.Equal(t, string(want), render(table(t, onDynamoDB, func(h *house, c cost, booked []capacity.Request) {
		var alone capacity.Units
		for _, b := range booked {
			// DynamoDB Local takes nothing for a query that finds nothing; AWS takes the least there is.
			if b.Operation != "TransactWriteItems" && (b.Operation != "Query" || b.Found > 0) {
				alone = alone.Plus(b.Units)
			}
		}
		require.Equal(t, alone, h.charged.take(), "%s: %v", c.name, booked)
	})))
}
