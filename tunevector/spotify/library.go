package spotify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// What is kept of a listener's music, in their own partition, until TTL after it was read:
//
//	spotify#library       when it was imported, and in how many parts it is
//	spotify#library#<n>   a part: what is in their library
//	spotify#found         what was found by searches or looked up, and what was asked for and is not there
//
// All of it is written together with the gate of the link (see [Gatekeeper]), so that nothing can be kept of an account that is linked no more.
const (
	libraryName = "library"
	foundName   = "found"
)

// Gatekeeper says whether a listener's account is linked, still. [Links] is the one that is used.
type Gatekeeper interface {
	// Gate returns writes that fail once the link which there is now has ended. Whatever came from Spotify is kept only by an Apply with them in it: nothing of
	// an account that is unlinked meanwhile can then come to stay. [ErrNotLinked] where there is none.
	Gate(ctx context.Context, profileID uuid.UUID) ([]store.Write, error)
}

// libraryHead is the body of spotify#library.
type libraryHead struct {
	Revision string    `json:"revision"`
	Parts    int       `json:"parts"`
	Imported time.Time `json:"imported"` // zero: not all was read
	Scopes   []string  `json:"scopes"`   // that were granted then, of those by which something is read
}

// libraryPart is the body of spotify#library#<n>.
type libraryPart struct {
	Revision string  `json:"revision"`
	Pieces   []piece `json:"pieces"`
}

// found is the body of spotify#found. Times are in seconds since 1970.
type found struct {
	Pieces []foundPiece     `json:"pieces,omitempty"` // the newest last
	Asked  map[string]int64 `json:"asked,omitempty"`  // searches, and when they were made
	Absent map[string]int64 `json:"absent,omitempty"` // ids that Spotify does not have, and when it said so
}

type foundPiece struct {
	piece
	At int64 `json:"at"`
}

// The bounds of what is kept.
const (
	mostFound = 500
	mostAsked = 300
	partBytes = store.MaxBody * 3 / 4
)

// shelf is what is known of a listener's music at one moment. It does not change.
type shelf struct {
	imported time.Time
	scopes   []string
	pieces   []piece
	tracks   []tunevector.Track // the same, as plans take them
	at       map[string]int     // places by id
	asked    map[string]int64
	absent   map[string]int64
}

func partKey(profileID uuid.UUID, n int) store.Key {
	return Key(profileID, libraryName+"#"+strconv.Itoa(n))
}

// get reads one of a listener's documents, strongly: what was taken away is gone at once.
func (p *Provider) get(ctx context.Context, key store.Key, into any) (store.Item, bool, error) {
	item, err := p.o.Store.Get(ctx, key, store.Strong)
	if errors.Is(err, store.ErrNotFound) {
		return store.Item{Key: key}, false, nil
	}
	if err == nil && into != nil {
		err = item.Decode(into)
	}
	if err != nil {
		return item, false, fmt.Errorf("spotify: read %s: %w", key.Sort, err)
	}
	return item, true, nil
}

// tornReads is how often a library is read again that was replaced meanwhile.
const tornReads = 8

// read returns a listener's shelf; nil where nothing was imported, or all of it has expired.
func (p *Provider) read(ctx context.Context, listener uuid.UUID) (*shelf, error) {
	for range tornReads {
		var head libraryHead
		headItem, there, err := p.get(ctx, Key(listener, libraryName), &head)
		if err != nil || !there {
			return nil, err
		}
		var extra found
		foundItem, _, err := p.get(ctx, Key(listener, foundName), &extra)
		if err != nil {
			return nil, err
		}
		seen := versions{headItem.Version, foundItem.Version}
		if s := p.remembered(listener, seen); s != nil {
			return s, nil
		}
		pieces, whole, err := p.parts(ctx, listener, head)
		if err != nil {
			return nil, err
		}
		if !whole {
			continue
		}
		s, err := p.put(ctx, head, pieces, extra)
		if err == nil {
			p.remember(listener, seen, s)
		}
		return s, err
	}
	return nil, errTornLibrary
}

var errTornLibrary = errors.New("spotify: a library was replaced again and again while it was read")

