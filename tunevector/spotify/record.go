package spotify

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/jobs"
	"github.com/rhythmiq/rhythmiq/store"
)

// What is kept, all of it in the table users:
//
//	<profile>/spotify#link             the link and its sealed tokens
//	<profile>/spotify#gate#<link>      there as long as the link is
//	<profile>/spotify#…                all else that came from Spotify
//	<hash of an account>/spotify#claim whose link it is
//	<hash of a state>/spotify#flow     what was begun, sealed, for ten minutes
//	<hash of a token>/spotify#pending  an account that waits to be linked, sealed, for ten minutes
//	<jobs>/refresh-spotify@<time>#<profile>   a token that falls due (package jobs)
//	<jobs>/unlink-spotify#<profile>           a link that has ended and of which something is left
//	<the worker>/spotify#worker               the lease of whoever does what is due

const (
	refreshing jobs.Kind = "refresh-spotify"
	unlinking  jobs.Kind = "unlink-spotify"
)

// record is a link as it is kept.
type record struct {
	ID         uuid.UUID `json:"id"` // of this link: another one of the same profile is another
	Owner      owner     `json:"owner"`
	Scopes     []string  `json:"scopes"`
	LinkedAt   time.Time `json:"linkedAt"`
	Authorized time.Time `json:"authorizedAt"`

	Tokens     []byte    `json:"tokens,omitempty"` // sealed; none: the listener must authorize anew
	Expires    time.Time `json:"expires,omitzero"` // of the access token
	Generation int       `json:"generation"`       // counts the tokens there were
	Due        time.Time `json:"due,omitzero"`     // of the job; zero: there is none

	Lease    *lease    `json:"lease,omitempty"`
	Failures int       `json:"failures,omitempty"` // in a row
	Failed   time.Time `json:"failed,omitzero"`    // the last of them
	Hold     int       `json:"hold,omitempty"`     // seconds from then in which nobody tries
}

// lease says that somebody asks for new tokens.
type lease struct {
	ID    uuid.UUID `json:"id"`
	Until time.Time `json:"until"`
}

// live reports whether whoever holds the lease may still be at it.
func (r record) leased(now time.Time) bool { return r.Lease != nil && now.Before(r.Lease.Until) }

// monthsOfGrant is how long a refresh token is good, since 18 June 2026: from when the listener authorized, however often it is used.
const monthsOfGrant = 6

func (r record) ends() time.Time { return r.Authorized.AddDate(0, monthsOfGrant, 0) }

func linkKey(profileID uuid.UUID) store.Key { return Key(profileID, "link") }

// claimKeys are where it is found whose link an account is: by each id that Spotify has for it.
func (o owner) claimKeys() []store.Key {
	var keys []store.Key
	for _, id := range []struct{ kind, value string }{{"account", o.AccountID}, {"user", o.ID}} {
		if id.value != "" {
			keys = append(keys, hashed("spotify-"+id.kind, id.value, "claim"))
		}
	}
	return keys
}

// claim is the body of a claim.
type claim struct {
	ProfileID uuid.UUID `json:"profileId"`
}

// hashed is the key of something of which only whoever knows the name finds it.
func hashed(namespace, name, what string) store.Key {
	return store.Key{Table: store.Users, Partition: store.HashPartition(namespace, name), Sort: Prefix + what}
}

// put returns the write that keeps body under key.
func put(key store.Key, body any, c store.Condition) store.Write {
	b, _ := store.Encode(body) // all of ours can be encoded; an Apply would refuse an empty body
	return store.Put(store.Item{Key: key, Body: b}, c)
}

// read returns a profile's link, strongly, and false where there is none.
func (l *Links) read(ctx context.Context, profileID uuid.UUID) (store.Item, record, bool, error) {
	var r record
	item, err := l.store.Get(ctx, linkKey(profileID), store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return item, r, false, nil
	}
	if err == nil {
		err = item.Decode(&r)
	}
	return item, r, err == nil, err
}

// seal encrypts v for where it is kept.
func (l *Links) seal(ctx context.Context, key store.Key, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return l.o.Cipher.Seal(ctx, plain, []byte(key.String()))
}

// open decrypts into v what seal made.
func (l *Links) open(ctx context.Context, key store.Key, sealed []byte, v any) error {
	plain, err := l.o.Cipher.Open(ctx, sealed, []byte(key.String()))
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// give has the record hold new tokens, and returns when it was due before. From now on it is due at a random moment between half and five sixths of the life of the token:
// tokens that were made at one moment do not all fall due at one, and the last sixth is for what goes wrong.
func (l *Links) give(ctx context.Context, profileID uuid.UUID, r *record, t tokens) (before time.Time, err error) {
	if r.Tokens, err = l.seal(ctx, linkKey(profileID), t); err != nil {
		return time.Time{}, err
	}
	now := l.o.Now()
	if t.scopes != nil {
		r.Scopes = t.scopes
	}
	before = r.Due
	life := t.expires.Sub(now)
	r.Expires, r.Due = t.expires.UTC(), now.Add(life/2+jitter(life/3)).UTC().Truncate(time.Second)
	r.Generation++
	r.Lease, r.Failures, r.Failed, r.Hold = nil, 0, time.Time{}, 0
	return before, nil
}

// jitter returns a random part of d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// move returns the writes that move a job from one time to another; zero is none.
func move(profileID uuid.UUID, from, to time.Time) []store.Write {
	var writes []store.Write
	if !from.IsZero() && !from.Equal(to) {
		writes = append(writes, store.Delete(refreshing.DueKey(profileID, from), store.None))
	}
	if !to.IsZero() {
		writes = append(writes, put(refreshing.DueKey(profileID, to), struct{}{}, store.None))
	}
	return writes
}

func sortedScopes(scopes []string) []string {
	s := slices.Clone(scopes)
	slices.Sort(s)
	return slices.Compact(s)
}

func isScope(s string) bool { return slices.Contains(Scopes(), s) }
