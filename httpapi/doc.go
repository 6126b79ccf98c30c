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
package httpapi

import _ "embed"

//go:embed openapi.json
var document []byte

// Document returns the OpenAPI 3.1 document, a copy.
func Document() []byte { return append([]byte(nil), document...) }
