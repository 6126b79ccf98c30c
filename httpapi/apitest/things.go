package apitest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func (l *listener) prefer(t *testing.T, kind, value string) string {
	t.Helper()
	return l.post(t, l.path+"/preferences", body{"type": kind, "value": value}).is(t, 201).text(t, "preferenceId")
}

func (l *listener) values(t *testing.T) []string {
	t.Helper()
	var values []string
	for i, p := range l.later(t).get(t, l.path+"/preferences?limit=100").is(t, 200).list(t, "preferences") {
		require.InDelta(t, i, p["index"], 0)
		values = append(values, p["value"].(string))
	}
	return values
}

func testPreferences(t *testing.T, s *suite) {
	w := s.world(t)
	l := w.listener(t)
	list := l.path + "/preferences"
	require.Empty(t, l.get(t, list).is(t, 200).list(t, "preferences"))
	rock := l.prefer(t, "genre", "Rock")
	tempo := l.prefer(t, "tempo", "90-110")
	r := l.post(t, list, body{"type": "artist", "value": "Björk", "weight": -1, "index": 0.0}).says(t, 201, "Preference created successfully")
	require.Equal(t, []string{"Björk", "Rock", "90-110"}, l.values(t))
	got := l.get(t, list+"/"+rock).is(t, 200)
	require.Equal(t, body{
		"preferenceId": rock, "type": "genre", "value": "Rock", "weight": 1.0, "index": 1.0,
		"createdAt": "2026-03-01T18:00:00Z", "updatedAt": "2026-03-01T18:00:00Z",
	}, got.object(t))

	l.post(t, list, body{"type": "genre", "value": " rock "}).is(t, 409)
	l.post(t, list, body{"type": "mood", "value": "", "weight": 2, "index": -1, "color": "red"}).wrong(t, map[string]string{
		"type": "", "value": "", "weight": "", "index": "", "color": "Unknown field",
	})
	l.post(t, list, body{"type": nil, "value": 5, "weight": "1", "index": 1.5}).wrong(t, map[string]string{
		"type": "Must not be null", "value": "Must be a string", "weight": "Must be a number", "index": "Must be a whole number",
	})
	l.post(t, list, body{"type": "tempo", "value": "fast"}).wrong(t, map[string]string{"value": ""})
	l.post(t, list, body{"type": "genre", "value": "far", "index": 7}).wrong(t, map[string]string{"index": ""})

	// A merge patch: what is absent stays, null is the default.
	one := list + "/" + rock
	updated := l.patch(t, one, raw{`{"weight": 0.25, "index": 2}`, "application/merge-patch+json; charset=UTF-8"}).says(t, 200, "Preference updated successfully")
	require.Equal(t, l.later(t).get(t, one).etag(), updated.etag())
	require.Equal(t, []string{"Björk", "90-110", "Rock"}, l.values(t))
	require.InDelta(t, 0.25, l.later(t).get(t, one).object(t)["weight"], 0)
	l.patch(t, one, body{"weight": nil}).is(t, 200)
	require.InDelta(t, 1, l.later(t).get(t, one).object(t)["weight"], 0)
	l.patch(t, one, body{"type": "artist"}).wrong(t, map[string]string{"type": "Type cannot be changed; delete the preference and create a new one"})
	l.patch(t, one, body{"index": nil, "value": nil, "type": nil}).wrong(t, map[string]string{
		"index": "Must not be null", "value": "Must not be null", "type": "Must not be null",
	})
	l.patch(t, one, body{"index": nil, "weight": 7}).wrong(t, map[string]string{"index": "Must not be null", "weight": ""})
	other := l.prefer(t, "genre", "ambient")
	l.patch(t, list+"/"+other, body{"value": "ROCK"}).is(t, 409)

	l.del(t, list+"/"+tempo).says(t, 200, "Preference deleted successfully")
	l.del(t, list+"/"+tempo).says(t, 404, "Preference with the specified ID does not exist")
	require.Equal(t, []string{"Björk", "Rock", "ambient"}, l.values(t))
	require.NotEmpty(t, r.Header.Get("Location"))
}

