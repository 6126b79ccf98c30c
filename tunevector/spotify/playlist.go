package spotify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// exported is what is kept of a playlist that was made of a vector, under spotify#playlist#<vector>.
type exported struct {
	// Mark stands in the playlist's description. By it a playlist is found again of which nobody knows whether it was made, as the answer to that was lost, or which it was, as the account was
	// unlinked since.
	Mark       string    `json:"mark"`
	PlaylistID string    `json:"playlistId,omitempty"`
	Made       time.Time `json:"made,omitzero"`    // when we made it
	Writer     string    `json:"writer,omitempty"` // whose turn it is
	Until      time.Time `json:"until,omitzero"`   // … and until when at most
}

const (
	exportMark  = "rhythmiq:"
	writeTime   = time.Minute          // that writing a playlist takes at most
	releaseTime = 5 * time.Second      // that giving the turn back takes at most
	keepExport  = 180 * 24 * time.Hour // from the last export on
	mostURIs    = 100                  // a write
	mostListed  = 2000                 // playlists that are looked through, 50 at a time, the newest first
	listedAfter = 5 * time.Minute      // that Spotify may take until it lists a playlist that was made
)

func exportKey(profileID, vectorID uuid.UUID) store.Key {
	return Key(profileID, "playlist#"+vectorID.String())
}

// markOf is always the same of a vector, and tells neither whose it is nor which.
func markOf(profileID, vectorID uuid.UUID) string {
	return exportMark + uuid.NewSHA1(vectorID, profileID[:]).String()
}

var errNothingToExport = fault.New(fault.Conflict, "Nothing in this tune vector's plan is known to Spotify")

var _ tunevector.PlaylistWriter = (*Provider)(nil)

// WritePlaylist makes a private playlist of a vector's plan in the listener's account, or brings the one up to date that was made of it before. It can be repeated: after
// a failure half-way the next call finishes it, and there is one playlist for each vector, unless the listener has thrown it away. It needs the scope
// playlist-modify-private; without it the error is a [*ScopeError].
func (p *Provider) WritePlaylist(ctx context.Context, listener uuid.UUID, v tunevector.TuneVector) (tunevector.WrittenPlaylist, error) {
	none := tunevector.WrittenPlaylist{}
	if err := Require(ctx, p.o.Client.o.Tokens, listener, ScopeModifyPrivate); err != nil {
		return none, err
	}
	gate, err := p.o.Gate.Gate(ctx, listener)
	if err != nil {
		return none, err
	}
	w := &playlistWriter{p: p, listener: listener, key: exportKey(listener, v.ID), mark: markOf(listener, v.ID), gate: gate, id: uuid.NewString()}
	s, err := p.read(ctx, listener)
	if err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	uris, err := p.uris(ctx, listener, v, s)
	if err != nil {
		return none, err
	}
	if len(uris) == 0 {
		return none, errNothingToExport
	}
	created, err := w.write(ctx, v.Definition.Name, uris)
	if err != nil {
		return none, err
	}
	return tunevector.WrittenPlaylist{
		ID: w.state.PlaylistID, URI: "spotify:playlist:" + w.state.PlaylistID, URL: "https://open.spotify.com/playlist/" + w.state.PlaylistID,
		Created: created, Tracks: len(uris), LeftOut: len(v.Plan.Tracks) - len(uris),
	}, nil
}

// uris are those of a plan's tracks that Spotify has, in order: by their URIs, since the listener's account has them, or by their ids. What was known of a track is gone after TTL, and it is not
// asked for again in order to be written: an export once more is never of fewer because they are many, or Spotify says nothing. s may be nil.
func (p *Provider) uris(ctx context.Context, listener uuid.UUID, v tunevector.TuneVector, s *shelf) ([]string, error) {
	if v.Plan == nil {
		return nil, nil
	}
	found := make([]string, len(v.Plan.Tracks))
	var nameless []string
	for i, t := range v.Plan.Tracks {
		found[i] = t.URI
		if t.URI != "" {
			continue
		}
		if at, known := s.place(t.TrackID); known {
			found[i] = s.pieces[at].uri()
		} else if isID(t.TrackID) {
			nameless = append(nameless, t.TrackID)
		}
	}
	named, err := p.name(ctx, listener, v, s, nameless)
	if err != nil {
		return nil, err
	}
	var uris []string
	for i, t := range v.Plan.Tracks {
		uri := or(found[i], named[t.TrackID])
		for _, prefix := range []string{"spotify:track:", "spotify:episode:"} {
			if id, ok := strings.CutPrefix(uri, prefix); ok && isID(id) {
				uris = append(uris, uri)
			}
		}
	}
	return uris, nil
}

