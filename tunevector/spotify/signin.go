package spotify

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// BeginSignIn begins to find out whose browser it is; see [Links.Begin]. It asks for the scopes of every link, so that the account can be linked at once where
// it is not.
func (l *Links) BeginSignIn(ctx context.Context) (_ linking.Begun, err error) {
	defer observe.Watch(ctx, l.o.Observer, "spotify.begin-sign-in")(&err)
	return l.begin(ctx, uuid.Nil, l.scopes(), false)
}

// signedIn finds the profile of somebody who has proved whose account they have.
func (l *Links) signedIn(ctx context.Context, out linking.Outcome, who owner, t tokens) (linking.Outcome, error) {
	welcome, err := l.welcome(ctx, out, who, t)
	if !errors.Is(err, errUnlinked) {
		return welcome, err
	}
	if l.o.Register == nil {
		out.SignIn = false
		return l.wait(ctx, out, who, t)
	}
	if _, _, err := l.claims(ctx, uuid.Nil, who, true); err != nil {
		return out, err // no profile is made for an account that it could not have
	}
	id, err := l.o.Register(ctx, Account{ID: who.name(), DisplayName: who.DisplayName})
	if err != nil {
		return out, fmt.Errorf("spotify: register: %w", err)
	}
	rec, err := l.link(ctx, id, uuid.Nil, who, t)
	if errors.Is(err, errTaken) {
		// The same account signed in twice at once, and the other one was registered first.
		if welcome, first := l.welcome(ctx, out, who, t); first == nil {
			return welcome, nil
		}
	}
	out.ProfileID, out.Link = id, l.shown(rec)
	return out, err
}

// errUnlinked: an account is linked to no profile.
var errUnlinked = errors.New("spotify: an account is linked to no profile")

// whose returns the link of an account, and errUnlinked where there is none. A claim only says where to look: it is the link that says whose account it is.
func (l *Links) whose(ctx context.Context, who owner) (uuid.UUID, record, error) {
	for _, key := range who.claimKeys() {
		_, c, found, err := l.claimed(ctx, key)
		if err != nil {
			return uuid.Nil, record{}, err
		}
		if !found {
			continue
		}
		_, r, found, err := l.read(ctx, c.ProfileID)
		if err != nil {
			return uuid.Nil, record{}, err
		}
		if found && r.Owner.is(who) {
			return c.ProfileID, r, nil
		}
	}
	return uuid.Nil, record{}, errUnlinked
}

// welcome finds who signs in, and takes what they have authorized by it, unless that is less than what they had: a sign-in asks for no more than every link does.
// It is errUnlinked where the account is linked to no profile, or no longer.
func (l *Links) welcome(ctx context.Context, out linking.Outcome, who owner, t tokens) (linking.Outcome, error) {
	for attempt := 1; ; attempt++ {
		id, rec, err := l.whose(ctx, who)
		if err != nil {
			return out, err
		}
		if rec.Tokens == nil || l.lost(ctx, id, rec) || covers(t.scopes, rec.Scopes) {
			rec, err = l.link(ctx, id, rec.ID, who, t)
			if errors.Is(err, errEnded) && attempt < linkAttempts {
				continue // unlinked since: look again
			}
			if err != nil {
				return out, err
			}
		}
		out.ProfileID, out.Link = id, l.shown(rec)
		return out, nil
	}
}

func covers(have, need []string) bool {
	granted := map[string]bool{}
	for _, scope := range have {
		granted[scope] = true
	}
	for _, scope := range need {
		if !granted[scope] {
			return false
		}
	}
	return true
}

// pending is an account that waits to be linked. It is kept under a hash of the token that whoever signed in was given, sealed. The token alone is not enough: a
// stranger could have somebody link the stranger's account with it, and see from then on what they listen to.
type pending struct {
	Owner   owner     `json:"owner"`
	Tokens  tokens    `json:"tokens"`
	Scopes  []string  `json:"scopes"`
	Expires time.Time `json:"expires"`
	Cookie  []byte    `json:"cookie"` // SHA-256 of what the browser that signed in must bring back
	Until   time.Time `json:"until"`
}

