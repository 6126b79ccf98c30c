package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/dynamotest"
)

func TestMain(m *testing.M) { dynamotest.Main(m) }

// started is a server that run serves in this process.
type started struct {
	base, metrics string
	client        *http.Client
	stdout        string
	stderr        *lockedBuffer
	stop          func() int // ends it and returns its exit status
}

var urls = regexp.MustCompile(`https?://[^ /]+`)

// start runs the server with args on a free port and waits for its greeting.
func start(t *testing.T, args ...string) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	stderr := new(lockedBuffer)
	status := make(chan int, 1)
	go func() {
		code := run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), in, stderr)
		_ = in.Close()
		status <- code
	}()
	var greeting strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		greeting.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "Try:") {
			break
		}
	}
	s := &started{stdout: greeting.String(), stderr: stderr, client: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
	if m := regexp.MustCompile(`Metrics: (http://[^/]+)/`).FindStringSubmatch(s.stdout); m != nil {
		s.metrics = m[1]
	}
	s.base = urls.FindString(s.stdout)
	require.NotEmpty(t, s.base, stderr.String())
	s.stop = sync.OnceValue(func() int {
		s.client.CloseIdleConnections()
		cancel()
		_, _ = io.Copy(io.Discard, out)
		return <-status
	})
	t.Cleanup(func() { s.stop() })
	return s
}

// call sends one request and decodes the answer.
func call(t *testing.T, c *http.Client, method, url, token, body string) (int, map[string]any) {
	t.Helper()
	status, answer, err := try(t.Context(), c, method, url, token, body)
	require.NoError(t, err)
	return status, answer
}

func try(ctx context.Context, c *http.Client, method, url, token, body string) (int, map[string]any, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w, err := c.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer w.Body.Close()
	raw, err := io.ReadAll(w.Body)
	if err != nil {
		return 0, nil, err
	}
	var answer map[string]any
	_ = json.Unmarshal(raw, &answer) // not every answer is JSON
	return w.StatusCode, answer, nil
}

const ada = `{"username":"ada","firstName":"Ada","lastName":"Lovelace","email":"ada@example.com","phoneNumber":"+442079460000","password":"correct horse battery"}`

func TestServesAListenerFromSignUpToVector(t *testing.T) {
	db := filepath.Join(t.TempDir(), "rhythmiq.db")
	s := start(t, "-db", db, "-metrics-addr", "127.0.0.1:0", "-log-level", "debug")
	status, answer := call(t, s.client, http.MethodPost, s.base+"/profiles", "", ada)
	require.Equal(t, 201, status, answer)
	id := answer["profileId"].(string)
	_, answer = call(t, s.client, http.MethodPost, s.base+"/sessions", "", `{"username":"ada","password":"correct horse battery"}`)
	token := answer["token"].(string)
	status, answer = call(t, s.client, http.MethodPost, s.base+"/profiles/"+id+"/tune-vectors", token, `{"name":"Evening","mode":"ai","durationMinutes":60,"direction":"descent"}`)
	require.Equal(t, 201, status, answer)
	vector := "/profiles/" + id + "/tune-vectors/" + answer["tuneVectorId"].(string)
	status, answer = call(t, s.client, http.MethodGet, s.base+vector, token, "")
	require.Equal(t, 200, status)
	require.Greater(t, len(answer["plan"].(map[string]any)["tracks"].([]any)), 8)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.metrics+"/metrics", http.NoBody)
	require.NoError(t, err)
	w, err := s.client.Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), `rhythmiq_operation_duration_seconds_count{operation="http.CreateProfile",status="201"} 1`)
	require.NotContains(t, string(text), id)

	require.Equal(t, 0, s.stop(), s.stderr.String())
	log := s.stderr.String()
	require.Contains(t, log, "operation=http.CreateTuneVector status=201")
	for _, personal := range []string{"ada", "Lovelace", "correct horse", id, token} {
		require.NotContains(t, log, personal)
	}

	// Another start on the same file knows the listener, the session and the vector.
	s = start(t, "-db", db)
	status, _ = call(t, s.client, http.MethodGet, s.base+vector, token, "")
	require.Equal(t, 200, status)
}

func TestTheCurlLineWorks(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("no curl on this machine: the same request is made by TestServesAListenerFromSignUpToVector")
		return
	}
	s := start(t, "-store", "memory")
	_, line, _ := strings.Cut(s.stdout, "Try: ")
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "Profile created successfully")
}

func TestHTTP2WithAndWithoutTLS(t *testing.T) {
	plain := start(t, "-store", "memory")
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	h2c := &http.Client{Transport: &http.Transport{Protocols: &p}}
	defer h2c.CloseIdleConnections()
	require.Equal(t, "HTTP/2.0", protoOf(t, h2c, plain.base+"/healthz"))
	require.Equal(t, "HTTP/1.1", protoOf(t, plain.client, plain.base+"/healthz"))

	cert, key, pool := selfSigned(t)
	secure := start(t, "-store", "memory", "-cert", cert, "-key", key)
	require.Contains(t, secure.base, "https://")
	h2 := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: pool}}
	defer h2.CloseIdleConnections()
	require.Equal(t, "HTTP/2.0", protoOf(t, h2, secure.base+"/healthz"))
}

