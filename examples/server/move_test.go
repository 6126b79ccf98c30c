package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/archive"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

// command runs the program to its end.
func command(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

// What was heard comes out as a table that models can be trained on, with nobody's id in it.
func TestExportTraining(t *testing.T) {
	dir := t.TempDir()
	db, file := filepath.Join(dir, "x.db"), filepath.Join(dir, "heard.tsv")
	s := start(t, "-db", db, "-rate", "0")
	for i := range 4 {
		name := fmt.Sprint("ada", i)
		registration := strings.NewReplacer(`"ada"`, strconv.Quote(name), "ada@", name+"@").Replace(ada)
		status, answer := call(t, s.client, http.MethodPost, s.base+"/profiles", "", registration)
		require.Equal(t, 201, status, answer)
		me := "/profiles/" + answer["profileId"].(string)
		_, answer = call(t, s.client, http.MethodPost, s.base+"/sessions", "", fmt.Sprintf(`{"username":%q,"password":"correct horse battery"}`, name))
		var events []string
		for j := range 5 {
			track := fmt.Sprintf("demo-jazz-%03d", 1+j+i/3) // the fourth is one ahead
			events = append(events, fmt.Sprintf(`{"eventId":%q,"trackId":%q,"action":"complete","at":%q}`, uuid.NewString(), track, time.Now().UTC().Format(time.RFC3339)))
		}
		status, answer = call(t, s.client, http.MethodPost, s.base+me+"/interactions", answer["token"].(string), `{"events":[`+strings.Join(events, ",")+`]}`)
		require.Less(t, status, 300, answer)
	}
	require.Equal(t, 0, s.stop())

	code, said, stderr := command(t.Context(), "-db", db, "-export-training", file)
	require.Equal(t, 0, code, stderr)
	require.Equal(t, fmt.Sprintf("Wrote 19 lines of 4 listeners and 5 tracks from %s to %s.\n", db, file), said)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Regexp(t, `^([0-3]\tdemo-jazz-00[1-5]\t0\.4\t\d{10}\n){19}$`, string(text))
	var b ml.Builder
	require.NoError(t, b.ReadTSV(t.Context(), bytes.NewReader(text)))
	d, err := b.Data()
	require.NoError(t, err)
	require.Equal(t, 19, d.Heard.Cells())

	for _, args := range [][]string{
		{"-db", filepath.Join(dir, "none.db"), "-export-training", file},
		{"-db", db, "-export-training", filepath.Join(dir, "none", "x")},
		{"-db", db, "-export-training", file, "-catalog", filepath.Join(dir, "none.csv")},
		{"-db", db, "-export-training", dir},
	} {
		code, _, stderr := command(t.Context(), args...)
		require.Equal(t, 1, code, args)
		require.NotEmpty(t, stderr)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.tsv.*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// A listener finds everything in the new house, and is still logged in.
func TestMovingHouse(t *testing.T) {
	dir := t.TempDir()
	first, second, file := filepath.Join(dir, "first.db"), filepath.Join(dir, "second.db"), filepath.Join(dir, "house.jsonl")
	s := start(t, "-db", first)
	status, answer := call(t, s.client, http.MethodPost, s.base+"/profiles", "", ada)
	require.Equal(t, 201, status, answer)
	me := "/profiles/" + answer["profileId"].(string)
	_, answer = call(t, s.client, http.MethodPost, s.base+"/sessions", "", `{"username":"ada","password":"correct horse battery"}`)
	token := answer["token"].(string)
	status, answer = call(t, s.client, http.MethodPost, s.base+me+"/tune-vectors", token, `{"name":"Evening","mode":"ai","durationMinutes":10}`)
	require.Equal(t, 201, status, answer)
	vector := me + "/tune-vectors/" + answer["tuneVectorId"].(string)
	_, plan := call(t, s.client, http.MethodGet, s.base+vector, token, "")
	require.Equal(t, 0, s.stop())

	code, exported, stderr := command(t.Context(), "-db", first, "-export", file)
	require.Equal(t, 0, code, stderr)
	require.Empty(t, stderr)
	count := regexp.MustCompile(`^Exported (\d+) items \(users \d+, interactions 0, models \d+; [\d,]+ bytes\) from \S+first.db to \S+house.jsonl in \S+s\.\n$`).FindStringSubmatch(exported)
	require.NotNil(t, count, exported)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	arrives := func(t *testing.T, home ...string) {
		t.Helper()
		code, imported, stderr := command(t.Context(), append(home, "-import", file)...)
		require.Equal(t, 0, code, stderr)
		require.Contains(t, imported, "Imported "+count[1]+" items (")
		require.NotContains(t, stderr+imported+exported, "ada")
		s := start(t, home...)
		status, moved := call(t, s.client, http.MethodGet, s.base+vector, token, "")
		require.Equal(t, 200, status, moved)
		require.Equal(t, plan, moved)
		require.Equal(t, 0, s.stop(), s.stderr.String())
	}
	t.Run("to SQLite", func(t *testing.T) { arrives(t, "-db", second) })
	t.Run("to DynamoDB", func(t *testing.T) {
		withoutAWS(t)
		endpoint := dynamotest.Endpoint(t)
		arrives(t, "-store", "dynamodb", "-dynamodb-endpoint", endpoint, "-table-prefix", dynamotest.Prefix(t, dynamotest.Client(t, endpoint)), "-create-tables")
	})

	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"-db", first, "-export", file}, "there is such a file already"},
		{[]string{"-db", filepath.Join(dir, "third.db"), "-export", file + "2"}, "no such file or directory"},
		{[]string{"-db", filepath.Join(dir, "third.db"), "-import", file + "2"}, "no such file or directory"},
		{[]string{"-db", second, "-import", file}, "already holds something (-not-empty imports all the same)"},
		{[]string{"-db", second, "-import", first}, "is no archive of RhythmIQ's"},
		{[]string{"-db", dir, "-import", file}, "is a directory"},
	} {
		code, stdout, stderr := command(t.Context(), tt.args...)
		require.Equal(t, 1, code, tt.args)
		require.Empty(t, stdout)
		require.Contains(t, stderr, tt.says)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
	require.NoFileExists(t, filepath.Join(dir, "third.db"))
	code, _, stderr = command(t.Context(), "-db", second, "-import", file, "-not-empty")
	require.Equal(t, 0, code, stderr)

	// Half a file.
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text[:len(text)-10], 0o600))
	third := filepath.Join(dir, "third.db")
	code, _, stderr = command(t.Context(), "-db", third, "-import", file)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "has no end: it goes on until line")
	require.Contains(t, stderr, "(-unfinished imports what there is)")
	code, imported, stderr := command(t.Context(), "-db", third, "-import", file, "-unfinished")
	require.Equal(t, 0, code, stderr)
	require.Contains(t, imported, "Imported ")
}

