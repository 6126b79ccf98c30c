package preference

import (
	"bytes"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// lexicon finds the opinion on a word or a few.
type lexicon struct {
	opinions []opinion
	whole    map[string]int // by key
	wider    map[string]int // by runs of words of a key
	set      map[string]int // those that were set; nil where none of them forbids
	byWord   bool           // runs of words count, and how words are joined does not
}

// newLexicon takes opinions strongest first.
func newLexicon(opinions []keyed, byWord bool) lexicon {
	l := lexicon{whole: make(map[string]int, len(opinions)), byWord: byWord}
	if byWord {
		l.wider = map[string]int{}
	}
	set, forbids := map[string]int{}, false
	for i, o := range opinions {
		l.opinions = append(l.opinions, o.opinion)
		l.whole[o.key] = i
		if o.stated {
			set[o.key] = i
			forbids = forbids || o.forbids
		}
		if !byWord {
			continue
		}
		w := splitWords([]byte(o.key))
		for words := w.n - 1; words > 0; words-- {
			for first := 0; first+words <= w.n; first++ {
				run := w.run([]byte(o.key), first, words)
				if _, stronger := l.wider[string(run)]; !stronger {
					l.wider[string(run)] = i
				}
			}
		}
	}
	if forbids {
		l.set = set
	}
	return l
}

// maxKey is the room for keys on the stack; longer ones are no genre's, artist's or instrument's name, and meet nothing.
const maxKey = 512

// find returns the opinion that speaks of a value, and how well it fits; 0 for none.
func (l *lexicon) find(value string) (index int, match float64) {
	if len(value) > maxKey {
		return 0, 0
	}
	var room [maxKey]byte
	key := appendKey(room[:0], value, l.byWord)
	if i, ok := l.whole[string(key)]; ok {
		return i, 1
	}
	if !l.byWord {
		return 0, 0
	}
	if i, ok := longest(l.whole, key); ok {
		return i, PartialMatch
	}
	if i, ok := l.wider[string(key)]; ok {
		return i, WiderMatch
	}
	return 0, 0
}

// forbids reports whether what was set on a value forbids it.
func (l *lexicon) forbids(value string) bool {
	if l.set == nil || len(value) > maxKey {
		return false
	}
	var room [maxKey]byte
	key := appendKey(room[:0], value, l.byWord)
	i, ok := l.set[string(key)]
	if !ok && l.byWord {
		i, ok = longest(l.set, key)
	}
	return ok && l.opinions[i].forbids
}

// longest returns what m has of the longest run of words of key, not all of them; of equally long ones the strongest opinion, which is the first.
func longest(m map[string]int, key []byte) (best int, found bool) {
	w := splitWords(key)
	for words := w.n - 1; words > 0 && !found; words-- {
		for first := 0; first+words <= w.n; first++ {
			if i, ok := m[string(w.run(key, first, words))]; ok && (!found || i < best) {
				best, found = i, true
			}
		}
	}
	return best, found
}

// words says where the words of a key begin and end.
type words struct {
	starts, ends [maxWords]int
	n            int
}

const maxWords = 8 // a name has fewer; the rest would only cost time

func splitWords(key []byte) (w words) {
	for i := 0; i < len(key) && w.n < maxWords; w.n++ {
		end := bytes.IndexByte(key[i:], ' ')
		if end < 0 {
			end = len(key) - i
		}
		w.starts[w.n], w.ends[w.n] = i, i+end
		i += end + 1
	}
	return w
}

// run returns a number of words of key from the first-th on.
func (w *words) run(key []byte, first, number int) []byte {
	return key[w.starts[first]:w.ends[first+number-1]]
}

// appendKey appends what a value is looked up by: folded as canonical folds it, and byWord with single spaces for what joins words. It allocates nothing
// where dst has room, but for what is neither ASCII nor composed.
func appendKey(dst []byte, value string, byWord bool) []byte {
	ascii := true
	for i := range len(value) {
		ascii = ascii && value[i] < utf8.RuneSelf
	}
	if !ascii {
		return appendFolded(dst, value, byWord)
	}
	return appendWords(dst, value, byWord)
}

// appendWords trims, lowers ASCII, and byWord joins words by single spaces.
func appendWords[S string | []byte](dst []byte, value S, byWord bool) []byte {
	start := len(dst)
	for i := range len(value) {
		c := value[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case byWord && (c == '-' || c == '_' || c == '/'), c == '\t', c == '\n', c == '\r', c == '\v', c == '\f':
			c = ' '
		}
		if c == ' ' && (len(dst) == start || byWord && dst[len(dst)-1] == ' ') {
			continue
		}
		dst = append(dst, c)
	}
	for len(dst) > start && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// folding is room to fold in, and the folder: tables behind an interface, which would let room on the stack escape.
type folding struct {
	from, to []byte
	folder   cases.Caser
}

var foldings = sync.Pool{New: func() any { return &folding{to: make([]byte, 4*maxKey), folder: cases.Fold()} }}

func appendFolded(dst []byte, value string, byWord bool) []byte {
	if len(value) > maxKey {
		return appendWords(dst, fold(value), byWord)
	}
	f := foldings.Get().(*folding) //nolint:errcheck,forcetypeassert // the pool has no other
	defer foldings.Put(f)
	f.from = append(f.from[:0], value...)
	from := bytes.TrimSpace(f.from)
	n, _, err := f.folder.Transform(f.to, from, true)
	if err != nil || !composed(from) || !composed(f.to[:n]) {
		return appendWords(dst, fold(value), byWord)
	}
	return appendWords(dst, f.to[:n], byWord)
}

// composed reports whether b is in NFC, as nearly everything is; false may also mean that it would take longer to tell.
func composed(b []byte) bool { return norm.NFC.QuickSpan(b) == len(b) }
