// Package linking is what the link of a listener's account at another service looks like to those who serve it: package spotify makes it, the front door
// runs and exports it, and httpapi serves it, without one of them importing the other.
package linking

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// State is how a link stands.
type State string

// The states.
const (
	None           State = "none"            // there is no link
	Linked         State = "linked"          // requests can be made in the listener's name
	ReauthRequired State = "reauth-required" // the listener must authorize anew: by linking the same account once more
)

// Account is the account at the other service.
type Account struct {
	ID          string `json:"accountId"` // the most lasting one that the service gives
	DisplayName string `json:"displayName,omitempty"`
}

// Link is a link as it is shown.
type Link struct {
	State   State    `json:"state"`
	Account *Account `json:"account,omitempty"`
	Scopes  []string `json:"scopes,omitempty"` // that the listener has granted, in alphabetical order
	// LinkedAt is when the account was first linked, AuthorizedAt when the listener last authorized, and ExpiresAt when that ends.
	LinkedAt     *time.Time `json:"linkedAt,omitempty"`
	AuthorizedAt *time.Time `json:"authorizedAt,omitempty"`
	ExpiresAt    *time.Time `json:"expiresAt,omitempty"`
	ExpiresSoon  bool       `json:"expiresSoon,omitempty"` // the listener should be asked to authorize anew
	Notice       string     `json:"notice,omitempty"`      // what the listener should be told
}

// Cookie is what the browser that begins must bring back.
type Cookie struct {
	Name, Value string
	Secure      bool
	MaxAge      time.Duration // below 0: it is to be forgotten
}

// Begun is a link, or a sign-in, that was begun.
type Begun struct {
	AuthorizeURL string // where to send the browser
	ExpiresAt    time.Time
	Cookie       Cookie
}

// Request is what is asked for.
type Request struct {
	Scopes []string `json:"scopes"` // beside those that are always asked for
	// Pending is what came back from a sign-in with an account that was linked to no profile: it is linked at once, in the browser that signed in.
	Pending string `json:"pendingLink"`
	// ShowDialog says whether the other service asks whoever sits there again, also where they have agreed before; there they can also say that they are somebody else. nil: if
	// the profile has no link, since then it would go on with the account that happens to be signed in.
	ShowDialog *bool `json:"showDialog"`
	// Cookies are the browser's.
	Cookies map[string]string `json:"-"`
}

// Callback is what a browser brings back.
type Callback struct {
	Code, State, Error string
	Cookies            map[string]string
	ProfileID          uuid.UUID // whose token came along; zero where none did
}

// Outcome is how a Callback ended.
type Outcome struct {
	ProfileID uuid.UUID // zero where the account is linked to none
	SignIn    bool      // a session is to be opened for the profile
	Link      Link
	// Pending is where the account is linked to no profile: for a Request, until ExpiresAt, of the browser that brings PendingCookie.
	Pending       string
	PendingCookie Cookie
	ExpiresAt     time.Time
	Cookie        Cookie // to be forgotten; also of an outcome that came with an error
}

// Teller is implemented by Links that tell somebody else when a link was made, or authorized anew after it had lost its tokens or with further scopes, and when one has ended: the App that they are part of. What fails after an end is told
// again until it succeeds; after a link it is logged. Whoever is told last to is the one who is told.
type Teller interface {
	Tell(linked, ended func(ctx context.Context, profileID uuid.UUID) error)
}

// Links links listeners' accounts.
type Links interface {
	// Begin begins to link an account to a profile.
	Begin(ctx context.Context, profileID uuid.UUID, r Request) (Begun, error)
	// Attach links the account of r.Pending.
	Attach(ctx context.Context, profileID uuid.UUID, r Request) (Outcome, error)
	// BeginSignIn begins to find out who is there.
	BeginSignIn(ctx context.Context) (Begun, error)
	// Finish ends what one of the two has begun.
	Finish(ctx context.Context, c Callback) (Outcome, error)
	// Link returns how a profile's link stands.
	Link(ctx context.Context, profileID uuid.UUID) (Link, error)
	// UnlinkIf ends it, and deletes all that came by it, if holds finds no fault with it as it stands at that moment; nil holds always. Where there is none
	// it deletes what may be left of one.
	UnlinkIf(ctx context.Context, profileID uuid.UUID, holds func(Link) error) error

	// Kind, Any and DeleteAll have it deleted with the profile.
	Kind() string
	Any(ctx context.Context, profileID uuid.UUID) (bool, error)
	DeleteAll(ctx context.Context, profileID uuid.UUID) error

	// Work does what is due in the background, once.
	Work(ctx context.Context) error
}