func TestMoveFlags(t *testing.T) {
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"-export", "a", "-import", "b"}, "-export and -import are 2 commands"},
		{[]string{"-export", "a", "-store", "memory"}, "-export needs a store that lasts, and the store is memory"},
		{[]string{"-import", "a", "-store", "memory"}, "-import needs a store that lasts, and the store is memory"},
		{[]string{"-export", "a", "-import", "b", "-export-training", "c"}, "-export and -import and -export-training are 3 commands"},
		{[]string{"-export-training", "a", "-catalog", "x", "-addr", ":80"}, "-addr is for serving, and -export-training serves nothing"},
		{[]string{"-export-training", "a", "-store", "memory"}, "-export-training needs a store that lasts"},
		{[]string{"-export", "a", "-addr", ":80"}, "-addr is for serving, and -export serves nothing"},
		{[]string{"-import", "a", "-store", "dynamodb", "-cache", "8MiB"}, "-cache is for serving, and -import serves nothing"},
		{[]string{"-not-empty"}, "-not-empty goes with -import"},
		{[]string{"-export", "a", "-unfinished"}, "-unfinished goes with -import"},
	} {
		code, stdout, stderr := command(t.Context(), tt.args...)
		require.Equal(t, 2, code, tt.args)
		require.Empty(t, stdout)
		require.Contains(t, stderr, tt.says)
	}
}

