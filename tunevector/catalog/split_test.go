package catalog

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSplitArtists(t *testing.T) {
	for _, c := range []struct {
		text   string
		commas commaRule
		want   []string
	}{
		{"", commaNever, nil},
		{"Earth, Wind & Fire", commaNever, []string{"Earth, Wind & Fire"}},
		{"Earth, Wind & Fire;AC/DC; Tyler, The Creator ;", commaNever, []string{"Earth, Wind & Fire", "AC/DC", "Tyler, The Creator"}},
		{"Earth, Wind & Fire;AC/DC", commaTight, []string{"Earth, Wind & Fire", "AC/DC"}},
		{"Earth, Wind & Fire,AC/DC,10,000 Maniacs,", commaTight, []string{"Earth, Wind & Fire", "AC/DC", "10,000 Maniacs"}},
		{`Tyler\, The Creator, AC/DC, 10,000 Maniacs`, commaEscaped, []string{"Tyler, The Creator", "AC/DC", "10,000 Maniacs"}},
		{", AC/DC,", commaEscaped, []string{"AC/DC,"}},
		{",AC/DC", commaTight, []string{"AC/DC"}},
		{"1,2", commaTight, []string{"1,2"}},
		{"a,2", commaTight, []string{"a", "2"}},
		{`['Earth, Wind & Fire', "Guns N' Roses", 'Sinéad O\'Connor']`, commaNever, []string{"Earth, Wind & Fire", "Guns N' Roses", "Sinéad O'Connor"}},
		{`["AC/DC"]`, commaTight, []string{"AC/DC"}},
		{`[]`, commaNever, nil},
		{`[ ]`, commaNever, nil},
		{`['A',]`, commaNever, []string{"A"}},
		{`['A' 'B']`, commaNever, []string{`['A' 'B']`}},
		{`[A, B]`, commaNever, []string{"[A, B]"}},
		{`['A, B]`, commaNever, []string{"['A, B]"}},
		{`['A', B]`, commaNever, []string{"['A', B]"}},
		{`['A\]`, commaNever, []string{`['A\]`}},
		{"[unbracketed", commaNever, []string{"[unbracketed"}},
		{strings.Repeat("x", maxNameSize+1) + ";short", commaNever, []string{"short"}},
		{"\xffbroken", commaNever, []string{"\uFFFDbroken"}},
	} {
		require.Equal(t, c.want, splitArtists(nil, c.text, c.commas), "%q", c.text)
	}
	require.Len(t, splitArtists(nil, strings.Repeat("x;", 1000), commaNever), maxNames)

	r := row{artistText: "Crosby,Stills,Nash", oneArtist: true}
	r.splitArtists(commaTight)
	require.Equal(t, []string{"Crosby,Stills,Nash"}, r.artists, "where the ids say that it is one artist")
}

func TestSplitTags(t *testing.T) {
	for text, want := range map[string][]string{
		"":                          nil,
		"Rock":                      {"rock"},
		"R&B, Hip-Hop ,, NaN":       {"r&b", "hip-hop"},
		"folk, world;Singer/Writer": {"folk, world", "singer/writer"},
		"a|b, c":                    {"a", "b, c"},
		"['Dark Ambient', 'drone']": {"dark ambient", "drone"},
		"[]":                        nil,
	} {
		require.Equal(t, want, splitTags(nil, text), "%q", text)
	}
}

// What Python prints for a list is read as that list.
func TestParseListReadsWhatPythonPrints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[a-zé,;'"\\ /&\[\]]{0,8}`), 0, 5).Draw(t, "names")
		printed := make([]string, len(names))
		for i, name := range names {
			quote := "'"
			if strings.Contains(name, "'") && !strings.Contains(name, `"`) {
				quote = `"`
			}
			printed[i] = quote + strings.NewReplacer(`\`, `\\`, quote, `\`+quote).Replace(name) + quote
		}
		got, ok := parseList("[" + strings.Join(printed, ", ") + "]")
		require.True(t, ok)
		require.Equal(t, names, append([]string{}, got...))
	})
}

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		text  string
		scale float64
		want  float64
		ok    bool
	}{
		{"200", 0, 200, true},
		{"200000", 0, 200, true},
		{"19999", 0, 19999, true},
		{"20000", 0, 20, true},
		{"200000", 1, 200000, true},
		{"200000.0", 0.001, 200, true},
		{"1,5", 1, 1.5, true},
		{"3:05", 0.001, 185, true},
		{"1:00:00.5", 1, 3600.5, true},
		{"0:60", 1, 0, false},
		{"-1:00", 1, 0, false},
		{"1:2:3:4", 1, 0, false},
		{":", 1, 0, false},
		{"a:10", 1, 0, false},
		{"x", 1, 0, false},
	} {
		got, ok := parseDuration(c.text, c.scale)
		require.Equal(t, c.ok, ok, c.text)
		if ok {
			require.InDelta(t, c.want, got, 1e-9, c.text)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]float64{"1": 1, "0.5": 0.5, "0,5": 0.5, "-2,5": -2.5, "1e-3": 0.001} {
		got, ok := parseNumber(text)
		require.True(t, ok, text)
		require.InDelta(t, want, got, 1e-12, text)
	}
	for _, text := range []string{"", "1,000,000", "1,000.5", "1.000,5", "NaN", "x", ","} {
		_, ok := parseNumber(text)
		require.False(t, ok, text)
	}
}
