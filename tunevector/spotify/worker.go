package spotify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/jobs"
	"github.com/rhythmiq/rhythmiq/internal/observe"
	"github.com/rhythmiq/rhythmiq/store"
)

// How long whoever works has the lease, and how often it is renewed.
const (
	workerLease = 2 * time.Minute
	renewLease  = workerLease / 4
)

// Work does what is due, until nothing is: it saves tokens that the store could not be given, finishes what ended links left behind, and refreshes tokens before
// they expire, so many at once and in a second as the Options say. One process does it at a time, under a lease that it renews for as long as that takes; for the others
// there is nothing to do. Killed anywhere it leaves jobs that are still due. What fails is tried again later and does not keep it from the rest; the error tells of the first that was not
// Spotify's.
func (l *Links) Work(ctx context.Context) (err error) {
	done := observe.Start(ctx, l.o.Observer, "spotify.work")
	p := &pass{l: l, seen: map[uuid.UUID]bool{}}
	defer func() {
		done(err, observe.Value{Name: "refreshed", Number: float64(p.refreshed)}, observe.Value{Name: "failed", Number: float64(p.failed)},
			observe.Value{Name: "unsealable", Number: float64(p.unsealable)})
		if p.unsealable > 0 {
			l.o.Logger.LogAttrs(ctx, slog.LevelWarn, "tokens that fell due cannot be opened: the key that sealed them is not among those given", slog.Int("links", p.unsealable))
		}
	}()
	failed := l.saveAll(ctx) // in this process alone; whoever has the lease
	lease, err := l.takeWork(ctx)
	if err != nil || lease == (store.Version{}) {
		return errors.Join(failed, err)
	}
	working, release := l.holdWork(ctx, lease)
	err = unlinking.Resume(working, l.store, func(ctx context.Context, id uuid.UUID, _ store.Item) error { return l.forget(ctx, id) })
	failed, err = errors.Join(failed, err), nil
	for more := true; more && err == nil && working.Err() == nil; {
		more, err = p.run(working)
	}
	if lost := release(); lost != nil {
		return errors.Join(failed, lost)
	}
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, p.err, ctx.Err())
}

func workerKey() store.Key { return hashed("spotify", "worker", "worker") }

func (l *Links) workItem() store.Item {
	return store.Item{Key: workerKey(), ExpiresAt: l.o.Now().Add(workerLease).UTC().Truncate(time.Second), Body: []byte(`{}`)}
}

// takeWork takes the lease, and returns the zero version where another process has it.
func (l *Links) takeWork(ctx context.Context) (store.Version, error) {
	w := store.Put(l.workItem(), store.Absent)
	err := store.Settle(ctx, l.store, w)
	if store.Has(err, w.Key) {
		return store.Version{}, nil
	}
	return w.Version, err
}

// keepWork renews the lease. It fails with a conflict where another process has it by now.
func (l *Links) keepWork(ctx context.Context, v store.Version) (store.Version, error) {
	w := store.Put(l.workItem(), store.VersionIs(v))
	if err := store.Settle(ctx, l.store, w); err != nil {
		return v, fmt.Errorf("spotify: the worker's lease: %w", err)
	}
	return w.Version, nil
}

// holdWork renews the lease while the work goes on, however long one part of it takes. Its context ends with ctx, and once the lease is lost: another process has it, or it could not be
// renewed until it ran out. release gives it back, and says how it was lost.
func (l *Links) holdWork(ctx context.Context, lease store.Version) (working context.Context, release func() error) {
	working, end := context.WithCancel(ctx)
	var (
		lost   error
		keeper sync.WaitGroup
	)
	stop := make(chan struct{})
	keeper.Go(func() {
		tick := time.NewTicker(renewLease)
		defer tick.Stop()
		renewed := l.o.Now()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			now := l.o.Now()
			next, err := func() (store.Version, error) {
				ctx, cancel := context.WithTimeout(ctx, saveTime)
				defer cancel()
				return l.keepWork(ctx, lease)
			}()
			switch {
			case err == nil:
				lease, renewed = next, now
			case errors.Is(err, store.ErrConflict), l.o.Now().Sub(renewed) >= workerLease-renewLease:
				lost = err
				end()
				return
			}
		}
	})
	return working, func() error {
		close(stop)
		keeper.Wait()
		end()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
		defer cancel()
		// If this fails, it runs out.
		_ = store.Settle(ctx, l.store, store.Delete(workerKey(), store.VersionIs(lease)))
		return lost
	}
}