// countdown ends after it was asked so many times whether it has ended.
type countdown struct {
	context.Context
	mu   sync.Mutex
	left int
	done chan struct{}
}

func (c *countdown) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		close(c.done)
	}
	if c.left <= 0 {
		return context.Canceled
	}
	return nil
}

func (c *countdown) Done() <-chan struct{} { return c.done }

// Stopped again and again, a move goes on each time and comes to the same end.
func TestMoveStopped(t *testing.T) {
	dir := t.TempDir()
	first, second, file := filepath.Join(dir, "first.db"), filepath.Join(dir, "second.db"), filepath.Join(dir, "house.jsonl")
	s, err := sqlitestore.Open(t.Context(), first, nil)
	require.NoError(t, err)
	writes := make([]store.Write, 5000)
	for i := range writes {
		key := store.Key{Table: store.Tables()[i%3], Partition: store.HashPartition("test", strconv.Itoa(i)), Sort: "item"}
		writes[i] = store.Put(store.Item{Key: key, Body: fmt.Appendf(nil, `{"n":%d}`, i)}, store.None)
	}
	require.NoError(t, s.Bulk(t.Context(), writes))
	require.NoError(t, s.Close())
	for _, args := range [][]string{{"-db", first, "-export", file}, {"-db", second, "-import", file}} {
		stopped := 0
		for {
			code, stdout, stderr := command(&countdown{Context: t.Context(), left: 30 + stopped, done: make(chan struct{})}, args...)
			if code == 0 {
				require.Contains(t, stdout, "ported 5,000 items (users 1,667, interactions 1,667, models 1,666; ")
				break
			}
			stopped++
			require.Less(t, stopped, 200)
			require.Equal(t, 1, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, "context canceled")
			if strings.Contains(stderr, "archive:") {
				require.Contains(t, stderr, "(stopped; the same command goes on from here)")
			}
		}
		require.Positive(t, stopped)
	}
	s, err = sqlitestore.Open(t.Context(), second, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for _, w := range writes {
		item, err := s.Get(t.Context(), w.Key, store.Strong)
		require.NoError(t, err)
		require.Equal(t, w.Version, item.Version)
		require.Equal(t, w.Body, item.Body)
	}
	entries, err := filepath.Glob(file + "*")
	require.NoError(t, err)
	require.Equal(t, []string{file}, entries)
}

func TestTeller(t *testing.T) {
	var w bytes.Buffer
	now := time.Unix(0, 0)
	told := newTeller(&w)
	told.now, told.doing = func() time.Time { return now }, "import"
	require.False(t, told.terminal)
	tell := func(after time.Duration, p archive.Progress) string {
		now = now.Add(after)
		w.Reset()
		told.tell(p)
		return w.String()
	}
	require.Empty(t, tell(time.Minute, archive.Progress{Items: 1000, Bytes: 100, Of: 1000}), "the sums were checked until now")
	require.Empty(t, tell(time.Second, archive.Progress{Items: 2000, Bytes: 200, Of: 1000}))
	require.Equal(t, "import: 1,234,000 items, 616,500 a second, 450 bytes (45 %)\n", tell(time.Second, archive.Progress{Items: 1234000, Bytes: 450, Of: 1000}))
	require.Empty(t, tell(time.Second, archive.Progress{Items: 1234000}))
	told.terminal = true
	require.Equal(t, "\r\x1b[Kimport: 1,234,000 items, 308,250 a second, 0 bytes", tell(time.Second, archive.Progress{Items: 1234000}))
	w.Reset()
	told.end()
	require.Equal(t, "\n", w.String())
	require.True(t, newTeller(openNull(t)).terminal) // a character device, as a terminal is one
}

func openNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func TestItems(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		require.Equal(t, want, grouped(n))
	}
	s := archive.Summary{Items: map[store.Table]int64{store.Users: 1000, store.Interactions: 2, store.Models: 0}, Bytes: 4096, Expired: 3}
	require.Equal(t, "1,002 items (users 1,000, interactions 2, models 0; 4,096 bytes), without 3 that have expired,", items(s))
}
