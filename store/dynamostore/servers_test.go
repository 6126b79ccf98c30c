package dynamostore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/internal/dynamotest/faults"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

type object = map[string]any

// cluster is two servers on the same tables, each with a network of its own that does not work well.
type cluster struct {
	t       *testing.T
	apps    []*rhythmiq.App
	urls    []string
	lines   []*faults.Line
	network *faults.Network
	client  *http.Client
	store   *dynamostore.Store // on a way without faults

	mu       sync.Mutex
	statuses map[int]int
	wrong    []string // answers that nobody may get
}

// newCluster waits for an answer as long as attempt, three times at most.
func newCluster(t *testing.T, seed uint64, attempt time.Duration) *cluster {
	t.Helper()
	endpoint := dynamotest.Endpoint(t)
	clean := dynamotest.Client(t, endpoint)
	prefix := dynamotest.Tables(t, clean)
	network := faults.Start(t, endpoint)
	c := &cluster{t: t, network: network, statuses: map[int]int{}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: time.Minute}}
	t.Cleanup(c.client.CloseIdleConnections)
	var err error
	c.store, err = dynamostore.New(clean, &dynamostore.Options{Prefix: prefix, AttemptTimeout: 20 * time.Second, Patience: 40 * time.Second})
	require.NoError(t, err)
	for n := range uint64(2) {
		line := network.Line(t, seed+n)
		s, err := dynamostore.New(line.Client, &dynamostore.Options{Prefix: prefix, AttemptTimeout: attempt, Patience: 3 * attempt})
		require.NoError(t, err)
		app, err := rhythmiq.New(rhythmiq.Config{Store: s, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Profile: profile.Options{
			Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}, HashQueue: 100_000, AddressFailures: 100_000, LoginFailures: 100_000,
		}})
		require.NoError(t, err)
		api, err := httpapi.New(app, httpapi.Options{CallerRate: &httpapi.Rate{}, SignUpRate: &httpapi.Rate{}})
		require.NoError(t, err)
		server := httptest.NewServer(api)
		t.Cleanup(server.Close)
		c.lines, c.apps, c.urls = append(c.lines, line), append(c.apps, app), append(c.urls, server.URL)
	}
	return c
}

// troubles is how many there were.
func (c *cluster) troubles() int {
	sum := 0
	for _, n := range c.network.Counts() {
		sum += n
	}
	return sum
}

// heal ends the faults and waits for what is late.
func (c *cluster) heal() {
	for _, l := range c.lines {
		l.Heal()
	}
	<-time.After(time.Second)
}

// send sends a request to one of the servers.
func (c *cluster) send(server int, method, path, token string, content any) (int, object) {
	text, err := json.Marshal(content)
	if err != nil || content == nil {
		text = nil
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.urls[server]+path, bytes.NewReader(text))
	if err != nil {
		c.failed("%s %s: %v", method, path, err)
		return 0, nil
	}
	if content != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w, err := c.client.Do(r)
	if err != nil {
		c.failed("%s %s: %v", method, path, err)
		return 0, nil
	}
	defer w.Body.Close()
	raw, err := io.ReadAll(w.Body)
	if err != nil {
		c.failed("%s %s: %v", method, path, err)
	}
	var answer object
	_ = json.Unmarshal(raw, &answer) // who needs it will miss it
	c.mu.Lock()
	c.statuses[w.StatusCode]++
	c.mu.Unlock()
	if w.StatusCode == http.StatusServiceUnavailable && w.Header.Get("Retry-After") == "" {
		c.failed("%s %s: 503 does not say when to come back", method, path)
	}
	if w.StatusCode == http.StatusTooManyRequests || w.StatusCode >= 500 && w.StatusCode != http.StatusServiceUnavailable {
		c.failed("%s %s: %d %s", method, path, w.StatusCode, raw)
	}
	return w.StatusCode, answer
}

