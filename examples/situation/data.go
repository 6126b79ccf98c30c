package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/ml"
)

// The names that columns go by.
var (
	rowNames      = []string{"row_id", "row"}
	listenerNames = []string{"user_id", "user", "listener"}
	itemNames     = []string{"item_id", "item", "track"}
	timeNames     = []string{"timestamp", "time"}
	titleNames    = []string{"title"}
	artistNames   = []string{"artist", "artists"}
	tagNames      = []string{"general_genre", "genre", "genres"}
	foldNames     = []string{"fold", "pair_fold"}
	// Numbers that are no amounts: ids, and the key, which goes in a circle of which nobody knows the beginning.
	noAmounts = []string{"general_genre_id", "genre_id", "key", "mode", "No."}
	// Numbers that come around, and after how much.
	cycles = map[string]float64{"hour": 24, "weekday": 7, "day_of_week": 7, "month": 12}
)

const (
	ratingColumn = "rating"
	labelColumn  = "label"
)

// schema is how the tables of answers are read: the same for all of them.
type schema struct {
	aspects  []ml.Aspect
	switches map[string][]string // the columns of a category that was spread out
	labeled  bool                // the answers are yes and no; else ratings
	least    float64             // rating
	most     float64
	yes      float64 // the least rating that is a yes
}

// newSchema reads what the columns of a table of answers are.
func newSchema(t *table) (*schema, error) {
	s := &schema{switches: map[string][]string{}, least: math.NaN(), most: math.NaN(), yes: math.NaN()}
	var columns []string
	known := slices.Concat(rowNames, listenerNames, itemNames, timeNames, foldNames, []string{ratingColumn, labelColumn})
	for _, c := range t.head {
		if !slices.Contains(known, c) {
			columns = append(columns, c)
		}
	}
	spread := t.switches(columns)
	for len(columns) > 0 {
		c := columns[0]
		if len(spread) > 0 && spread[0][0] == c {
			name := strings.Join(spread[0], "/")
			s.switches[name] = spread[0]
			say := map[string]string{}
			for _, word := range spread[0] {
				say[word] = strings.ReplaceAll(word, "_", " ")
			}
			s.aspects = append(s.aspects, ml.Aspect{Name: name, Kind: ml.Category, Say: say})
			columns, spread = columns[len(spread[0]):], spread[1:]
			continue
		}
		columns = columns[1:]
		a := ml.Aspect{Name: c, Kind: ml.Category}
		if t.numeric(c) {
			text := strings.ReplaceAll(c, "_", " ")
			a.Kind, a.Say = ml.Amount, map[string]string{"low": text + " is low", "high": text + " is high"}
			if period, comes := cycles[c]; comes {
				a = ml.Aspect{Name: c, Kind: ml.Cycle, Period: period}
			}
		}
		s.aspects = append(s.aspects, a)
	}
	return s, s.scale(t)
}

// scale finds out what answers there are.
func (s *schema) scale(t *table) (err error) {
	s.labeled = t.column(labelColumn) != ""
	rated := t.column(ratingColumn) != ""
	if !s.labeled && !rated {
		return fmt.Errorf("%w: %s has neither a column %s nor %s", errInput, t.path, labelColumn, ratingColumn)
	}
	if !rated {
		return nil
	}
	if s.least, s.most, err = t.bounds(ratingColumn); err != nil {
		return err
	}
	if !(s.least < s.most) {
		return fmt.Errorf("%w: %s: all ratings are the same", errInput, t.path)
	}
	for i := range t.rows {
		rating, is, err := t.number(i, ratingColumn)
		if err != nil {
			return err
		}
		if label, labeled, _ := t.number(i, labelColumn); is && labeled && label > 0 && !(rating >= s.yes) {
			s.yes = rating
		}
	}
	return nil
}

// moment reads a row's.
func (s *schema) moment(t *table, row int) (ml.Moment, error) {
	m := ml.Moment{Numbers: map[string]float64{}, Words: map[string]string{}}
	for _, a := range s.aspects {
		if columns, spread := s.switches[a.Name]; spread {
			for _, c := range columns {
				x, _, err := t.number(row, c)
				if err != nil {
					return m, err
				}
				if x == 1 {
					m.Words[a.Name] = c
				}
			}
			continue
		}
		if a.Kind == ml.Category {
			if word := strings.TrimSpace(t.text(row, a.Name)); word != "" {
				m.Words[a.Name] = word
			}
			continue
		}
		x, is, err := t.number(row, a.Name)
		if err != nil {
			return m, err
		}
		if is {
			m.Numbers[a.Name] = x
		}
	}
	return m, nil
}

