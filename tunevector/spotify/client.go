package spotify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	web "github.com/zmb3/spotify/v2"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
)

// ClientOptions tune a Client. Only Tokens is required, and the zero value of all else is right for an app in development mode.
type ClientOptions struct {
	Tokens Tokens
	// BaseURL is where the Web API is: https, or http at a literal loopback address, as listeners' tokens are sent there. "": https://api.spotify.com/v1.
	BaseURL string
	// HTTP does the requests; nil: a client of its own. Its time limit is Timeout's, its redirects are not followed.
	HTTP *http.Client
	// Extended says that Spotify has granted the app extended quota: then it asks for many tracks at a time, and reads what only such an app is given. An
	// app in development mode is refused those requests.
	Extended bool
	// Market is the country (ISO 3166-1 alpha-2) that goes with every request which takes one, the same for all listeners. Spotify then says which tracks can be played, and those that cannot are
	// left out; by its documentation it goes by the country of the listener's account all the same, and by this one only where it knows none. "": none goes, nothing is said
	// of tracks, and some can be there that the listener cannot play. Of episodes Spotify tells it always, and of what is heard most or lately never.
	Market string
	// PerSecond is how many requests this process makes a second for all listeners together, over time; 0: 3. Burst is how many at once; 0: 15. Where Tokens are [Links], these
	// ask too, and share the limit and all holding still: then 0 leaves it as their Options have it, and anything else changes it for both.
	PerSecond float64
	Burst     int
	// MaxWait is how long a request waits at most for its turn, or for what Spotify asks to wait; where it is longer, the answer is an error at once. 0: 10 s.
	MaxWait time.Duration
	// Timeout is how long an answer may take; 0: 10 s.
	Timeout  time.Duration
	Now      func() time.Time // nil: time.Now
	Observer observe.Observer // gets one "spotify.request" for each; nil: none
}

// Client asks the Web API in listeners' names. It paces the requests of all of them together, repeats what may be repeated, and
// holds still when told to. It does so for the client library that it uses for most reads (github.com/zmb3/spotify/v2) and for what that cannot do. It is safe
// for concurrent use, and has no goroutine.
type Client struct {
	o       ClientOptions
	base    *url.URL
	rt      http.RoundTripper
	limiter *limiter
}

const (
	defaultBaseURL   = "https://api.spotify.com/v1"
	defaultPerSecond = 3 // 90 in the 30 seconds that Spotify counts by; what it permits is not published, and an app in development mode gets little
	defaultBurst     = 15
	defaultMaxWait   = 10 * time.Second
	defaultTimeout   = 10 * time.Second
	mostAnswer       = 8 << 20 // bytes; a page of 50 tracks has about 150,000
)

