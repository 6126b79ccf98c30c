package variable

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"math"
	"time"
)

// Whereabouts is where a listener is, as their own pattern of places has it. No coordinates are in it.
type Whereabouts string

// The whereabouts. The zero value is unknown: there is no fresh reading, or too few nights are known to tell a home.
const (
	Home      Whereabouts = "home"      // where they mostly are in evenings, nights and on weekends
	Work      Whereabouts = "work"      // where else they mostly are on weekdays, by day
	Commute   Whereabouts = "commute"   // where they regularly are for a short time only, on weekdays
	Elsewhere Whereabouts = "elsewhere" // none of these
)

// How the pattern of places is learned. What is looked at are cells of about 1 km and the hours in which the listener was in each. The hours are those of the
// sun (UTC and four minutes for each degree of longitude), which needs no time zone and is at most some two hours off.
const (
	patternDays     = 60   // that are looked at
	patternReadings = 5000 // the newest that are looked at
	patternHalfLife = 30.0 // days after which a day counts half, so that a pattern follows a move
	patternTTL      = 24 * time.Hour
	patternRetry    = time.Hour // … where no home is known yet
	patternsKept    = 10_000    // in memory
	regularDays     = 3         // on which a cell must have been visited to be a part of the pattern
	passingHours    = 2.0       // a day, on the average, up to which a cell is passed rather than stayed at
	// WhereaboutsFresh is how old a reading of the location may be to say where the listener is.
	WhereaboutsFresh = 30 * time.Minute
	// whereaboutsVotes is of how many of the newest readings most must agree, lest somebody at the edge of two cells moves all the time.
	whereaboutsVotes = 3
)

// cell is a hash of a cell's center, under a seed that is made anew in each process: places are told apart, and not told.
type cell uint64

// pattern is what is learned of a listener's places. It is in memory only, for a day, by the consent that it was learned under.
type pattern struct {
	home, work cell
	hasHome    bool
	hasWork    bool
	passed     map[cell]bool
	until      time.Time
}

func (s *Service) cellOf(c Coordinates) cell {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], math.Float64bits(c.Latitude))
	binary.LittleEndian.PutUint64(b[8:], math.Float64bits(c.Longitude))
	return cell(maphash.Bytes(s.cells, b[:]))
}

// visits are the hours of one day in which a cell was visited, as a set, so that the same readings told twice say nothing new.
type visits struct {
	cell cell
	day  int // since 1970, by the sun
}

// Hours by the sun.
const (
	dayHours    = 24
	nightBegins = 19
	nightEnds   = 7
	workBegins  = 9
	workEnds    = 16
	longitudes  = 360
)

