package httpapi

import (
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

var interactions = fields(map[string]*shape{"events": listOf(fields(map[string]*shape{
	"eventId": aUUID, "trackId": aText, "tuneVectorId": aUUID, "action": aText,
	"positionSeconds": aNumber, "rating": anInteger, "at": aTime,
}))})

func (h *Handler) recordInteractions(c *call) (reply, error) {
	type sent struct {
		Events []ml.Interaction `json:"events"`
	}
	given, err := decode(c, interactions, func(rest sent) error { return h.app.TuneVectors.Check(c.ctx, c.profileID, rest.Events) })
	if err != nil {
		return reply{}, err
	}
	recorded, err := h.app.TuneVectors.Record(c.ctx, c.profileID, given.Events)
	recorded.Replanned = notNil(recorded.Replanned)
	return reply{value: struct {
		Message string `json:"message"`
		tunevector.Recorded
	}{"Interactions recorded successfully", recorded}}, err
}

func (h *Handler) listRecommendations(c *call) (reply, error) {
	q := c.query()
	limit := q.limit()
	if err := q.wrong.Err(); err != nil {
		return reply{}, err
	}
	r, err := h.app.TuneVectors.Recommend(c.ctx, c.profileID, limit)
	return reply{hashed: true, value: struct {
		Recommendations []tunevector.Recommendation `json:"recommendations"`
	}{notNil(r)}}, err
}