// parts reads a library; false where it was replaced meanwhile.
func (p *Provider) parts(ctx context.Context, listener uuid.UUID, head libraryHead) ([]piece, bool, error) {
	var pieces []piece
	for n := range head.Parts {
		var part libraryPart
		_, there, err := p.get(ctx, partKey(listener, n), &part)
		if err != nil {
			return nil, false, err
		}
		if !there || part.Revision != head.Revision {
			return nil, false, nil
		}
		pieces = append(pieces, part.Pieces...)
	}
	return pieces, true, nil
}

// put makes a shelf. Where the host's own catalog has a track by the same id, the host's is taken: it knows better, and it is the host's to use as it likes.
func (p *Provider) put(ctx context.Context, head libraryHead, pieces []piece, extra found) (*shelf, error) {
	s := &shelf{imported: head.Imported, scopes: head.Scopes, at: map[string]int{}, asked: extra.Asked, absent: extra.Absent}
	fresh := p.o.Now().Add(-p.o.TTL).Unix()
	for _, x := range pieces {
		s.add(x)
	}
	for _, x := range extra.Pieces {
		if x.At > fresh {
			s.add(x.piece)
		}
	}
	ids := make([]string, len(s.pieces))
	for i := range s.pieces {
		ids[i] = s.pieces[i].ID
		s.tracks = append(s.tracks, p.track(&s.pieces[i]))
	}
	own, err := p.host(ctx, ids)
	if err != nil {
		return nil, err
	}
	for id, t := range own {
		s.tracks[s.at[id]] = t
	}
	return s, nil
}

func (s *shelf) add(x piece) {
	if _, twice := s.at[x.ID]; !twice {
		s.at[x.ID] = len(s.pieces)
		s.pieces = append(s.pieces, x)
	}
}

// host returns what the host's own catalog has by these ids.
func (p *Provider) host(ctx context.Context, ids []string) (map[string]tunevector.Track, error) {
	own := map[string]tunevector.Track{}
	if p.o.Host == nil || len(ids) == 0 {
		return own, nil
	}
	tracks, err := p.o.Host.Tracks(ctx, ids)
	for _, t := range tracks {
		own[t.ID] = t
	}
	return own, err
}

// track is a piece as plans take it.
func (p *Provider) track(x *piece) tunevector.Track {
	t := tunevector.Track{
		ID: x.ID, URI: x.uri(), Title: x.Title, Artists: slices.Clone(x.Artists), Genres: slices.Clone(x.Genres), Kind: tunevector.Playlist,
		DurationSeconds: float64(x.Millis) / 1000, Explicit: x.Explicit, Popularity: float64(x.Popularity) / 100, Provenance: tunevector.FromSpotify,
	}
	if x.Episode {
		t.Kind = tunevector.Podcast
	}
	sound := p.chain.sound(x)
	sound.describe(&t)
	return t
}

// versions are those of the documents that a shelf was made of.
type versions struct{ head, found store.Version }

// memory is a shelf that was read before.
type memory struct {
	versions
	shelf *shelf
	until time.Time
}

// rememberFor is how long a shelf is taken from memory, as the host's catalog may change.
const rememberFor = 10 * time.Minute

func (p *Provider) remembered(listener uuid.UUID, seen versions) *shelf {
	m, ok := p.shelves.Get(listener)
	if !ok || m.versions != seen || !p.o.Now().Before(m.until) {
		return nil
	}
	return m.shelf
}

func (p *Provider) remember(listener uuid.UUID, seen versions, s *shelf) {
	p.shelves.Add(listener, memory{seen, s, p.o.Now().Add(rememberFor)})
}

// expires is when something that is read now is gone.
func (p *Provider) expires() time.Time { return p.o.Now().Add(p.o.TTL).UTC().Truncate(time.Second) }

