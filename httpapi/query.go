package httpapi

import (
	"net/url"
	"strconv"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/internal/page"
)

const defaultPage = 50

// query reads parameters of the query, each of which may be given once, and notes what is wrong with them.
type query struct {
	values url.Values
	wrong  fault.Fields
}

func (c *call) query() *query {
	q := &query{}
	if c.r.URL.RawQuery == "" {
		return q
	}
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		q.wrong.Add("query", "Malformed query string")
	}
	q.values = values
	return q
}

// one returns a parameter, and whether it is there.
func (q *query) one(name string) (string, bool) {
	given := q.values[name]
	switch len(given) {
	case 0:
		return "", false
	case 1:
	default:
		q.wrong.Add(name, "Must not be given twice")
	}
	return given[0], true
}

func (q *query) limit() int {
	s, ok := q.one("limit")
	if !ok {
		return defaultPage
	}
	n, err := strconv.Atoi(s)
	if err != nil || s[0] == '+' {
		n = 0 // out of range, as what is no number should be
	}
	page.Check(&q.wrong, n, true)
	return n
}

// page returns what a listing is asked for.
func (q *query) page() (limit int, token string) {
	token, ok := q.one("pageToken")
	page.Check(&q.wrong, defaultPage, !ok || token != "")
	return q.limit(), token
}

func (q *query) flag(name string) bool {
	s, ok := q.one(name)
	if ok && s != "true" && s != "false" {
		q.wrong.Add(name, "Must be true or false")
	}
	return s == "true"
}

// listed joins what is wrong with the parameters here with what the service said of them: a listing is asked for even with
// a bad limit, which cannot succeed, so that a bad token is named beside it.
func (q *query) listed(err error) error {
	if e, ok := fault.As(err); ok && e.Kind == fault.Invalid {
		for field, text := range e.Fields {
			q.wrong.Add(field, "%s", text)
		}
	}
	if wrong := q.wrong.Err(); wrong != nil {
		return wrong
	}
	return err
}