func testVariables(t *testing.T, s *suite) {
	w := s.world(t)
	l := w.listener(t)
	list := l.path + "/variables"
	made := l.post(t, list, body{"type": "heart-rate-variability"}).says(t, 201, "Variable created successfully")
	one := list + "/" + made.text(t, "variableId")
	got := l.get(t, one).is(t, 200)
	require.Equal(t, got.etag(), made.etag())
	require.Equal(t, body{
		"variableId": made.text(t, "variableId"), "type": "heart-rate-variability", "optedIn": false, "retentionDays": 90.0,
		"createdAt": "2026-03-01T18:00:00Z", "updatedAt": "2026-03-01T18:00:00Z",
	}, got.object(t))
	l.post(t, list, body{"type": "heart-rate-variability"}).is(t, 409)
	l.post(t, list, body{"type": "mood", "retentionDays": 366, "optedIn": "yes"}).wrong(t, map[string]string{"type": "", "retentionDays": "", "optedIn": ""})
	l.post(t, list, body{"type": "time-of-day", "timeZone": "Mars/Olympus"}).wrong(t, map[string]string{"timeZone": ""})
	l.post(t, list, body{"type": "time-of-day", "timeZone": "Europe/Berlin", "optedIn": true, "retentionDays": 1}).is(t, 201)

	// Nothing is taken without consent.
	l.post(t, one+"/readings", body{"value": 42}).is(t, 409)
	l.patch(t, one, body{"optedIn": true, "retentionDays": 7}).says(t, 200, "Variable updated successfully")
	r := l.post(t, one+"/readings", body{"value": 42}).says(t, 201, "Readings recorded successfully")
	require.Equal(t, one+"/readings", r.Header.Get("Location"))
	at := func(d time.Duration) string { return w.clock.Now().Add(d).Format(time.RFC3339) }
	l.post(t, one+"/readings", body{"readings": []body{{"value": 41, "at": at(-time.Minute)}, {"value": 40, "at": at(-2 * time.Minute)}}}).is(t, 201)
	readings := l.later(t).get(t, one+"/readings").is(t, 200).list(t, "readings")
	require.Len(t, readings, 3)
	require.InDelta(t, 42, readings[0]["value"], 0)
	require.InDelta(t, 40, readings[2]["value"], 0)
	for name, wrong := range map[string]struct {
		sent   any
		fields map[string]string
	}{
		"range":     {body{"value": 301}, map[string]string{"value": ""}},
		"nothing":   {body{}, map[string]string{"value": ""}},
		"null":      {body{"value": nil}, map[string]string{"value": ""}},
		"old":       {body{"value": 41, "at": at(-8 * 24 * time.Hour)}, map[string]string{"at": ""}},
		"future":    {body{"value": 41, "at": at(6 * time.Minute)}, map[string]string{"at": ""}},
		"cadence":   {body{"value": 41, "cadence": 100}, map[string]string{"cadence": ""}},
		"many":      {body{"readings": make([]body, 501)}, map[string]string{"readings": ""}},
		"in a list": {body{"readings": []body{{"value": 1}, {"value": "x", "y": 1}}}, map[string]string{"readings[1].value": "", "readings[1].y": "Unknown field"}},
		"twice":     {raw{text: `{"value": 1, "value": 2}`}, map[string]string{"value": "Must not be given twice"}},
	} {
		t.Run(name, func(t *testing.T) { l.post(t, one+"/readings", wrong.sent).wrong(t, wrong.fields) })
	}

	// Opting out, by null too, takes the readings away.
	l.patch(t, one, body{"optedIn": nil, "retentionDays": nil}).is(t, 200)
	o := l.get(t, one).object(t)
	require.Equal(t, false, o["optedIn"])
	require.InDelta(t, 90, o["retentionDays"], 0)
	require.Empty(t, l.later(t).get(t, one+"/readings").is(t, 200).list(t, "readings"))
	l.patch(t, one, body{"optedIn": true}).is(t, 200)
	require.Empty(t, l.later(t).get(t, one+"/readings").is(t, 200).list(t, "readings"))
	l.patch(t, one, body{"type": "location"}).wrong(t, map[string]string{"type": "Type cannot be changed; delete the variable and create a new one"})
	l.patch(t, one, body{"timeZone": "Europe/Berlin", "retentionDays": 0}).wrong(t, map[string]string{"timeZone": "", "retentionDays": ""})

	place := list + "/" + l.post(t, list, body{"type": "location", "optedIn": true}).is(t, 201).text(t, "variableId")
	l.post(t, place+"/readings", body{"value": body{"latitude": 52.520008, "longitude": 13.404954}}).is(t, 201)
	kept := l.later(t).get(t, place+"/readings").is(t, 200)
	require.NotContains(t, kept.shown(), "52.520008")
	l.post(t, place+"/readings", body{"value": body{"latitude": 91}}).is(t, 400)
	run := list + "/" + l.post(t, list, body{"type": "accelerometer", "optedIn": true}).is(t, 201).text(t, "variableId")
	l.post(t, run+"/readings", body{"value": 3.2, "cadence": 168}).is(t, 201)
	require.InDelta(t, 168, l.later(t).get(t, run+"/readings").is(t, 200).list(t, "readings")[0]["cadence"], 0)
	l.del(t, one).says(t, 200, "Variable deleted successfully")
	l.get(t, one).says(t, 404, "Variable with the specified ID does not exist")
	require.Len(t, l.get(t, list).is(t, 200).list(t, "variables"), 3)
}

