package spotify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// A refresh token may be good for one refresh only, and what comes back is then the only one that is. So a refresh goes
//
//	read → lease → ask Spotify → swap
//
// and each of the three steps that write is conditional on the version that the one before it saw. Goroutines of one process share a refresh
// (singleflight); of several processes one gets the lease, and the others wait and read what it has swapped in. What can be lost:
//
//   - killed before the call: nothing. The lease runs out after leaseTime, and somebody else refreshes.
//   - killed after Spotify has answered and before the swap: the new tokens. Where Spotify keeps the refresh token as it was, the next refresh goes well; where it has
//     rotated it, nobody has the new one, and the link becomes reauth-required.
//   - killed after the swap: nothing.
//   - the store fails at the swap: nothing while the process lives. It hands its tokens out, and saves them as soon as it can.
const (
	refreshTime = 20 * time.Second // that a refresh takes at most, from the lease on
	leaseTime   = 45 * time.Second // with room for clocks that differ
	saveTime    = 10 * time.Second // for the swap, after that
	margin      = time.Minute      // that an access token is good for at least when it is handed out

	// How long a refresh of another process is waited for between two looks at it, at first and at most.
	firstLook, lastLook = 10 * time.Millisecond, 500 * time.Millisecond

	// How long nobody asks again after a failure, for requests (which are told to come back) and for the worker.
	holdOff                = 5 * time.Second
	mostHold               = time.Minute
	firstRetry, lastRetry  = 30 * time.Second, 10 * time.Minute
	configurationRetryTime = 5 * time.Minute
)

// Token implements [Tokens].
func (l *Links) Token(ctx context.Context, profileID uuid.UUID) (string, error) {
	return l.token(ctx, profileID, "")
}

// Renew implements [Tokens].
func (l *Links) Renew(ctx context.Context, profileID uuid.UUID, refused string) (string, error) {
	return l.token(ctx, profileID, refused)
}

// Scopes implements [Tokens].
func (l *Links) Scopes(ctx context.Context, profileID uuid.UUID) ([]string, error) {
	_, r, found, err := l.read(ctx, profileID)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, ErrNotLinked
	}
	return slices.Clone(r.Scopes), nil
}

// need says which tokens are not good enough.
type need struct {
	refused string    // this access token
	due     time.Time // those that fell due then
}

// unmet reports whether a link's tokens must be refreshed.
func (n need) unmet(r record, access string, now time.Time) bool {
	switch {
	case !n.due.IsZero():
		return r.Due.Equal(n.due)
	case n.refused != "" && access == n.refused:
		return true
	default:
		return !now.Add(margin).Before(r.Expires)
	}
}

// current is a link as it stands, opened.
type current struct {
	item   store.Item
	record record
	tokens tokens
}

// look reads a link and opens its tokens.
func (l *Links) look(ctx context.Context, profileID uuid.UUID) (current, error) {
	item, r, found, err := l.read(ctx, profileID)
	c := current{item: item, record: r}
	switch {
	case err != nil:
		return c, err
	case !found:
		return c, ErrNotLinked
	case r.Tokens == nil:
		return c, ErrReauthRequired
	}
	err = l.open(ctx, item.Key, r.Tokens, &c.tokens)
	if errors.Is(err, ErrUnsealable) {
		err = fmt.Errorf("%w: %w", ErrReauthRequired, err)
	}
	return c, err
}

// lost reports whether a link has tokens that cannot be opened. They stay as they are: their key may come back.
func (l *Links) lost(ctx context.Context, profileID uuid.UUID, r record) bool {
	return r.Tokens != nil && errors.Is(l.open(ctx, linkKey(profileID), r.Tokens, &tokens{}), ErrUnsealable)
}

// postpone has the worker look at a link again after a while, if its tokens are still those of r.
func (l *Links) postpone(ctx context.Context, profileID uuid.UUID, r record) error {
	_, err := store.Update(ctx, l.store, linkKey(profileID), func(old store.Item, found bool) ([]store.Write, error) {
		var now record
		if !found {
			return nil, nil
		}
		if err := old.Decode(&now); err != nil {
			return nil, err
		}
		if now.ID != r.ID || now.Generation != r.Generation || !now.Due.Equal(r.Due) {
			return nil, nil
		}
		now.Due = l.o.Now().Add(lastRetry + jitter(lastRetry)).UTC().Truncate(time.Second)
		return append([]store.Write{put(old.Key, now, store.None)}, move(profileID, r.Due, now.Due)...), nil // store.Update sets the condition
	})
	return err
}

