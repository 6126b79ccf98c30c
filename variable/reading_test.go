package variable_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/variable"
)

func TestReadingJSON(t *testing.T) {
	at := time.Date(2026, 5, 4, 12, 0, 0, 123e6, time.UTC)
	vector := uuid.MustParse("0b4f8f5e-6d0a-4b0e-9a5b-0c1f2e3d4c5b")
	for _, c := range []struct {
		r    variable.Reading
		json string
	}{
		{variable.Reading{Value: 3.2, Cadence: ptr(168.0), At: at}, `{"value":3.2,"cadence":168,"at":"2026-05-04T12:00:00.123Z"}`},
		{variable.Reading{Value: 0}, `{"value":0}`},
		{variable.Reading{Value: 4, TuneVectorID: vector, At: at}, `{"value":4,"tuneVectorId":"0b4f8f5e-6d0a-4b0e-9a5b-0c1f2e3d4c5b","at":"2026-05-04T12:00:00.123Z"}`},
		{variable.Reading{Place: &variable.Coordinates{Latitude: 1.5, Longitude: -2}, At: at}, `{"value":{"latitude":1.5,"longitude":-2},"at":"2026-05-04T12:00:00.123Z"}`},
	} {
		b, err := json.Marshal(c.r)
		require.NoError(t, err)
		require.Equal(t, c.json, string(b))
		var back variable.Reading
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, c.r, back)
	}
	var r variable.Reading
	err := json.Unmarshal([]byte(`{"at":null}`), &r)
	requireFields(t, err, map[string]string{"value": "Value is required", "at": "At must be a time as in RFC 3339"})
}

const (
	noNumber = "Value must be a number, or latitude and longitude"
	noTime   = "At must be a time as in RFC 3339"
	unknown  = "Unknown field"
)

func TestParseReadings(t *testing.T) {
	for body, want := range map[string]map[string]string{
		``:                {"body": "Body must be a JSON object"},
		`null`:            {"body": "Body must be a JSON object"},
		`[]`:              {"body": "Body must be a JSON object"},
		`{"value":1} {}`:  {"body": "Body must be a JSON object"},
		`{}`:              {"value": "Value is required"},
		`{"Value":1}`:     {"value": "Value is required", "Value": unknown},
		`{"value":null}`:  {"value": noNumber},
		`{"value":"1"}`:   {"value": noNumber},
		`{"value":[1]}`:   {"value": noNumber},
		`{"value":1e999}`: {"value": noNumber},
		`{"value":1,"at":1,"cadence":null,"tuneVectorId":"x","extra":0}`: {
			"at": noTime, "cadence": "Cadence must be a number", "tuneVectorId": "Tune vector id must be a UUID", "extra": unknown,
		},
		`{"value":1,"tuneVectorId":"00000000-0000-0000-0000-000000000000"}`: {"tuneVectorId": "Tune vector id must be a UUID"},
		`{"value":1,"at":"2026-05-04"}`:                                     {"at": noTime},
		`{"value":{}}`:                                                      {"value.latitude": "Latitude is required", "value.longitude": "Longitude is required"},
		`{"value":{"latitude":null,"longitude":"1","height":3}}`: {
			"value.latitude": "Latitude must be a number", "value.longitude": "Longitude must be a number", "value.height": unknown,
		},
		`{"readings":null}`:         {"readings": "Readings must be a list"},
		`{"readings":{},"value":1}`: {"readings": "Readings must be a list", "value": unknown},
		`{"readings":[{"value":1},{},null,7,{"value":{"latitude":1}}]}`: {
			"readings[1].value": "Value is required", "readings[2]": "A reading must be an object", "readings[3]": "A reading must be an object",
			"readings[4].value.longitude": "Longitude is required",
		},
		`{"readings":[` + strings.Repeat(`{},`, 500) + `{}]}`: {"readings": "At most 500 readings can be sent at once"},
	} {
		name := body[:min(len(body), 60)]
		t.Run(name, func(t *testing.T) {
			_, _, err := variable.ParseReadings([]byte(body))
			requireFields(t, err, want)
		})
	}
	readings, single, err := variable.ParseReadings([]byte(` { "value" : { "longitude" : 2 , "latitude" : 1 } } `))
	require.NoError(t, err)
	require.True(t, single)
	require.Equal(t, []variable.Reading{{Place: &variable.Coordinates{Latitude: 1, Longitude: 2}}}, readings)
	readings, single, err = variable.ParseReadings([]byte(`{"readings":[{"value":1},{"value":2}]}`))
	require.NoError(t, err)
	require.False(t, single)
	require.Equal(t, []variable.Reading{{Value: 1}, {Value: 2}}, readings)
	readings, _, err = variable.ParseReadings([]byte(`{"readings":[]}`))
	require.NoError(t, err)
	require.Empty(t, readings)
	readings, _, err = variable.ParseReadings([]byte(`{"readings":[` + strings.Repeat(`{"value":1},`, 499) + `{"value":1}]}`))
	require.NoError(t, err)
	require.Len(t, readings, variable.MaxBatch)
	var r variable.Reading
	requireFields(t, r.UnmarshalJSON([]byte(`7`)), map[string]string{"body": "A reading must be an object"})
}

