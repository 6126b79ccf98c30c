package profile

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// login is what a profile logs in with, and its sessions, in one item: a new password
// ends all sessions with the same write, and a login that is under way meanwhile fails its
// condition. The item exists as long as the profile's gate does, so deletion ends all sessions too.
// It is apart from the record so that logging in does not change the profile's version.
type login struct {
	Password string         `json:"password,omitempty"` // PHC; empty where something else lets them in
	Sessions []savedSession `json:"sessions,omitempty"` // oldest first
}

type savedSession struct {
	ID      uuid.UUID `json:"id"`
	Created int64     `json:"created"` // Unix seconds
	Expires int64     `json:"expires"`
}

// maxSessions is how many sessions of one profile live at a time; one more ends the oldest.
const maxSessions = 100

func loginKey(id uuid.UUID) store.Key {
	return store.Key{Table: store.Users, Partition: id, Sort: "login"}
}

// alive returns the sessions that live at now.
func (l login) alive(now time.Time) []savedSession {
	var live []savedSession
	for _, x := range l.Sessions {
		if x.Expires > now.Unix() {
			live = append(live, x)
		}
	}
	return live
}

// errPasswordChanged ends a login whose password was changed after it was proved.
var errPasswordChanged = errors.New("profile: the password was changed meanwhile")

// loginAttempts is how often a login starts again because the password was changed.
const loginAttempts = 4

// Login checks credentials and opens a session. A wrong password and an unknown name are the same unauthorized error
// after the same work. After Options.LoginFailures failures within a minute an account, existing or not, answers
// "too many" until the oldest of them is a minute old; an address does likewise after Options.AddressFailures.
func (s *Service) Login(ctx context.Context, c Credentials) (session Session, err error) {
	defer observe.Watch(ctx, s.observer, "profile.login")(&err)
	if err := c.check(); err != nil {
		return Session{}, err
	}
	a := newAttempt(s, c)
	for range loginAttempts {
		session, err := a.run(ctx)
		if !errors.Is(err, errPasswordChanged) {
			return session, err
		}
	}
	return Session{}, fault.New(fault.Unavailable, "The password is being changed. Please try again.")
}

func (c Credentials) check() error {
	var f fault.Fields
	switch {
	case c.Email == "" && c.Username == "":
		f.Add("email", "Email or username is required")
	case c.Email != "" && c.Username != "":
		f.Add("username", "Give either email or username, not both")
	}
	if c.Password == "" {
		f.Add("password", "Password is required")
	}
	return f.Err()
}

// attempt is one login.
type attempt struct {
	*Service
	name     store.Key // the claim of the name given
	password string    // as it is hashed; empty, which is nobody's, where what was given cannot be a password
	account  throttleKey
	address  throttleKey
	hasAddr  bool
}

func newAttempt(s *Service, c Credentials) *attempt {
	a := &attempt{Service: s, address: addressKey(c.Address), hasAddr: c.Address != ""}
	var f fault.Fields
	a.password = checkPassword(&f, c.Password)
	if c.Email != "" {
		a.name, a.account = emailClaim(c.Email), accountKey("email", fold(c.Email))
	} else {
		a.name, a.account = usernameClaim(c.Username), accountKey("username", fold(c.Username))
	}
	return a
}

func (a *attempt) run(ctx context.Context) (Session, error) {
	if err := a.throttled(); err != nil { // before it costs a read
		return Session{}, err
	}
	item, lg, err := a.find(ctx)
	if err != nil {
		return Session{}, err
	}
	fresh, err := a.prove(ctx, lg.Password)
	if err != nil {
		return Session{}, err
	}
	return a.open(ctx, item, lg.Password, fresh)
}

func (a *attempt) throttled() error {
	now := a.now()
	if err := a.accounts.check(a.account, now); err != nil || !a.hasAddr {
		return err
	}
	return a.addresses.check(a.address, now)
}

// find returns the login of the account that the name claims, as it is kept and as it reads; one without a password where there is
// none. It reads as much for a name that does not exist.
func (a *attempt) find(ctx context.Context) (store.Item, login, error) {
	var (
		c  claim
		lg login
	)
	_, found, err := a.get(ctx, a.name, &c)
	if err != nil {
		return store.Item{}, login{}, err
	}
	if !found {
		c.ProfileID = uuid.New()
	}
	item, err := a.store.Get(ctx, loginKey(c.ProfileID), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return store.Item{}, login{}, nil
	}
	if err == nil {
		err = item.Decode(&lg)
	}
	return item, lg, err
}

// prove checks the password against the stored hash, at full cost also where there is none. It returns a new hash if
// that one was made at other costs than today's.
func (a *attempt) prove(ctx context.Context, stored string) (fresh string, err error) {
	against := a.hasher.none
	if stored != "" {
		if against, err = parseHash(stored); err != nil {
			return "", err
		}
	}
	_, done, err := a.hasher.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	settle, err := a.begin()
	if err != nil {
		return "", err
	}
	ok := a.hasher.matches(ctx, a.password, against) && stored != ""
	settle(!ok)
	if !ok {
		return "", fault.New(fault.Unauthorized, "Invalid credentials")
	}
	if against.params != a.hasher.params {
		fresh = a.hasher.hash(ctx, a.password).String()
	}
	return fresh, nil
}

// begin begins an attempt at the account and then at the address, always in this order, so that two never wait
// for each other.
func (a *attempt) begin() (settle func(failed bool), err error) {
	now := a.now()
	account, err := a.accounts.begin(a.account, now)
	if err != nil || !a.hasAddr {
		return account, err
	}
	address, err := a.addresses.begin(a.address, now)
	if err != nil {
		account(false)
		return nil, err
	}
	return func(failed bool) {
		account(failed)
		address(failed)
	}, nil
}

// open adds a session to the login that was found, if the password is still the one that was proved.
func (a *attempt) open(ctx context.Context, seen store.Item, proved, fresh string) (Session, error) {
	return a.Service.open(ctx, seen, func(lg *login, found bool) error {
		if !found || lg.Password != proved {
			return errPasswordChanged // or the profile is gone, and the next attempt will say so
		}
		if fresh != "" {
			lg.Password = fresh
		}
		return nil
	})
}

// open adds a session to a login that was read just now, if check, which may change the login, agrees to it as it stands.
func (s *Service) open(ctx context.Context, seen store.Item, check func(lg *login, found bool) error) (Session, error) {
	now := s.now().UTC().Truncate(time.Second)
	session := Session{ID: uuid.New(), ProfileID: seen.Key.Partition, CreatedAt: now, ExpiresAt: now.Add(s.ttl)}
	var err error
	// The key before the session: no session is kept whose token could not be signed.
	if session.Token, err = s.sign(ctx, session); err != nil {
		return Session{}, err
	}
	_, err = store.UpdateFrom(ctx, s.store, seen, func(old store.Item, found bool) ([]store.Write, error) {
		var lg login
		if found {
			if err := old.Decode(&lg); err != nil {
				return nil, err
			}
		}
		if err := check(&lg, found); err != nil {
			return nil, err
		}
		lg.Sessions = append(lg.alive(now), savedSession{ID: session.ID, Created: now.Unix(), Expires: session.ExpiresAt.Unix()})
		lg.Sessions = lg.Sessions[max(0, len(lg.Sessions)-maxSessions):]
		return []store.Write{put(seen.Key, lg, store.None)}, nil // store.UpdateFrom sets the condition
	})
	if err != nil {
		return Session{}, err
	}
	return session, nil
}