func (l *Links) token(ctx context.Context, profileID uuid.UUID, refused string) (string, error) {
	n := need{refused: refused}
	c, err := l.look(ctx, profileID)
	if err != nil {
		return "", l.revived(ctx, profileID, err)
	}
	if !n.unmet(c.record, c.tokens.Access, l.o.Now()) {
		return c.tokens.Access, nil
	}
	if u, ok := l.unsavedOf(profileID, c.record); ok && u.meets(n, l.o.Now()) {
		l.saveAside(ctx, profileID)
		return u.Access, nil
	}
	return l.share(ctx, profileID, n)
}

// revived tries to give a link back what this process alone has; it returns err where it has nothing.
func (l *Links) revived(ctx context.Context, profileID uuid.UUID, err error) error {
	if errors.Is(err, ErrReauthRequired) {
		if _, saved := l.saveOne(ctx, profileID); saved == nil {
			return transient("tokens were just saved", time.Second)
		}
	}
	return err
}

// unsavedOf returns what this process alone has, and a link as it stands has not.
func (l *Links) unsavedOf(profileID uuid.UUID, r record) (unsaved, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u, ok := l.unsaved[profileID]
	return u, ok && u.link == r.ID && u.generation == r.Generation
}

// meets reports whether an access token that could not be saved is good enough for a request.
func (u unsaved) meets(n need, now time.Time) bool {
	return n.due.IsZero() && u.Access != n.refused && now.Add(margin).Before(u.expires)
}

// saveAside has another goroutine try to save what could not be saved before, unless one is at it: whoever needs the token does not wait for a store that is slow to say no.
func (l *Links) saveAside(ctx context.Context, profileID uuid.UUID) {
	l.flights.DoChan("save "+profileID.String(), func() (any, error) {
		done, err := l.starts()
		if err != nil {
			return nil, err // Close saves it
		}
		defer done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
		defer cancel()
		return l.saveOne(ctx, profileID)
	})
}

// share refreshes a link's tokens together with whoever else in this process needs the same. The refresh goes on if its caller goes away: it may be the only one
// that learns of a rotated token.
func (l *Links) share(ctx context.Context, profileID uuid.UUID, n need) (string, error) {
	key := profileID.String() + n.refused
	shared := l.flights.DoChan(key, func() (any, error) {
		done, err := l.starts()
		if err != nil {
			return "", err
		}
		defer done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), waitTime)
		defer cancel()
		return l.refresh(ctx, profileID, n)
	})
	select {
	case r := <-shared:
		token, _ := r.Val.(string)
		return token, r.Err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// waitTime is how long a request's refresh takes at most: waiting for its turn and for other processes, and its own part.
const waitTime = leaseTime + refreshTime + saveTime

var errClosed = fault.New(fault.Unavailable, "Spotify links are closed")

// starts notes that a refresh is under way.
func (l *Links) starts() (done func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	l.running.Add(1)
	return l.running.Done, nil
}

// asideTime is how long something goes on beside a request at most: an import, which may stand in line.
const asideTime = 10 * time.Minute

// aside has something done that goes on when the request that has set it off is answered, until Close. It reports false where that was called before.
func (l *Links) aside(ctx context.Context, do func(ctx context.Context)) bool {
	done, err := l.starts()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), asideTime)
	spared := context.AfterFunc(l.life, cancel) //nolint:contextcheck // the life of Links is not that of a request
	go func() {
		defer done()
		defer cancel()
		defer spared()
		do(ctx)
	}()
	return true
}

// refresh returns an access token that meets a need.
func (l *Links) refresh(ctx context.Context, profileID uuid.UUID, n need) (access string, err error) {
	turn := false
	for pause := firstLook; ; {
		c, err := l.look(ctx, profileID)
		if err != nil {
			return "", err
		}
		now := l.o.Now()
		if !n.unmet(c.record, c.tokens.Access, now) {
			return c.tokens.Access, nil
		}
		if u, ok := l.unsavedOf(profileID, c.record); ok {
			// This process has newer ones. Nothing is refreshed before they are saved: the refresh token that the store has may be used up.
			_, err := l.saveOne(ctx, profileID)
			switch {
			case err == nil, errors.Is(err, errSuperseded), errors.Is(err, errNothingUnsaved):
				continue
			case u.meets(n, l.o.Now()):
				return u.Access, nil
			}
			return "", err
		}
		if c.record.leased(now) {
			if !n.due.IsZero() {
				return "", errUnderWay
			}
			if err := rest(ctx, pause+jitter(pause)); err != nil {
				return "", late(err)
			}
			pause = min(2*pause, lastLook)
			continue
		}
		if held := c.record.held(now); held > 0 && n.due.IsZero() {
			return l.meanwhile(c, n, now, transient("it failed a moment ago", held))
		}
		if !turn {
			if err := l.limiter.Wait(ctx); err != nil {
				return "", late(err)
			}
			turn = true
			continue // a wait may be long: look again
		}
		leased, err := l.lease(ctx, c)
		switch {
		case errors.Is(err, store.ErrConflict):
			continue // somebody else was faster
		case err != nil:
			return "", err
		}
		return l.renew(ctx, profileID, leased, n)
	}
}

