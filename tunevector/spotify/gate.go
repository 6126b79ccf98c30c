package spotify

import (
	"context"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/store"
)

// gatePrefix begins the name of a link's gate: an item that is there exactly as long as the link is, and whose key holds the link's id. Refreshed tokens change the link and
// not its gate, so that what is imported at that moment meets no conflict.
const gatePrefix = "gate#"

func gateKey(profileID, linkID uuid.UUID) store.Key {
	return Key(profileID, gatePrefix+linkID.String())
}

var _ Gatekeeper = (*Links)(nil)

// Gate implements [Gatekeeper].
func (l *Links) Gate(ctx context.Context, profileID uuid.UUID) ([]store.Write, error) {
	id, err := l.ID(ctx, profileID)
	if err != nil {
		return nil, err
	}
	return []store.Write{put(gateKey(profileID, id), struct{}{}, store.Present)}, nil
}