// NewClient returns a Client. Options with mistakes are refused with all of them named.
func NewClient(o ClientOptions) (*Client, error) {
	var f fault.Fields
	if o.Tokens == nil {
		f.Add("Tokens", "is required")
	}
	if o.BaseURL == "" {
		o.BaseURL = defaultBaseURL
	}
	if wrong := checkURL(o.BaseURL); wrong != "" {
		f.Add("BaseURL", "%s", wrong)
	}
	if o.Market != "" && !isCountry(o.Market) {
		f.Add("Market", "must be a country as ISO 3166-1 alpha-2 has it, such as SE")
	}
	if !(o.PerSecond >= 0) {
		f.Add("PerSecond", "must not be negative")
	}
	if o.Burst < 0 {
		f.Add("Burst", "must not be negative")
	}
	if o.MaxWait < 0 {
		f.Add("MaxWait", "must not be negative")
	}
	if o.Timeout < 0 {
		f.Add("Timeout", "must not be negative")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	base, _ := url.Parse(strings.TrimSuffix(o.BaseURL, "/") + "/") // as was checked
	o.MaxWait, o.Timeout = or(o.MaxWait, defaultMaxWait), or(o.Timeout, defaultTimeout)
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Observer = observe.Or(o.Observer)
	c := &Client{o: o, base: base, rt: transportOf(o.HTTP)}
	if l, ok := o.Tokens.(limited); ok {
		c.limiter = l.appLimiter()
		c.limiter.tune(o.PerSecond, o.Burst)
	} else {
		c.limiter = newLimiter(o.PerSecond, o.Burst, o.Now)
	}
	return c, nil
}

func transportOf(c *http.Client) http.RoundTripper {
	if c != nil && c.Transport != nil {
		return c.Transport
	}
	return http.DefaultTransport
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// library is the client library, asking in a listener's name by way of [caller].
func (c *Client) library(profileID uuid.UUID) *web.Client {
	return web.New(c.http(profileID), web.WithBaseURL(c.base.String()))
}

// http is an HTTP client that asks in a listener's name. Redirects are not followed: the token is for nobody else.
func (c *Client) http(profileID uuid.UUID) *http.Client {
	return &http.Client{
		Transport:     caller{c, profileID},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request is one that the client library cannot make.
type request struct {
	method, path string
	query        url.Values
	body         any
}

// do makes a request and reads the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, profileID uuid.UUID, q request, out any) error {
	u := c.base.JoinPath(q.path)
	u.RawQuery = q.query.Encode()
	var body io.Reader
	if q.body != nil {
		sent, err := json.Marshal(q.body)
		if err != nil {
			return err
		}
		body = bytes.NewReader(sent)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, u.String(), body)
	if err != nil {
		return err
	}
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http(profileID).Do(r)
	if err != nil {
		return bare(err)
	}
	defer res.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return failed(ctx, c.operation(r), errNoJSON)
	}
	return nil
}

var (
	errNoJSON  = errors.New("the answer is not what was asked for")
	errTooLong = errors.New("the answer is too long")
	errOther   = errors.New("another host than the Web API's")
)

// read is what the client library's errors are to callers.
func read(err error) error {
	var said web.Error
	switch err = bare(err); {
	case err == nil:
		return nil
	case reasonOf(err) != "", errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &said): // it is caller that sees answers which are none
		return &APIError{Operation: "GET", Status: said.Status, Reason: ReasonInvalid}
	}
	if fault.KindOf(err) != fault.None || errors.Is(err, ErrConfiguration) {
		return err // there is no token
	}
	return &APIError{Operation: "GET", Reason: ReasonUnavailable, cause: errNoJSON}
}

// anID is an id of Spotify's, in a path: metrics and errors name the operation and not what it was about.
var anID = regexp.MustCompile(`^[0-9A-Za-z]{22}$`)

// operation names a request, without ids.
func (c *Client) operation(r *http.Request) string {
	segments := strings.Split(strings.TrimPrefix(r.URL.Path, c.base.Path), "/")
	for i, s := range segments {
		if anID.MatchString(s) {
			segments[i] = "{id}"
		}
	}
	return r.Method + " " + strings.Join(segments, "/")
}

// caller is an http.RoundTripper that asks in a listener's name. It returns successes only, read whole: all else is an error.
type caller struct {
	c         *Client
	profileID uuid.UUID
}

// attempts is how often a request is made at most, where it may be repeated.
const attempts = 3

// firstBackoff is how long the first repetition waits at most, where nothing says how long; the second waits up to four times as long.
const firstBackoff = 250 * time.Millisecond

// RoundTrip makes a request, and repeats it: after a 401 once, with another token; after a 429 for as long as it says, if that is not too long; and where it
// changes nothing, or the same as before, also after failures that may pass.
func (t caller) RoundTrip(r *http.Request) (*http.Response, error) {
	c, ctx := t.c, r.Context()
	if r.URL.Host != c.base.Host || r.URL.Scheme != c.base.Scheme || !strings.HasPrefix(r.URL.Path, c.base.Path) {
		return nil, errOther // such as the next page of an answer that is not what it should be: the token is for nobody else
	}
	operation := c.operation(r)
	repeatable := r.Method == http.MethodGet || r.Method == http.MethodPut || r.Method == http.MethodDelete
	refused := ""
	for attempt := 1; ; attempt++ {
		if err := c.limiter.wait(ctx, operation, c.o.MaxWait); err != nil {
			return nil, err
		}
		token, err := t.token(ctx, refused)
		if err != nil {
			return nil, err
		}
		res, err := t.once(r, operation, token)
		if err == nil {
			return res, nil
		}
		last := attempt == attempts
		switch reasonOf(err) {
		case ReasonUnauthorized:
			if refused != "" || last {
				return nil, err
			}
			refused = token
		case ReasonRateLimited:
			if last {
				return nil, err
			}
		case ReasonUnavailable:
			if last || !repeatable {
				return nil, err
			}
			if err := c.limiter.sleep(ctx, rand.N(firstBackoff<<(2*(attempt-1)))); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
}

func (t caller) token(ctx context.Context, refused string) (string, error) {
	if refused != "" {
		return t.c.o.Tokens.Renew(ctx, t.profileID, refused)
	}
	return t.c.o.Tokens.Token(ctx, t.profileID)
}

// once makes a request once, and tells the observer.
func (t caller) once(r *http.Request, operation, token string) (res *http.Response, err error) {
	defer observe.Watch(r.Context(), t.c.o.Observer, "spotify.request")(&err)
	ctx, cancel := context.WithTimeout(r.Context(), t.c.o.Timeout)
	defer cancel()
	sent := r.Clone(ctx)
	sent.Header.Set("Authorization", "Bearer "+token)
	sent.Header.Set("Accept", "application/json")
	if r.GetBody != nil {
		if sent.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	res, err = t.c.rt.RoundTrip(sent)
	if err != nil {
		return nil, failed(r.Context(), operation, err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	_ = res.Body.Close() // it was read, or is of no use
	switch {
	case err != nil:
		return nil, failed(r.Context(), operation, err)
	case len(body) > mostAnswer:
		return nil, failed(r.Context(), operation, errTooLong)
	case res.StatusCode < http.StatusOK || res.StatusCode >= http.StatusMultipleChoices:
		return nil, t.refused(operation, res, body)
	case r.Method == http.MethodGet && !json.Valid(body):
		return nil, failed(r.Context(), operation, errNoJSON)
	}
	res.Body, res.Request = io.NopCloser(bytes.NewReader(body)), r
	return res, nil
}

// refused makes an error of an answer that is no success, and holds the app still where it is told to.
func (t caller) refused(operation string, res *http.Response, body []byte) error {
	var said apiAnswer
	_ = json.Unmarshal(body, &said) // whatever it is, the status says enough
	e := &APIError{Operation: operation, Status: res.StatusCode, Reason: reasonFor(res.StatusCode, said)}
	if e.Reason == ReasonRateLimited || e.Reason == ReasonQuota {
		e.RetryAfter = t.c.limiter.hold(retryAfter(res.Header.Get("Retry-After"), t.c.o.Now()), e.Reason == ReasonQuota)
	}
	return e
}

// retryAfter reads the header: seconds, or a date; 0 where it says nothing.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(header, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// String says whose it is, without what is secret.
func (c *Client) String() string { return fmt.Sprintf("Spotify Web API at %s", c.base) }
