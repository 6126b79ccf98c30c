package spotify

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// What is told of a link; see their fields.
type (
	// Link is how a profile's link stands.
	Link = linking.Link
	// Account is whose account it is.
	Account = linking.Account
	// State is none, linked or reauth-required.
	State = linking.State
)

// The states of a link.
const (
	None           = linking.None
	Linked         = linking.Linked
	ReauthRequired = linking.ReauthRequired
)

// Where Spotify is.
const (
	AccountsURL = "https://accounts.spotify.com"
	APIURL      = "https://api.spotify.com"
)

// Options say who the host is to Spotify. ClientID, RedirectURI and Cipher are required.
type Options struct {
	ClientID string
	// ClientSecret proves that it is the client; "": PKCE alone does.
	ClientSecret string
	// RedirectURI is where Spotify sends browsers back to, as it is registered there: https, or http at a literal loopback address. It is the route
	// /spotify/callback where httpapi is mounted, or a page that passes its query on to that route.
	RedirectURI string
	// Cipher seals tokens.
	Cipher Cipher

	AccountsURL string // where /authorize and /api/token are; "": [AccountsURL]
	APIURL      string // where /v1/me is; "": [APIURL]

	// Scopes are always asked for, beside [DefaultScopes].
	Scopes []string
	// Register makes a profile for somebody who signs in with an account that is linked to none, and returns its id; the account is then linked to it. Of an
	// account Spotify tells little: no e-mail address, for one. It may be called again for an account whose link failed after it, and should then return the
	// profile that it made. It need have no password (profile.Registration.Passwordless): then [Links.Unlink] is refused until it has one. nil: they are asked to sign up, or to log in, and to link the account then.
	Register func(ctx context.Context, a Account) (uuid.UUID, error)
	// Linked is called when an account was linked, or authorized anew after its tokens were lost or with further scopes, before the App is told, which has its music import the library. What fails of it is logged, and is no failure
	// of the link. The browser is answered when they are done, or after 10 s; they go on then, for ten minutes at most, unless the Links are closed.
	Linked []func(ctx context.Context, profileID uuid.UUID) error
	// Forget deletes what came from Spotify and stands elsewhere than under [Prefix] in the listener's partition, beside what the App knows of. It is called when a link has
	// ended, again until it succeeds.
	Forget []func(ctx context.Context, profileID uuid.UUID) error

	// NoticeAhead is how long before an authorization ends the link says so, up to 180 days. 0: 30 days.
	NoticeAhead time.Duration
	// RefreshRate is how many tokens a second this process refreshes at most, on demand and in the background. An access token lives for an hour and is
	// refreshed 10 to 30 minutes before it expires, so n a second keep 1,800·n links fresh even if all were linked at one moment, and 2,400·n
	// that were not. 0: 10.
	RefreshRate float64
	// PerSecond is how many requests of the Web API this process makes a second, for all listeners together and over time: these ask it whose account was authorized, and share the limit, and
	// all that Spotify says of waiting, with every [Client] whose Tokens they are. 0: 3. Burst is how many at once; 0: 15.
	PerSecond float64
	Burst     int
	// Workers is how many are refreshed at once in the background, 1–256. 0: 8.
	Workers int

	Client   *http.Client     // asks Spotify; nil: one that gives up after 10 s
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: nothing is logged
	Observer observe.Observer // nil: nothing is observed
}

// Links links listeners' accounts, and keeps their tokens. It is safe for concurrent use; several, in one process or in many, may work on one store.
type Links struct {
	o        Options
	store    store.Store
	accounts *accounts
	limiter  *rate.Limiter // of refreshes
	api      *url.URL      // of the Web API
	app      *limiter      // of requests of it
	flights  singleflight.Group
	cookie   string // what the names of cookies begin with
	secure   bool

	told atomic.Pointer[told]

	mu      sync.Mutex
	running sync.WaitGroup  // refreshes, and what goes on beside requests
	life    context.Context // of what goes on beside requests; it ends with Close
	stop    context.CancelFunc
	closed  bool
	unsaved map[uuid.UUID]unsaved // that the store could not be given
}

var (
	_ linking.Links = (*Links)(nil)
	_ Tokens        = (*Links)(nil)

	_ linking.Teller = (*Links)(nil)
)

// told is who is told of links, beside those whom the options name.
type told struct {
	linked, ended func(ctx context.Context, profileID uuid.UUID) error
}

// Tell implements linking.Teller: rhythmiq.New has the links of its Config tell the App.
func (l *Links) Tell(linked, ended func(ctx context.Context, profileID uuid.UUID) error) {
	l.told.Store(&told{linked, ended})
}