func (c *cluster) failed(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

func (c *cluster) sweep() {
	c.t.Helper()
	for _, app := range c.apps {
		err := app.Sweep(c.t.Context())
		for range 10 { // a busy machine is slow enough for a fault of its own
			if err == nil {
				break
			}
			<-time.After(time.Second)
			err = app.Sweep(c.t.Context())
		}
		require.NoError(c.t, err)
	}
}

// items reads a whole table.
func (c *cluster) items(table store.Table) (items []store.Item) {
	c.t.Helper()
	for cursor := ""; ; {
		page, err := c.store.Scan(c.t.Context(), table, cursor, 0)
		require.NoError(c.t, err)
		items = append(items, page.Items...)
		if cursor = page.Next; cursor == "" {
			return items
		}
	}
}

// whole holds that the tables are what they should be: every profile has its two claims, every claim its profile, and nothing is there of
// profiles that are not. It returns the profiles' names by id.
func (c *cluster) whole() map[uuid.UUID]string {
	c.t.Helper()
	users := c.items(store.Users)
	profiles := map[uuid.UUID]string{}
	for _, i := range users {
		if i.Key.Sort == "profile" {
			var p struct {
				Username string
				Deleting bool
			}
			require.NoError(c.t, i.Decode(&p))
			require.False(c.t, p.Deleting, "%s is half deleted", p.Username)
			profiles[i.Key.Partition] = p.Username
		}
	}
	claims := map[uuid.UUID]int{}
	var bodies strings.Builder
	for _, i := range users {
		switch i.Key.Sort {
		case "claim":
			var claim struct{ ProfileID uuid.UUID }
			require.NoError(c.t, i.Decode(&claim))
			require.Contains(c.t, profiles, claim.ProfileID, "a claim without a profile")
			claims[claim.ProfileID]++
		case "keys": // what tokens are signed with
		default:
			require.Contains(c.t, profiles, uuid.UUID(i.Key.Partition), "%v belongs to nobody", i.Key)
			_, _ = bodies.Write(i.Body) // never fails
		}
	}
	for id, name := range profiles {
		require.Equal(c.t, 2, claims[id], "claims of %s", name)
	}
	for _, i := range c.items(store.Interactions) {
		// Events lie under the profile, readings under the consent that the variable names.
		_, live := profiles[i.Key.Partition]
		require.True(c.t, live || strings.Contains(bodies.String(), uuid.UUID(i.Key.Partition).String()), "%v belongs to nobody", i.Key)
	}
	return profiles
}

const password = "correct horse battery"

func registration(name string) object {
	return object{
		"username": name, "firstName": "0", "lastName": "Lee", "email": name + "@example.com",
		"phoneNumber": "+1 201-555-0123", "password": password,
	}
}

// A thousand people sign up with one e-mail address at once, half of them with each server, and come back when they are told to.
//
// Not beside other tests: what counts as late is a matter of time.
func TestOneSignUpOfAThousandUnderFaults(t *testing.T) {
	c := newCluster(t, 1, 4*time.Second) // a thousand need that long on a small machine
	const racers = 1000
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		won   []string
		doubt = map[string]bool{} // who was once told that nobody knows
	)
	start := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			r := registration(fmt.Sprintf("racer%d", i))
			r["email"] = "one@example.com"
			<-start
			for visit := range 20 {
				status, answer := c.send((i+visit)%2, http.MethodPost, "/profiles", "", r)
				mu.Lock()
				switch status {
				case http.StatusCreated:
					won = append(won, r["username"].(string))
				case http.StatusServiceUnavailable:
					doubt[r["username"].(string)] = true
				case http.StatusConflict:
				default:
					c.failed("sign-up: %d %v", status, answer)
				}
				mu.Unlock()
				if status != http.StatusServiceUnavailable {
					return
				}
				<-time.After(rand.N(time.Duration(visit+1) * time.Second)) // it is told to come back in a second or so, and a crowd spreads
			}
		})
	}
	close(start)
	wg.Wait()
	c.heal()
	t.Logf("%d troubles, statuses: %v; %d people met a 503", c.troubles(), c.statuses, len(doubt))
	require.Empty(t, c.wrong)
	c.sweep()
	profiles := c.whole()
	require.Len(t, profiles, 1)
	for _, name := range profiles {
		if len(won) == 0 && doubt[name] { // nobody could tell them, for longer than a server tries to find out
			t.Logf("%s has won, and was told 503", name)
			continue
		}
		require.Equal(t, []string{name}, won)
	}
}