func TestRecordJSON(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.Accelerometer)
	for _, c := range []struct {
		body string
		n    int
		want map[string]string
	}{
		{`{"value": 3.2, "cadence": 168, "at": "2026-05-04T11:00:00Z"}`, 1, nil},
		{`{"readings": [{"value": 1}, {"value": 2}]}`, 2, nil},
		{`{"value": 51, "at": "2026-05-04T11:00:00Z", "cadence": -1}`, 0, map[string]string{"value": "Value must be between 0 and 50 m/s²", "cadence": "Cadence must be between 0 and 300 steps per minute"}},
		{`{"readings": [{"value": 51}]}`, 0, map[string]string{"readings[0].value": "Value must be between 0 and 50 m/s²"}},
		{`{"value": {"latitude": 1, "longitude": 1}}`, 0, map[string]string{"value": "Value must be a number"}},
		{`{"readings": []}`, 0, map[string]string{"readings": "At least one reading is required"}},
		{`{"readings": 7}`, 0, map[string]string{"readings": "Readings must be a list"}},
	} {
		n, err := h.RecordJSON(t.Context(), h.profile, v.ID, []byte(c.body))
		require.Equal(t, c.n, n)
		if c.want == nil {
			require.NoError(t, err)
			continue
		}
		requireFields(t, err, c.want)
	}
	require.Len(t, h.readings(t, v), 3)
	clock := h.create(t, variable.TimeOfDay)
	_, err := h.RecordJSON(t.Context(), h.profile, clock.ID, []byte(`{"value":7}`))
	requireFields(t, err, map[string]string{"value": "A variable of type time-of-day takes no readings"})
	_, err = h.RecordJSON(t.Context(), h.profile, uuid.New(), []byte(`{"value":7}`))
	requireKind(t, err, fault.NotFound, missing)
}

func FuzzParseReadings(f *testing.F) {
	for _, s := range []string{
		`{"value":1}`, `{"value":{"latitude":1,"longitude":2},"at":"2026-05-04T12:00:00Z"}`,
		`{"readings":[{"value":1,"cadence":3,"tuneVectorId":"0b4f8f5e-6d0a-4b0e-9a5b-0c1f2e3d4c5b"}]}`, `{"readings":[null]}`, `{"value":1e999}`, ``,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		readings, single, err := variable.ParseReadings([]byte(body))
		if err != nil {
			require.ErrorIs(t, err, fault.ErrInvalid)
			return
		}
		if single {
			require.Len(t, readings, 1)
		}
		for _, r := range readings {
			b, err := json.Marshal(r)
			require.NoError(t, err)
			var back variable.Reading
			require.NoError(t, json.Unmarshal(b, &back), string(b))
			require.True(t, r.At.Equal(back.At))
			back.At = r.At
			require.Equal(t, r, back)
		}
	})
}

func FuzzPageTokens(f *testing.F) {
	f.Add("")
	f.Add("cmVhZGluZyMyMDI2LTA1LTA0VDEyOjAwOjAwLjEyM1ojMDEyMzQ1Njc4OWFiY2RlZg")
	f.Add("AZ0000000000000000000Q")
	f.Fuzz(func(t *testing.T, token string) {
		h := newHome(t)
		v := h.create(t, variable.AmbientNoise)
		h.record(t, v, variable.Reading{Value: 1}, variable.Reading{Value: 2})
		if _, _, err := h.Readings(t.Context(), h.profile, v.ID, 1, token); err != nil {
			require.ErrorIs(t, err, fault.ErrInvalid)
		}
		if _, _, err := h.List(t.Context(), h.profile, 1, token); err != nil {
			require.ErrorIs(t, err, fault.ErrInvalid)
		}
	})
}

func TestReadingTokens(t *testing.T) {
	h := newHome(t)
	v := h.create(t, variable.AmbientNoise)
	h.record(t, v, variable.Reading{Value: 1}, variable.Reading{Value: 2})
	_, token, err := h.Readings(t.Context(), h.profile, v.ID, 1, "")
	require.NoError(t, err)
	require.NotEmpty(t, token)
	for _, bad := range []string{
		"A", token + "A", token[1:], // no base64, more, less
		encode("reading#2026-05-04T12:00:00.123Z"), encode("reading#2026-05-04T12:00:00.123Z#0123456789abcdeg"),
		encode("reading#2026-05-04T12:00:00.123Z#0123456789abcde"), encode("reading#2026-13-04T12:00:00.123Z#0123456789abcdef"),
		encode("variable#2026-05-04T12:00:00.123Z#0123456789abcdef"), encode("reading#2026-05-04T12:00:00,123Z#0123456789abcdef"),
	} {
		_, _, err := h.Readings(t.Context(), h.profile, v.ID, 1, bad)
		requireFields(t, err, map[string]string{"pageToken": "Page token is not valid"})
	}
}
