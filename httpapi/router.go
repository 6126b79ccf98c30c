package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// authNeed says who may call an operation, and whom calls are charged to that nobody answers for.
type authNeed uint8

const (
	required authNeed = iota // a token
	signUp                   // anybody, under the limit for sign-ups and logins; a token that is given must be valid
	login                    // anybody, under the same limit; a token does not matter, as who logs in may have an old one
	open                     // anybody
	free                     // anybody, without a limit
)

// route is one operation.
type route struct {
	method, pattern string
	name            string // the operation, as the OpenAPI document and metrics call it
	auth            authNeed
	keyless         bool // needs no API key where the host requires one
	noStore         bool // the answer must not be kept by anyone
	secret          bool // the answer or the body holds a secret
	repeatable      bool // repeating it does no harm, so that it takes neither a body nor an Idempotency-Key, and nothing of its answer is kept
	acts            bool // it is a GET that changes something, and no HEAD
	handle          func(*call) (reply, error)

	// What follows from the above.
	event   string   // the name in metrics
	profile bool     // the path names a profile
	params  []string // the names in the path, in order
	scope   string   // what a token with scopes must have
	body    int64    // the largest body taken, in bytes; 0: none is read
	merge   bool     // takes merge patches
}

const maxBody = 1 << 20

func (r route) complete() *route {
	r.event = "http." + r.name
	for segment := range strings.SplitSeq(r.pattern, "/") {
		if name, ok := param(segment); ok {
			r.params = append(r.params, name)
		}
	}
	r.profile = slices.Contains(r.params, "profileId")
	r.scope = ScopeWrite
	switch r.method {
	case http.MethodGet:
		r.scope = ScopeRead
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		r.body = maxBody
	}
	if r.repeatable {
		r.body = 0
	}
	r.merge = r.method == http.MethodPatch
	return &r
}

func param(segment string) (name string, ok bool) {
	if strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") {
		return segment[1 : len(segment)-1], true
	}
	return "", false
}

// node is a place in the tree of paths.
type node struct {
	children map[string]*node
	param    *node
	methods  map[string]*route
	allow    []string // the Allow header
}

func newTree(routes []route) *node {
	root := &node{}
	for _, r := range routes {
		n := root
		for segment := range strings.SplitSeq(r.pattern[1:], "/") {
			n = n.child(segment)
		}
		if n.methods == nil {
			n.methods = map[string]*route{}
		}
		full := r.complete()
		n.methods[r.method] = full
		if r.method == http.MethodGet && !r.acts {
			n.methods[http.MethodHead] = full
		}
		n.allow = []string{allowed(n.methods)}
	}
	return root
}

func (n *node) child(segment string) *node {
	if _, ok := param(segment); ok {
		if n.param == nil {
			n.param = &node{}
		}
		return n.param
	}
	if n.children == nil {
		n.children = map[string]*node{}
	}
	if n.children[segment] == nil {
		n.children[segment] = &node{}
	}
	return n.children[segment]
}

func allowed(methods map[string]*route) string {
	names := []string{http.MethodOptions}
	for m := range methods {
		names = append(names, m)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// maxParams is how many parameters a path has at most.
const maxParams = 2

// find returns the place of a path and the values of its parameters, or nil.
func (n *node) find(path string) (at *node, values [maxParams]string) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, values
	}
	for count := 0; ; {
		segment, tail, more := strings.Cut(rest, "/")
		next := n.children[segment]
		if next == nil && n.param != nil && segment != "" {
			next = n.param
			values[count] = segment
			count++
		}
		if next == nil {
			return nil, values
		}
		n, rest = next, tail
		if !more {
			if n.methods == nil {
				return nil, values
			}
			return n, values
		}
	}
}