// person does what people do, comes back when told to, and remembers what was acknowledged.
type person struct {
	*cluster
	rand  *rand.Rand
	name  string
	id    string
	token string
	doubt bool // an answer to the present call was 503: an earlier try may have been made

	first       []string        // what the first name may be
	preferences map[string]bool // value to whether it is there; absent where nobody knows
	events      map[string]bool
	readings    int
	deleted     bool
	sure        bool // whether the deletion was acknowledged
}

// tries is how often somebody comes back. What fails so often stays in doubt.
const tries = 12

func (p *person) call(method, path string, content any) (int, object) {
	p.doubt = false
	for range tries {
		status, answer := p.send(p.rand.IntN(2), method, path, p.token, content)
		if status != http.StatusServiceUnavailable {
			return status, answer
		}
		p.doubt = true
		<-time.After(time.Duration(p.rand.Int64N(int64(150 * time.Millisecond))))
	}
	return http.StatusServiceUnavailable, nil
}

// expect notes a status that is neither one of want nor that of a call in doubt, and reports whether the call was made for sure, perhaps by an earlier try.
func (p *person) expect(status int, what string, want int, again ...int) bool {
	switch {
	case status == want, p.doubt && slices.Contains(again, status):
		return true
	case status != http.StatusServiceUnavailable:
		p.failed("%s %s: %d", p.name, what, status)
	}
	return false
}

func (p *person) enter() bool {
	p.token = ""
	status, answer := p.call(http.MethodPost, "/sessions", object{"username": p.name, "password": password})
	if !p.expect(status, "logs in", http.StatusCreated) {
		return false
	}
	p.token, p.id = answer["token"].(string), answer["profileId"].(string)
	return true
}

// live is a life of n calls.
func (p *person) live(n int) {
	status, _ := p.call(http.MethodPost, "/profiles", registration(p.name))
	if !p.expect(status, "signs up", http.StatusCreated, http.StatusConflict) || !p.enter() {
		return
	}
	p.first = []string{"0"}
	path := "/profiles/" + p.id
	variable := ""
	status, answer := p.call(http.MethodPost, path+"/variables", object{"type": "ambient-noise", "optedIn": true})
	if p.expect(status, "adds a variable", http.StatusCreated, http.StatusConflict) && status == http.StatusCreated {
		variable = answer["variableId"].(string)
	}
	for i := range n {
		switch p.rand.IntN(6) {
		case 0:
			first := strconv.Itoa(i + 1)
			status, _ := p.call(http.MethodPut, path, object{"firstName": first})
			if p.expect(status, "changes a name", http.StatusOK) {
				p.first = []string{first}
			} else {
				p.first = append(p.first, first)
			}
		case 1, 2:
			value := fmt.Sprintf("genre %d", i)
			status, _ := p.call(http.MethodPost, path+"/preferences", object{"type": "genre", "value": value})
			if p.expect(status, "adds a preference", http.StatusCreated, http.StatusConflict) {
				p.preferences[value] = true
			}
		case 3:
			p.drop(path)
		case 4:
			event := uuid.NewString()
			at := time.Now().UTC().Format(time.RFC3339)
			status, _ := p.call(http.MethodPost, path+"/interactions", object{"events": []object{{"eventId": event, "trackId": "demo-1", "action": "like", "at": at}}})
			if p.expect(status, "likes", http.StatusOK) {
				p.events[event] = true
			}
		case 5:
			if variable == "" {
				continue
			}
			at := time.Now().UTC().Add(-time.Duration(i) * time.Second).Format(time.RFC3339)
			status, _ := p.call(http.MethodPost, path+"/variables/"+variable+"/readings", object{"value": 40 + i, "at": at})
			if p.expect(status, "reads", http.StatusCreated) {
				p.readings++
			}
		}
	}
	if p.rand.IntN(5) < 2 {
		p.deleted = true
		// Its session has ended when an earlier try has decided it; the deletion is then finished by who comes by.
		status, _ := p.call(http.MethodDelete, path+"?cascade=true", nil)
		p.sure = p.expect(status, "leaves", http.StatusOK, http.StatusUnauthorized, http.StatusNotFound)
	}
}

