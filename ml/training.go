package ml

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/rhythmiq/rhythmiq/internal/observe"
)

// TrainingData reads what models of taste are trained on from the log: the interactions of the 90 days before a moment.
//
// The weight of a listener and a track is the sum of [Interaction.Strength] over what the listener did with it (the one table of actions and weights
// stands there), its time the newest of them. Where more speaks against a track than for it there is no cell: what a listener dislikes is left out when music
// is chosen for them. A track counts if at least [Options.MinListeners] listeners like it, and if it may be learned from
// ([Options.Trainable]). Listeners are numbers in no order of theirs: no id of a profile is in the data, nor in what is made from them. Tracks are in the order of their ids. The
// same log gives the same data.
//
// The log is read a shard of a day at a time, through the index, which may be a moment behind. Beside the data themselves it takes memory for what the listeners of
// one shard in 16 did, and for the ids of the tracks.
func (s *Service) TrainingData(ctx context.Context, until time.Time) (d *Data, err error) {
	done := observe.Start(ctx, s.observer, "ml.read-training")
	r := &trainingReader{from: until.Add(-Retention)}
	defer func() {
		done(err, observe.Value{Name: "events", Number: float64(r.events)}, observe.Value{Name: "cells", Number: float64(r.cells)})
	}()
	for shard := range dayShards { // a listener is in one shard only
		if err := r.shard(ctx, s, shard, until); err != nil {
			return nil, err
		}
	}
	columns, ids, err := r.permitted(ctx, s)
	if err != nil {
		return nil, err
	}
	return r.data(ctx, s, columns, ids)
}

// hearing is what a listener did with a track, taken together.
type hearing struct {
	listener, track int32
	strength        int32 // in ten-thousandths: whole numbers add up to the same in any order
	at              int32 // seconds after the beginning of what is read, of the newest
}

const strengthUnits = 10_000

type trainingReader struct {
	from      time.Time // when what is read begins
	tracks    names
	listeners int32       // so many numbers are given
	liked     [][]hearing // of each shard read, by listener and track, with more for the track than against it
	cells     int         // in these
	events    int
}

// shard reads the days of one shard, the oldest first.
func (r *trainingReader) shard(ctx context.Context, s *Service, shard int, until time.Time) error {
	numbers := map[uuid.UUID]int32{}
	var all []hearing
	full := mergeAt
	from := r.from
	for d := dayOf(from); d.Before(until); d = d.Add(day) {
		for l, err := range s.shardOfDay(ctx, d, shard) {
			if err != nil {
				return err
			}
			if l.At.Before(from) || !l.At.Before(until) {
				continue
			}
			n, known := numbers[l.ProfileID]
			if !known {
				n = r.listeners
				r.listeners++
				numbers[l.ProfileID] = n
			}
			r.events++
			all = append(all, hearing{n, r.tracks.number(l.TrackID), int32(math.Round(strengthUnits * l.Strength())), int32(l.At.Unix() - from.Unix())})
			if len(all) >= full {
				all = merged(all)
				full = max(mergeAt, 2*len(all)) //nolint:mnd // half of it is new each time
			}
		}
	}
	all = slices.DeleteFunc(merged(all), func(h hearing) bool { return h.strength <= 0 })
	r.liked, r.cells = append(r.liked, slices.Clone(all)), r.cells+len(all) // no larger than need be: there are 16 of them
	return ctx.Err()
}

// mergeAt is how many hearings of a shard are collected at least before those of the same listener and track are made one.
const mergeAt = 1 << 18

// merged sorts hearings by listener and track, and makes one of those of the same.
func merged(all []hearing) []hearing {
	slices.SortFunc(all, func(a, b hearing) int {
		return cmp.Or(cmp.Compare(a.listener, b.listener), cmp.Compare(a.track, b.track))
	})
	out := all[:0]
	for _, h := range all {
		if n := len(out) - 1; n >= 0 && out[n].listener == h.listener && out[n].track == h.track {
			// Far more than anybody does in 90 days, and far from overflowing.
			out[n].strength = min(max(out[n].strength+h.strength, -mostStrength), mostStrength)
			out[n].at = max(out[n].at, h.at)
			continue
		}
		out = append(out, h)
	}
	return out
}

const mostStrength = 1 << 30

// permitted returns the ids of the tracks that count, in order, and for each track that was read its column, −1 for none.
func (r *trainingReader) permitted(ctx context.Context, s *Service) (columns []int32, ids []string, err error) {
	likes := make([]int, len(r.tracks.list))
	for _, of := range r.liked {
		for _, h := range of {
			likes[h.track]++
		}
	}
	for i, id := range r.tracks.list {
		if likes[i] >= s.minListeners {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	kept := ids[:0]
	for some := range slices.Chunk(ids, askAtOnce) {
		may, err := s.mayTrain(ctx, some)
		if err != nil {
			return nil, nil, err
		}
		for _, id := range some {
			if may(id) {
				kept = append(kept, id)
			}
		}
	}
	columns = slices.Repeat([]int32{-1}, len(r.tracks.list))
	for c, id := range kept {
		columns[r.tracks.at[id]] = int32(c)
	}
	return columns, kept, nil
}

func (s *Service) mayTrain(ctx context.Context, ids []string) (func(id string) bool, error) {
	if s.trainable == nil {
		return func(string) bool { return true }, ctx.Err()
	}
	may, err := s.trainable(ctx, ids)
	return func(id string) bool { return may[id] }, err
}

// data makes the data of those of the hearings whose tracks have a column. Listeners without any are left out.
func (r *trainingReader) data(ctx context.Context, s *Service, columns []int32, ids []string) (*Data, error) {
	r.cells = 0
	for i, of := range r.liked {
		r.liked[i] = slices.DeleteFunc(of, func(h hearing) bool { return columns[h.track] < 0 })
		r.cells += len(r.liked[i])
	}
	m := &Matrix{Columns: len(ids), Starts: []int{0}, Cols: make([]int32, 0, r.cells), Weights: make([]float32, 0, r.cells)}
	d := &Data{Items: ids, Heard: m, Times: make([]int64, 0, r.cells)}
	for i, liked := range r.liked {
		for from := 0; from < len(liked); {
			to := from
			for to < len(liked) && liked[to].listener == liked[from].listener {
				liked[to].track = columns[liked[to].track]
				to++
			}
			slices.SortFunc(liked[from:to], func(a, b hearing) int { return cmp.Compare(a.track, b.track) })
			for _, h := range liked[from:to] {
				m.Cols, m.Weights = append(m.Cols, h.track), append(m.Weights, float32(h.strength)/strengthUnits)
				d.Times = append(d.Times, r.from.Unix()+int64(h.at))
			}
			m.Starts = append(m.Starts, len(m.Cols))
			d.Listeners = append(d.Listeners, strconv.Itoa(len(d.Listeners)))
			from = to
		}
		r.liked[i] = nil // what is in the data is needed no more
	}
	var err error
	if d.About, err = s.about(ctx, ids); err != nil {
		return nil, err
	}
	return d, d.Check()
}

// about returns what is known of tracks, nil where nobody can be asked.
func (s *Service) about(ctx context.Context, ids []string) ([]Item, error) {
	if s.describe == nil {
		return nil, ctx.Err()
	}
	all := make([]Item, len(ids))
	for from := 0; from < len(ids); from += askAtOnce {
		some := ids[from:min(from+askAtOnce, len(ids))]
		known, err := s.describe(ctx, some)
		if err != nil {
			return nil, err
		}
		for i, id := range some {
			all[from+i] = known[id]
		}
	}
	return all, nil
}
