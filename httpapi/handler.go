package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rs/cors"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/strict"
)

// Handler serves an App. It is an http.Handler, starts no goroutine that outlives a request, and needs no closing.
type Handler struct {
	app     *rhythmiq.App
	o       Options
	routes  *node
	callers limiter
	signUps limiter
	sealing chan struct{} // bounds how many slow keys are derived at a time
	waiting atomic.Int64  // for slow keys, theirs being derived included
	outage  outage
	outer   http.Handler
}

// New returns a Handler for app. Options with mistakes are refused with all of them named.
func New(app *rhythmiq.App, o Options) (*Handler, error) {
	o, err := o.withDefaults(app)
	if err != nil {
		return nil, err
	}
	h := &Handler{app: app, o: o, sealing: make(chan struct{}, slowKeys)}
	h.routes = newTree(h.table())
	if h.callers, err = newLimiter(*o.CallerRate, o.LimitedCallers); err != nil {
		return nil, err
	}
	if h.signUps, err = newLimiter(*o.SignUpRate, o.LimitedCallers); err != nil {
		return nil, err
	}
	h.outer = http.HandlerFunc(h.serve)
	if o.CORS != nil {
		h.outer = o.CORS.wrap(h.outer)
	}
	return h, nil
}

// ServeHTTP answers a request whose URL's path is that of a route: a host that mounts the Handler under a prefix
// strips it, as http.StripPrefix does.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Request-Id"] = requestID(r) // also on what CORS answers by itself
	h.outer.ServeHTTP(w, r)
}

func (c *CORS) wrap(next http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowedOrigins:   c.Origins,
		AllowCredentials: c.Credentials,
		MaxAge:           int(c.MaxAge / time.Second),
		AllowedMethods:   []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders:   []string{"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Api-Key", "X-Request-Id"},
		ExposedHeaders:   []string{"ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"},
	}).Handler(next)
}

// call is one request on its way.
type call struct {
	h         *Handler
	w         http.ResponseWriter
	r         *http.Request
	ctx       context.Context
	route     *route
	values    [maxParams]string // of the path's parameters
	who       Principal
	profileID uuid.UUID // from the path
	childID   uuid.UUID // from the path: the preference, vector, …
	raw       []byte    // the body
	challenge string    // the WWW-Authenticate header of a 403
	sent      int       // the status of the header that was sent, or 0
}

// serve answers a request and tells the observer. A panic is answered with 500, as far as nothing was sent yet.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now() // durations go by the monotonic clock, whatever the App's says
	c := &call{h: h, w: w, r: r, ctx: r.Context()}
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler { //nolint:errorlint,err113 // it is a value of panic
			h.o.Logger.LogAttrs(c.ctx, slog.LevelError, "a request panicked",
				slog.String("operation", c.event()), slog.String("panic", panicText(p)), slog.String("stack", string(debug.Stack())))
			if c.sent == 0 {
				c.send(c.failure(errPanicked))
				p = nil
			}
		}
		h.o.Observer.Observe(c.ctx, rhythmiq.Event{Operation: c.event(), Status: statusText(c.sent), Duration: time.Since(start)})
		if p != nil {
			abort()
		}
	}()
	c.send(h.answer(c)) //nolint:contextcheck // what a client that has gone away began is still put in order
}

var errPanicked = errors.New("a panic")

// abort breaks the connection off: the client must not take what it has for the whole.
func abort() {
	panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http wants it
}

// panicText says what a panic was without showing values, which could be somebody's data.
func panicText(p any) string {
	if e, ok := p.(interface{ RuntimeError() }); ok {
		return fmt.Sprint(e)
	}
	return fmt.Sprintf("a %T", p)
}

// event is the operation's name for the observer.
func (c *call) event() string {
	if c.route == nil {
		return "http.Unrouted"
	}
	return c.route.event
}