// keep puts a library in the place of the one before; head says when that was read, and by which scopes. What is in it no more stays findable for a while, since plans may have it.
func (p *Provider) keep(ctx context.Context, listener uuid.UUID, pieces []piece, gate []store.Write, head libraryHead) error {
	var old libraryHead
	item, there, err := p.get(ctx, Key(listener, libraryName), &old)
	if err != nil {
		return err
	}
	var before []piece
	if there {
		if before, _, err = p.parts(ctx, listener, old); err != nil {
			return err
		}
	}
	head.Revision, head.Imported = uuid.NewString(), head.Imported.UTC().Truncate(time.Second)
	parts, err := partsOf(pieces, head.Revision)
	if err != nil {
		return err
	}
	head.Parts = len(parts)
	put := func(key store.Key, body any) (store.Write, error) {
		b, err := store.Encode(body)
		return store.Put(store.Item{Key: key, ExpiresAt: p.expires(), Body: b}, store.None), err
	}
	w, err := put(item.Key, head)
	if err != nil {
		return err
	}
	writes := append([]store.Write{w}, gate...)
	for n, part := range parts {
		if w, err = put(partKey(listener, n), part); err != nil {
			return err
		}
		writes = append(writes, w)
	}
	for n := len(parts); n < old.Parts; n++ {
		writes = append(writes, store.Delete(partKey(listener, n), store.None))
	}
	if err := p.apply(ctx, gate, writes); err != nil {
		return err
	}
	kept := map[string]bool{}
	for i := range pieces {
		kept[pieces[i].ID] = true
	}
	gone := slices.DeleteFunc(before, func(x piece) bool { return kept[x.ID] })
	if len(gone) == 0 {
		return nil
	}
	return p.note(ctx, listener, gate, func(f *found, now int64) { f.take(gone, now) })
}

// partsOf splits a library into bodies that a store takes.
func partsOf(pieces []piece, revision string) ([]libraryPart, error) {
	parts := []libraryPart{{Revision: revision}}
	size := 0
	for _, x := range pieces {
		body, err := store.Encode(x)
		if err != nil {
			return nil, err
		}
		if size+len(body) > partBytes {
			parts, size = append(parts, libraryPart{Revision: revision}), 0
		}
		last := &parts[len(parts)-1]
		last.Pieces = append(last.Pieces, x)
		size += len(body) + 1
	}
	return parts, nil
}

// apply makes writes with the gate among them; [ErrNotLinked] where it is shut.
func (p *Provider) apply(ctx context.Context, gate, writes []store.Write) error {
	err := store.Settle(ctx, p.o.Store, writes...)
	if shut(err, gate) {
		return ErrNotLinked
	}
	return err
}

// shut reports whether an error says that one of the gate's conditions does not hold.
func shut(err error, gate []store.Write) bool {
	return slices.ContainsFunc(gate, func(w store.Write) bool { return store.Has(err, w.Key) })
}

// note changes what was found.
func (p *Provider) note(ctx context.Context, listener uuid.UUID, gate []store.Write, change func(f *found, now int64)) error {
	_, err := store.Update(ctx, p.o.Store, Key(listener, foundName), func(old store.Item, there bool) ([]store.Write, error) {
		var f found
		if there {
			if err := old.Decode(&f); err != nil {
				return nil, fmt.Errorf("spotify: read %s: %w", foundName, err)
			}
		}
		now := p.o.Now().Unix()
		change(&f, now)
		f.prune(now - int64(p.o.TTL/time.Second))
		body, err := store.Encode(f)
		return append([]store.Write{store.Put(store.Item{Key: old.Key, ExpiresAt: p.expires(), Body: body}, store.None)}, gate...), err
	})
	if shut(err, gate) {
		return ErrNotLinked
	}
	return err
}

// take adds pieces, in the place of what was known of them.
func (f *found) take(pieces []piece, now int64) {
	fresh := map[string]bool{}
	for i := range pieces {
		fresh[pieces[i].ID] = true
	}
	f.Pieces = slices.DeleteFunc(f.Pieces, func(x foundPiece) bool { return fresh[x.ID] })
	for _, x := range pieces {
		if fresh[x.ID] {
			f.Pieces = append(f.Pieces, foundPiece{x, now})
			delete(fresh, x.ID)
		}
	}
}

// prune drops what is as old as oldest, and of too much the oldest.
func (f *found) prune(oldest int64) {
	f.Pieces = slices.DeleteFunc(f.Pieces, func(x foundPiece) bool { return x.At <= oldest })
	f.Pieces = f.Pieces[max(len(f.Pieces)-mostFound, 0):]
	for _, m := range []map[string]int64{f.Asked, f.Absent} {
		maps.DeleteFunc(m, func(_ string, at int64) bool { return at <= oldest })
		for len(m) > mostAsked {
			delete(m, slices.MinFunc(slices.Sorted(maps.Keys(m)), func(a, b string) int { return int(m[a] - m[b]) }))
		}
	}
}
