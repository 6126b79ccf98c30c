// Package httpapi serves RhythmIQ as REST on any net/http mux. It translates: requests to calls of the services
// that package rhythmiq wires, and what they return to answers. Rules of the domain are not here.
//
//	app, err := rhythmiq.New(rhythmiq.Config{})
//	…
//	api, err := httpapi.New(app, httpapi.Options{})
//	…
//	mux.Handle("/music/", http.StripPrefix("/music", api))
//
// The OpenAPI document is the reference; it is served at /openapi.json.
//
// # Who is calling
//
// An [Authenticator] says whose a bearer token is; a host replaces or adds to the App's own ([OwnTokens]), for
// instance by package oidc's. Requests are checked in this order: route and method, token, API key, limit, scope, right to the
// resource, body, state. A limit is charged to what was proven, an API key, else a profile; whoever proves nothing is
// charged to their address, whatever they name. So nobody can use up what is another's, and those who guess tokens are
// told to wait as others are.
//
// # Repeating a POST
//
// The answer to a POST with an Idempotency-Key is kept for a day in the App's store, sealed so that only the same key and body
// open it, and given again. Answers that say nothing of the request (401, 403, 429 and from 500 on) are not
// kept. If the process dies between doing and keeping, the key is free again after a minute, and a repetition is carried out anew.
package httpapi

import _ "embed"

//go:embed openapi.json
var document []byte

// Document returns the OpenAPI 3.1 document, a copy.
func Document() []byte { return append([]byte(nil), document...) }
