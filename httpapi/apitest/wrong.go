package apitest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
)

// testWrongFields sends bodies of which some fields are of a wrong type, and others against the rules: all are named at once,
// and nothing that only follows from them.
func testWrongFields(t *testing.T, s *suite) {
	w := s.world(t)
	h := w.home(t)
	h.patch(t, h.path+"/variables/"+h.variable, body{"optedIn": true}).is(t, 200)
	guided := h.post(t, h.path+"/tune-vectors", body{"name": "Two", "mode": "guided", "stages": []body{{"genre": "rock", "minutes": 5}}}).is(t, 201).text(t, "tuneVectorId")
	vectors, vector, stages := h.path+"/tune-vectors", h.path+"/tune-vectors/"+h.vector, h.path+"/tune-vectors/"+guided
	nowhere := vectors + "/" + uuid.NewString()
	readings := h.path + "/variables/" + h.variable + "/readings"
	event := func(changes body) body {
		e := h.event("like")
		for name, value := range changes {
			e[name] = value
		}
		return e
	}
	for _, c := range []struct {
		method, path string
		sent         body
		fields       string
	}{
		{
			"POST", vectors,
			body{"name": "n", "mode": "ai", "durationMinutes": 30, "start": body{"energy": 2, "valence": "x"}, "end": body{"tempo": 301, "x": 1}},
			"end.tempo end.x start.energy start.valence",
		},
		{
			"POST", vectors,
			body{"name": "n", "mode": "ai", "durationMinutes": 30, "points": []any{body{"at": 2}, 5, body{"at": 0.5, "energy": "x"}}},
			"points[0] points[0].at points[1] points[2].energy",
		},
		{
			"POST", vectors,
			body{"name": "n", "mode": "guided", "durationMinutes": 30, "stages": []any{body{"genre": "rock", "minutes": "x"}, body{"minutes": 0}}},
			"stages[0].minutes stages[1].genre stages[1].minutes",
		},
		{"POST", vectors, body{"name": "n", "mode": "guided", "durationMinutes": 1441, "stages": []any{nil}}, "durationMinutes stages[0]"},
		{"POST", vectors, body{"name": "n", "mode": 5, "stages": []any{}, "excluded": []any{"", 5}}, "excluded[0] excluded[1] mode"},
		{"POST", vectors, body{"name": "n", "mode": "ai", "durationMinutes": 30, "direction": "descent", "start": body{"energy": "x"}, "end": body{"energy": 0.9}}, "start.energy"},
		{"POST", vectors, body{"name": "n", "mode": "ai", "durationMinutes": 30, "direction": "down", "start": 5}, "direction start"},
		{"PATCH", vector, body{"curve": 5, "direction": "q", "durationMinutes": 9999, "points": []body{{"at": 2, "energy": 0}}, "zz": 1}, "curve direction durationMinutes points[0].at zz"},
		{
			"POST", vectors,
			body{"name": "n", "mode": "ai", "durationMinutes": 30, "pinned": []any{body{"trackId": "x"}, body{"position": "0"}, body{}, nil}},
			"pinned[0].position pinned[1].position pinned[1].trackId pinned[2].position pinned[2].trackId pinned[3]",
		},
		{"PATCH", vector, body{"pinned": []any{body{"trackId": ""}}}, "pinned[0].position pinned[0].trackId"},
		{"PATCH", vector, body{"durationMinutes": nil, "curve": 5}, "curve durationMinutes"},
		{"PATCH", vector, body{"mode": 5, "stages": []body{{"genre": "", "minutes": 5}}}, "mode stages[0].genre"},
		{"PATCH", stages, body{"durationMinutes": 30, "stages": []any{5}}, "stages[0]"},
		{"PATCH", stages, body{"direction": "ascent", "end": 5}, "end"},
		// What is wrong with a body comes before that there is nothing to change.
		{
			"PATCH", nowhere,
			body{"name": "", "mode": "x", "order": "x", "durationMinutes": 9999, "start": body{"energy": 2, "tempo": "x"}},
			"durationMinutes mode name order start.energy start.tempo",
		},
		{"PATCH", nowhere, body{"order": "x"}, "order"},
		{"PATCH", nowhere, body{"start": body{"energy": "x"}}, "start.energy"},
		{"PATCH", h.path + "/preferences/" + h.preference, body{"type": "artist", "index": 99, "weight": "x"}, "index type weight"},
		{"PATCH", h.path + "/variables/" + h.variable, body{"type": "location", "timeZone": "UTC", "optedIn": 1, "retentionDays": 0}, "optedIn retentionDays timeZone type"},
		{"POST", readings, body{"value": 500, "z": 1}, "value z"},
		{"POST", readings, body{"value": "x", "cadence": 1, "at": "now"}, "at cadence value"},
		{
			"POST", readings,
			body{"readings": []any{body{"value": 50}, body{"value": "x"}, body{"value": 500}, 5, body{"at": "now"}}},
			"readings[1].value readings[2].value readings[3] readings[4].at readings[4].value",
		},
		{"POST", readings, body{"readings": []any{}, "value": 1}, "readings value"},
		{"POST", h.path + "/variables/" + uuid.NewString() + "/readings", body{"value": 500, "z": 1}, "z"},
		{"POST", h.path + "/interactions", body{"events": []any{
			event(body{"eventId": "x", "trackId": ""}), 5, event(body{"rating": 3}), event(body{"action": "rate", "rating": 2.5}),
			event(body{"positionSeconds": -1, "tuneVectorId": uuid.NewString()}), event(body{"at": "2026-03-01T19:00:00Z", "z": 1}),
		}}, "events[0].eventId events[0].trackId events[1] events[2].rating events[3].rating events[4].positionSeconds events[4].tuneVectorId events[5].at events[5].z"},
	} {
		t.Run(strings.ReplaceAll(c.method+" "+c.fields, "/", "_"), func(t *testing.T) {
			fields := map[string]string{}
			for field := range strings.FieldsSeq(c.fields) {
				fields[field] = ""
			}
			before := h.later(t).get(t, vectors).etag()
			h.do(t, c.method, c.path, c.sent).wrong(t, fields)
			// Body before state: also where somebody else has changed it.
			h.with("If-Match", `"00000000000000000000000000000001"`).do(t, c.method, c.path, c.sent).says(t, 400, "Validation failed")
			require.Equal(t, before, h.later(t).get(t, vectors).etag(), "nothing is changed")
		})
	}
	h.with("If-Match", `"00000000000000000000000000000001"`).patch(t, vector, body{"order": "x"}).wrong(t, map[string]string{"order": ""})
	// What is right beside what is wrong is not kept.
	h.post(t, readings, body{"readings": []any{body{"value": 50}, body{"value": 50, "z": 1}}}).is(t, 400)
	require.Empty(t, h.later(t).get(t, readings).is(t, 200).list(t, "readings"))
}

