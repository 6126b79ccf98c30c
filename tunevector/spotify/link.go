package spotify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
)

// Begin begins to link an account to a profile: the caller has a browser set the cookie and go to the URL, from where it comes back to the redirect URI
// with what [Links.Finish] takes. Scopes are asked for beside those of every link and those that were granted before.
// Spotify's dialog is shown where the profile has no link; r.ShowDialog says otherwise.
func (l *Links) Begin(ctx context.Context, profileID uuid.UUID, r linking.Request) (_ linking.Begun, err error) {
	defer observe.Watch(ctx, l.o.Observer, "spotify.begin-link")(&err)
	var f fault.Fields
	checkScopes(&f, r.Scopes)
	if r.Pending != "" {
		f.Add("pendingLink", "Must not be given where a link is begun")
	}
	if err := f.Err(); err != nil {
		return linking.Begun{}, err
	}
	if err := profile.CheckOpen(ctx, l.store, profileID); err != nil {
		return linking.Begun{}, err
	}
	_, rec, found, err := l.read(ctx, profileID)
	if err != nil {
		return linking.Begun{}, err
	}
	dialog := !found // whoever has unlinked an account, which has still agreed as Spotify sees it, can choose another one
	if r.ShowDialog != nil {
		dialog = *r.ShowDialog
	}
	return l.begin(ctx, profileID, l.scopes(r.Scopes, rec.Scopes), dialog)
}

func checkScopes(f *fault.Fields, scopes []string) {
	for i, scope := range scopes {
		if i == len(Scopes()) {
			f.Add("scopes", "Must not be more than there are: %d", len(Scopes()))
			return
		}
		if !isScope(scope) {
			f.Add(fmt.Sprintf("scopes[%d]", i), "Must be one of %s", strings.Join(Scopes(), ", "))
		}
	}
}

// scopes returns all that is asked for.
func (l *Links) scopes(more ...[]string) []string {
	return sortedScopes(append(append(DefaultScopes(), l.o.Scopes...), slices.Concat(more...)...))
}

// Finish ends what [Links.Begin] or [Links.BeginSignIn] began. The outcome's cookie is to be forgotten, also where there is an error.
func (l *Links) Finish(ctx context.Context, c linking.Callback) (out linking.Outcome, err error) {
	defer observe.Watch(ctx, l.o.Observer, "spotify.finish-link")(&err)
	f, err := l.claim(ctx, c)
	if err != nil {
		return linking.Outcome{}, err
	}
	out.Cookie = linking.Cookie{Name: l.cookieName(c.State), Secure: l.secure, MaxAge: -1}
	out.SignIn = f.ProfileID == uuid.Nil
	switch {
	case c.Error != "":
		return out, refusal(c.Error)
	case c.Code == "":
		return out, errNoCode
	}
	// From here on the code is used up: who has begun this is not to leave it half done by going away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	t, err := l.accounts.exchange(ctx, c.Code, f.Verifier)
	if errors.Is(err, errGrant) {
		return out, fault.Wrap(err, fault.Conflict, "Spotify does not take this authorization. Please begin again.")
	}
	if err != nil {
		return out, err
	}
	if t.scopes == nil { // RFC 6749, 5.1: as they were asked for
		t.scopes = f.Scopes
	}
	who, err := l.me(ctx, t.Access)
	if err != nil {
		return out, err
	}
	if out.SignIn {
		return l.signedIn(ctx, out, who, t)
	}
	out.ProfileID = f.ProfileID
	rec, err := l.link(ctx, f.ProfileID, uuid.Nil, who, t)
	out.Link = l.shown(rec)
	return out, err
}

// finishTime is what the last part of a link takes at most.
const finishTime = 45 * time.Second

// Why an account is not linked.
var (
	errSecondAccount = fault.New(fault.Conflict, "Another Spotify account is linked to this profile. Unlink it first.")
	errTaken         = fault.New(fault.Conflict, "This Spotify account is linked to another profile")
)

// errEnded: the link that was to be authorized anew is no more.
var errEnded = errors.New("spotify: the link has ended")

