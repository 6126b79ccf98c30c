// Package profile keeps who a listener is: the profile itself, how they prove it
// (passwords, sessions, API keys, external identities), and the gate through which
// everything that belongs to them is created and deleted. It knows nothing of music, and
// nothing of HTTP.
//
//	s, err := profile.NewService(memstore.New(nil), profile.Options{})
//	p, err := s.Create(ctx, profile.Registration{Username: "alice", …})
//	session, err := s.Login(ctx, profile.Credentials{Username: "alice", Password: "…"})
package profile

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// Profile is a listener. The password is never part of it.
type Profile struct {
	ID          uuid.UUID     `json:"profileId"`
	Username    string        `json:"username"`
	FirstName   string        `json:"firstName"`
	LastName    string        `json:"lastName"`
	Email       string        `json:"email"`
	PhoneNumber string        `json:"phoneNumber"` // E.164
	CreatedAt   time.Time     `json:"createdAt"`
	UpdatedAt   time.Time     `json:"updatedAt"`
	Version     store.Version `json:"-"` // changes with every write; the ETag
}

// Registration is what a new profile is made of.
type Registration struct {
	Username    string    `json:"username"`
	FirstName   string    `json:"firstName"`
	LastName    string    `json:"lastName"`
	Email       string    `json:"email"`
	PhoneNumber string    `json:"phoneNumber"`
	Password    string    `json:"password"` // may be empty where Identity or Passwordless is set
	Identity    *Identity `json:"-"`        // an external identity to bind; nil for none
	// Passwordless says that something else than a password or an external identity lets the listener in, by [Service.SignIn], such as an account that is linked to
	// the profile. They can set a password later; see [Changes].
	Passwordless bool `json:"-"`
}

// Changes are new values for some fields; nil leaves a field as it is. A password may also be the first one.
type Changes struct {
	Username    *string `json:"username"`
	FirstName   *string `json:"firstName"`
	LastName    *string `json:"lastName"`
	PhoneNumber *string `json:"phoneNumber"`
	Password    *string `json:"password"`
	Email       *string `json:"email"` // immutable: giving one is an error that says so
}

// Identity is a subject of an external issuer (OpenID Connect).
type Identity struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// Credentials are what a listener logs in with: a username or an e-mail, and the password.
type Credentials struct {
	Email, Username, Password string
	Address                   string // the caller's network address, for throttling; "" for none
}

// Session is a login. Token is set only in the answer to Login.
type Session struct {
	ID        uuid.UUID
	ProfileID uuid.UUID
	Token     string
	CreatedAt time.Time // whole seconds
	ExpiresAt time.Time // whole seconds
}

// APIKey is a key of a profile's, without the secret.
type APIKey struct {
	ID        uuid.UUID `json:"apiKeyId"`
	CreatedAt time.Time `json:"createdAt"`
}

// Dependent is what belongs to profiles in a package above this one. Deleting a profile
// asks it whether anything is left and, when it cascades, has it delete everything.
type Dependent interface {
	Kind() string // plural, for messages: "preferences"
	Any(ctx context.Context, profileID uuid.UUID) (bool, error)
	// DeleteAll can be called again after a failure, and for a profile that has nothing.
	DeleteAll(ctx context.Context, profileID uuid.UUID) error
}