// testSmallNumbers sends numbers that are nearer to 0 than stores can keep.
func testSmallNumbers(t *testing.T, s *suite) {
	w := s.world(t)
	h := w.home(t)
	for _, tiny := range []string{"1e-131", "1e-300", "1e-400"} {
		t.Run(tiny, func(t *testing.T) {
			number := raw{text: `{"weight": ` + tiny + `}`}
			one := h.path + "/preferences/" + h.preference
			h.patch(t, one, number).is(t, 200)
			require.Zero(t, h.later(t).get(t, one).object(t)["weight"])
			made := h.post(t, h.path+"/preferences", raw{text: `{"type": "artist", "value": "` + tiny + `", "weight": -` + tiny + `}`}).is(t, 201)
			require.Contains(t, h.get(t, h.path+"/preferences/"+made.text(t, "preferenceId")).shown(), `"weight":0,`)
			run := h.post(t, h.path+"/variables", body{"type": "accelerometer", "optedIn": true}).is(t, 201).text(t, "variableId")
			list := h.path + "/variables/" + run
			h.post(t, list+"/readings", raw{text: `{"value": ` + tiny + `, "cadence": ` + tiny + `}`}).is(t, 201)
			kept := h.later(t).get(t, list+"/readings").list(t, "readings")[0]
			require.Zero(t, kept["value"])
			require.Zero(t, kept["cadence"])
			h.del(t, list).is(t, 200)
			events := raw{text: fmt.Sprintf(`{"events": [{"eventId": %q, "trackId": "x", "action": "skip", "at": "2026-03-01T18:00:00Z", "positionSeconds": %s}]}`, uuid.NewString(), tiny)}
			h.post(t, h.path+"/interactions", events).is(t, 200)
			h.post(t, h.path+"/interactions", events).is(t, 200)
			h.post(t, h.path+"/tune-vectors", raw{text: fmt.Sprintf(
				`{"name": "x", "mode": "ai", "durationMinutes": 5, "start": {"energy": %s}, "points": [{"at": 0.5, "valence": %s}]}`, tiny, tiny,
			)}).is(t, 201)
		})
	}
}

// testTimesAndIDs sends times, zones and ids in forms that only look like what is meant.
func testTimesAndIDs(t *testing.T, s *suite) {
	w := s.world(t)
	h := w.home(t)
	rating := h.path + "/variables/" + h.post(t, h.path+"/variables", body{"type": "vector-rating", "optedIn": true}).is(t, 201).text(t, "variableId") + "/readings"
	for _, id := range []string{"{" + h.vector + "}", "urn:uuid:" + h.vector, strings.ReplaceAll(h.vector, "-", ""), uuid.Nil.String()} {
		h.post(t, rating, body{"value": 4, "tuneVectorId": id}).wrong(t, map[string]string{"tuneVectorId": ""})
	}
	h.post(t, rating, body{"value": 4, "tuneVectorId": strings.ToUpper(h.vector)}).is(t, 201)
	for _, at := range []string{
		"2026-03-01T17:59:59,5Z", "2026-03-01T17:59:59+24:00", "2026-03-01T9:59:59Z", "2026-03-01t17:59:59z", "0001-01-01T00:00:00Z", "2026-03-01", "",
	} {
		h.post(t, rating, body{"value": 4, "tuneVectorId": h.vector, "at": at}).wrong(t, map[string]string{"at": ""})
		event := h.event("like")
		event["at"] = at
		h.post(t, h.path+"/interactions", body{"events": []body{event}}).wrong(t, map[string]string{"events[0].at": ""})
	}
	for _, zone := range []string{"Local", "localtime", "posixrules", "posix/Europe/Berlin", "right/UTC", "Factory", "../UTC", "europe/berlin", "UTC\x00"} {
		h.post(t, h.path+"/variables", body{"type": "time-of-day", "timeZone": zone}).wrong(t, map[string]string{"timeZone": ""})
	}

	// A key in capitals is the same key, and has no limit of its own.
	w.serve(t, "", change{api: func(_ *rhythmiq.App, o *httpapi.Options) {
		o.CallerRate, o.Now = &httpapi.Rate{PerSecond: 1, Burst: 3}, func() time.Time { return w.clock.Now() }
	}})
	key := h.post(t, h.path+"/api-keys", nil).is(t, 201).text(t, "apiKey")
	for i, status := range []int{200, 200, 200, 429} {
		if i%2 == 1 {
			key = strings.ToUpper(key)
		}
		h.with("X-Api-Key", key).do(t, http.MethodGet, h.path, nil).is(t, status)
	}
}
