package tunevector_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
)

// learns is a store that says when what was learned is written, and when preferences are read.
type learns struct {
	store.Store
	mu      sync.Mutex
	done    []string
	writing func() error // called before what was learned is written; nil: nothing
	listed  chan struct{}
}

func (s *learns) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, what)
}

func (s *learns) Apply(ctx context.Context, writes ...store.Write) error {
	learned := slices.ContainsFunc(writes, func(w store.Write) bool { return w.Key.Sort == "learned" })
	if learned && s.writing != nil {
		if err := s.writing(); err != nil {
			return err
		}
	}
	err := s.Store.Apply(ctx, writes...)
	if learned {
		s.note("learned")
	}
	return err
}

func (s *learns) Get(ctx context.Context, key store.Key, r store.Read) (store.Item, error) {
	if key.Sort == "preferences" {
		s.note("read")
	}
	if key.Sort == "learned" {
		s.note("read learned")
	}
	return s.Store.Get(ctx, key, r)
}

func (s *learns) List(ctx context.Context, q store.Query) (store.Page, error) {
	page, err := s.Store.List(ctx, q)
	if q.Table == store.Interactions && q.Descending && s.listed != nil {
		select {
		case s.listed <- struct{}{}:
		default:
		}
	}
	return page, err
}

// learning is a house with such a store.
func learning(t *testing.T) (*house, *learns) {
	t.Helper()
	h := open(t)
	s := &learns{Store: h.store.Store}
	h.store.Store = s
	return h, s
}

// What else is known is read while it is learned from what was just told, and taste after it.
func TestTasteIsReadAfterLearning(t *testing.T) {
	h, s := learning(t)
	v := h.create(t, ai(30))
	h.record(t, h.did(v, ml.Play, 0))
	s.listed = make(chan struct{}, 1)
	s.writing = func() error {
		<-s.listed // the log is read beside it, or this waits for ever
		return nil
	}
	s.done = nil
	h.now = h.now.Add(time.Minute)
	h.record(t, h.did(v, ml.Skip, 0))
	require.Equal(t, []string{"read learned", "learned", "read"}, s.done)
}

func TestWhatCannotBeLearnedIsTold(t *testing.T) {
	h, s := learning(t)
	v := h.create(t, ai(30))
	h.record(t, h.did(v, ml.Play, 0))
	s.writing = func() error { return errBroken }
	h.now = h.now.Add(time.Minute)
	outside := h.did(v, ml.Skip, 1)
	outside.TuneVectorID = [16]byte{}
	for _, e := range []ml.Interaction{outside, h.did(v, ml.Skip, 0)} {
		_, err := h.Record(h.ctx, h.listener, []ml.Interaction{e})
		require.ErrorIs(t, err, errBroken)
	}
	require.Equal(t, ids(v), ids(h.get(t, v.ID)))
}

// Where learning panics nothing is planned without it, and the same told again does all of it.
func TestNothingIsPlannedWithoutWhatWasNotLearned(t *testing.T) {
	h, s := learning(t)
	v := h.create(t, ai(30))
	h.record(t, h.did(v, ml.Play, 0))
	s.writing = func() error { panic("at the disco") }
	h.now = h.now.Add(time.Minute)
	skips := []ml.Interaction{h.did(v, ml.Skip, 0), h.did(v, ml.Dislike, 1), h.did(v, ml.Dislike, 2)}
	require.PanicsWithValue(t, "at the disco", func() { _, _ = h.Record(h.ctx, h.listener, skips) })
	s.writing = nil
	require.Equal(t, ids(v), ids(h.get(t, v.ID)))
	r, err := h.Record(h.ctx, h.listener, skips)
	require.NoError(t, err)
	require.Len(t, r.Replanned, 1)
}

// Whoever was overtaken by somebody else plans by what is known by then, and so reads again what was learned.
func TestLessonsAreForOnce(t *testing.T) {
	h, s := learning(t)
	v := h.create(t, ai(30))
	h.record(t, h.did(v, ml.Play, 0))
	reads := func(overtake bool) int {
		h.now = h.now.Add(time.Minute)
		s.done = nil
		s.writing = func() error {
			if overtake {
				h.store.onApply(func() { h.update(t, v.ID, func(d *tunevector.Definition) { d.Name = "overtaken" }) })
			}
			return nil
		}
		h.record(t, h.did(v, ml.Skip, 0))
		n := 0
		for _, what := range s.done {
			if what == "read learned" {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, reads(false), "before it is changed")
	require.Equal(t, 2, reads(true))
	require.Equal(t, "overtaken", h.get(t, v.ID).Definition.Name)
}

// A bad request is the same whatever fails besides.
func TestWhatIsWrongIsToldFirst(t *testing.T) {
	h := open(t)
	d := ai(30)
	d.Pinned = []tunevector.Pin{{Position: 0, TrackID: "nobody knows"}}
	h.music.empty = errors.New("down")
	for range 20 {
		_, err := h.Create(h.ctx, h.listener, d)
		require.ErrorContains(t, err, "No track with this ID is known")
	}
}

// A track that was pinned and played may be gone from the catalog.
func TestPinnedTrackGoesAfterItWasPlayed(t *testing.T) {
	h := open(t)
	d := ai(30)
	d.Pinned = []tunevector.Pin{{Position: 0, TrackID: h.music.tracks[3].ID}}
	v := h.create(t, d)
	h.record(t, h.did(v, ml.Play, 0), h.did(v, ml.Play, 1))
	h.music.tracks = slices.DeleteFunc(h.music.tracks, func(track tunevector.Track) bool { return track.ID == d.Pinned[0].TrackID })
	h.now = h.now.Add(time.Minute)
	h.record(t, h.did(v, ml.Skip, 1))
	require.Equal(t, d.Pinned[0].TrackID, h.get(t, v.ID).Plan.Tracks[0].TrackID)
}

// What may not be learned from any more teaches nothing new, though it is remembered.
func TestNewAnswersAreToMusicThatMayBeLearnedFrom(t *testing.T) {
	start := func(answers bool) tunevector.Features {
		h := open(t)
		h.opt(t, "time-of-day")
		hear := func(i int, action ml.Action) {
			h.now = h.now.Add(time.Minute)
			h.record(t, ml.Interaction{EventID: [16]byte{byte(len(action)), byte(i)}, TrackID: h.music.tracks[i*7%240].ID, Action: action, At: h.now})
		}
		for i := range 60 {
			hear(i, ml.Complete)
		}
		h.create(t, ai(30)) // from now on they are remembered
		for i := range h.music.tracks {
			h.music.tracks[i].Provenance = tunevector.FromSpotify
		}
		h.now = h.now.Add(2 * time.Hour)
		for i := range 60 {
			if answers && h.music.tracks[i*7%240].Features.Energy > 0.5 {
				hear(i, ml.Dislike)
			} else {
				h.now = h.now.Add(time.Minute)
			}
		}
		h.now = h.now.Add(2 * time.Hour)
		return h.create(t, ai(30)).Start
	}
	require.Equal(t, start(false), start(true))
}