// NewLinks returns Links over s. Options with mistakes are refused with all of them named.
func NewLinks(s store.Store, o Options) (*Links, error) {
	var f fault.Fields
	if s == nil {
		f.Add("Store", "is required")
	}
	o = o.withDefaults()
	o.check(&f)
	if err := f.Err(); err != nil {
		return nil, err
	}
	api, _ := url.Parse(o.APIURL + "/v1/") // as was checked
	l := &Links{
		o: o, store: s, accounts: newAccounts(o), limiter: rate.NewLimiter(rate.Limit(o.RefreshRate), 1),
		api: api, app: newLimiter(o.PerSecond, o.Burst, o.Now),
		cookie: "rhythmiq-spotify-", secure: strings.HasPrefix(o.RedirectURI, "https:"), unsaved: map[uuid.UUID]unsaved{},
	}
	l.life, l.stop = context.WithCancel(context.Background())
	if l.secure {
		l.cookie = "__Host-" + l.cookie // no other host of the domain can have set it
	}
	return l, nil
}

func (l *Links) appLimiter() *limiter { return l.app }

// Close waits for refreshes that are under way, so that none of their tokens is lost, ends what goes on beside requests, such as the import of a library, and begins no more.
func (l *Links) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	return l.saveAll(ctx)
}

func (o Options) withDefaults() Options {
	if o.AccountsURL == "" {
		o.AccountsURL = AccountsURL
	}
	if o.APIURL == "" {
		o.APIURL = APIURL
	}
	o.AccountsURL, o.APIURL = strings.TrimSuffix(o.AccountsURL, "/"), strings.TrimSuffix(o.APIURL, "/")
	if o.NoticeAhead == 0 {
		o.NoticeAhead = 30 * 24 * time.Hour
	}
	if o.RefreshRate == 0 {
		o.RefreshRate = 10
	}
	if o.Workers == 0 {
		o.Workers = 8
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Observer = observe.Or(o.Observer)
	return o
}

func (o Options) check(f *fault.Fields) {
	if o.ClientID == "" {
		f.Add("ClientID", "is required")
	}
	if o.Cipher == nil {
		f.Add("Cipher", "is required")
	}
	if err := CheckRedirectURI(o.RedirectURI); err != nil {
		f.Add("RedirectURI", "%s", err.Error())
	}
	for _, u := range []struct{ name, value string }{{"AccountsURL", o.AccountsURL}, {"APIURL", o.APIURL}} {
		if wrong := checkURL(u.value); wrong != "" {
			f.Add(u.name, "%s", wrong)
		}
	}
	for i, scope := range o.Scopes {
		if !isScope(scope) {
			f.Add(fmt.Sprintf("Scopes[%d]", i), "must be one of %s", strings.Join(Scopes(), ", "))
		}
	}
	if o.NoticeAhead < 0 || o.NoticeAhead > 180*24*time.Hour {
		f.Add("NoticeAhead", "must be up to 180 days")
	}
	if !(o.RefreshRate > 0 && o.RefreshRate <= 10_000) { // also NaN
		f.Add("RefreshRate", "must be above 0 and up to 10,000")
	}
	if !(o.PerSecond >= 0) {
		f.Add("PerSecond", "must not be negative")
	}
	if o.Burst < 0 {
		f.Add("Burst", "must not be negative")
	}
	if o.Workers < 1 || o.Workers > 256 {
		f.Add("Workers", "must be 1 to 256")
	}
	for name, hooks := range map[string][]func(context.Context, uuid.UUID) error{"Linked": o.Linked, "Forget": o.Forget} {
		for i, hook := range hooks {
			if hook == nil {
				f.Add(fmt.Sprintf("%s[%d]", name, i), "must not be nil")
			}
		}
	}
}

// CheckRedirectURI says why Spotify would not send a browser to a URI; nil where it would.
func CheckRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case uri == "":
		return fault.New(fault.Invalid, "is required")
	case err != nil || u.Host == "" || u.Opaque != "":
		return fault.New(fault.Invalid, "must be a URL such as https://example.com/spotify/callback")
	case u.User != nil || u.Fragment != "" || strings.Contains(uri, "#"):
		return fault.New(fault.Invalid, "must have neither user nor fragment")
	case strings.EqualFold(u.Hostname(), "localhost") || strings.HasSuffix(strings.ToLower(u.Hostname()), ".localhost"):
		return fault.New(fault.Invalid, "must not be at localhost, which Spotify refuses since the name could lead anywhere: write http://127.0.0.1 or http://[::1]")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u):
		return nil
	default:
		return fault.New(fault.Invalid, "must be https, or http at a literal loopback address (127.0.0.1 or [::1])")
	}
}

func isLoopback(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

// checkURL says what is wrong with where secrets are sent to.
func checkURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "must be a URL such as " + AccountsURL
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u):
		return ""
	default:
		return "must be https, or http at a literal loopback address"
	}
}
