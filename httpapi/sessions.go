package httpapi

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/profile"
)

var credentials = fields(map[string]*shape{"email": aWord, "username": aWord, "password": aText})

func (h *Handler) createSession(c *call) (reply, error) {
	given, err := decode(c, credentials, profile.Credentials.Validate)
	if err != nil {
		return reply{}, err
	}
	given.Address = c.address()
	s, err := h.app.Profiles.Login(c.ctx, given)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, location: "/sessions/current", value: struct {
		Token     string    `json:"token"`
		Type      string    `json:"tokenType"`
		ExpiresAt time.Time `json:"expiresAt"`
		ProfileID uuid.UUID `json:"profileId"`
	}{s.Token, "Bearer", s.ExpiresAt.UTC(), s.ProfileID}}, nil
}

var errNoSession = fault.New(fault.NotFound, "The token is not one of a session that could be ended here")

func (h *Handler) endSession(c *call) (reply, error) {
	if c.who.Session == nil {
		return reply{}, errNoSession
	}
	err := h.app.Profiles.Logout(c.ctx, *c.who.Session)
	return reply{value: failureBody{Message: "Session ended successfully"}}, err
}

var nothing = fields(nil)

type keyDone struct {
	Message string    `json:"message"`
	ID      uuid.UUID `json:"apiKeyId"`
}

func (h *Handler) createKey(c *call) (reply, error) {
	if len(c.raw) > 0 {
		if _, err := decode[struct{}](c, nothing, nil); err != nil {
			return reply{}, err
		}
	}
	k, secret, err := h.app.Profiles.CreateAPIKey(c.ctx, c.profileID)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, location: c.childPath("api-keys", k.ID), value: struct {
		keyDone
		Secret string `json:"apiKey"`
	}{keyDone{"API key created successfully", k.ID}, secret}}, nil
}

func (h *Handler) listKeys(c *call) (reply, error) {
	q := c.query()
	limit, token := q.page()
	keys, next, err := h.app.Profiles.APIKeys(c.ctx, c.profileID, limit, token)
	return reply{hashed: true, value: struct {
		Keys []profile.APIKey `json:"apiKeys"`
		Next string           `json:"nextPageToken,omitempty"`
	}{notNil(keys), next}}, q.listed(err)
}

func (h *Handler) deleteKey(c *call) (reply, error) {
	err := c.unversioned(func() error { return h.app.Profiles.DeleteAPIKey(c.ctx, c.profileID, c.childID) })
	return reply{value: keyDone{"API key deleted successfully", c.childID}}, err
}

// childPath is where something that belongs to the profile is found.
func (c *call) childPath(segment string, id uuid.UUID) string {
	return "/profiles/" + c.profileID.String() + "/" + segment + "/" + id.String()
}

// notNil makes a list that JSON shows as one.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
