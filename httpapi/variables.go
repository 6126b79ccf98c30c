package httpapi

import (
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/variable"
)

var (
	variableAddition = fields(map[string]*shape{"type": aText, "optedIn": aBoolean, "retentionDays": anInteger, "timeZone": aText})
	variableChanges  = fields(map[string]*shape{
		"type": aText, "optedIn": orNull(aBoolean), "retentionDays": orNull(anInteger), "timeZone": orNull(aText),
	})
	oneReading   = fields(map[string]*shape{"value": aReading, "at": aTime, "cadence": aNumber, "tuneVectorId": aUUID})
	manyReadings = fields(map[string]*shape{"readings": listOf(oneReading)})
)

type variableDone struct {
	Message string    `json:"message"`
	ID      uuid.UUID `json:"variableId"`
}

func (h *Handler) createVariable(c *call) (reply, error) {
	a, err := decode[variable.Addition](c, variableAddition, nil)
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
	changes, err := decodePatch[variable.Changes](c, variableChanges, nil,
		map[string]any{"optedIn": false, "retentionDays": 90, "timeZone": ""})
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

// recordReadings takes one reading or a list of them.
func (h *Handler) recordReadings(c *call) (reply, error) {
	readings, single, err := c.readings()
	if err != nil {
		return reply{}, err
	}
	if err := h.app.Variables.Record(c.ctx, c.profileID, c.childID, readings); err != nil {
		if single {
			err = unlisted(err)
		}
		return reply{}, err
	}
	return reply{
		status: http.StatusCreated, location: c.childPath("variables", c.childID) + "/readings",
		value: variableDone{"Readings recorded successfully", c.childID},
	}, nil
}

func (c *call) readings() (readings []variable.Reading, single bool, err error) {
	if tree, err := parseJSON(c.raw); err == nil {
		o, _ := tree.value.(map[string]any)
		_, many := o["readings"]
		single = !many
	}
	if single {
		r, err := decode[variable.Reading](c, oneReading, nil)
		return []variable.Reading{r}, true, err
	}
	r, err := decode[struct {
		Readings []variable.Reading `json:"readings"`
	}](c, manyReadings, nil)
	return r.Readings, false, err
}

// unlisted names the fields of the only reading as the caller wrote them, who gave no list.
func unlisted(err error) error {
	e, ok := fault.As(err)
	if !ok || e.Fields == nil {
		return err
	}
	var f fault.Fields
	for field, text := range e.Fields {
		f.Add(strings.TrimPrefix(field, "readings[0]."), "%s", text)
	}
	return &fault.Error{Kind: e.Kind, Message: e.Message, Fields: f, Cause: err}
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
