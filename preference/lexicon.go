package preference

import (
	"bytes"
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
	folders  folders
}

// newLexicon takes opinions strongest first.
func newLexicon(opinions []keyed, byWord bool) lexicon {
	l := lexicon{whole: make(map[string]int, len(opinions)), byWord: byWord, folders: make(folders, spareFolders)}
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
	key := l.folders.appendKey(room[:0], value, l.byWord)
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
	key := l.folders.appendKey(room[:0], value, l.byWord)
	i, ok := l.set[string(key)]
	if !ok && l.byWord {
		i, ok = longest(l.set, key)
	}
	return ok && l.opinions[i].forbids
}

// longest looks up the proper runs of words of key in m, longest first, and returns the first opinion found. Among runs of
// equal length the strongest opinion wins, which has the lowest index.
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
func (f folders) appendKey(dst []byte, value string, byWord bool) []byte {
	ascii := true
	for i := range len(value) {
		ascii = ascii && value[i] < utf8.RuneSelf
	}
	if !ascii {
		return f.appendFolded(dst, value, byWord)
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

// folder folds case, with room for it: its tables are behind an interface, which would let room on the stack escape.
type folder struct {
	from, to []byte
	caser    cases.Caser
}

// folders keeps a few folders for the next who need one. A nil one keeps none.
type folders chan *folder

const spareFolders = 8

func (f folders) get() *folder {
	select {
	case x := <-f:
		return x
	default:
		return &folder{to: make([]byte, 4*maxKey), caser: cases.Fold()}
	}
}

func (f folders) put(x *folder) {
	select {
	case f <- x:
	default:
	}
}

func (f folders) appendFolded(dst []byte, value string, byWord bool) []byte {
	if len(value) > maxKey {
		return appendWords(dst, fold(value), byWord)
	}
	x := f.get()
	defer f.put(x)
	x.from = append(x.from[:0], value...)
	from := bytes.TrimSpace(x.from)
	n, _, err := x.caser.Transform(x.to, from, true)
	if err != nil || !composed(from) || !composed(x.to[:n]) {
		return appendWords(dst, fold(value), byWord)
	}
	return appendWords(dst, x.to[:n], byWord)
}

// composed reports whether b is in NFC, as nearly everything is; false may also mean that it would take longer to tell.
func composed(b []byte) bool { return norm.NFC.QuickSpan(b) == len(b) }
