package httpapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/profile"
)

// BenchmarkGetProfile compares GET of a profile through the whole stack (token, limits, ETag, store in memory) with a bare
// handler that writes the same bytes. Both servers are in this process and asked in turns, over loopback and
// connections that are kept alive, by a client that does next to nothing itself: it writes the same bytes each time and counts
// the answer's. Medians over the rounds are reported, and CPU time (of server and client) a request.
//
//	go test -run '^$' -bench GetProfile -benchtime 30x ./httpapi
func BenchmarkGetProfile(b *testing.B) {
	app, err := rhythmiq.New(rhythmiq.Config{Profile: profile.Options{Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}}})
	require.NoError(b, err)
	// Limits that are kept but not reached.
	h, err := httpapi.New(app, httpapi.Options{CallerRate: &httpapi.Rate{PerSecond: 1e8, Burst: 1e8}})
	require.NoError(b, err)
	whole := httptest.NewServer(h)
	defer whole.Close()
	token, path := signUp(b, whole)
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", path, token)

	answer := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+token)
	h.ServeHTTP(answer, r)
	require.Equal(b, http.StatusOK, answer.Code, answer.Body.String())
	body := answer.Body.Bytes()
	header := answer.Header()
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		_, _ = w.Write(body)
	}))
	defer bare.Close()

	wholeLoad, bareLoad := newLoad(b, whole, request), newLoad(b, bare, request)
	defer wholeLoad.close()
	defer bareLoad.close()
	wholeLoad.round(b)
	bareLoad.round(b)
	var wholes, bares []measure
	for b.Loop() {
		wholes = append(wholes, wholeLoad.round(b))
		bares = append(bares, bareLoad.round(b))
	}
	rate := func(m measure) float64 { return m.perSecond }
	cpu := func(m measure) float64 { return m.cpu }
	b.ReportMetric(median(wholes, rate), "req/s")
	b.ReportMetric(median(bares, rate), "bare-req/s")
	b.ReportMetric(100*median(wholes, rate)/median(bares, rate), "%-of-bare")
	b.ReportMetric(median(wholes, cpu), "cpu-µs/req")
	b.ReportMetric(median(bares, cpu), "bare-cpu-µs/req")
}

func signUp(tb testing.TB, server *httptest.Server) (token, path string) {
	tb.Helper()
	post := func(path, body string, v any) {
		res, err := server.Client().Post(server.URL+path, "application/json", strings.NewReader(body))
		require.NoError(tb, err)
		defer func() { _ = res.Body.Close() }()
		require.Equal(tb, http.StatusCreated, res.StatusCode)
		require.NoError(tb, json.NewDecoder(res.Body).Decode(v))
	}
	var p struct{ ProfileID string }
	post("/profiles", `{"username":"ann","firstName":"Ann","lastName":"Lee","email":"ann@example.com","phoneNumber":"+1 201-555-0123","password":"correct horse"}`, &p)
	var s struct{ Token string }
	post("/sessions", `{"username":"ann","password":"correct horse"}`, &s)
	return s.Token, "/profiles/" + p.ProfileID
}

const (
	connections = 8
	perRound    = 1000 // requests of each connection
)

// load is a client with connections of its own.
type load struct {
	conns   []net.Conn
	request []byte
}

type measure struct {
	perSecond float64
	cpu       float64 // µs of the process a request
}

func newLoad(b *testing.B, server *httptest.Server, request string) *load {
	b.Helper()
	l := &load{request: []byte(request)}
	for range connections {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(b, err)
		l.conns = append(l.conns, c)
	}
	return l
}

func (l *load) close() {
	for _, c := range l.conns {
		_ = c.Close()
	}
}

func (l *load) round(b *testing.B) measure {
	b.Helper()
	var wg sync.WaitGroup
	cpu, start := cpuTime(b), time.Now()
	for _, c := range l.conns {
		wg.Go(func() {
			in := bufio.NewReader(c)
			for range perRound {
				if _, err := c.Write(l.request); err != nil {
					b.Error(err)
					return
				}
				if err := skipAnswer(in); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	n := float64(len(l.conns) * perRound)
	return measure{n / time.Since(start).Seconds(), float64((cpuTime(b)-cpu)/time.Microsecond) / n}
}

var contentLength = []byte("Content-Length: ")

// skipAnswer reads an answer of a known length, and looks at nothing but the status.
func skipAnswer(in *bufio.Reader) error {
	status, err := in.ReadSlice('\n')
	if err != nil || !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("%q: %w", status, err)
	}
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	_, err = io.CopyN(io.Discard, in, int64(length))
	return err
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(all []measure, of func(measure) float64) float64 {
	values := make([]float64, len(all))
	for i, m := range all {
		values[i] = of(m)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
