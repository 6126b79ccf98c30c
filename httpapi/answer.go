package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/rhythmiq/rhythmiq/store"
)

// reply is what an operation returns.
type reply struct {
	status   int           // 0: 200
	value    any           // the body, as JSON
	version  store.Version // the ETag
	location string        // the path of what was made, or a URL elsewhere
	cookie   string        // the Set-Cookie header
	// raw and mediaType are a body that is not ours to encode.
	raw       []byte
	mediaType string
	// hashed asks for an ETag that is a hash of the body, for what has no version.
	hashed bool
	// done says that the operation has sent the answer itself.
	done bool
}

// answer is a reply or a failure as it is sent, and as it is kept for an Idempotency-Key.
type answer struct {
	status     int
	body       []byte
	mediaType  string // "": application/json
	etag       string // with its quotes
	location   string // below the prefix, or a URL elsewhere
	cookie     string
	challenge  string
	retryAfter int // seconds; 0: none
	done       bool
}

func (r reply) render() (answer, error) {
	a := answer{status: r.status, location: r.location, cookie: r.cookie, body: r.raw, mediaType: r.mediaType, done: r.done}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if r.value != nil {
		body, err := marshal(r.value)
		if err != nil {
			return answer{}, err
		}
		a.body = body
	}
	switch {
	case r.version != store.Version{}:
		a.etag = etagOf(r.version)
	case r.hashed:
		a.etag = hashTag(a.body)
	}
	return a, nil
}

// marshal is json.Marshal without the escapes that only HTML needs.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// encode renders what is always valid JSON: strings.
func encode(status int, v failureBody) answer {
	body, _ := marshal(v)
	return answer{status: status, body: body}
}

func etagOf(v store.Version) string {
	var b [2 + 2*len(v)]byte
	b[0], b[len(b)-1] = '"', '"'
	hex.Encode(b[1:], v[:])
	return string(b[:])
}

func hashTag(body []byte) string { return etagOf(hashOf(body)) }

// hashOf is a version for what has none.
func hashOf(body []byte) store.Version {
	sum := sha256.Sum256(body)
	return store.Version(sum[:16])
}

// Header values that never change, shared by all answers: a header map keeps the slices it is given, and whoever adds to them copies
// them first, as they have no room.
var (
	typeJSON   = []string{"application/json"}
	privately  = []string{"private, no-cache"}
	never      = []string{"no-store"}
	briefly    = []string{"public, max-age=300"}
	byCaller   = []string{"Authorization"}
	noSniffing = []string{"nosniff"}
)

// routeHeaders sets who may keep the answer.
func (c *call) routeHeaders() {
	header := c.w.Header()
	switch {
	case c.route.auth == free, c.route.noStore:
		header["Cache-Control"] = never
	case c.route.auth == open:
		header["Cache-Control"] = briefly
	default:
		header["Cache-Control"] = privately
	}
	if c.route.auth != open && c.route.auth != free {
		if before := header["Vary"]; before != nil { // such as CORS's
			header["Vary"] = append(before[:len(before):len(before)], byCaller...)
		} else {
			header["Vary"] = byCaller
		}
	}
}

// send writes an answer, once.
func (c *call) send(a answer) {
	if a.done {
		return
	}
	header := c.w.Header()
	if a.status >= http.StatusBadRequest && c.route != nil && c.route.auth == open {
		header["Cache-Control"] = never
	}
	if a.etag != "" {
		header["Etag"] = []string{a.etag}
	}
	if a.location != "" {
		header["Location"] = []string{a.location}
		if !isAbsolute(a.location) {
			header["Location"] = []string{c.location(a.location)}
		}
	}
	if a.cookie != "" {
		header["Set-Cookie"] = []string{a.cookie}
	}
	if a.challenge != "" {
		header["Www-Authenticate"] = []string{a.challenge}
	}
	if a.retryAfter > 0 {
		header["Retry-After"] = []string{strconv.Itoa(a.retryAfter)}
	}
	if len(a.body) > 0 {
		header["Content-Type"] = typeJSON
		if a.mediaType != "" {
			header["Content-Type"] = []string{a.mediaType}
		}
		header["X-Content-Type-Options"] = noSniffing
		header["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	}
	c.sent = a.status
	c.w.WriteHeader(a.status)
	if len(a.body) > 0 && c.r.Method != http.MethodHead {
		_, _ = c.w.Write(a.body) // the client is gone: nobody is left to be told
	}
}