func testVectors(t *testing.T, s *suite) {
	w := s.world(t)
	l := w.listener(t)
	list := l.path + "/tune-vectors"
	made := l.post(t, list, body{"name": "Evening", "mode": "ai", "durationMinutes": 30, "direction": "descent", "seed": 7}).says(t, 201, "Tune vector created successfully")
	one := list + "/" + made.text(t, "tuneVectorId")
	got := l.later(t).get(t, one).is(t, 200)
	require.Equal(t, made.etag(), got.etag())
	v := got.object(t)
	require.Equal(t, "s-curve", v["curve"])
	require.Equal(t, "playlist", v["kind"])
	require.Equal(t, "arc", v["order"])
	require.InDelta(t, 7, v["seed"], 0)
	plan := v["plan"].(body)
	require.NotEmpty(t, plan["tracks"])
	require.NotNil(t, plan["gap"])

	guided := l.post(t, list, body{"name": "Two", "mode": "guided", "stages": []body{{"genre": "rock", "minutes": 10}, {"genre": "ambient", "minutes": 10}}}).is(t, 201)
	require.InDelta(t, 20, l.later(t).get(t, list+"/"+guided.text(t, "tuneVectorId")).object(t)["durationMinutes"], 0)
	l.post(t, list, body{"name": "None", "mode": "guided", "stages": []body{{"genre": "no such genre", "minutes": 10}}}).is(t, 409)
	l.post(t, list, body{"name": "", "mode": "both", "curve": "round", "durationMinutes": "long", "start": body{"energy": 2}, "plan": nil}).wrong(t, map[string]string{
		"name": "", "mode": "", "curve": "", "durationMinutes": "Must be a whole number", "start.energy": "", "plan": "Unknown field",
	})
	l.post(t, list, body{"name": "x", "mode": "ai"}).wrong(t, map[string]string{"durationMinutes": ""})

	// Patches merge into what was given.
	l.patch(t, one, body{"end": body{"energy": 0.1, "tempo": 70}}).says(t, 200, "Tune vector updated successfully")
	l.patch(t, one, body{"end": body{"tempo": nil}, "points": []body{{"at": 0.5, "energy": 0.4}}}).is(t, 200)
	v = l.later(t).get(t, one).object(t)
	require.InDelta(t, 0.1, v["end"].(body)["energy"], 1e-9)
	require.Len(t, v["points"], 1)
	l.patch(t, one, body{"points": nil, "order": "energy-descending", "curve": "linear"}).is(t, 200)
	v = l.later(t).get(t, one).object(t)
	require.NotContains(t, v, "points")
	require.Nil(t, v["plan"].(body)["gap"])
	l.patch(t, one, body{"curve": nil}).is(t, 200)
	require.Equal(t, "s-curve", l.later(t).get(t, one).object(t)["curve"])
	l.patch(t, one, body{"name": nil, "order": "sideways", "seed": -1.5, "points": []any{nil}}).wrong(t, map[string]string{
		"name": "Must not be null", "order": "", "seed": "Must be a whole number", "points[0]": "Must not be null",
	})
	l.patch(t, one, body{"order": "", "durationMinutes": 0}).wrong(t, map[string]string{"order": "Must not be empty", "durationMinutes": "Must not be 0"})
	l.with("If-Match", `"x"`).patch(t, one, body{"excluded": []string{strings.Repeat("x", 201)}}).wrong(t, map[string]string{"excluded[0]": ""})
	l.with("If-Match", `"x"`).patch(t, one, body{"excluded": []string{"x"}}).is(t, 412)
	l.patch(t, list+"/"+uuid.NewString(), body{"stages": []body{{"genre": "", "minutes": 1}}}).wrong(t, map[string]string{"stages[0].genre": ""})
	l.patch(t, one, body{"order": "sideways"}).wrong(t, map[string]string{"order": ""})
	l.patch(t, one, body{"tuneVectorId": uuid.NewString()}).wrong(t, map[string]string{"tuneVectorId": "Unknown field"})
	l.patch(t, one, body{"mode": "guided", "durationMinutes": nil, "stages": []body{{"genre": "no such genre", "minutes": 10}}}).is(t, 409)

	listed := l.later(t).get(t, list).is(t, 200).list(t, "tuneVectors")
	require.Len(t, listed, 2)
	require.NotContains(t, listed[0], "plan")
	l.del(t, one).says(t, 200, "Tune vector deleted successfully")
	l.later(t).get(t, one).says(t, 404, "Tune vector with the specified ID does not exist")
}

