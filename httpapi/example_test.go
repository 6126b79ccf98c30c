package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
)

// A host mounts the API beside its own routes, under any prefix.
func Example() {
	app, err := rhythmiq.New(rhythmiq.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	api, err := httpapi.New(app, httpapi.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/music/", http.StripPrefix("/music", api))

	server := httptest.NewServer(mux)
	defer server.Close()
	res, err := http.Get(server.URL + "/music/healthz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	fmt.Printf("%s %s", res.Status, body)
	// Output: 200 OK {"status":"ok"}
}