// link makes who's account that of a profile, with more writes in the same Apply. An account that is linked to it already is authorized anew; where only is an id,
// nothing else is done than that, to the link of that id.
func (l *Links) link(ctx context.Context, profileID, only uuid.UUID, who owner, t tokens, more ...store.Write) (record, error) {
	for attempt := 1; ; attempt++ {
		claims, had, err := l.claims(ctx, profileID, who, attempt > 1)
		if err != nil {
			return record{}, err
		}
		rec, news, err := l.save(ctx, profileID, only, who, t, had, append(claims, more...))
		switch {
		case store.Has(err, profile.GateKey(profileID)):
			return record{}, profile.ErrNotFound
		case slices.ContainsFunc(more, func(w store.Write) bool { return store.Has(err, w.Key) }):
			return record{}, errPendingUsed
		case !errors.Is(err, store.ErrConflict) || attempt == linkAttempts:
			if err == nil && news {
				l.linked(ctx, profileID)
			}
			return rec, err
		}
		// Somebody else was at the claims: look again whose they are.
	}
}

const linkAttempts = 8

// linkedTime is how long a browser waits at most for what is done about a new link.
const linkedTime = 10 * time.Second

// linked tells those who want to know of a link. What they do is not thrown away where it takes longer than a browser can wait: it goes on.
func (l *Links) linked(ctx context.Context, profileID uuid.UUID) {
	over := make(chan struct{})
	begun := l.aside(ctx, func(ctx context.Context) {
		defer close(over)
		l.tell(ctx, profileID)
	})
	if !begun {
		return
	}
	patience := time.NewTimer(linkedTime)
	defer patience.Stop()
	select {
	case <-over:
	case <-patience.C:
	case <-ctx.Done():
	}
}

func (l *Links) tell(ctx context.Context, profileID uuid.UUID) {
	hooks := l.o.Linked
	if t := l.told.Load(); t != nil {
		hooks = append(slices.Clone(hooks), t.linked)
	}
	for _, f := range hooks {
		if err := f(ctx, profileID); err != nil {
			l.o.Logger.WarnContext(ctx, "an account was linked, and what is done then has failed", "error", err)
		}
	}
}

// claims returns the writes that make who's account the profile's, or a conflict where it is another's. What the profile has already is written again only where
// all is asked for, and had says that there is such that is not: it is there as long as the link is.
func (l *Links) claims(ctx context.Context, profileID uuid.UUID, who owner, all bool) (writes []store.Write, had bool, err error) {
	for _, key := range who.claimKeys() {
		item, c, found, err := l.claimed(ctx, key)
		if err != nil {
			return nil, false, err
		}
		seen := store.Absent
		if found {
			seen = store.VersionIs(item.Version)
		}
		switch {
		case found && c.ProfileID == profileID && !all:
			had = true
			continue
		case found && c.ProfileID != profileID:
			_, r, linked, err := l.read(ctx, c.ProfileID)
			if err != nil {
				return nil, false, err
			}
			if linked && slices.Contains(r.Owner.claimKeys(), key) {
				return nil, false, errTaken
			}
			// Left behind by a link that is no more.
		}
		writes = append(writes, put(key, claim{profileID}, seen))
	}
	return writes, had, nil
}

// claimed reads a claim, strongly; false where there is none.
func (l *Links) claimed(ctx context.Context, key store.Key) (store.Item, claim, bool, error) {
	var c claim
	item, err := l.store.Get(ctx, key, store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return item, c, false, nil
	}
	if err == nil {
		err = item.Decode(&c)
	}
	return item, c, err == nil, err
}

// save keeps a link, and deletes the claims to ids that the account has no more. Where the profile had a claim of it, the link must be there still: else it was
// unlinked since, and the claim is gone too, or was left behind. news is whether more can be had by the link than before: it is a new one, had no tokens any more, or has further scopes.
func (l *Links) save(ctx context.Context, profileID, only uuid.UUID, who owner, t tokens, had bool, more []store.Write) (r record, news bool, err error) {
	_, err = store.Update(ctx, l.store, linkKey(profileID), func(old store.Item, found bool) ([]store.Write, error) {
		now := l.o.Now().UTC().Truncate(time.Millisecond)
		r = record{ID: uuid.New(), LinkedAt: now, Scopes: []string{}}
		if found {
			r = record{}
			if err := old.Decode(&r); err != nil {
				return nil, err
			}
		}
		switch {
		case only != uuid.Nil && (!found || r.ID != only):
			return nil, errEnded
		case had && !found:
			return nil, store.ErrConflict
		case found && !r.Owner.is(who):
			return nil, errSecondAccount
		}
		news = !found || r.Tokens == nil || t.scopes != nil && !covers(r.Scopes, t.scopes) || l.lost(ctx, profileID, r)
		ids := r.Owner.claimKeys()
		r.Owner, r.Authorized = r.Owner.renewed(who), now
		before, err := l.give(ctx, profileID, &r, t)
		if err != nil {
			return nil, err
		}
		writes := []store.Write{put(linkKey(profileID), r, store.None), put(gateKey(profileID, r.ID), struct{}{}, store.None), profile.Gate(profileID)}
		for _, id := range ids {
			if !slices.Contains(r.Owner.claimKeys(), id) {
				writes = append(writes, store.Delete(id, store.None)) // ours, as it is that of the link as it stands
			}
		}
		return append(append(writes, move(profileID, before, r.Due)...), more...), nil
	})
	return r, news, err
}

