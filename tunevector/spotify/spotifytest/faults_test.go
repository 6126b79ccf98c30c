package spotifytest_test

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

// Faults look the same by a network and without one.
func TestFaults(t *testing.T) {
	for _, network := range []bool{false, true} {
		a := register(t, spotifytest.Options{})
		client := a.Client()
		if network {
			a.Start()
			defer a.Close()
			client = &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
		}
		access, _ := a.Grant("ada")
		ask := func(ctx context.Context) (int, string, http.Header, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL()+"/v1/me", nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+access)
			req.Close = true
			res, err := client.Do(req)
			if err != nil {
				return 0, "", nil, err
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			return res.StatusCode, string(b), res.Header, err
		}
		a.Inject(spotifytest.Fault{Path: "/api/", Status: 500})
		a.Inject(spotifytest.Fault{Path: "/v1/me", Method: http.MethodPut, Status: 500})
		a.Inject(spotifytest.Fault{Path: "/v1/me", Times: 1, Status: 429, RetryAfter: 7, Header: http.Header{"X-A": {"b"}}})
		status, body, header, err := ask(t.Context())
		require.NoError(t, err)
		require.Equal(t, 429, status)
		require.JSONEq(t, `{"error":{"status":429,"message":"Too Many Requests"}}`, body)
		require.Equal(t, "7", header.Get("Retry-After"))
		require.Equal(t, "b", header.Get("X-A"))

		var done atomic.Int32
		a.Inject(spotifytest.Fault{Path: "/v1/", Times: 2, Lost: true, Do: func(*http.Request) { done.Add(1) }})
		for range 2 {
			_, _, _, err = ask(t.Context())
			require.Error(t, err)
		}
		require.GreaterOrEqual(t, done.Load(), int32(2))
		a.Heal()

		a.Inject(spotifytest.Fault{Path: "/v1/", Times: 1, Cut: true})
		_, body, _, err = ask(t.Context())
		require.Error(t, err, body)
		a.Heal()

		ctx, cancel := context.WithCancel(t.Context())
		a.Inject(spotifytest.Fault{Path: "/v1/", Times: 1, Hang: true, Do: func(*http.Request) { cancel() }})
		_, _, _, err = ask(ctx)
		require.ErrorIs(t, err, context.Canceled)
		_, _, _, err = ask(ctx)
		require.ErrorIs(t, err, context.Canceled)

		ctx, cancel = context.WithCancel(t.Context())
		a.Inject(spotifytest.Fault{Path: "/v1/", Times: 1, Delay: time.Hour, Do: func(*http.Request) { cancel() }})
		_, _, _, err = ask(ctx)
		require.ErrorIs(t, err, context.Canceled)

		a.Inject(spotifytest.Fault{Path: "/v1/", Delay: time.Millisecond, Status: 200, Body: "<html>"})
		status, body, _, err = ask(t.Context())
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.Equal(t, "<html>", body)
		a.Heal()
		status, _, _, err = ask(t.Context())
		require.NoError(t, err)
		require.Equal(t, 200, status)

		a.Inject(spotifytest.Fault{Path: "/api/token", Status: 503})
		_, err = a.renew("x")
		require.Error(t, err)
		res, body := get(t, client, a.URL()+"/v1/nothing", access)
		require.Equal(t, 404, res.StatusCode)
		require.Contains(t, body, "Service not found")
	}
}