// errUnderWay: somebody else refreshes it at present.
var errUnderWay = errors.New("spotify: a refresh is under way")

// late is the answer to who has waited too long.
func late(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return transient("no turn in time", holdOff)
}

// held is for how long nobody asks again.
func (r record) held(now time.Time) time.Duration {
	if r.Failures == 0 {
		return 0
	}
	return r.Failed.Add(time.Duration(r.Hold) * time.Second).Sub(now)
}

// meanwhile returns the old access token where it is still good for a moment, and else err.
func (l *Links) meanwhile(c current, n need, now time.Time, err error) (string, error) {
	if c.tokens.Access != n.refused && now.Before(c.record.Expires) {
		return c.tokens.Access, nil
	}
	return "", err
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lease notes that this process asks for new tokens now.
func (l *Links) lease(ctx context.Context, c current) (current, error) {
	c.record.Lease = &lease{ID: uuid.New(), Until: l.o.Now().Add(leaseTime).UTC()}
	w := put(c.item.Key, c.record, store.VersionIs(c.item.Version))
	if err := store.Settle(ctx, l.store, w); err != nil {
		return c, err
	}
	c.item = w.Item()
	return c, nil
}

// renew asks Spotify for new tokens, under a lease, and keeps them.
func (l *Links) renew(ctx context.Context, profileID uuid.UUID, c current, n need) (access string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
	defer cancel()
	defer observe.Watch(ctx, l.o.Observer, "spotify.refresh")(&err)
	fresh, err := l.accounts.refresh(ctx, c.tokens.Refresh)
	if err == nil {
		return l.swap(ctx, profileID, unsaved{c.record.ID, c.record.Generation, fresh})
	}
	// What is written from here on is worth a moment of its own.
	writing, stop := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer stop()
	if errors.Is(err, errGrant) {
		return l.over(writing, profileID, c)
	}
	if errors.Is(err, ErrConfiguration) {
		l.o.Logger.LogAttrs(ctx, slog.LevelError, "Spotify refuses the client: no token can be refreshed until that is put right", slog.Any("cause", err))
	}
	l.failed(writing, profileID, c, err)
	return l.meanwhile(c, n, l.o.Now(), err)
}

// unsaved is tokens that were made from those of a generation of a link.
type unsaved struct {
	link       uuid.UUID
	generation int
	tokens
}

// errSuperseded: tokens are of a link that has ended, or others were swapped in since.
var errSuperseded = errors.New("spotify: superseded")

// swap keeps new tokens. Where the store cannot, this process does, and hands them out all the same.
func (l *Links) swap(ctx context.Context, profileID uuid.UUID, u unsaved) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	err := l.keep(ctx, profileID, u)
	switch {
	case err == nil:
		return u.Access, nil
	case errors.Is(err, errSuperseded): // by a link that was made anew meanwhile, or a lease that ran out
		c, err := l.look(ctx, profileID)
		return c.tokens.Access, err
	case errors.Is(err, ErrNotLinked):
		return "", err
	}
	l.o.Logger.LogAttrs(ctx, slog.LevelWarn, "refreshed tokens cannot be stored at present, and are kept in memory until they can", slog.Any("cause", err))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsaved[profileID] = u
	return u.Access, nil
}

// keep swaps tokens in, if the link is still the one that they were made for.
func (l *Links) keep(ctx context.Context, profileID uuid.UUID, u unsaved) error {
	_, err := store.Update(ctx, l.store, linkKey(profileID), func(old store.Item, found bool) ([]store.Write, error) {
		if !found {
			return nil, ErrNotLinked
		}
		var r record
		if err := old.Decode(&r); err != nil {
			return nil, err
		}
		// A link that was given up meanwhile, by somebody who came with the old refresh token, is of the same generation: this is what brings it back.
		if r.ID != u.link || r.Generation != u.generation {
			return nil, errSuperseded
		}
		before, err := l.give(ctx, profileID, &r, u.tokens)
		if err != nil {
			return nil, err
		}
		return append([]store.Write{put(old.Key, r, store.None)}, move(profileID, before, r.Due)...), nil // store.Update sets the condition
	})
	return err
}