// place is where a shelf has an id; nil has nothing.
func (s *shelf) place(id string) (int, bool) {
	if s == nil {
		return 0, false
	}
	at, known := s.at[id]
	return at, known
}

// name returns the URIs of tracks of which nothing but their ids is known any more: episodes in a podcast vector and else tracks, of those that are Spotify's. What is pinned can be either in any vector, so
// it is looked up, all of it or none. What Spotify has said it does not have is left out.
func (p *Provider) name(ctx context.Context, listener uuid.UUID, v tunevector.TuneVector, s *shelf, ids []string) (map[string]string, error) {
	named := map[string]string{}
	if len(ids) == 0 {
		return named, nil
	}
	lent, err := p.Lent(ctx, ids)
	if err != nil {
		return nil, err
	}
	granted, err := p.o.Client.o.Tokens.Scopes(ctx, listener)
	if err != nil {
		return nil, err
	}
	// Without that scope no episode is found by its id, which then says nothing.
	asked := v.Definition.Kind != tunevector.Podcast || slices.Contains(granted, ScopeReadPlaceInPod)
	var unsure []string
	for _, id := range ids {
		absent := false
		if s != nil {
			_, absent = s.absent[id]
		}
		x := piece{ID: id, Episode: v.Definition.Kind == tunevector.Podcast}
		switch pinned := slices.ContainsFunc(v.Definition.Pinned, func(pin tunevector.Pin) bool { return pin.TrackID == id }); {
		case !lent[id], absent && asked:
		case pinned && asked:
			unsure = append(unsure, id)
		default:
			named[id] = x.uri()
		}
	}
	if len(unsure) == 0 {
		return named, nil
	}
	pieces, err := p.o.Client.lookUp(ctx, listener, unsure)
	for i := range pieces {
		named[pieces[i].ID] = pieces[i].uri()
	}
	return named, err
}

// playlistWriter writes one playlist, once.
type playlistWriter struct {
	p        *Provider
	listener uuid.UUID
	key      store.Key
	mark     string
	gate     []store.Write
	id       string
	state    exported
}

// write takes the turn, writes, and gives it back.
func (w *playlistWriter) write(ctx context.Context, name string, uris []string) (created bool, err error) {
	if err := w.begin(ctx); err != nil {
		return false, err
	}
	defer w.release(ctx)
	if created, err = w.settle(ctx, name); err == nil {
		err = w.fill(ctx, uris)
	}
	if reasonOf(err) == ReasonInvalid {
		err = fault.Wrap(err, fault.Conflict, "Spotify does not take this playlist, its name or one of its tracks. Planning the tune vector anew may help.")
	}
	return created, err
}

// begin takes the turn.
func (w *playlistWriter) begin(ctx context.Context) error {
	return w.change(ctx, func(x *exported) error {
		now := w.p.o.Now()
		if x.Writer != "" && now.Before(x.Until) {
			return &fault.Error{Kind: fault.Conflict, Message: "This tune vector is being exported already", RetryAfter: x.Until.Sub(now)}
		}
		x.Mark = or(x.Mark, w.mark)
		x.Writer, x.Until = w.id, now.Add(writeTime).UTC()
		return nil
	})
}

// change changes what is kept, while the account is linked.
func (w *playlistWriter) change(ctx context.Context, f func(x *exported) error) error {
	_, err := store.Update(ctx, w.p.o.Store, w.key, func(old store.Item, found bool) ([]store.Write, error) {
		var x exported
		if found {
			if err := old.Decode(&x); err != nil {
				return nil, fmt.Errorf("spotify: read %s: %w", w.key.Sort, err)
			}
		}
		if err := f(&x); err != nil {
			return nil, err
		}
		w.state = x
		body, err := store.Encode(x)
		expires := w.p.o.Now().Add(keepExport).UTC().Truncate(time.Second)
		return append([]store.Write{store.Put(store.Item{Key: w.key, ExpiresAt: expires, Body: body}, store.None)}, w.gate...), err
	})
	if shut(err, w.gate) {
		return ErrNotLinked
	}
	return err
}

// errLostTurn says that it took so long that somebody else has begun.
var errLostTurn = &fault.Error{Kind: fault.Unavailable, Message: "The export took too long. Please try again.", RetryAfter: time.Second}

// mine is change while it is the writer's turn.
func (w *playlistWriter) mine(ctx context.Context, f func(x *exported)) error {
	return w.change(ctx, func(x *exported) error {
		if x.Writer != w.id {
			return errLostTurn
		}
		f(x)
		return nil
	})
}