func testInteractions(t *testing.T, s *suite) {
	w := s.world(t)
	h := w.home(t)
	tracks := h.get(t, h.path+"/tune-vectors/"+h.vector).is(t, 200).object(t)["plan"].(body)["tracks"].([]any)
	event := h.event("skip")
	event["trackId"], event["tuneVectorId"], event["positionSeconds"] = tracks[0].(body)["trackId"], h.vector, 5
	r := h.post(t, h.path+"/interactions", body{"events": []body{event}}).says(t, 200, "Interactions recorded successfully").object(t)
	require.InDelta(t, 1, r["accepted"], 0)
	require.IsType(t, []any{}, r["replanned"])
	h.post(t, h.path+"/interactions", body{"events": []body{event}}).is(t, 200)
	event["action"] = "like"
	delete(event, "positionSeconds")
	h.post(t, h.path+"/interactions", body{"events": []body{event}}).is(t, 409)
	h.post(t, h.path+"/interactions", body{}).wrong(t, map[string]string{"events": ""})
	h.post(t, h.path+"/interactions", body{"events": []any{body{"eventId": "x", "rating": 2.5, "at": "yesterday"}, 5}}).wrong(t, map[string]string{
		"events[0].eventId": "Must be a UUID", "events[0].rating": "Must be a whole number", "events[0].at": "Must be a time as in RFC 3339, such as 2026-03-01T18:00:00Z",
		"events[0].trackId": "", "events[0].action": "", "events[1]": "Must be an object",
	})
	h.post(t, h.path+"/interactions", body{"events": []body{{}}}).wrong(t, map[string]string{
		"events[0].eventId": "", "events[0].trackId": "", "events[0].action": "", "events[0].at": "",
	})
	recommended := h.get(t, h.path+"/recommendations?limit=5").is(t, 200).list(t, "recommendations")
	require.Len(t, recommended, 5)
	h.get(t, h.path+"/recommendations?limit=0").wrong(t, map[string]string{"limit": ""})
}

func testExports(t *testing.T, s *suite) {
	w := s.world(t)
	h := w.home(t)
	export := h.path + "/tune-vectors/" + h.vector + "/export"
	for format, want := range map[string]struct{ mediaType, begin string }{
		"":             {"application/xspf+xml", "<?xml"},
		"?format=xspf": {"application/xspf+xml", "<?xml"},
		"?format=jspf": {"application/jspf+json", "{"},
		"?format=m3u8": {"application/vnd.apple.mpegurl", "#EXTM3U"},
	} {
		r := h.get(t, export+format).is(t, 200)
		require.Equal(t, want.mediaType, r.Header.Get("Content-Type"), format)
		require.True(t, strings.HasPrefix(r.shown(), want.begin), r.shown())
	}
	h.get(t, export+"?format=mp3").wrong(t, map[string]string{"format": "Format must be xspf, jspf or m3u8"})
	h.get(t, export+"?format=").is(t, 400)

	r := h.get(t, h.path+"/export").is(t, 200)
	require.Contains(t, r.shown(), h.email)
	require.NotContains(t, r.shown(), "argon")
	h.object(t, r)
}

func (l *listener) object(t *testing.T, r *result) { t.Helper(); r.object(t) }

