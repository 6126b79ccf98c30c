package httpapi

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
)

var (
	preferenceAddition = fields(map[string]*shape{"type": aText, "value": aText, "weight": aNumber, "index": anInteger})
	// A preference always has an index, so that taking it away has no meaning.
	preferenceChanges = fields(map[string]*shape{"type": aText, "value": aText, "weight": orNull(aNumber), "index": anInteger})
)

type preferenceDone struct {
	Message string    `json:"message"`
	ID      uuid.UUID `json:"preferenceId"`
}

func (h *Handler) createPreference(c *call) (reply, error) {
	a, err := decode(c, preferenceAddition, preference.Addition.Validate)
	if err != nil {
		return reply{}, err
	}
	p, err := h.app.Preferences.Create(c.ctx, c.profileID, a)
	if err != nil {
		return reply{}, err
	}
	return reply{
		status: http.StatusCreated, location: c.childPath("preferences", p.ID),
		value: preferenceDone{"Preference created successfully", p.ID},
	}, nil
}

func (h *Handler) getPreference(c *call) (reply, error) {
	p, v, err := h.app.Preferences.Get(c.ctx, c.profileID, c.childID)
	return reply{value: p, version: v}, err
}

func (h *Handler) updatePreference(c *call) (reply, error) {
	changes, err := decodePatch(c, preferenceChanges, func(rest preference.Changes) error {
		_, _, err := h.app.Preferences.Update(c.ctx, c.profileID, c.childID, rest, store.NewVersion()) // which no list ever has: it only checks
		return err
	}, map[string]any{"weight": 1})
	if err != nil {
		return reply{}, err
	}
	var v store.Version
	err = c.change(h.preferenceVersion(c), func(ifMatch store.Version) error {
		_, v, err = h.app.Preferences.Update(c.ctx, c.profileID, c.childID, changes, ifMatch)
		return err
	})
	return reply{version: v, value: preferenceDone{"Preference updated successfully", c.childID}}, err
}

func (h *Handler) preferenceVersion(c *call) func() (store.Version, error) {
	return func() (store.Version, error) { return h.app.Preferences.Version(c.ctx, c.profileID) }
}

func (h *Handler) deletePreference(c *call) (reply, error) {
	err := c.change(h.preferenceVersion(c), func(ifMatch store.Version) error {
		return h.app.Preferences.Delete(c.ctx, c.profileID, c.childID, ifMatch)
	})
	return reply{value: preferenceDone{"Preference deleted successfully", c.childID}}, err
}

func (h *Handler) listPreferences(c *call) (reply, error) {
	q := c.query()
	limit, token := q.page()
	page, next, _, err := h.app.Preferences.List(c.ctx, c.profileID, limit, token)
	return reply{hashed: true, value: struct {
		Preferences []preference.Preference `json:"preferences"`
		Next        string                  `json:"nextPageToken,omitempty"`
	}{notNil(page), next}}, q.listed(err)
}
