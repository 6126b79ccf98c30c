package catalog

import (
	"fmt"
	"strings"

	"github.com/rhythmiq/rhythmiq/tunevector"
)

// How much of each kind the demo has for each profile, and how many tracks an artist has.
const (
	demoMusic       = 100
	demoSpoken      = 50
	tracksPerArtist = 8
)

// Demo returns a made-up catalog to try things with: about 5,600 tracks of 48 genres of music, 7 of podcasts and 8 of
// soundscapes, each with enough for hours. Titles and artists are invented; nothing of it can be played. It is
// generated anew by each call, the same on every machine: all of it is computed in whole numbers.
func Demo() *Catalog {
	b := newBuilder()
	d := demo{dice: 1, used: map[string]bool{}}
	for i := range profiles {
		d.generate(b, &profiles[i])
	}
	return b.finish()
}

type demo struct {
	dice dice
	used map[string]bool // names of artists, and titles within an artist
}

func (d *demo) generate(b *builder, p *profile) {
	tracks, perArtist := demoMusic, tracksPerArtist
	if p.kind != music {
		tracks = demoSpoken
	}
	slug := strings.ReplaceAll(strings.ReplaceAll(p.genre, " ", "-"), "&", "n")
	instruments := strings.Split(p.instruments, ",")
	var artist artist
	for i := range tracks {
		if i%perArtist == 0 {
			artist = d.artist(p)
		}
		r := d.track(p, &artist)
		r.id = fmt.Sprintf("demo-%s-%03d", slug, i+1)
		r.uri = "rhythmiq:" + r.id
		r.genres = []string{p.genre}
		if p.also != "" && d.dice.percent(40) {
			r.genres = append(r.genres, p.also)
		}
		r.instruments = d.some(instruments)
		// Every row is within its bounds and the whole far below the size at which add fails: TestDemo holds it to that.
		_ = b.add(&r)
	}
}

// artist is who made some tracks: they sound more alike than the genre does.
type artist struct {
	name    string
	lean    [dimensions]int // how far their mean is from the genre's, in hundredths of its standard deviation
	renown  int             // popularity of their middling track, 0–100
	partner string          // with whom they sometimes play
}

func (d *demo) artist(p *profile) artist {
	a := artist{name: d.name(p.kind), renown: 15 + d.dice.below(60)}
	for i := range a.lean {
		a.lean[i] = d.dice.normal() * 6 / 10
	}
	if p.kind == music && d.dice.percent(30) {
		a.partner = d.name(p.kind)
	}
	return a
}

// track draws a track. Energy drives the rest, as it does in real music: the louder, the happier and faster and the less
// acoustic (correlations about 0.35, 0.15 and −0.6, in the middle of those published for the genres in profiles).
func (d *demo) track(p *profile, a *artist) row {
	e := d.share(a.lean[energy], 100, 0)
	features := [dimensions]int{
		energy:           at(p.energy, e),
		valence:          at(p.valence, d.share(a.lean[valence], 94, 35*e/100)),
		tempo:            at(p.tempo, d.share(a.lean[tempo], 99, 15*e/100)),
		acousticness:     at(p.acousticness, d.share(a.lean[acousticness], 80, -60*e/100)),
		instrumentalness: at(p.instrumentalness, d.share(a.lean[instrumentalness], 100, 0)),
	}
	if p.sung > 0 && d.dice.percent(p.sung) {
		features[instrumentalness] = d.dice.below(200) // hundredths of a percent
	}
	r := row{
		title: d.title(p, a), artists: []string{a.name}, kind: p.kind, confidence: 1, provenance: tunevector.FromCatalog,
		seconds:    float64(max(at(p.seconds, d.dice.normal()), 100*p.seconds.mean/3) / 100),
		explicit:   d.dice.percent(p.explicit),
		popularity: float64(min(max(a.renown+d.dice.normal()/8, 1), 99)) / 100,
	}
	if a.partner != "" && d.dice.percent(25) {
		r.artists = append(r.artists, a.partner)
	}
	for dim, v := range features {
		if dim == tempo {
			r.set(dim, float64(min(max(v, 50*tempoUnit), 210*tempoUnit))/tempoUnit)
		} else {
			r.set(dim, float64(within(v))/unit)
		}
	}
	return r
}

// share is a draw in hundredths of a standard deviation, made of the artist's lean, chance, and what another dimension adds.
func (d *demo) share(lean, chance, add int) int { return lean + d.dice.normal()*chance*8/1000 + add }

// at is where a draw lands, in hundredths of the unit of s.
func at(s spread, draw int) int { return 100*s.mean + s.sd*draw }

// within reflects a share in units of 1/unit at its ends, so that they do not collect what falls over them.
func within(v int) int {
	if v < 0 {
		v = -v
	}
	if v > unit {
		v = 2*unit - v
	}
	return min(max(v, 0), unit)
}

// some returns some of the names, at least the first.
func (d *demo) some(names []string) []string {
	out := names[:1:1]
	for _, name := range names[1:] {
		if d.dice.percent(60) {
			out = append(out, name)
		}
	}
	return out
}

// dice is SplitMix64 (Steele, Lea and Flood 2014): a sequence that no library can change.
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns 0 to n−1; the bias of the remainder is far below what anyone could notice.
func (d *dice) below(n int) int { return int(d.next() >> 33 % uint64(n)) }

func (d *dice) percent(p int) bool { return d.below(100) < p }

// normal is nearly normal, in hundredths of a standard deviation: the sum of eight bytes, which has a mean of 1,020 and a standard
// deviation of 209.
func (d *dice) normal() int {
	sum := 0
	for bits := d.next(); bits > 0; bits >>= 8 {
		sum += int(bits & 0xff)
	}
	return (sum - 1020) * 100 / 209
}

func (d *dice) pick(words []string) string { return words[d.below(len(words))] }