// testBodies sends what is not a body.
func testBodies(t *testing.T, s *suite) {
	w := s.world(t)
	l := w.listener(t)
	const noObject, malformed = "The request body must be a JSON object", "Malformed JSON"
	for text, message := range map[string]string{
		"": noObject, "null": noObject, "[]": noObject, `"x"`: noObject, "5": noObject,
		"{": malformed, `{"a": 1,}`: malformed, `{"a": 1} {}`: malformed, `{"a": 1} x`: malformed, "{\"a\": \"\xff\"}": malformed,
		`{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`: malformed, "{'a': 1}": malformed, `{"a": NaN}`: malformed,
	} {
		r := l.post(t, l.path+"/preferences", raw{text: text}).is(t, 400)
		require.True(t, strings.HasPrefix(r.text(t, "message"), message), "%s: %s", text, r.shown())
		require.NotContains(t, r.object(t), "errors")
		l.post(t, l.path+"/interactions", raw{text: text}).is(t, 400)
		l.patch(t, l.path+"/preferences/"+uuid.NewString(), raw{text: text}).is(t, 400)
		l.post(t, l.path+"/variables/"+uuid.NewString()+"/readings", raw{text: text}).is(t, 400)
	}
	l.post(t, l.path+"/preferences", raw{text: `{"type": "genre", "Value": "x", "value": "y", "value": "z", "index": 1e400, "weight": 1e999, "": {}}`}).
		wrong(t, map[string]string{
			"Value": "Unknown field", "value": "Must not be given twice", "index": "", "weight": "", "": "Unknown field",
		})
	for index, ok := range map[string]bool{
		"0": true, "0.0": true, "0e5": true, "1e-2": false, "0.00000000000000000000001": false, "9007199254740993": false, "-0": true,
		"1e-99999": false, strings.Repeat("0", 1): true, "0." + strings.Repeat("0", 100): false,
	} {
		r := l.post(t, l.path+"/preferences", raw{text: `{"type": "genre", "value": "v` + index + `", "index": ` + index + `}`})
		require.Equal(t, ok, r.StatusCode == http.StatusCreated, "%s: %s", index, r.shown())
	}
	many := map[string]any{}
	for i := range 5000 {
		many[fmt.Sprintf("f%d", i)] = i
	}
	errors, _ := l.post(t, l.path+"/preferences", many).is(t, 400).object(t)["errors"].(body)
	require.Less(t, len(errors), 1100, "a small request makes a large answer")
	noise := l.path + "/variables/" + l.post(t, l.path+"/variables", body{"type": "ambient-noise", "optedIn": true}).is(t, 201).text(t, "variableId") + "/readings"
	place := body{}
	var doubled strings.Builder
	for i := range 5000 {
		place[fmt.Sprintf("f%d", i)] = i
		fmt.Fprintf(&doubled, `"f%d": 1, "f%d": 2, `, i, i)
	}
	for _, sent := range []any{
		many, body{"value": place}, body{"readings": []any{many}}, raw{text: "{" + doubled.String() + `"value": 1}`},
	} {
		errors, _ = l.post(t, noise, sent).is(t, 400).object(t)["errors"].(body)
		require.Less(t, len(errors), 1100, "a small request makes a large answer")
	}
	many["readings"] = []any{}
	errors, _ = l.post(t, noise, many).is(t, 400).object(t)["errors"].(body)
	require.Less(t, len(errors), 1100, "a small request makes a large answer")
	l.post(t, l.path+"/interactions", body{"events": make([]any, 5000)}).is(t, 400)
	for _, at := range []string{"0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-03-01t18:00:00z", "2026-03-01T17:59:59,5Z", "2026-03-01T17:59:59.5+00:00"} {
		r := l.post(t, l.path+"/interactions", body{"events": []body{{"eventId": uuid.NewString(), "trackId": "x", "action": "like", "at": at}}})
		require.Equal(t, at == "2026-03-01T17:59:59.5+00:00", r.StatusCode == http.StatusOK, r.shown())
	}
	r := l.with("Content-Encoding", "gzip").post(t, l.path+"/preferences", body{})
	r.is(t, 415)
	twice := l.with("Content-Type", "application/json")
	twice.do(t, http.MethodPost, l.path+"/preferences", raw{text: "{}", mediaType: "application/json; charset=utf-8"}).is(t, 400)
	// A body where none belongs is not looked at.
	l.do(t, http.MethodGet, l.path, nil).is(t, 200)
}