// learnPattern learns from readings of the location, in any order.
func (s *Service) learnPattern(readings []Reading, now time.Time) pattern {
	hours := map[visits]uint32{}
	for _, r := range readings {
		if r.Place == nil || r.At.Before(now.AddDate(0, 0, -patternDays)) {
			continue
		}
		sun := r.At.UTC().Add(time.Duration(r.Place.Longitude / longitudes * float64(dayHours*time.Hour)))
		v := visits{s.cellOf(*r.Place), int(math.Floor(float64(sun.Unix()) / (dayHours * 60 * 60)))}
		hours[v] |= 1 << sun.Hour()
	}
	type tally struct {
		rest, work         float64 // days, weighed by age
		restDays, workDays int
		weekdays, short    int // weekdays on which it was visited, and hours then
	}
	tallies := map[cell]*tally{}
	today := int(now.Unix() / (dayHours * 60 * 60))
	for v, set := range hours {
		t := tallies[v.cell]
		if t == nil {
			t = &tally{}
			tallies[v.cell] = t
		}
		weight := math.Exp2(-max(float64(today-v.day), 0) / patternHalfLife)
		weekend := weekday(v.day) == time.Saturday || weekday(v.day) == time.Sunday
		atNight, atWork := false, false
		for h := range dayHours {
			if set>>h&1 == 0 {
				continue
			}
			atNight = atNight || h >= nightBegins || h < nightEnds
			atWork = atWork || !weekend && h >= workBegins && h < workEnds
			if !weekend {
				t.short++
			}
		}
		if !weekend {
			t.weekdays++
		}
		if atNight || weekend {
			t.rest += weight
			t.restDays++
		}
		if atWork {
			t.work += weight
			t.workDays++
		}
	}
	p := pattern{passed: map[cell]bool{}, until: now.Add(patternRetry)}
	most := 0.0
	for c, t := range tallies {
		if t.restDays >= regularDays && (t.rest > most || t.rest == most && p.hasHome && c < p.home) {
			p.home, p.hasHome, most = c, true, t.rest
		}
	}
	if !p.hasHome {
		return p
	}
	p.until = now.Add(patternTTL)
	most = 0
	for c, t := range tallies {
		stays := float64(t.short) > passingHours*float64(t.weekdays) || t.work >= t.rest
		if c != p.home && stays && t.workDays >= regularDays && (t.work > most || t.work == most && p.hasWork && c < p.work) {
			p.work, p.hasWork, most = c, true, t.work
		}
	}
	for c, t := range tallies {
		if c != p.home && (!p.hasWork || c != p.work) && t.weekdays >= regularDays && float64(t.short) <= passingHours*float64(t.weekdays) {
			p.passed[c] = true
		}
	}
	return p
}

// weekday is that of a day since 1970, which began on a Thursday.
func weekday(day int) time.Weekday {
	return time.Weekday(((day+int(time.Thursday))%7 + 7) % 7) //nolint:mnd // days of the week
}

// says is where a reading is, as the pattern has it.
func (p *pattern) says(c cell, r Reading) Whereabouts {
	switch {
	case !p.hasHome:
		return ""
	case c == p.home:
		return Home
	case p.hasWork && c == p.work:
		return Work
	}
	sun := r.At.UTC().Add(time.Duration(r.Place.Longitude / longitudes * float64(dayHours*time.Hour)))
	if d := sun.Weekday(); p.hasWork && p.passed[c] && d != time.Saturday && d != time.Sunday {
		return Commute
	}
	return Elsewhere
}

// whereabouts says where the listener is at a moment, by what most of the newest readings (newest first) say; of as many, the newest.
func (s *Service) whereabouts(p *pattern, recent []Reading, at time.Time) Whereabouts {
	votes := map[Whereabouts]int{}
	var best Whereabouts
	for i, r := range recent {
		if i == whereaboutsVotes || r.Place == nil || at.Sub(r.At) > WhereaboutsFresh {
			break
		}
		w := p.says(s.cellOf(*r.Place), r)
		if votes[w]++; i == 0 || votes[w] > votes[best] {
			best = w
		}
	}
	return best
}

// patternOf returns the pattern of places learned under a consent, which is learned anew each day.
func (s *Service) patternOf(ctx context.Context, v Variable) (*pattern, error) {
	now := s.now()
	if p, known := s.patterns.Get(v.Consent); known && now.Before(p.until) {
		return p, nil
	}
	found, _, err := s.newest(ctx, v, "", now.AddDate(0, 0, -patternDays), patternReadings)
	if err != nil {
		return nil, err
	}
	p := s.learnPattern(found, now)
	s.patterns.Add(v.Consent, &p)
	return &p, nil
}

// whereaboutsNow is where the listener is, by the newest readings. Where none of them is fresh, the pattern is not asked for.
func (s *Service) whereaboutsNow(ctx context.Context, v Variable, recent []Reading) (Whereabouts, error) {
	now := s.now()
	if len(recent) == 0 || now.Sub(recent[0].At) > WhereaboutsFresh {
		return "", nil
	}
	p, err := s.patternOf(ctx, v)
	if err != nil {
		return "", err
	}
	return s.whereabouts(p, recent, now), nil
}