// liking reads how a row was answered, false where that is not known.
func (s *schema) liking(t *table, row int) (liking float64, degree *float64, known bool, err error) {
	rating, rated, err := t.number(row, ratingColumn)
	if err != nil {
		return 0, nil, false, err
	}
	if rated {
		x := min(max((rating-s.least)/(s.most-s.least), 0), 1)
		if !s.labeled {
			return x, nil, true, nil
		}
		degree = &x
	}
	label, labeled, err := t.number(row, labelColumn)
	switch {
	case err != nil:
		return 0, nil, false, err
	case labeled && label != 0 && label != 1:
		return 0, nil, false, fmt.Errorf("%w: %s: row %d: the label is %v, must be 0 or 1", errInput, t.path, row+1, label)
	case labeled:
		return label, degree, true, nil
	case rated && rating >= s.yes:
		return 1, degree, true, nil
	case rated && rating < s.yes: // not where nobody knows what a yes is
		return 0, degree, true, nil
	}
	return 0, nil, false, nil
}

// reader puts data together.
type reader struct {
	*schema
	data      ml.Data
	listeners map[string]int32
	items     map[string]int32
	about     map[string]ml.Item
}

func newReader(s *schema, about map[string]ml.Item) *reader {
	return &reader{schema: s, data: ml.Data{Aspects: s.aspects}, listeners: map[string]int32{}, items: map[string]int32{}, about: about}
}

// answers are rows of a table, read.
type answers struct {
	ids   []string // of rows
	all   []ml.Answer
	known []bool // how it was answered
	folds map[string][]string
}

// rows reads a table. What it says of answers is there only where it is known; listeners and items are made known to the data.
func (r *reader) rows(t *table) (*answers, error) {
	listener, item := t.column(listenerNames...), t.column(itemNames...)
	if listener == "" || item == "" {
		return nil, fmt.Errorf("%w: %s needs a column for the listener (%s) and one for the item (%s)", errInput, t.path, strings.Join(listenerNames, ", "), strings.Join(itemNames, ", "))
	}
	id, at := t.column(rowNames...), t.column(timeNames...)
	a := &answers{folds: map[string][]string{}}
	for i := range t.rows {
		moment, err := r.moment(t, i)
		if err != nil {
			return nil, err
		}
		liking, degree, known, err := r.liking(t, i)
		if err != nil {
			return nil, err
		}
		when, _, err := t.number(i, at)
		if err != nil {
			return nil, err
		}
		a.all = append(a.all, ml.Answer{
			Listener: number(r.listeners, &r.data.Listeners, t.text(i, listener)), Item: r.item(t.text(i, item)),
			Moment: moment, Liking: liking, Degree: degree, At: int64(when),
		})
		a.known = append(a.known, known)
		a.ids = append(a.ids, t.text(i, id))
		for _, fold := range foldNames {
			if t.column(fold) != "" {
				a.folds[fold] = append(a.folds[fold], t.text(i, fold))
			}
		}
	}
	return a, nil
}

func number(known map[string]int32, names *[]string, name string) int32 {
	n, is := known[name]
	if !is {
		n = int32(len(*names))
		known[name] = n
		*names = append(*names, name)
	}
	return n
}

func (r *reader) item(name string) int32 {
	before := len(r.data.Items)
	n := number(r.items, &r.data.Items, name)
	if len(r.data.Items) > before {
		about := r.about[name]
		about.ID = name
		r.data.About = append(r.data.About, about)
	}
	return n
}

// with returns data with these answers.
func (r *reader) with(all []ml.Answer) *ml.Data {
	d := r.data
	d.Answers = all
	d.Heard = &ml.Matrix{Columns: len(d.Items), Starts: make([]int, len(d.Listeners)+1)}
	return &d
}

// readItems reads what is known of the items.
func readItems(t *table) (map[string]ml.Item, error) {
	id, title, artist, tag := t.column(itemNames...), t.column(titleNames...), t.column(artistNames...), t.column(tagNames...)
	if id == "" {
		return nil, fmt.Errorf("%w: %s needs a column for the item (%s)", errInput, t.path, strings.Join(itemNames, ", "))
	}
	var features []string
	for _, c := range t.head {
		if c != id && c != title && c != artist && c != tag && !slices.Contains(noAmounts, c) && t.numeric(c) {
			features = append(features, c)
		}
	}
	all := map[string]ml.Item{}
	for i := range t.rows {
		about := ml.Item{Features: map[string]float64{}, Confidence: 1}
		for _, c := range features {
			x, known, err := t.number(i, c)
			if err != nil {
				return nil, err
			}
			if known {
				about.Features[c] = x
			}
		}
		if text := t.text(i, artist); text != "" {
			about.Artists = []string{text}
		}
		if text := t.text(i, tag); text != "" {
			about.Tags = []string{text}
		}
		all[t.text(i, id)] = about
	}
	return all, nil
}
