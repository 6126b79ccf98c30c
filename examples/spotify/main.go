// Spotify serves a Spotify in memory, with two demo listeners' music, so that examples/server can be tried with linked accounts without an app at Spotify. It
// prints how. Nothing in it is Spotify's, and nothing of it is kept when it stops.
//
//	go run ./examples/spotify
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rhythmiq/rhythmiq/tunevector/spotify/spotifytest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until ctx ends, and returns the status to exit with.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("spotify", flag.ContinueOnError)
	fs.SetOutput(stderr)
	addr := fs.String("addr", "127.0.0.1:9777", "`address` to listen on, of the loopback interface: the server sends tokens there without TLS")
	who := fs.String("as", "ada", "`account` whose owner sits at every browser: ada or ben")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if fs.NArg() > 0 || *who != "ada" && *who != "ben" {
		fmt.Fprintln(stderr, "spotify: -as must be ada or ben, and nothing else is taken")
		return 2
	}
	fake := demo()
	fake.SignIn(*who)
	if err := fake.Listen(*addr); err != nil {
		fmt.Fprintln(stderr, "spotify:", err)
		return 1
	}
	defer fake.Close()
	fmt.Fprintf(stdout, guide, fake.URL(), *who, fake.ClientSecret(), fake.ClientID(), fake.URL())
	<-ctx.Done()
	return 0
}

const guide = `A Spotify in memory is at %s, and %s sits at every browser. Stop it with ctrl-c. Start a server beside it:

  RHYTHMIQ_SPOTIFY_CLIENT_SECRET=%s go run ./examples/server -store memory -spotify-client-id %s -spotify-base-url %s

Sign a listener up and log in there, which sets $token and $me as in the README's tour, link the account with a cookie jar for a browser, and see the taste that came along:

  begun=$(curl -s -c jar -H "Authorization: Bearer $token" -H 'Content-Type: application/json' $me/spotify-link -d '{"scopes": ["playlist-modify-private"]}')
  curl -sL -b jar "$(echo "$begun" | sed 's/.*"authorizeUrl":"\([^"]*\)".*/\1/; s/\\u0026/\&/g')"
  curl -s -H "Authorization: Bearer $token" $me/preferences

Vectors are planned from that music now, and POST …/tune-vectors/{tuneVectorId}/spotify-playlist makes playlists of them. From then on a browser is signed in by http://127.0.0.1:8080/sign-in/spotify.
`

// demo is a Spotify with two accounts in it.
func demo() *spotifytest.Server {
	fake := spotifytest.New(spotifytest.Options{Now: time.Now, RotateRefreshTokens: true})
	for _, a := range []struct {
		id, name string
		artists  []string
	}{
		{"ada", "Ada", []string{"The Quiet Looms", "Harbor Lights", "Nightjar Trio"}},
		{"ben", "Ben", []string{"Ferrous Oxide", "Low Tide Assembly", "Harbor Lights"}},
	} {
		fake.Add(spotifytest.Account{ID: a.id, AccountID: "account-" + a.id, DisplayName: a.name, Country: "SE", Product: "premium"})
		var tracks []spotifytest.Track
		for i := range 90 {
			artist := a.artists[i%len(a.artists)]
			tracks = append(tracks, spotifytest.Track{
				Name: fmt.Sprintf("%s, No. %d", a.name, i+1), Artists: []string{artist}, Album: artist, Milliseconds: 150_000 + 1_700*i, Explicit: i%15 == 14, Unplayable: i%40 == 39,
			})
		}
		ids := fake.AddTracks(tracks...)
		podcast := a.name + " Talks"
		for i := range 12 {
			fake.AddEpisodes(spotifytest.Episode{Name: fmt.Sprintf("Part %d", i+1), Show: podcast, Milliseconds: 1_200_000 + 60_000*i})
		}
		for n, name := range []string{"Sleep", "Morning run"} { // names say how music sounds
			var uris []string
			for _, id := range ids[30*n : 30*n+30] {
				uris = append(uris, "spotify:track:"+id)
			}
			fake.AddPlaylist(a.id, name, uris...)
		}
		fake.SetLibrary(a.id, spotifytest.Library{Saved: ids, Top: ids[:50], TopArtists: a.artists, Recent: ids[20:50], Shows: []string{spotifytest.ID("show", podcast)}})
	}
	return fake
}
