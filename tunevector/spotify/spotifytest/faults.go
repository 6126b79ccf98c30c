package spotifytest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is something that goes wrong.
type Fault struct {
	// Path is the beginning of the paths that it befalls, such as "/api/token" or "/v1/"; Method is of what method, "" for any.
	Path, Method string
	Times        int // how often; 0: until [Server.Heal]

	Status     int         // what is answered in the place of the answer, where not 0
	Body       string      // with what body; "" with a Status: as the service has it for its errors
	Header     http.Header // and with which headers, such as Retry-After
	RetryAfter int         // the seconds of that header, where not 0
	Delay      time.Duration
	// Hang keeps the request until the client gives up.
	Hang bool
	// Lost has the request carried out, and its answer lost on the way.
	Lost bool
	// Cut sends the answer's first half only.
	Cut bool
	// Do, where set, is called before anything else is done.
	Do func(*http.Request)
}

// Inject has something go wrong from now on. Of several faults for one request the first is taken.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	s.faults = append(s.faults, &f)
}

// Heal takes all faults back.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// befalls takes the fault that a request is in for, or nil.
func (s *Server) befalls(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !strings.HasPrefix(r.URL.Path, f.Path) || f.Method != "" && f.Method != r.Method {
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f
	}
	return nil
}

// faulty returns what a request is to be answered on, and what is to be done after that; nil where it has been answered.
func (s *Server) faulty(w http.ResponseWriter, r *http.Request) (out http.ResponseWriter, done func()) {
	f := s.befalls(r)
	if f == nil {
		return w, func() {}
	}
	if f.Do != nil {
		f.Do(r)
	}
	if f.Delay > 0 && !wait(r, f.Delay) || f.Hang && !hang(r) {
		abort()
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	if f.RetryAfter != 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	switch {
	case f.Status != 0:
		body := f.Body
		if body == "" {
			body = fmt.Sprintf(`{"error":{"status":%d,"message":"%s"}}`, f.Status, http.StatusText(f.Status))
			if !strings.HasPrefix(r.URL.Path, "/v1/") {
				body = `{"error":"server_error"}`
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, body)
		return nil, nil
	case f.Lost, f.Cut:
		kept := &keeping{header: w.Header()}
		return kept, func() {
			if f.Lost {
				abort()
			}
			w.Header().Set("Content-Length", strconv.Itoa(kept.body.Len()))
			w.WriteHeader(kept.status)
			_, _ = w.Write(kept.body.Bytes()[:kept.body.Len()/2])
			abort()
		}
	}
	return w, func() {}
}

func wait(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func hang(r *http.Request) bool {
	<-r.Context().Done()
	return false
}

// abort breaks the connection off.
func abort() {
	panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http wants it
}

// keeping is a response that is not sent.
type keeping struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *keeping) Header() http.Header { return k.header }

func (k *keeping) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *keeping) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(b)
}

// RoundTrip answers a request without any network; see [Server.Client].
func (s *Server) RoundTrip(r *http.Request) (res *http.Response, err error) {
	defer func() {
		if r.Body != nil {
			_ = r.Body.Close()
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint,err113 // it is a value of panic
				panic(p) //nolint:forbidigo // not ours
			}
			if err = r.Context().Err(); err == nil {
				err = io.ErrUnexpectedEOF
			}
		}
	}()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	asked := r.Clone(r.Context())
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	asked.RequestURI, asked.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1"
	w := &keeping{header: http.Header{}}
	s.ServeHTTP(w, asked)
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header, Request: r,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}, nil
}
