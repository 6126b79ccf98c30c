package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/variable"
)

var (
	variableAddition = fields(map[string]*shape{"type": aText, "optedIn": aBoolean, "retentionDays": anInteger, "timeZone": aWord})
	variableChanges  = fields(map[string]*shape{
		"type": aText, "optedIn": orNull(aBoolean), "retentionDays": orNull(anInteger), "timeZone": orNull(aWord),
	})
)

type variableDone struct {
	Message string    `json:"message"`
	ID      uuid.UUID `json:"variableId"`
}

func (h *Handler) createVariable(c *call) (reply, error) {
	a, err := decode(c, variableAddition, variable.Addition.Validate)
	if err != nil {
		return reply{}, err
	}
	v, err := h.app.Variables.Create(c.ctx, c.profileID, a)
	if err != nil {
		return reply{}, err
	}
	return reply{
		status: http.StatusCreated, location: c.childPath("variables", v.ID), version: v.Version,
		value: variableDone{"Variable created successfully", v.ID},
	}, nil
}

func (h *Handler) getVariable(c *call) (reply, error) {
	v, err := h.app.Variables.Get(c.ctx, c.profileID, c.childID)
	return reply{value: v, version: v.Version}, err
}

func (h *Handler) updateVariable(c *call) (reply, error) {
	changes, err := decodePatch(c, variableChanges, func(rest variable.Changes) error {
		_, err := h.app.Variables.Update(c.ctx, c.profileID, c.childID, rest, store.NewVersion()) // which no variable ever has: it only checks
		return err
	}, map[string]any{"optedIn": false, "retentionDays": 90, "timeZone": ""})
	if err != nil {
		return reply{}, err
	}
	var v variable.Variable
	err = c.change(h.variableVersion(c), func(ifMatch store.Version) error {
		v, err = h.app.Variables.Update(c.ctx, c.profileID, c.childID, changes, ifMatch)
		return err
	})
	return reply{version: v.Version, value: variableDone{"Variable updated successfully", c.childID}}, err
}

func (h *Handler) variableVersion(c *call) func() (store.Version, error) {
	return func() (store.Version, error) {
		v, err := h.app.Variables.Get(c.ctx, c.profileID, c.childID)
		return v.Version, err
	}
}

func (h *Handler) deleteVariable(c *call) (reply, error) {
	err := c.change(h.variableVersion(c), func(ifMatch store.Version) error {
		return h.app.Variables.Delete(c.ctx, c.profileID, c.childID, ifMatch)
	})
	return reply{value: variableDone{"Variable deleted successfully", c.childID}}, err
}

func (h *Handler) listVariables(c *call) (reply, error) {
	q := c.query()
	limit, token := q.page()
	page, next, err := h.app.Variables.List(c.ctx, c.profileID, limit, token)
	return reply{hashed: true, value: struct {
		Variables []variable.Variable `json:"variables"`
		Next      string              `json:"nextPageToken,omitempty"`
	}{notNil(page), next}}, q.listed(err)
}

// recordReadings takes one reading or a list of them. What a reading may be depends on the variable, and so it is the
// service that reads the body; here is looked at only what it cannot see.
func (h *Handler) recordReadings(c *call) (reply, error) {
	if err := c.wellFormed(); err != nil {
		return reply{}, err
	}
	replanned, err := h.app.TuneVectors.Replans(c.ctx, func(ctx context.Context) error {
		_, err := h.app.Variables.RecordJSON(ctx, c.profileID, c.childID, c.raw)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return reply{
		status: http.StatusCreated, location: c.childPath("variables", c.childID) + "/readings",
		value: struct {
			variableDone
			Replanned []tunevector.Replanned `json:"replanned"`
		}{variableDone{"Readings recorded successfully", c.childID}, notNil(replanned)},
	}, nil
}

func (h *Handler) listReadings(c *call) (reply, error) {
	q := c.query()
	limit, token := q.page()
	page, next, err := h.app.Variables.Readings(c.ctx, c.profileID, c.childID, limit, token)
	return reply{hashed: true, value: struct {
		Readings []variable.Reading `json:"readings"`
		Next     string             `json:"nextPageToken,omitempty"`
	}{notNil(page), next}}, q.listed(err)
}