// drop deletes the first preference that is there.
func (p *person) drop(path string) {
	status, answer := p.call(http.MethodGet, path+"/preferences?limit=1", nil)
	if !p.expect(status, "lists", http.StatusOK) {
		return
	}
	list := answer["preferences"].([]any)
	if len(list) == 0 {
		return
	}
	one := list[0].(object)
	value := one["value"].(string)
	delete(p.preferences, value)
	status, _ = p.call(http.MethodDelete, path+"/preferences/"+one["preferenceId"].(string), nil)
	if p.expect(status, "drops a preference", http.StatusOK, http.StatusNotFound) {
		p.preferences[value] = false
	}
}

// check holds that what was acknowledged is so, when all is well again.
func (p *person) check(t *testing.T) {
	t.Helper()
	if p.first == nil || p.deleted && !p.sure { // nobody knows
		return
	}
	p.token = ""
	status, answer := p.call(http.MethodPost, "/sessions", object{"username": p.name, "password": password})
	if p.deleted {
		require.Equal(t, http.StatusUnauthorized, status, "%s has left", p.name)
		return
	}
	require.Equal(t, http.StatusCreated, status, p.name)
	p.token = answer["token"].(string)
	status, answer = p.call(http.MethodGet, "/profiles/"+p.id+"/export", nil)
	require.Equal(t, http.StatusOK, status, p.name)
	text, err := json.Marshal(answer)
	require.NoError(t, err)
	var held struct {
		Profile      struct{ FirstName string }
		Preferences  []struct{ Value string }
		Interactions []struct{ EventID string }
		Variables    []struct{ Readings []any }
	}
	require.NoError(t, json.Unmarshal(text, &held))
	require.Contains(t, p.first, held.Profile.FirstName, p.name)
	values := map[string]int{}
	for _, v := range held.Preferences {
		values[v.Value]++
	}
	for value, there := range p.preferences {
		want := 0
		if there {
			want = 1
		}
		require.Equal(t, want, values[value], "%s of %s", value, p.name)
	}
	events := map[string]int{}
	for _, e := range held.Interactions {
		events[e.EventID]++
	}
	for event := range p.events {
		require.Equal(t, 1, events[event], "an event of %s", p.name)
	}
	readings := 0
	for _, v := range held.Variables {
		readings += len(v.Readings)
	}
	require.GreaterOrEqual(t, readings, p.readings, "readings of %s", p.name)
}

func TestNothingAcknowledgedIsLostUnderFaults(t *testing.T) {
	const people, calls = 24, 12
	seed := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("RHYTHMIQ_FAULTS_SEED"), 10, 64); err == nil {
		seed = n
	}
	c := newCluster(t, seed, 200*time.Millisecond)
	crowd := make([]*person, people)
	var wg sync.WaitGroup
	for i := range crowd {
		p := &person{
			cluster: c, name: fmt.Sprintf("person%d", i), rand: rand.New(rand.NewPCG(seed, uint64(i))),
			preferences: map[string]bool{}, events: map[string]bool{},
		}
		crowd[i] = p
		wg.Go(func() { p.live(calls) })
	}
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() { _ = c.apps[0].Sweep(ctx) }) // fails, and is tried again
	wg.Wait()
	cancel()
	c.heal()
	t.Logf("%d troubles, statuses: %v", c.troubles(), c.statuses)
	require.Empty(t, c.wrong)
	c.sweep()
	profiles := c.whole()
	gone, left := 0, 0
	for _, p := range crowd {
		p.check(t)
		if p.deleted && p.sure {
			gone++
		} else {
			left++
		}
	}
	require.Empty(t, c.wrong)
	require.LessOrEqual(t, len(profiles), left)
	t.Logf("%d people left, %d stay; %d profiles", gone, left, len(profiles))
	require.Positive(t, gone)
	require.Greater(t, c.troubles(), 100)
}
