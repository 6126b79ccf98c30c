package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/archive"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

// TestNothingAcknowledgedIsLostByKill starts the real server, writes to it from several connections, kills it with SIGKILL
// in the middle, starts it again on the same file and looks for everything it had acknowledged; over and over on one file.
// RHYTHMIQ_KILL_ROUNDS says how often; 3 if unset.
func TestNothingAcknowledgedIsLostByKill(t *testing.T) {
	rounds := 3
	if s := os.Getenv("RHYTHMIQ_KILL_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		rounds = n
	}
	dir := t.TempDir()
	program := built(t, dir)
	db := filepath.Join(dir, "rhythmiq.db")

	var acknowledged sync.Map // path of a resource → token that may read it
	base, kill := spawn(t, program, db)
	for round := range rounds {
		load(t, base, round, &acknowledged, kill)
		base, kill = spawn(t, program, db)
		verify(t, base, &acknowledged)
	}
	kill()
	n := 0
	acknowledged.Range(func(any, any) bool { n++; return true })
	t.Logf("%d rounds, %d acknowledged writes, none lost", rounds, n)
	require.Greater(t, n, 10*rounds)
}

// built returns the server as a program in dir.
func built(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "server")
	c := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	c.Env = append(os.Environ(), "GOFLAGS=") // as it is shipped, whatever this test is built with
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// spawn starts the program and returns its address and what kills it (SIGKILL) and waits until it is gone.
func spawn(t *testing.T, program, db string) (base string, kill func()) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0", "-db", db, "-rate", "0", "-log-level", "error")
	stdout, err := c.StdoutPipe()
	require.NoError(t, err)
	c.Stderr = os.Stderr
	require.NoError(t, c.Start())
	kill = sync.OnceFunc(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed: that is an error, and the one we want
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "the server did not start again")
	return urls.FindString(line), kill
}

// load writes from several connections and kills the server while they do.
func load(t *testing.T, base string, round int, acknowledged *sync.Map, kill func()) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	name := fmt.Sprintf("listener%d", round)
	status, answer := call(t, client, http.MethodPost, base+"/profiles", "", fmt.Sprintf(
		`{"username":%q,"firstName":"L","lastName":"L","email":"%s@example.com","phoneNumber":"+12015550123","password":"correct horse battery"}`, name, name,
	))
	require.Equal(t, 201, status, answer)
	profile := "/profiles/" + answer["profileId"].(string)
	status, answer = call(t, client, http.MethodPost, base+"/sessions", "", fmt.Sprintf(`{"username":%q,"password":"correct horse battery"}`, name))
	require.Equal(t, 201, status, answer)
	token := answer["token"].(string)
	acknowledged.Store(profile, token)

	const enough = 40 // acknowledged writes before the kill; the writers go on until they feel it
	reached := make(chan struct{})
	var written sync.WaitGroup
	var mu sync.Mutex
	count := 0
	for writer := range 6 {
		written.Go(func() {
			for i := 0; ; i++ {
				path, id, body := profile+"/preferences", "preferenceId", fmt.Sprintf(`{"type":"artist","value":"artist %d %d"}`, writer, i)
				if writer%2 == 1 || i >= 30 { // a list holds 100 preferences
					path, id, body = profile+"/tune-vectors", "tuneVectorId", fmt.Sprintf(`{"name":"v%d","mode":"ai","durationMinutes":5,"seed":%d}`, i, i)
				}
				status, answer, err := try(context.WithoutCancel(t.Context()), client, http.MethodPost, base+path, token, body)
				if err != nil {
					return // killed: this one was not acknowledged
				}
				if status != http.StatusCreated {
					t.Errorf("%s: %d %v", path, status, answer)
					return
				}
				acknowledged.Store(path+"/"+answer[id].(string), token)
				mu.Lock()
				if count++; count == enough {
					close(reached)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(time.Minute):
		t.Error("the writers did not get anywhere")
	}
	kill()
	written.Wait()
}

// verify looks for everything that was ever acknowledged.
func verify(t *testing.T, base string, acknowledged *sync.Map) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	acknowledged.Range(func(path, token any) bool {
		status, answer := call(t, client, http.MethodGet, base+path.(string), token.(string), "")
		require.Equal(t, http.StatusOK, status, "%s was acknowledged and is gone: %v", path, answer)
		if strings.Contains(path.(string), "/tune-vectors/") {
			require.NotEmpty(t, answer["plan"], "%s has no plan", path)
		}
		return true
	})
}

// TestMoveGoesOnAfterKill kills an export, and then an import, with SIGKILL at random moments and starts it again. In the end
// the new house holds what the old one does. RHYTHMIQ_KILL_ROUNDS says how often each is killed; 3 if unset.
func TestMoveGoesOnAfterKill(t *testing.T) {
	rounds := 3
	if s := os.Getenv("RHYTHMIQ_KILL_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		rounds = n
	}
	dir := t.TempDir()
	program := built(t, dir)
	first, second, file := filepath.Join(dir, "first.db"), filepath.Join(dir, "second.db"), filepath.Join(dir, "house.jsonl")
	old, err := sqlitestore.Open(t.Context(), first, nil)
	require.NoError(t, err)
	writes := make([]store.Write, 30_000)
	for i := range writes {
		key := store.Key{Table: store.Tables()[i%3], Partition: store.HashPartition("test", strconv.Itoa(i/10)), Sort: strconv.Itoa(i)}
		writes[i] = store.Put(store.Item{Key: key, Body: fmt.Appendf(nil, `{"n":%d}`, i)}, store.None)
	}
	require.NoError(t, old.Bulk(t.Context(), writes))
	require.NoError(t, old.Close())
	for _, args := range [][]string{{"-db", first, "-export", file}, {"-db", second, "-import", file}} {
		kills := 0
		for range rounds {
			c := exec.CommandContext(t.Context(), program, args...)
			require.NoError(t, c.Start())
			time.Sleep(20*time.Millisecond + rand.N(200*time.Millisecond)) // a kill comes when it comes
			_ = c.Process.Kill()
			if c.Wait() == nil {
				break // it was quicker
			}
			kills++
		}
		if _, err := os.Stat(file); err != nil || args[2] == "-import" {
			code, _, stderr := command(t.Context(), args...)
			if strings.Contains(stderr, archive.ErrNotEmpty.Error()) {
				code = 0 // it had come to its end, or else something is missing below
			}
			require.Equal(t, 0, code, stderr)
		}
		t.Logf("%s was killed %d times", args[2], kills)
	}
	moved, err := sqlitestore.Open(t.Context(), second, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, moved.Close()) })
	for _, w := range writes {
		item, err := moved.Get(t.Context(), w.Key, store.Strong)
		require.NoError(t, err)
		require.Equal(t, w.Version, item.Version)
		require.Equal(t, w.Body, item.Body)
	}
}