type savedPending struct {
	Sealed []byte `json:"sealed"`
}

func pendingKey(token string) store.Key { return hashed("spotify-pending", token, "pending") }

// wait keeps an account until somebody who may says to which profile it belongs.
func (l *Links) wait(ctx context.Context, out linking.Outcome, who owner, t tokens) (linking.Outcome, error) {
	token, secret := text(newSecret()), text(newSecret())
	sum := sha256.Sum256([]byte(secret))
	until := l.o.Now().Add(flowTime).UTC().Truncate(time.Second)
	key := pendingKey(token)
	sealed, err := l.seal(ctx, key, pending{Owner: who, Tokens: t, Scopes: t.scopes, Expires: t.expires, Cookie: sum[:], Until: until})
	if err != nil {
		return out, err
	}
	w := put(key, savedPending{sealed}, store.Absent)
	w.ExpiresAt = until
	if err := store.Settle(ctx, l.store, w); err != nil {
		return out, err
	}
	out.Pending, out.ExpiresAt = token, until
	out.PendingCookie = linking.Cookie{Name: l.cookieName(token), Value: secret, Secure: l.secure, MaxAge: flowTime}
	return out, nil
}

var (
	errNoPending = &fault.Error{
		Kind: fault.Invalid, Message: fault.ValidationFailed,
		Fields: map[string]string{"pendingLink": "Is unknown or has expired. Please sign in with Spotify again."},
	}
	errPendingUsed    = fault.New(fault.Conflict, "This account was linked meanwhile")
	errPendingBrowser = fault.New(fault.Forbidden, "This is not the browser that signed in with Spotify. Please sign in with Spotify again.")
)

// Attach links the account with which somebody signed in who has found a profile since: r.Pending is the outcome's, and r.Cookies are those of the browser, which must have been
// told to keep the outcome's PendingCookie. That one is then to be forgotten.
func (l *Links) Attach(ctx context.Context, profileID uuid.UUID, r linking.Request) (out linking.Outcome, err error) {
	defer observe.Watch(ctx, l.o.Observer, "spotify.attach")(&err)
	var f fault.Fields
	if len(r.Scopes) > 0 {
		f.Add("scopes", "Must not be given with a pendingLink")
	}
	if r.ShowDialog != nil {
		f.Add("showDialog", "Must not be given with a pendingLink")
	}
	if err := f.Err(); err != nil {
		return linking.Outcome{}, err
	}
	if err := profile.CheckOpen(ctx, l.store, profileID); err != nil {
		return linking.Outcome{}, err
	}
	key := pendingKey(r.Pending)
	item, err := l.store.Get(ctx, key, store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return linking.Outcome{}, errNoPending
	}
	if err != nil {
		return linking.Outcome{}, err
	}
	var saved savedPending
	if err := item.Decode(&saved); err != nil {
		return linking.Outcome{}, err
	}
	var p pending
	if err := l.open(ctx, key, saved.Sealed, &p); err != nil {
		return linking.Outcome{}, sealedAway(err, errNoPending)
	}
	sum := sha256.Sum256([]byte(r.Cookies[l.cookieName(r.Pending)]))
	switch {
	case subtle.ConstantTimeCompare(sum[:], p.Cookie) != 1:
		return linking.Outcome{}, errPendingBrowser
	case !l.o.Now().Before(p.Until):
		return linking.Outcome{}, errNoPending
	}
	p.Tokens.scopes, p.Tokens.expires = p.Scopes, p.Expires
	rec, err := l.link(ctx, profileID, uuid.Nil, p.Owner, p.Tokens, store.Delete(key, store.VersionIs(item.Version)))
	if err != nil {
		return linking.Outcome{}, err
	}
	return linking.Outcome{
		ProfileID: profileID, Link: l.shown(rec), Cookie: linking.Cookie{Name: l.cookieName(r.Pending), Secure: l.secure, MaxAge: -1},
	}, nil
}