// release gives the turn back, also where the caller has gone. If that fails it ends by itself.
func (w *playlistWriter) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	if err := w.mine(ctx, func(x *exported) { x.Writer, x.Until = "", time.Time{} }); err != nil {
		w.p.o.Logger.DebugContext(ctx, "an export could not give its turn back, which lapses", "error", err)
	}
}

// settle has the state name a playlist that is there, with its name. It reports whether it made one.
func (w *playlistWriter) settle(ctx context.Context, name string) (created bool, err error) {
	c := w.p.o.Client
	id, err := w.look(ctx)
	if err != nil {
		return false, err
	}
	if id != "" {
		err := c.changePlaylist(ctx, w.listener, id, name, w.state.Mark)
		if reasonOf(err) != ReasonNotFound {
			if err == nil && id != w.state.PlaylistID {
				err = w.mine(ctx, func(x *exported) { x.PlaylistID, x.Made = id, time.Time{} })
			}
			return false, err
		}
	}
	if w.state.PlaylistID != "" { // it was thrown away
		if err := w.mine(ctx, func(x *exported) { x.PlaylistID, x.Made = "", time.Time{} }); err != nil {
			return false, err
		}
	}
	if id, err = c.createPlaylist(ctx, w.listener, name, w.state.Mark); err != nil {
		return false, err
	}
	return true, w.mine(ctx, func(x *exported) { x.PlaylistID, x.Made = id, w.p.o.Now().UTC() })
}

// look looks through the listener's playlists for the one that was made before: by its id, since a playlist that its owner has thrown away is still there for whoever knows
// that; and by the mark, where the id is not known or not among them. "" where it is not there; where that cannot be seen, as the list is too long or may not be read, or it was made so
// lately that the list may not have it yet, what is known stays.
func (w *playlistWriter) look(ctx context.Context) (string, error) {
	marked, known := "", false
	all, err := w.p.o.Client.eachPlaylist(ctx, w.listener, mostListed, func(l listed) bool {
		known = l.ID == w.state.PlaylistID && isID(l.ID)
		if marked == "" && isID(l.ID) && strings.Contains(l.Description, w.state.Mark) {
			marked = l.ID
		}
		return !known && (marked == "" || w.state.PlaylistID != "")
	})
	switch {
	case known, reasonOf(err) == ReasonScope:
		return w.state.PlaylistID, nil
	case err != nil:
		return "", err
	case w.p.o.Now().Sub(w.state.Made) < listedAfter:
		return w.state.PlaylistID, nil
	case marked == "" && !all:
		return w.state.PlaylistID, nil
	}
	return marked, nil
}

// fill has the playlist hold these and no others. The first write replaces what is there, so that whatever came of an earlier one that was cut off is gone.
func (w *playlistWriter) fill(ctx context.Context, uris []string) error {
	position := 0
	for part := range slices.Chunk(uris, mostURIs) {
		if err := w.p.o.Client.writeItems(ctx, w.listener, w.state.PlaylistID, part, position); err != nil {
			return err
		}
		position += len(part)
	}
	return nil
}

const madeBy = "A tune vector of RhythmIQ. Exporting it again updates this playlist. "

// createPlaylist makes an empty private playlist. It needs the scope playlist-modify-private.
func (c *Client) createPlaylist(ctx context.Context, profileID uuid.UUID, name, mark string) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	q := request{method: http.MethodPost, path: "me/playlists", body: map[string]any{"name": name, "description": madeBy + mark, "public": false}}
	if err := c.do(ctx, profileID, q, &made); err != nil {
		return "", err
	}
	if !isID(made.ID) {
		return "", &APIError{Operation: "POST me/playlists", Reason: ReasonUnavailable, cause: errNoJSON}
	}
	return made.ID, nil
}

// changePlaylist gives a playlist its name. It needs the scope playlist-modify-private.
func (c *Client) changePlaylist(ctx context.Context, profileID uuid.UUID, id, name, mark string) error {
	return c.do(ctx, profileID, request{method: http.MethodPut, path: "playlists/" + id, body: map[string]any{"name": name, "description": madeBy + mark}}, nil)
}

// writeItems replaces all items by up to 100, at position 0, or adds as many at another. It needs the scope playlist-modify-private.
func (c *Client) writeItems(ctx context.Context, profileID uuid.UUID, id string, uris []string, position int) error {
	q := request{method: http.MethodPut, path: "playlists/" + id + "/items", body: map[string]any{"uris": uris}}
	if position > 0 {
		q.method, q.body = http.MethodPost, map[string]any{"uris": uris, "position": position}
	}
	return c.do(ctx, profileID, q, nil)
}