// answer takes a call through the checks in their order, and to its operation.
func (h *Handler) answer(c *call) answer {
	at, values := h.routes.find(c.r.URL.Path)
	if at == nil || strings.Contains(strings.ToUpper(c.r.URL.RawPath), "%2F") { // an escaped slash separates nothing
		return c.unrouted(http.StatusNotFound, nil)
	}
	route, ok := at.methods[c.r.Method]
	if !ok {
		if c.r.Method == http.MethodOptions {
			return c.unrouted(http.StatusNoContent, at.allow)
		}
		return c.unrouted(http.StatusMethodNotAllowed, at.allow)
	}
	c.route, c.values = route, values
	c.routeHeaders()
	if err := h.identify(c); err != nil {
		return c.failure(err)
	}
	if err := c.parsePath(); err != nil {
		return c.failure(err)
	}
	if err := c.readBody(); err != nil {
		return c.failure(err)
	}
	if c.r.Method == http.MethodPost && !route.repeatable {
		if keys, ok := c.r.Header["Idempotency-Key"]; ok {
			return h.once(c, keys)
		}
	}
	return h.execute(c)
}

// unrouted answers what no operation answers.
func (c *call) unrouted(status int, allow []string) answer {
	c.w.Header()["Cache-Control"] = privately
	if limited := tooMany(c.h.callers.take(caller{callerAddress, addressID(c.address())}, c.h.o.Now())); limited != nil {
		return c.failure(limited)
	}
	if allow != nil {
		c.w.Header()["Allow"] = allow
	}
	switch status {
	case http.StatusNotFound:
		return message(status, "There is nothing at this path")
	case http.StatusMethodNotAllowed:
		return message(status, "This path does not have this method")
	default:
		return answer{status: status}
	}
}

// execute has the operation done and renders its reply.
func (h *Handler) execute(c *call) answer {
	reply, err := c.route.handle(c)
	if err == nil {
		var a answer
		if a, err = reply.render(); err == nil {
			return c.conditional(a)
		}
	}
	return c.failure(err)
}

// parsePath reads the ids of the path. The right to the profile comes before what else may be wrong.
func (c *call) parsePath() error {
	var f fault.Fields
	var own bool
	for i, name := range c.route.params {
		id, ok := strict.UUID(c.values[i])
		if !ok {
			f.Add(name, "Must be a UUID")
		}
		if name != "profileId" {
			c.childID = id
			continue
		}
		c.profileID, own = id, ok
	}
	if own {
		if err := c.checkRight(); err != nil {
			return err
		}
	}
	return f.Err()
}

// location makes an absolute path of a route's, under the prefix where the Handler is mounted: what of the path that
// the client asked for is not in the path that came here.
func (c *call) location(path string) string {
	u, err := url.ParseRequestURI(c.r.RequestURI)
	if err != nil {
		return path
	}
	prefix, ok := strings.CutSuffix(u.EscapedPath(), c.r.URL.EscapedPath())
	if !ok {
		return path
	}
	return prefix + path
}

const maxRequestID = 64

// requestID returns the header that names the request: the caller's name for it, if it is sane.
func requestID(r *http.Request) []string {
	given := r.Header["X-Request-Id"]
	if len(given) == 1 && saneID(given[0]) {
		return given
	}
	var b [32]byte
	const digits = "0123456789abcdef"
	hi, lo := rand.Uint64(), rand.Uint64() //nolint:gosec // tells requests apart, hides nothing
	for i := range 16 {
		b[i], b[16+i] = digits[hi>>(4*i)&15], digits[lo>>(4*i)&15]
	}
	return []string{string(b[:])}
}

func saneID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// statusText returns a status as metrics have it: the usual ones without an allocation.
func statusText(status int) string {
	switch status {
	case http.StatusOK:
		return "200"
	case http.StatusNotModified:
		return "304"
	case 0: // aborted
		return "000"
	default:
		return strconv.Itoa(status)
	}
}
