package catalog

import "strings"

// appendNames adds names that are worth keeping, as they are written.
func appendNames(to []string, names ...string) []string {
	for _, name := range names {
		name = strings.TrimSpace(clean(name))
		if name != "" && len(name) <= maxNameSize && len(to) < maxNames {
			to = append(to, name)
		}
	}
	return to
}

// appendLower is appendNames in lower case.
func appendLower(to []string, names ...string) []string {
	from := len(to)
	to = appendNames(to, names...)
	for i := from; i < len(to); i++ {
		to[i] = strings.ToLower(to[i])
	}
	return to
}

// splitTags adds the genres or instruments that a text lists: in brackets, else parted by semicolons, else by bars, else by commas.
func splitTags(to []string, text string) []string {
	names, ok := parseList(text)
	if !ok {
		sep := ","
		switch {
		case strings.Contains(text, ";"):
			sep = ";"
		case strings.Contains(text, "|"):
			sep = "|"
		}
		names = strings.Split(text, sep)
	}
	for _, name := range names {
		if !absent(strings.TrimSpace(name)) {
			to = appendLower(to, name)
		}
	}
	return to
}

// splitArtists adds the artists that a text lists: in brackets or parted by semicolons. A comma parts only where the file's format
// says so, as it is a part of many names ("Tyler, The Creator"), and a slash never does ("AC/DC"):
//
//	commaNever    feature sets part by semicolons or use brackets
//	commaTight    Exportify (Komarov), older: a comma that no space follows ("Earth, Wind & Fire,Santana"), and not one between digits
//	commaEscaped  Exportify (Watson): a comma and a space, where a comma in a name has a backslash before it
func splitArtists(to []string, text string, commas commaRule) []string {
	if names, ok := parseList(text); ok {
		return appendNames(to, names...)
	}
	if strings.Contains(text, ";") {
		return appendNames(to, strings.Split(text, ";")...)
	}
	start := 0
	if commas != commaNever {
		for i := range len(text) {
			if text[i] == ',' && commas.parts(text, i) {
				to = appendNames(to, unescapeCommas(text[start:i], commas))
				start = i + 1
			}
		}
	}
	return appendNames(to, unescapeCommas(text[start:], commas))
}

// splitArtists makes artists of artistText. Where the file says that it is one artist, nothing is split.
func (r *row) splitArtists(commas commaRule) {
	if r.oneArtist {
		r.artists = appendNames(r.artists, unescapeCommas(r.artistText, commas))
		return
	}
	r.artists = splitArtists(r.artists, r.artistText, commas)
}

type commaRule uint8

const (
	commaNever commaRule = iota
	commaTight
	commaEscaped
)

// parts reports whether the comma at i parts two names.
func (c commaRule) parts(text string, i int) bool {
	if c == commaEscaped {
		return (i == 0 || text[i-1] != '\\') && i+1 < len(text) && text[i+1] == ' '
	}
	if i+1 == len(text) {
		return true
	}
	betweenDigits := i > 0 && isDigit(text[i-1]) && isDigit(text[i+1])
	return text[i+1] != ' ' && !betweenDigits
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func unescapeCommas(name string, commas commaRule) string {
	if commas == commaEscaped {
		return strings.ReplaceAll(name, `\,`, ",")
	}
	return name
}

// parseList reads a list as Python prints one (['A', "B's"]), or JSON does. ok is false where the text is anything else.
func parseList(text string) (names []string, ok bool) {
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
		return nil, false
	}
	rest := strings.TrimSpace(text[1 : len(text)-1])
	if rest == "" {
		return nil, true
	}
	for {
		name, after, ok := parseQuoted(rest)
		if !ok {
			return nil, false
		}
		names = append(names, name)
		rest = strings.TrimSpace(after)
		if rest == "" {
			return names, true
		}
		if rest[0] != ',' {
			return nil, false
		}
		if rest = strings.TrimSpace(rest[1:]); rest == "" { // Python allows a comma after the last
			return names, true
		}
	}
}

// parseQuoted reads a string in single or double quotes, in which a backslash takes what follows it as it is.
func parseQuoted(s string) (name, rest string, ok bool) {
	if s[0] != '\'' && s[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}
