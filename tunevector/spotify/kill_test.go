package spotify_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// What tells the test binary that it is the process to be killed, and where.
const (
	killStep = "RHYTHMIQ_TEST_KILL_STEP"
	killDB   = "RHYTHMIQ_TEST_KILL_DB"
	killURL  = "RHYTHMIQ_TEST_KILL_URL"
	killID   = "RHYTHMIQ_TEST_KILL_ID"
	killNow  = "RHYTHMIQ_TEST_KILL_NOW"
)

// The steps at which a refresh is killed.
const (
	beforeCall = "before the call"
	afterCall  = "after the call, before the swap"
	afterSwap  = "after the swap"
	crowd      = "a crowd that needs one token" // no step: fifty goroutines, and nobody is killed
)

// stopping is a transport that reports that it has come to a step, and goes no further.
type stopping struct{ step string }

func (s stopping) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.step == beforeCall {
		s.stop()
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if s.step == afterCall {
		s.stop()
	}
	return res, err
}

func (s stopping) stop() {
	fmt.Println("at the step")
	select {}
}

// victim refreshes a token and is killed on the way.
func victim(step string) error {
	now, err := time.Parse(time.RFC3339, os.Getenv(killNow))
	if err != nil {
		return err
	}
	clock := func() time.Time { return now }
	s, err := shared(os.Getenv(killDB), clock)
	if err != nil {
		return err
	}
	keys, err := spotify.NewKeyring(spotify.CipherKey{ID: "a", Secret: []byte(fmt.Sprintf("%-32s", "a"))})
	if err != nil {
		return err
	}
	url := os.Getenv(killURL)
	fake := spotifytest.New(spotifytest.Options{}) // for its ids
	links, err := spotify.NewLinks(s, spotify.Options{
		ClientID: fake.ClientID(), ClientSecret: fake.ClientSecret(), RedirectURI: "http://127.0.0.1/spotify/callback", Cipher: keys,
		AccountsURL: url, APIURL: url, Now: clock, Client: &http.Client{Transport: stopping{step}},
	})
	if err != nil {
		return err
	}
	id := uuid.MustParse(os.Getenv(killID))
	if step == crowd {
		return needed(links, id)
	}
	if _, err := links.Token(context.Background(), id); err != nil {
		return err
	}
	stopping{}.stop()
	return nil
}

// onDynamoDB is what the name of a database begins with that is none of SQLite's: the endpoint and what the names of the tables begin with follow.
const onDynamoDB = "dynamodb "

// shared opens the database that this process shares with others.
func shared(db string, now func() time.Time) (store.Store, error) {
	at, ok := strings.CutPrefix(db, onDynamoDB)
	if !ok {
		return sqlitestore.Open(context.Background(), db, &sqlitestore.Options{Now: now})
	}
	endpoint, prefix, _ := strings.Cut(at, " ")
	return dynamostore.New(dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	}), &dynamostore.Options{Prefix: prefix, Now: now, AttemptTimeout: 20 * time.Second, Patience: 40 * time.Second})
}

// needed has fifty goroutines need one token as soon as they are told to, and says which tokens they got.
func needed(links *spotify.Links, id uuid.UUID) error {
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for range 50 {
		all.Go(func() {
			token, err := links.Token(context.Background(), id)
			if err != nil {
				token = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			got[token]++
		})
	}
	all.Wait()
	for token, n := range got {
		fmt.Println(n, token)
	}
	return nil
}

// Two processes with fifty goroutines each need one expired token, on one database: one refresh reaches Spotify.
func TestOneRefreshOfTwoProcesses(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		db := filepath.Join(t.TempDir(), "links.db")
		oneRefreshOfTwoProcesses(t, db, inFile(db))
	})
	t.Run("dynamodb", func(t *testing.T) {
		endpoint := dynamotest.Endpoint(t)
		prefix := dynamotest.Tables(t, dynamotest.Client(t, endpoint))
		db := onDynamoDB + endpoint + " " + prefix
		oneRefreshOfTwoProcesses(t, db, func(t *testing.T, now func() time.Time) store.Store {
			t.Helper()
			s, err := dynamostore.New(dynamotest.Client(t, endpoint), &dynamostore.Options{
				Prefix: prefix, Now: now, AttemptTimeout: 20 * time.Second, Patience: 40 * time.Second,
			})
			require.NoError(t, err)
			return s
		})
	})
}

