package sqlitestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/sqlitestore"
)

const (
	killedEnv  = "RHYTHMIQ_SQLITESTORE_KILLED" // the file to write to until killed, in the process that is killed
	roundsEnv  = "RHYTHMIQ_KILLS"              // how often; 5 where it is not set
	killed     = 4                             // writers in that process
	killedKeep = 30                            // each deletes what it wrote so many writes ago
)

func killedKey(t store.Table, writer int, sort string) store.Key {
	return store.Key{Table: t, Partition: store.Partition{byte(writer)}, Sort: sort}
}

func killedSort(n int) string { return fmt.Sprintf("%09d", n) }

// lastOf returns the number of the writer's last write; 0 for none.
func lastOf(ctx context.Context, s store.Store, writer int) (int, error) {
	item, err := s.Get(ctx, killedKey(store.Users, writer, "last"), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	var last struct{ N int }
	if err == nil {
		err = item.Decode(&last)
	}
	return last.N, err
}

// writeUntilKilled is what the other process does: each writer puts items into two tables and its last number, deletes old
// ones, all in one Apply, and says so on standard output once that is acknowledged.
func writeUntilKilled(path string) {
	ctx := context.Background()
	s, err := sqlitestore.Open(ctx, path, nil)
	if err != nil {
		panic(err)
	}
	for writer := range killed {
		go func() {
			last, err := lastOf(ctx, s, writer)
			for n := last + 1; err == nil; n++ {
				writes := []store.Write{store.Put(store.Item{Key: killedKey(store.Users, writer, "last"), Body: fmt.Appendf(nil, `{"n":%d}`, n)}, store.None)}
				for _, t := range []store.Table{store.Users, store.Interactions} {
					value := fmt.Appendf(nil, `{"text":"%s"}`, strings.Repeat("x", n%3000))
					writes = append(writes, store.Put(store.Item{Key: killedKey(t, writer, killedSort(n)), Body: value}, store.Absent))
					if n > killedKeep {
						writes = append(writes, store.Delete(killedKey(t, writer, killedSort(n-killedKeep)), store.Present))
					}
				}
				if err = s.Apply(ctx, writes...); err == nil {
					_, err = fmt.Println(writer, n)
				}
			}
			panic(err)
		}()
	}
	select {}
}

// A process that is killed while it writes loses nothing that it has acknowledged, and leaves no half of an Apply.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := 5
	if n, err := strconv.Atoi(os.Getenv(roundsEnv)); err == nil {
		rounds = n
	}
	path := filepath.Join(t.TempDir(), "killed.db")
	acknowledged := [killed]int{}
	total := 0
	for range rounds {
		lines := killOnce(t, path)
		for _, line := range lines {
			var writer, n int
			_, err := fmt.Sscan(line, &writer, &n)
			require.NoError(t, err, line)
			acknowledged[writer] = n
		}
		total += len(lines)
		requireWhole(t, path, acknowledged)
	}
	require.NotZero(t, total)
	t.Logf("%d kills, %d acknowledged writes, all there", rounds, total)
}

// killOnce runs the other process, kills it within its first 60 ms of writing, and returns what it acknowledged.
func killOnce(t *testing.T, path string) (lines []string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), killedEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // what there is of a last line was not said
		}
		require.NoError(t, err)
		if lines = append(lines, line); len(lines) == 1 {
			time.AfterFunc(rand.N(60*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
	}
	require.Error(t, cmd.Wait())
	require.Equal(t, "signal: killed", cmd.ProcessState.String())
	return lines
}

func requireWhole(t *testing.T, path string, acknowledged [killed]int) {
	t.Helper()
	ctx := context.Background()
	s, err := sqlitestore.Open(ctx, path, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for writer, least := range acknowledged {
		last, err := lastOf(ctx, s, writer)
		require.NoError(t, err)
		require.GreaterOrEqual(t, last, least)
		var want []string
		for n := max(1, last-killedKeep+1); n <= last; n++ {
			want = append(want, killedSort(n))
		}
		for _, table := range []store.Table{store.Users, store.Interactions} {
			var got []string
			for item, err := range store.All(ctx, s, store.Query{Table: table, Partition: store.Partition{byte(writer)}, Prefix: "0"}) {
				require.NoError(t, err)
				n, err := strconv.Atoi(item.Key.Sort)
				require.NoError(t, err)
				require.Len(t, item.Body, n%3000+len(`{"text":""}`))
				got = append(got, item.Key.Sort)
			}
			require.Equal(t, want, got)
		}
	}
}
