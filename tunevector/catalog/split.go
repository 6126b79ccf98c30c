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
