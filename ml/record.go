package ml

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/strict"
	"github.com/rhythmiq/rhythmiq/store"
)

// An interaction is one row of the interactions table. Its partition is the listener's profile, so that deleting a
// listener is wiping a partition; its sort key event#<time>#<event id> is in order of time, and makes a repeated event
// the same row. In the index it stands under its day, in one of 16 shards lest one day be one hot partition, again in
// order of time. All rows of one listener are in one shard, so that listeners can be counted shard by shard.
const (
	eventPrefix = "event#"
	// timeLayout is RFC 3339 in UTC with a fixed width, whose order is that of time.
	timeLayout = "2006-01-02T15:04:05.000000000Z"
	dayLayout  = "2006-01-02"
	dayShards  = 16
)

// Logged is an interaction and whose it is.
type Logged struct {
	ProfileID uuid.UUID
	Interaction
}

// record is the body of a row: what its key does not say.
type record struct {
	TrackID         string    `json:"trackId"`
	TuneVectorID    uuid.UUID `json:"tuneVectorId,omitzero"`
	Action          Action    `json:"action"`
	PositionSeconds *float64  `json:"positionSeconds,omitempty"`
	Rating          *int      `json:"rating,omitempty"`
}

// row returns the item that stands for an interaction.
func (l Logged) row() (store.Item, error) {
	body, err := store.Encode(record{
		TrackID: l.TrackID, TuneVectorID: l.TuneVectorID, Action: l.Action,
		PositionSeconds: l.PositionSeconds, Rating: l.Rating,
	})
	if err != nil {
		return store.Item{}, err
	}
	at := sortOf(l.At, l.EventID)
	return store.Item{
		Key:       store.Key{Table: store.Interactions, Partition: l.ProfileID, Sort: eventPrefix + at},
		ExpiresAt: l.At.Add(Retention).UTC().Truncate(time.Second),
		Index:     &store.Index{Partition: dayPartition(l.At, shardOf(l.ProfileID)), Sort: at},
		Body:      body,
	}, nil
}

// readRow reads what row wrote.
func readRow(item store.Item) (Logged, error) {
	at, id, err := readSort(item.Key.Sort)
	if err != nil {
		return Logged{}, fmt.Errorf("ml: %v is no interaction: %w", item.Key, err)
	}
	var r record
	if err := item.Decode(&r); err != nil {
		return Logged{}, err
	}
	return Logged{ProfileID: item.Key.Partition, Interaction: Interaction{
		EventID: id, TrackID: r.TrackID, TuneVectorID: r.TuneVectorID, Action: r.Action,
		PositionSeconds: r.PositionSeconds, Rating: r.Rating, At: at,
	}}, nil
}

func readSort(sort string) (time.Time, uuid.UUID, error) {
	rest, prefixed := strings.CutPrefix(sort, eventPrefix)
	moment, event, _ := strings.Cut(rest, "#")
	at, err := time.Parse(time.RFC3339Nano, moment) // which is quicker than by timeLayout, and takes more
	if err != nil {
		return time.Time{}, uuid.Nil, err
	}
	id, ok := strict.UUID(event)
	if !ok || !prefixed || !isTimeKey(moment, at) || strings.ToLower(event) != event {
		return time.Time{}, uuid.Nil, errLax
	}
	return at, id, nil
}

// isTimeKey is moment == timeKey(at), where moment was read as at. It is asked of each row, and formats nothing.
func isTimeKey(moment string, at time.Time) bool {
	return len(moment) == len(timeLayout) && moment[len("2006-01-02T15:04:05")] == '.' && strings.HasSuffix(moment, "Z") && !at.Before(firstTime) && !at.After(lastTime)
}

// errLax is told of a key that is not how it would be written, though perhaps it could be read: the order of such keys is not that of time.
var errLax = errors.New("not in its one form")

func sortOf(at time.Time, id uuid.UUID) string { return timeKey(at) + "#" + id.String() }

var (
	firstTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// timeKey formats t so that the order of strings is that of times; what lies beyond four digits of a year is cut to them.
func timeKey(t time.Time) string {
	switch t = t.UTC(); {
	case t.Before(firstTime):
		t = firstTime
	case t.After(lastTime):
		t = lastTime
	}
	return t.Format(timeLayout)
}

// dayPartition is where the index keeps a shard of the UTC day of t.
func dayPartition(t time.Time, shard int) store.Partition {
	return store.HashPartition("interactions-of-day", fmt.Sprintf("%s/%d", t.UTC().Format(dayLayout), shard))
}

// shardOf spreads listeners evenly: the byte is random in every kind of UUID that profiles have.
func shardOf(profileID uuid.UUID) int { return int(profileID[14]) % dayShards }

// dayOf returns the start of the UTC day of t.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(day) }

const day = 24 * time.Hour