// pass is one run of the worker.
type pass struct {
	l    *Links
	seen map[uuid.UUID]bool // no link twice in one pass, whatever becomes of its job

	mu                            sync.Mutex
	refreshed, failed, unsealable int // unsealable of the failed
	err                           error
}

// run refreshes what is due now, and reports whether there was anything: then more may have fallen due meanwhile.
func (p *pass) run(ctx context.Context) (found bool, err error) {
	work := make(chan jobs.Due)
	var workers sync.WaitGroup
	for range p.l.o.Workers {
		workers.Go(func() {
			for job := range work {
				p.note(p.l.refreshDue(ctx, job))
			}
		})
	}
	defer workers.Wait()
	defer close(work)
	for job, err := range refreshing.Due(ctx, p.l.store, p.l.o.Now()) {
		if err != nil {
			return false, err
		}
		if p.seen[job.ID] {
			continue
		}
		p.seen[job.ID], found = true, true
		select {
		case work <- job:
		case <-ctx.Done():
			return false, nil
		}
	}
	return found, nil
}

// note takes how one refresh went.
func (p *pass) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.refreshed++
		return
	case errors.Is(err, errUnderWay), errors.Is(err, ErrNotLinked):
		return
	case errors.Is(err, ErrUnsealable):
		p.unsealable++
		if p.err == nil {
			p.err = err
		}
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, ErrReauthRequired), errors.Is(err, ErrConfiguration), errors.Is(err, context.Canceled):
		// Spotify is out of reach, or has said its last word; the job was moved, or is gone. A store that is out of reach is seen by the listing.
	case p.err == nil:
		p.err = err
	}
	p.failed++
}

// refreshDue refreshes the link that a job is about, or deletes a job that is about none.
func (l *Links) refreshDue(ctx context.Context, job jobs.Due) error {
	_, r, found, err := l.read(ctx, job.ID)
	if err != nil {
		return err
	}
	if !found || refreshing.DueKey(job.ID, r.Due) != job.Item.Key {
		return store.Settle(ctx, l.store, store.Delete(job.Item.Key, store.None)) // nobody's
	}
	done, err := l.starts()
	if err != nil {
		return err
	}
	defer done()
	_, err = l.refresh(ctx, job.ID, need{due: r.Due})
	if errors.Is(err, ErrUnsealable) {
		err = errors.Join(err, l.postpone(ctx, job.ID, r)) // nothing that waits behind it is kept from its turn
	}
	return err
}

// SealedBy counts the links' tokens by the id of the key of a [Keyring] that sealed them, under "" those that none did. A key that counts nothing may be dropped,
// once it has not been the first one for ten minutes; see [Keyring]. It reads every link, and is for operators who rotate keys.
func (l *Links) SealedBy(ctx context.Context) (count map[string]int, err error) {
	defer observe.Watch(ctx, l.o.Observer, "spotify.sealed-by")(&err)
	count, seen := map[string]int{}, map[uuid.UUID]bool{}
	for job, err := range refreshing.Waiting(ctx, l.store) { // every link that has tokens has one; one that is moved meanwhile is met twice, or sealed anew
		if err != nil {
			return nil, err
		}
		if seen[job.ID] {
			continue
		}
		_, r, _, err := l.read(ctx, job.ID)
		if err != nil {
			return nil, err
		}
		if seen[job.ID] = true; r.Tokens != nil {
			count[keyID(r.Tokens)]++
		}
	}
	return count, nil
}
