package httpapi

import (
	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

type playlistDone struct {
	Message string    `json:"message"`
	ID      uuid.UUID `json:"tuneVectorId"`
	tunevector.WrittenPlaylist
}

// exportPlaylist puts a vector's plan into the listener's own account. It is idempotent by itself.
func (h *Handler) exportPlaylist(c *call) (reply, error) {
	written, err := h.app.TuneVectors.WritePlaylist(c.ctx, c.profileID, c.childID)
	return reply{value: playlistDone{"Playlist exported successfully", c.childID, written}}, err
}