// renewed returns what is known of the owner, with what is new.
func (o owner) renewed(now owner) owner {
	if now.AccountID == "" {
		now.AccountID = o.AccountID
	}
	if now.ID == "" {
		now.ID = o.ID
	}
	return now
}

// Link returns how a profile's link stands. A profile that has none, or does not exist, has the state [None].
func (l *Links) Link(ctx context.Context, profileID uuid.UUID) (Link, error) {
	_, r, found, err := l.read(ctx, profileID)
	if err != nil {
		return Link{State: None}, err
	}
	return l.stands(ctx, profileID, r, found), nil
}

// stands is how a link stands, if there is one.
func (l *Links) stands(ctx context.Context, profileID uuid.UUID, r record, found bool) Link {
	if !found {
		return Link{State: None}
	}
	x := l.shown(r)
	if l.lost(ctx, profileID, r) {
		x.State, x.ExpiresSoon = ReauthRequired, false
		x.Notice = "This authorization cannot be used at present. Link the account once more to go on."
	}
	return x
}

// shown is what is told of a link.
func (l *Links) shown(r record) Link {
	linked, authorized, ends := r.LinkedAt, r.Authorized, r.ends()
	x := Link{
		State: Linked, Account: &Account{ID: r.Owner.name(), DisplayName: r.Owner.DisplayName}, Scopes: r.Scopes,
		LinkedAt: &linked, AuthorizedAt: &authorized, ExpiresAt: &ends,
	}
	switch {
	case r.Tokens == nil:
		x.State = ReauthRequired
		x.Notice = "Spotify no longer takes this authorization. Link the account once more to go on."
	case !l.o.Now().Before(ends.Add(-l.o.NoticeAhead)):
		x.ExpiresSoon = true
		x.Notice = "This authorization ends on " + ends.Format("2 January 2006") + ". Link the account once more to go on after that."
	}
	return x
}

// Lives reports, by a strong read, whether a profile's link is still the one of that id; see [Links.ID]. What came by a link may be written only while it
// lives, such as by store.BulkWhile: what is written later than its end would stay.
func (l *Links) Lives(ctx context.Context, profileID, id uuid.UUID) (bool, error) {
	_, r, found, err := l.read(ctx, profileID)
	return found && r.ID == id, err
}

// ID returns the id of a profile's link, which no other link has, or [ErrNotLinked].
func (l *Links) ID(ctx context.Context, profileID uuid.UUID) (uuid.UUID, error) {
	_, r, found, err := l.read(ctx, profileID)
	if err == nil && !found {
		err = ErrNotLinked
	}
	return r.ID, err
}

// Unlink ends a profile's link, and deletes all that came from Spotify: what stands under [Prefix] in the listener's partition, and what Options.Forget and
// the App know of. The link has ended before anything else is deleted; cut off after that, [Links.Work] or another Unlink finishes it. It is refused with
// [ErrOnlyWayIn] where nothing else would let the listener in.
func (l *Links) Unlink(ctx context.Context, profileID uuid.UUID) error {
	return l.UnlinkIf(ctx, profileID, nil)
}

// UnlinkIf is [Links.Unlink] of a link with which holds finds no fault: the link that it is shown is the one that ends, or none does. An error of holds is returned
// as it is.
func (l *Links) UnlinkIf(ctx context.Context, profileID uuid.UUID, holds func(Link) error) (err error) {
	defer observe.Watch(ctx, l.o.Observer, "spotify.unlink")(&err)
	if err := profile.CheckOpen(ctx, l.store, profileID); err != nil {
		return err
	}
	job := put(unlinking.Key(profileID), struct{}{}, store.None)
	err = l.end(ctx, profileID, func(r record, found bool) ([]store.Write, error) {
		if holds != nil {
			if err := holds(l.stands(ctx, profileID, r, found)); err != nil {
				return nil, err
			}
		}
		switch {
		case found:
			return []store.Write{job}, l.checkWaysIn(ctx, profileID)
		case holds != nil:
			return []store.Write{job, store.Delete(linkKey(profileID), store.None)}, nil // that there is none is what was held: store.Update sets the condition
		}
		return []store.Write{job}, nil
	})
	if err != nil {
		return err
	}
	return l.forget(ctx, profileID)
}