var errNothingUnsaved = errors.New("spotify: nothing is unsaved")

// saveOne saves what could not be saved before, and returns it.
func (l *Links) saveOne(ctx context.Context, profileID uuid.UUID) (tokens, error) {
	l.mu.Lock()
	u, ok := l.unsaved[profileID]
	l.mu.Unlock()
	if !ok {
		return tokens{}, errNothingUnsaved
	}
	err := l.keep(ctx, profileID, u)
	if err != nil && !errors.Is(err, errSuperseded) && !errors.Is(err, ErrNotLinked) {
		return tokens{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unsaved[profileID].generation == u.generation {
		delete(l.unsaved, profileID)
	}
	return u.tokens, err
}

// saveAll saves all that could not be saved before.
func (l *Links) saveAll(ctx context.Context) error {
	l.mu.Lock()
	var ids []uuid.UUID
	for id := range l.unsaved {
		ids = append(ids, id)
	}
	l.mu.Unlock()
	var failed error
	for _, id := range ids {
		_, err := l.saveOne(ctx, id)
		if err != nil && !errors.Is(err, errSuperseded) && !errors.Is(err, ErrNotLinked) && !errors.Is(err, errNothingUnsaved) {
			failed = err // of all of them the same, most likely
		}
	}
	return failed
}

// over notes that Spotify no longer takes a refresh token, unless another one was swapped in meanwhile: then somebody else has just won, and their token is returned.
func (l *Links) over(ctx context.Context, profileID uuid.UUID, c current) (string, error) {
	_, err := store.Update(ctx, l.store, linkKey(profileID), func(old store.Item, found bool) ([]store.Write, error) {
		if !found {
			return nil, ErrNotLinked
		}
		var r record
		if err := old.Decode(&r); err != nil {
			return nil, err
		}
		if r.ID != c.record.ID || r.Generation != c.record.Generation || r.Lease == nil || r.Lease.ID != c.record.Lease.ID {
			return nil, errSuperseded
		}
		due := r.Due
		r.Tokens, r.Expires, r.Due, r.Lease, r.Failures = nil, time.Time{}, time.Time{}, nil, 0
		return append([]store.Write{put(old.Key, r, store.None)}, move(profileID, due, time.Time{})...), nil // store.Update sets the condition
	})
	switch {
	case errors.Is(err, errSuperseded):
		again, err := l.look(ctx, profileID)
		if err == nil && again.record.Generation == c.record.Generation && again.record.ID == c.record.ID {
			err = transient("somebody else is asking", time.Second)
		}
		if err != nil {
			return "", err
		}
		return again.tokens.Access, nil
	case err != nil:
		return "", err
	}
	return "", ErrReauthRequired
}

// failed gives the lease back, and says when to try again. If that fails too, the lease runs out, and the job is as it was.
func (l *Links) failed(ctx context.Context, profileID uuid.UUID, c current, cause error) {
	var told time.Duration
	if f, ok := fault.As(cause); ok {
		told = f.RetryAfter
	}
	retry := lastRetry
	if n := c.record.Failures; n < 8 {
		retry = min(firstRetry<<n, lastRetry)
	}
	if errors.Is(cause, ErrConfiguration) {
		retry = configurationRetryTime
	}
	retry = max(retry, told)
	_, err := store.Update(ctx, l.store, linkKey(profileID), func(old store.Item, found bool) ([]store.Write, error) {
		var r record
		if !found {
			return nil, nil
		}
		if err := old.Decode(&r); err != nil {
			return nil, err
		}
		if r.Lease == nil || r.Lease.ID != c.record.Lease.ID {
			return nil, nil
		}
		now := l.o.Now().UTC()
		due := r.Due
		r.Lease, r.Failed, r.Hold = nil, now.Truncate(time.Second), int(min(max(holdOff, told), mostHold)/time.Second)
		r.Failures++
		r.Due = now.Add(retry + jitter(retry/2)).Truncate(time.Second)
		return append([]store.Write{put(old.Key, r, store.None)}, move(profileID, due, r.Due)...), nil // store.Update sets the condition
	})
	if err != nil {
		l.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a lease on tokens could not be given back, and runs out by itself", slog.Any("cause", err))
	}
}
