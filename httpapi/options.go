package httpapi

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// Options tune a Handler; the zero value is a good one.
type Options struct {
	// Authenticators say whose a token is, the first one that knows it. None: [OwnTokens] of the App.
	Authenticators []Authenticator
	// RequireAPIKey asks for an X-Api-Key on every operation that needs a token, except logging out and those on API keys
	// themselves, without which nobody could make a first one.
	RequireAPIKey bool

	// CallerRate limits each caller: an API key, else a profile, else an address. nil: 50 a second, bursts of 100.
	CallerRate *Rate
	// SignUpRate limits sign-ups and logins of an address. nil: 20 a second, bursts of 60.
	SignUpRate *Rate
	// LimitedCallers is how many callers are remembered for the limits, 1–16,777,216; 0 means 65,536. Whoever was not seen for longest is forgotten
	// first, and begins anew with a full burst.
	LimitedCallers int
	// Proxy says which proxies are believed when they say for whom they ask. nil: none.
	Proxy *Proxy

	// CORS lets browsers of other origins in. nil: none.
	CORS *CORS

	Logger   *slog.Logger      // gets the causes of answers with status 500; nil: the App's
	Observer rhythmiq.Observer // gets one event a request; nil: the App's
	Now      func() time.Time  // nil: the App's
}

// Rate is a limit. Where PerSecond is 0 there is none.
type Rate struct {
	PerSecond float64 // requests a second, over time
	Burst     int     // requests at once, 1 or more
}

// Proxy says how a reverse proxy names the address that it asks for.
type Proxy struct {
	// Header holds addresses separated by commas, as X-Forwarded-For does: each proxy adds the address it was asked by at the end.
	Header string
	// Trusted are the addresses of proxies. Only they are believed: the caller is the last address that is not among them.
	Trusted []netip.Prefix
}

// CORS says which pages may call from a browser.
type CORS struct {
	Origins     []string      // such as "https://app.example.com"; "*" for any
	Credentials bool          // whether a browser may send cookies along; not with "*"
	MaxAge      time.Duration // how long a browser keeps the answer to a preflight; 0: its own choice
}

const (
	defaultCallers = 1 << 16
	maxCallers     = 1 << 24
)

func (o Options) withDefaults(app *rhythmiq.App) (Options, error) {
	var f fault.Fields
	if len(o.Authenticators) == 0 && app != nil {
		o.Authenticators = []Authenticator{OwnTokens(app)}
	}
	if app == nil {
		f.Add("app", "must not be nil")
	}
	if slices.Contains(o.Authenticators, nil) {
		f.Add("Authenticators", "must not hold nil")
	}
	if o.CallerRate == nil {
		o.CallerRate = &Rate{PerSecond: 50, Burst: 100}
	}
	if o.SignUpRate == nil {
		o.SignUpRate = &Rate{PerSecond: 20, Burst: 60}
	}
	o.CallerRate.check(&f, "CallerRate")
	o.SignUpRate.check(&f, "SignUpRate")
	if o.LimitedCallers == 0 {
		o.LimitedCallers = defaultCallers
	}
	if o.LimitedCallers < 1 || o.LimitedCallers > maxCallers {
		f.Add("LimitedCallers", "must be 1 to %d", maxCallers)
	}
	if o.Proxy != nil {
		if o.Proxy.Header == "" {
			f.Add("Proxy.Header", "is required")
		}
		if len(o.Proxy.Trusted) == 0 {
			f.Add("Proxy.Trusted", "is required")
		}
	}
	o.CORS.check(&f)
	if app == nil {
		return o, f.Err()
	}
	if o.Logger == nil {
		o.Logger = app.Logger()
	}
	if o.Observer == nil {
		o.Observer = app.Observer()
	}
	if o.Now == nil {
		o.Now = app.Now
	}
	return o, f.Err()
}

func (r *Rate) check(f *fault.Fields, name string) {
	if !(r.PerSecond >= 0 && r.PerSecond <= 1e9) { // also NaN
		f.Add(name+".PerSecond", "must be 0 to 1,000,000,000")
	}
	if r.PerSecond > 0 && r.Burst < 1 {
		f.Add(name+".Burst", "must be 1 or more")
	}
}

func (c *CORS) check(f *fault.Fields) {
	if c == nil {
		return
	}
	if len(c.Origins) == 0 {
		f.Add("CORS.Origins", "is required")
	}
	if c.Credentials && slices.ContainsFunc(c.Origins, func(o string) bool { return strings.Contains(o, "*") }) {
		f.Add("CORS.Origins", "must name each origin where credentials are allowed")
	}
	if c.MaxAge < 0 {
		f.Add("CORS.MaxAge", "must not be negative")
	}
}
