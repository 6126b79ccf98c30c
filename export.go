package rhythmiq

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

// Export writes everything that is held about a listener to w as one JSON document: the profile and its external
// identity, the account linked at Spotify (without tokens) and what is kept of its library, sessions (without tokens), API keys (without secrets), preferences set and learned, variables with their
// readings, tune vectors with their plans, and interactions. Lists are written page by page, so memory stays bounded
// and the document is not a snapshot of one moment. If the profile does not exist, Export returns [ErrNotFound] and
// writes nothing; after any other error w may hold an incomplete document, which is not valid JSON.
func (a *App) Export(ctx context.Context, profileID uuid.UUID, w io.Writer) error {
	p, err := a.Profiles.Get(ctx, profileID)
	if err != nil {
		return err
	}
	consents, err := a.Variables.Consents(ctx, profileID)
	if err != nil {
		return err
	}
	learned, err := a.Preferences.Learned(ctx, profileID, consents.Live)
	if err != nil {
		return err
	}
	identity, bound, err := a.Profiles.Identity(ctx, profileID)
	if err != nil {
		return err
	}
	sessions, err := a.Profiles.Sessions(ctx, profileID)
	if err != nil {
		return err
	}
	var linked linking.Link
	if a.Spotify != nil {
		if linked, err = a.Spotify.Link(ctx, profileID); err != nil {
			return err
		}
	}
	var library []tunevector.Track
	if holder, ok := a.music.(tunevector.LibraryHolder); ok {
		if library, err = holder.Library(ctx, profileID); err != nil {
			return err
		}
	}
	x := &exporter{w: bufio.NewWriter(w)}
	x.open("{")
	x.member("exportedAt", a.now().UTC())
	x.member("profile", p)
	if bound {
		x.member("identity", map[string]string{"issuer": identity.Issuer, "subject": identity.Subject})
	}
	if linked.State != "" && linked.State != linking.None {
		x.member("spotify", linked)
	}
	if library != nil {
		list(x, "library", values(library))
	}
	list(x, "sessions", values(shown(sessions)))
	list(x, "apiKeys", pages(func(token string) ([]profile.APIKey, string, error) {
		return a.Profiles.APIKeys(ctx, profileID, exportPage, token)
	}))
	list(x, "preferences", pages(func(token string) ([]preference.Preference, string, error) {
		page, next, _, err := a.Preferences.List(ctx, profileID, exportPage, token)
		return page, next, err
	}))
	list(x, "learned", values(learned))
	a.exportVariables(ctx, x, profileID)
	a.exportVectors(ctx, x, profileID)
	list(x, "interactions", a.Learning.Interactions(ctx, profileID, time.Time{}, time.Time{}, false))
	x.close("}")
	return x.end()
}

// session is what is told of a login.
type session struct {
	ID        uuid.UUID `json:"sessionId"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func shown(sessions []profile.Session) []session {
	s := make([]session, len(sessions))
	for i, x := range sessions {
		s[i] = session{x.ID, x.CreatedAt, x.ExpiresAt}
	}
	return s
}

func (a *App) exportVariables(ctx context.Context, x *exporter, profileID uuid.UUID) {
	x.name("variables")
	x.open("[")
	for v, err := range pages(func(token string) ([]variable.Variable, string, error) {
		return a.Variables.List(ctx, profileID, exportPage, token)
	}) {
		if !x.element(err) {
			return
		}
		x.open("{")
		x.member("variable", v)
		list(x, "readings", pages(func(token string) ([]variable.Reading, string, error) {
			return a.Variables.Readings(ctx, profileID, v.ID, exportPage, token)
		}))
		x.close("}")
	}
	x.close("]")
}

func (a *App) exportVectors(ctx context.Context, x *exporter, profileID uuid.UUID) {
	list(x, "tuneVectors", func(yield func(tunevector.TuneVector, error) bool) {
		for v, err := range pages(func(token string) ([]tunevector.TuneVector, string, error) {
			return a.TuneVectors.List(ctx, profileID, exportPage, token)
		}) {
			if err == nil {
				v, err = a.TuneVectors.Get(ctx, profileID, v.ID) // a list has no plans
			}
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if !yield(v, err) {
				return
			}
		}
	})
}

const exportPage = 100

// pages joins the pages of a listing. What is deleted while it is being exported is the end of the listing, not an error.
func pages[T any](page func(token string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for token := ""; ; {
			values, next, err := page(token)
			if errors.Is(err, ErrNotFound) {
				return
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range values {
				if !yield(v, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}

// values makes a listing of what is in memory.
func values[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// exporter writes JSON piece by piece, each element of a list on its own line. It keeps the first error and drops
// everything that is written after it.
type exporter struct {
	w     *bufio.Writer
	first bool // nothing was written yet within the innermost bracket
	err   error
}

// list writes a member that is a list.
func list[T any](x *exporter, name string, all iter.Seq2[T, error]) {
	x.name(name)
	x.open("[")
	for v, err := range all {
		if !x.element(err) {
			return
		}
		x.value(v)
	}
	x.close("]")
}

func (x *exporter) member(name string, value any) {
	x.name(name)
	x.value(value)
}

func (x *exporter) name(name string) {
	x.element(nil)
	x.write(`"` + name + `": `)
}

// element begins the next element within a bracket, unless there is an error, and reports whether it did.
func (x *exporter) element(err error) bool {
	if x.err == nil {
		x.err = err
	}
	if !x.first {
		x.write(",")
	}
	x.first = false
	x.write("\n")
	return x.err == nil
}

func (x *exporter) open(bracket string) {
	x.write(bracket)
	x.first = true
}

func (x *exporter) close(bracket string) {
	x.write("\n" + bracket)
	x.first = false
}

func (x *exporter) value(v any) {
	b, err := json.Marshal(v)
	if x.err == nil {
		x.err = err
	}
	x.write(string(b))
}

func (x *exporter) write(s string) {
	if x.err == nil {
		_, x.err = x.w.WriteString(s)
	}
}

func (x *exporter) end() error {
	x.write("\n")
	if x.err != nil {
		return x.err
	}
	return x.w.Flush()
}
