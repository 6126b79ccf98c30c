package preference_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/preference"
	"github.com/rhythmiq/rhythmiq/store"
)

func TestPages(t *testing.T) {
	h := newHome(t, preference.Options{})
	want := []string{}
	for i := range 10 {
		want = append(want, h.add(t, preference.Genre, strconv.Itoa(i), 1).Value)
	}
	for _, limit := range []int{1, 3, 5, 9, 10, 100} {
		var got []string
		token, pages := "", 0
		for {
			page, next, v, err := h.List(t.Context(), h.profile, limit, token)
			require.NoError(t, err)
			require.NotZero(t, v)
			pages++
			for _, p := range page {
				require.Equal(t, len(got), p.Index)
				got = append(got, p.Value)
			}
			if token = next; token == "" {
				break
			}
			require.Regexp(t, `^[A-Za-z0-9_-]+$`, token)
		}
		require.Equal(t, want, got)
		require.Equal(t, (10+limit-1)/limit, pages)
	}
}

func TestBadPages(t *testing.T) {
	h := newHome(t, preference.Options{})
	tooLong := base64.RawURLEncoding.EncodeToString(append([]byte{1}, make([]byte, 6*101)...))
	for _, token := range []string{"?", "AQ", "AA", "AQAAAAAA", "AgAAAAAAAA", "AQAAAAAAAA==", "AQAAAAAAAB", tooLong} {
		_, _, _, err := h.List(t.Context(), h.profile, 1, token)
		requireFields(t, err, map[string]string{"pageToken": "Page token is not valid"})
	}
	for _, limit := range []int{-1, 0, 101} {
		_, _, _, err := h.List(t.Context(), h.profile, limit, "?")
		requireFields(t, err, map[string]string{"pageToken": "Page token is not valid", "limit": "Limit must be between 1 and 100"})
	}
	h.add(t, preference.Genre, "a", 1)
	page, next, _, err := h.List(t.Context(), h.profile, 1, "AQAAAAAAAA")
	require.NoError(t, err, "a token of what is gone")
	require.Len(t, page, 1)
	require.Empty(t, next)
}

// Whatever is done to the list between pages, nothing is listed twice, and nothing is missed that was there all the time. Indexes
// are 0…n−1 after every step.
func TestPagingUnderChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHome(t, preference.Options{})
		for i := range rapid.IntRange(0, 12).Draw(rt, "n") {
			h.add(t, preference.Genre, strconv.Itoa(i), 1)
		}
		there := h.values(t)
		listed := []string{}
		token := ""
		for step := 0; ; step++ {
			page, next, _, err := h.List(t.Context(), h.profile, rapid.IntRange(1, 4).Draw(rt, "limit"), token)
			require.NoError(rt, err)
			for _, p := range page {
				require.NotContains(rt, listed, p.Value, "listed twice")
				listed = append(listed, p.Value)
			}
			if token = next; token == "" || step > 40 {
				require.LessOrEqual(rt, step, 40)
				break
			}
			all, _, _, err := h.List(t.Context(), h.profile, 100, "")
			require.NoError(rt, err)
			if len(all) == 0 {
				continue
			}
			victim := all[rapid.IntRange(0, len(all)-1).Draw(rt, "victim")]
			switch rapid.IntRange(0, 3).Draw(rt, "change") {
			case 0:
				require.NoError(rt, h.Delete(t.Context(), h.profile, victim.ID, store.Version{}))
				there = slices.DeleteFunc(there, func(v string) bool { return v == victim.Value })
			case 1:
				to := rapid.IntRange(0, len(all)-1).Draw(rt, "to")
				_, _, err := h.Update(t.Context(), h.profile, victim.ID, preference.Changes{Index: &to}, store.Version{})
				require.NoError(rt, err)
			case 2:
				if step < 5 {
					at := rapid.IntRange(0, len(all)).Draw(rt, "at")
					_, err := h.Create(t.Context(), h.profile, preference.Addition{Type: "genre", Value: fmt.Sprint("new ", step), Index: &at})
					require.NoError(rt, err)
				}
			}
			h.values(t)
		}
		for _, v := range there {
			require.Contains(rt, listed, v, "missed")
		}
	})
}

func FuzzPageToken(f *testing.F) {
	f.Add("")
	f.Add("AQAAAAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		h := newHome(t, preference.Options{})
		h.add(t, preference.Genre, "a", 1)
		page, next, _, err := h.List(t.Context(), h.profile, 1, token)
		if err != nil {
			require.ErrorIs(t, err, fault.ErrInvalid)
			return
		}
		require.LessOrEqual(t, len(page), 1)
		require.Empty(t, next)
	})
}

func FuzzTempo(f *testing.F) {
	for _, s := range []string{"120", "90-110", " 90 - 110 ", "-", "9-300", "0120", "１２０"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		h := newHome(t, preference.Options{})
		_, err := h.Create(t.Context(), h.profile, preference.Addition{Type: preference.Tempo, Value: value})
		taste := preference.NewTaste([]preference.Preference{{Type: preference.Tempo, Value: value, Weight: 1}}, nil, nil)
		if err != nil {
			require.ErrorIs(t, err, fault.ErrInvalid)
			return
		}
		require.GreaterOrEqual(t, taste.Tempo(), 19.99)
		require.LessOrEqual(t, taste.Tempo(), 300.01)
	})
}

func FuzzWords(f *testing.F) {
	f.Add("Indie-Rock", "rock")
	f.Add("ＳＴＲＡßＥ", "e\u0301\u0345")
	f.Fuzz(func(t *testing.T, liked, played string) {
		taste := preference.NewTaste([]preference.Preference{{Type: preference.Genre, Value: liked, Weight: -1}}, nil, nil)
		x := preference.Traits{Genres: []string{played}}
		score, reasons := taste.Score(x)
		require.Equal(t, score < 0, len(reasons) == 1)
		if taste.Avoids(x) {
			require.Negative(t, score)
		}
	})
}