// ErrOnlyWayIn is the answer to the unlinking of an account without which a listener could not sign in any more.
var ErrOnlyWayIn error = fault.New(fault.Conflict,
	"Signing in with this Spotify account is the only way into this profile. Set a password first, by an update of the profile, or delete the profile.")

// checkWaysIn returns [ErrOnlyWayIn] where nothing but a linked account lets a listener in. An identity of Spotify's is no way of its own.
func (l *Links) checkWaysIn(ctx context.Context, profileID uuid.UUID) error {
	ways, err := profile.WaysIn(ctx, l.store, profileID)
	if err == nil && !ways.Password && (ways.Identity == nil || ways.Identity.Issuer == l.o.AccountsURL) {
		return ErrOnlyWayIn
	}
	return err
}

// end deletes the link, its job and its claims, with what else is to be written in the same Apply, if there is no error.
func (l *Links) end(ctx context.Context, profileID uuid.UUID, also func(r record, found bool) ([]store.Write, error)) error {
	key := linkKey(profileID)
	_, err := store.Update(ctx, l.store, key, func(old store.Item, found bool) ([]store.Write, error) {
		var r record
		if found {
			if err := old.Decode(&r); err != nil {
				return nil, err
			}
		}
		more, err := also(r, found)
		if err != nil || !found {
			return more, err
		}
		writes := append([]store.Write{store.Delete(key, store.None), store.Delete(gateKey(profileID, r.ID), store.None)}, more...) // store.Update sets the condition
		for _, claim := range r.Owner.claimKeys() {
			writes = append(writes, store.Delete(claim, store.None)) // still ours, as the link is still there
		}
		return append(writes, move(profileID, r.Due, time.Time{})...), nil
	})
	return err
}

// forget deletes what is left of a link that has ended, and then the job that says so. If the profile has a link again by then, what that one brought is deleted
// too, but for itself: it is brought anew.
func (l *Links) forget(ctx context.Context, profileID uuid.UUID) error {
	if err := l.wipe(ctx, profileID); err != nil { // first, so that what is made anew by the others is made without
		return err
	}
	hooks := l.o.Forget
	if t := l.told.Load(); t != nil {
		hooks = append(slices.Clone(hooks), t.ended)
	}
	for _, forget := range hooks {
		if err := forget(ctx, profileID); err != nil {
			return fmt.Errorf("spotify: forget: %w", err)
		}
	}
	if err := store.Scrub(ctx, l.store); err != nil {
		return err
	}
	return store.Settle(ctx, l.store, store.Delete(unlinking.Key(profileID), store.None))
}

// wipe deletes all under Prefix in a listener's partition but the link and its gate.
func (l *Links) wipe(ctx context.Context, profileID uuid.UUID) error {
	var writes []store.Write
	q := store.Query{Table: store.Users, Partition: profileID, Prefix: Prefix, Read: store.Strong}
	for item, err := range store.All(ctx, l.store, q) {
		if err != nil {
			return err
		}
		if item.Key != linkKey(profileID) && !strings.HasPrefix(item.Key.Sort, Prefix+gatePrefix) { // an ended link's gate went with it
			writes = append(writes, store.Delete(item.Key, store.None))
		}
	}
	return store.Bulk(ctx, l.store, writes...)
}

// Kind names what belongs to a profile.
func (*Links) Kind() string { return "a Spotify link" }

// Any is false: a link, like a session, is nothing that a listener would lose by deleting the profile.
func (*Links) Any(context.Context, uuid.UUID) (bool, error) { return false, nil }

// DeleteAll deletes everything that a profile has from Spotify. (The job of an Unlink that was cut off, of which there is one seldom, is left to Work.)
func (l *Links) DeleteAll(ctx context.Context, profileID uuid.UUID) error {
	if err := l.end(ctx, profileID, func(record, bool) ([]store.Write, error) { return nil, nil }); err != nil {
		return err
	}
	return l.wipe(ctx, profileID)
}