func protoOf(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	w, err := c.Do(r)
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
	require.Equal(t, 200, w.StatusCode)
	return w.Proto
}

func TestRateIsLimitedAndCanBeSwitchedOff(t *testing.T) {
	for _, c := range []struct {
		rate    string
		limited bool
	}{{"1", true}, {"0", false}} {
		s := start(t, "-store", "memory", "-rate", c.rate)
		limited := false
		for range 50 {
			status, _ := call(t, s.client, http.MethodGet, s.base+"/profiles/00000000-0000-4000-8000-000000000000", "", "")
			limited = limited || status == http.StatusTooManyRequests
		}
		require.Equal(t, c.limited, limited, "-rate %s", c.rate)
		s.stop()
	}
}

func TestStopFinishesRunningRequests(t *testing.T) {
	s := start(t, "-store", "memory")
	// A request whose body is still on its way when the stop begins.
	host := strings.TrimPrefix(s.base, "http://")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /profiles HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: "+
		itoa(len(ada))+"\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	answer := bufio.NewReader(conn)
	line, err := answer.ReadString('\n') // the handler reads the body now
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")
	stopped := make(chan int, 1)
	go func() { stopped <- s.stop() }()
	require.Eventually(t, func() bool { return strings.Contains(s.stderr.String(), "stopping") }, 10*time.Second, time.Millisecond)
	_, err = io.WriteString(conn, ada)
	require.NoError(t, err)
	rest, err := io.ReadAll(answer)
	require.NoError(t, err)
	require.Contains(t, string(rest), "201 Created")
	require.Equal(t, 0, <-stopped, s.stderr.String())
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// With a place to keep models the server looks for them, and ends cleanly.
func TestModels(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "models")
	s := start(t, "-store", "memory", "-models", dir)
	code, _ := call(t, s.client, http.MethodGet, s.base+"/healthz", "", "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, 0, s.stop(), s.stderr.String())
	require.DirExists(t, dir)
	require.NotContains(t, s.stderr.String(), "level=ERROR")
}

func TestCannotStart(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	require.NoError(t, os.WriteFile(foreign, []byte("this is a letter to a friend, not a database of ours, and long enough"), 0o600))
	empty := filepath.Join(dir, "empty.csv")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"taken port":         {[]string{"-store", "memory", "-addr", taken.Addr().String()}, 1, "address already in use"},
		"taken metrics port": {[]string{"-store", "memory", "-metrics-addr", taken.Addr().String()}, 1, "address already in use"},
		"no such catalog":    {[]string{"-store", "memory", "-catalog", filepath.Join(dir, "none.csv")}, 1, "none.csv"},
		"empty catalog":      {[]string{"-store", "memory", "-catalog", empty}, 1, "empty.csv"},
		"no such folder":     {[]string{"-db", filepath.Join(dir, "none", "x.db")}, 1, "x.db"},
		"a foreign file":     {[]string{"-db", foreign}, 1, "foreign.db"},
		"models in a file":   {[]string{"-store", "memory", "-models", foreign}, 1, "foreign.db"},
		"no such key":        {[]string{"-store", "memory", "-cert", "a.pem", "-key", "b.pem"}, 1, "a.pem"},
		"cert without key":   {[]string{"-cert", "a.pem"}, 2, "-cert and -key go together"},
		"unknown store":      {[]string{"-store", "tape"}, 2, `-store is "tape"`},
		"another's flags":    {[]string{"-store", "memory", "-db", "x", "-table-prefix", "y", "-cache", "2MiB", "-create-tables"}, 2, "-table-prefix goes with -store dynamodb"},
		"another's file":     {[]string{"-store", "dynamodb", "-db", "x"}, 2, "-db goes with -store sqlite"},
		"no prefix":          {[]string{"-store", "dynamodb", "-table-prefix", ""}, 2, "-table-prefix must not be empty"},
		"endpoint not a URL": {[]string{"-store", "dynamodb", "-dynamodb-endpoint", "localhost:8000"}, 2, "-dynamodb-endpoint must be a URL"},
		"tiny cache":         {[]string{"-store", "dynamodb", "-cache", "1kB"}, 2, "-cache must be at least 1MiB"},
		"no time to cache":   {[]string{"-store", "dynamodb", "-cache", "2MiB", "-cache-ttl", "0s"}, 2, "-cache-ttl must be above 0"},
		"odd cache":          {[]string{"-store", "dynamodb", "-cache", "much"}, 2, "must be a size"},
		"negative rate":      {[]string{"-rate", "-1"}, 2, "-rate"},
		"no precision":       {[]string{"-precision", "int4"}, 2, "-precision is \"int4\""},
		"argument":           {[]string{"start"}, 2, `unexpected argument "start"`},
		"unknown flag":       {[]string{"-hue"}, 2, "-hue"},
		"help":               {[]string{"-h"}, 0, "-catalog"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := c.args
			if c.code == 1 {
				args = append([]string{"-addr", "127.0.0.1:0", "-log-level", "error"}, args...)
			}
			require.Equal(t, c.code, run(t.Context(), args, &stdout, &stderr))
			require.Contains(t, stderr.String(), c.says)
			if c.code == 1 {
				require.Equal(t, 1, strings.Count(stderr.String(), "\n"), "one line: %s", stderr.String())
			}
		})
	}
}

// lockedBuffer is a bytes.Buffer for two goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
