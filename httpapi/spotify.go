package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/linking"
	"github.com/rhythmiq/rhythmiq/store"
)

var errNoSpotify = fault.New(fault.NotFound, "This service has no Spotify")

// spotify returns what links accounts, or a not-found error where the App has none.
func (h *Handler) spotify() (rhythmiq.SpotifyLinks, error) {
	if h.app.Spotify == nil {
		return nil, errNoSpotify
	}
	return h.app.Spotify, nil
}

var linkRequest = fields(map[string]*shape{"scopes": listOf(aWord), "pendingLink": aWord, "showDialog": aBoolean})

type linkDone struct {
	Message string    `json:"message"`
	ID      uuid.UUID `json:"profileId"`
}

// createLink begins a link, or links at once the account of a sign-in that had no profile.
func (h *Handler) createLink(c *call) (reply, error) {
	links, err := h.spotify()
	if err != nil {
		return reply{}, err
	}
	var r linking.Request
	if len(c.raw) > 0 {
		if r, err = decode[linking.Request](c, linkRequest, nil); err != nil {
			return reply{}, err
		}
	}
	at := "/profiles/" + c.profileID.String() + "/spotify-link"
	if r.Pending != "" {
		r.Cookies = c.cookies()
		out, err := links.Attach(c.ctx, c.profileID, r)
		if err != nil {
			return reply{}, err
		}
		return reply{status: http.StatusCreated, location: at, cookie: cookie(out.Cookie), value: linkDone{messageLinked, c.profileID}}, nil
	}
	begun, err := links.Begin(c.ctx, c.profileID, r)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, location: at, cookie: cookie(begun.Cookie), value: struct {
		linkDone
		URL       string    `json:"authorizeUrl"`
		ExpiresAt time.Time `json:"expiresAt"`
	}{linkDone{"Spotify link begun successfully", c.profileID}, begun.AuthorizeURL, begun.ExpiresAt}}, nil
}

const messageLinked = "Spotify account linked successfully"

func (h *Handler) getLink(c *call) (reply, error) {
	links, err := h.spotify()
	if err != nil {
		return reply{}, err
	}
	if _, err := h.app.Profiles.Get(c.ctx, c.profileID); err != nil {
		return reply{}, err
	}
	link, err := links.Link(c.ctx, c.profileID)
	return reply{value: link, hashed: true}, err
}

func (h *Handler) deleteLink(c *call) (reply, error) {
	links, err := h.spotify()
	if err != nil {
		return reply{}, err
	}
	// It has no version of its own: the tag of what is shown of it stands for one.
	tag := func(link linking.Link) (store.Version, error) {
		a, err := reply{value: link}.render()
		return hashOf(a.body), err
	}
	current := func() (store.Version, error) {
		link, err := links.Link(c.ctx, c.profileID)
		if err != nil {
			return store.Version{}, err
		}
		return tag(link)
	}
	err = c.change(current, func(ifMatch store.Version) error {
		if ifMatch == (store.Version{}) {
			return links.UnlinkIf(c.ctx, c.profileID, nil)
		}
		return links.UnlinkIf(c.ctx, c.profileID, func(link linking.Link) error {
			now, err := tag(link)
			if err == nil && now != ifMatch {
				err = errStale
			}
			return err
		})
	})
	return reply{value: linkDone{"Spotify account unlinked successfully", c.profileID}}, err
}

// signInBySpotify sends a browser to where it says who it is.
func (h *Handler) signInBySpotify(c *call) (reply, error) {
	links, err := h.spotify()
	if err != nil {
		return reply{}, err
	}
	begun, err := links.BeginSignIn(c.ctx)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusSeeOther, location: begun.AuthorizeURL, cookie: cookie(begun.Cookie), value: struct {
		URL       string    `json:"authorizeUrl"`
		ExpiresAt time.Time `json:"expiresAt"`
	}{begun.AuthorizeURL, begun.ExpiresAt}}, nil
}

// outcome is what a browser that has come back is told.
type outcome struct {
	Outcome   string     `json:"outcome"`
	Message   string     `json:"message"`
	ProfileID *uuid.UUID `json:"profileId,omitempty"`
	Token     string     `json:"token,omitempty"`
	Type      string     `json:"tokenType,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Pending   string     `json:"pendingLink,omitempty"`
}

// finishLink ends a link or a sign-in. A token is not asked for, since a browser that is sent here brings none; one that comes along must be of the
// same listener.
func (h *Handler) finishLink(c *call) (reply, error) {
	links, err := h.spotify()
	if err != nil {
		return reply{}, err
	}
	q := c.query()
	var back linking.Callback
	back.Code, _ = q.one("code")
	back.State, _ = q.one("state")
	back.Error, _ = q.one("error")
	if err := q.wrong.Err(); err != nil {
		return reply{}, err
	}
	back.ProfileID = c.who.ProfileID
	back.Cookies = c.cookies()
	out, err := links.Finish(c.ctx, back)
	if out.Cookie.Name != "" {
		c.w.Header()["Set-Cookie"] = []string{cookie(out.Cookie)} // also with an error: it is of no more use
	}
	if err != nil {
		return reply{}, err
	}
	switch {
	case out.Pending != "":
		c.w.Header().Add("Set-Cookie", cookie(out.PendingCookie))
		return reply{value: outcome{
			Outcome: "unlinked", Pending: out.Pending, ExpiresAt: &out.ExpiresAt,
			Message: "No profile has this Spotify account. Sign up or log in, and link it with the pendingLink.",
		}}, nil
	case !out.SignIn:
		return reply{value: outcome{Outcome: "linked", Message: messageLinked, ProfileID: &out.ProfileID}}, nil
	}
	s, err := h.app.Profiles.SignIn(c.ctx, out.ProfileID)
	if err != nil {
		return reply{}, err
	}
	until := s.ExpiresAt.UTC()
	return reply{value: outcome{
		Outcome: "signed-in", Message: "Signed in successfully", ProfileID: &s.ProfileID, Token: s.Token, Type: "Bearer", ExpiresAt: &until,
	}}, nil
}

// cookies are those of the browser.
func (c *call) cookies() map[string]string {
	all := map[string]string{}
	for _, given := range c.r.Cookies() {
		all[given.Name] = given.Value
	}
	return all
}

// cookie is a Set-Cookie header. SameSite=Lax: a browser that Spotify's site sends here would not bring a Strict one. A Lax one comes along where the browser itself goes, by GET,
// and with what pages of the same site fetch; with what those of another site fetch it is neither sent nor kept.
func cookie(k linking.Cookie) string {
	given := http.Cookie{ //nolint:gosec // Secure wherever the redirect URI is https; a loopback address has no TLS
		Name: k.Name, Value: k.Value, Path: "/", MaxAge: int(k.MaxAge / time.Second), Secure: k.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if k.MaxAge < 0 {
		given.MaxAge = -1
	}
	return given.String()
}

// isAbsolute reports whether a location is not one of ours.
func isAbsolute(location string) bool {
	return strings.HasPrefix(location, "https://") || strings.HasPrefix(location, "http://")
}