func oneRefreshOfTwoProcesses(t *testing.T, db string, open func(*testing.T, func() time.Time) store.Store) {
	t.Helper()
	h := build(t, plan{fake: spotifytest.Options{RotateRefreshTokens: true}, store: open})
	l := h.listener(t)
	l.link(t)
	h.clock.advance(time.Hour)
	var outs []*bufio.Reader
	var starts []io.WriteCloser
	var waits []func() error
	for range 2 {
		cmd := another(t, crowd, db, h.fake.URL(), l.id, h.clock.Now())
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		r := bufio.NewReader(out)
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "ready\n", line)
		outs, starts, waits = append(outs, r), append(starts, in), append(waits, cmd.Wait)
	}
	for _, in := range starts {
		_, err := io.WriteString(in, "go\n")
		require.NoError(t, err)
	}
	token, err := h.links.Token(t.Context(), l.id) // and a third one, this
	require.NoError(t, err)
	for i, out := range outs {
		said, err := io.ReadAll(out)
		require.NoError(t, err)
		require.NoError(t, waits[i]())
		require.Equal(t, "50 "+token+"\n", string(said))
	}
	require.Equal(t, 1, h.fake.Count("refresh_token"))
}

// inFile opens a database.
func inFile(db string) func(*testing.T, func() time.Time) store.Store {
	return func(t *testing.T, now func() time.Time) store.Store {
		t.Helper()
		s, err := sqlitestore.Open(t.Context(), db, &sqlitestore.Options{Now: now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
}

// another is another process, which does what victim does.
func another(t *testing.T, step, db, url string, id uuid.UUID, now time.Time) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), killStep+"="+step, killDB+"="+db, killURL+"="+url, killID+"="+id.String(), killNow+"="+now.Format(time.RFC3339))
	cmd.Stderr = t.Output()
	return cmd
}

// A refresh is killed at each step in turn. What is said here is what the README says.
func TestKilledAtEachStep(t *testing.T) {
	for _, c := range []struct {
		step     string
		rotates  bool
		survives bool
		asked    int // refreshes that reach Spotify, until the link has a token again
	}{
		{beforeCall, false, true, 1},
		{beforeCall, true, true, 1},
		{afterCall, false, true, 2},
		{afterCall, true, false, 2}, // nobody has the new refresh token, and Spotify takes the old one no more
		{afterSwap, false, true, 1},
		{afterSwap, true, true, 1},
	} {
		t.Run(fmt.Sprintf("%s, rotating %t", c.step, c.rotates), func(t *testing.T) {
			db := filepath.Join(t.TempDir(), "links.db")
			h := build(t, plan{fake: spotifytest.Options{RotateRefreshTokens: c.rotates}, store: inFile(db)})
			l := h.listener(t)
			l.link(t)
			h.clock.advance(time.Hour)

			kill(t, c.step, db, h.fake.URL(), l.id, h.clock.Now())
			h.clock.advance(46 * time.Second) // the lease has run out
			token, err := h.links.Token(t.Context(), l.id)
			require.Equal(t, c.asked, h.fake.Count("refresh_token"))
			if !c.survives {
				require.ErrorIs(t, err, spotify.ErrReauthRequired)
				require.Equal(t, "reauth-required", l.state(t)["state"])
				l.link(t) // which is all that it takes
				require.Equal(t, "linked", l.state(t)["state"])
				return
			}
			require.NoError(t, err)
			require.NotEmpty(t, token)
			require.Equal(t, "linked", l.state(t)["state"])
		})
	}
}

// kill has another process refresh a token, and kills it at a step.
func kill(t *testing.T, step, db, url string, id uuid.UUID, now time.Time) {
	t.Helper()
	cmd := another(t, step, db, url, id, now)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "at the step\n", line)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
}
