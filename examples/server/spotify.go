package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/spotify"
)

// What is secret comes from files or the environment: a command line is seen by everybody on the machine.
const (
	secretVariable = "RHYTHMIQ_SPOTIFY_CLIENT_SECRET" //nolint:gosec // the name of what holds one
	keysVariable   = "RHYTHMIQ_SPOTIFY_KEYS"
)

// spotifyFlags are what the command line says of Spotify.
type spotifyFlags struct {
	clientID, secretFile, keysFile, baseURL, redirect string
	market, features                                  string
	extended, sealedBy                                bool
	rate, refreshRate                                 float64
}

func (f *spotifyFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.clientID, "spotify-client-id", "", "`id` of your app at Spotify, which lets listeners link their accounts and sign in by them; none if empty")
	fs.StringVar(&f.secretFile, "spotify-client-secret-file", "", "`file` with the app's secret; $"+secretVariable+" if empty, and PKCE alone if that is empty too")
	fs.StringVar(&f.keysFile, "spotify-keys", "", "`file` with the keys that seal tokens, the newest first, each on a line: an id, a space, 32 bytes in base64 "+
		"(openssl rand -base64 32); $"+keysVariable+" if empty")
	fs.StringVar(&f.redirect, "spotify-redirect-uri", "", "`URL` as it is registered at Spotify, that leads to /spotify/callback here; at the address of -addr if empty")
	fs.StringVar(&f.baseURL, "spotify-base-url", "", "`URL` of another Spotify, such as a spotifytest.Server's; the real one if empty")
	fs.BoolVar(&f.extended, "spotify-extended", false, "your app has extended quota: ask for what apps in development mode are refused")
	fs.StringVar(&f.market, "spotify-market", "", "`country` that Spotify is asked by which tracks can be played, such as SE, for all listeners; if empty none are left out")
	fs.StringVar(&f.features, "spotify-features", "", "whom to ask how tracks sound, who are told what is in listeners' libraries (not whose): `names` of reccobeats, deezer, separated by commas; nobody if empty")
	fs.BoolVar(&f.sealedBy, "spotify-sealed-by", false, "print how many links' tokens each key seals, those of -spotify-keys and others, and serve nothing: a key that seals none may go")
	fs.Float64Var(&f.rate, "spotify-rate", 3, "requests of the Web API a second; of several servers each counts for itself, so give each its share")
	fs.Float64Var(&f.refreshRate, "spotify-refresh-rate", 10, "tokens a second that are refreshed at most, by this server")
}

// check says what is wrong with the flags.
func (f *spotifyFlags) check(fs *flag.FlagSet) (wrong []string) {
	if f.clientID == "" && !f.sealedBy {
		fs.Visit(func(given *flag.Flag) {
			if strings.HasPrefix(given.Name, "spotify-") && given.Name != "spotify-client-id" {
				wrong = append(wrong, fmt.Sprintf("-%s goes with -spotify-client-id", given.Name))
			}
		})
	}
	if f.redirect != "" {
		if err := spotify.CheckRedirectURI(f.redirect); err != nil {
			wrong = append(wrong, "-spotify-redirect-uri "+err.Error())
		}
	}
	if _, err := f.sources(); err != nil {
		wrong = append(wrong, err.Error())
	}
	if !(f.rate > 0) {
		wrong = append(wrong, "-spotify-rate must be above 0")
	}
	if !(f.refreshRate > 0) {
		wrong = append(wrong, "-spotify-refresh-rate must be above 0")
	}
	return wrong
}

// openSpotify links accounts over a store, with their music beside the host's; nil where the flags do not ask for it.
func openSpotify(f flags, s store.Store, host tunevector.MusicProvider, addr net.Addr, log *slog.Logger, m *metrics) (*listening, error) {
	o := spotify.Options{
		ClientID: f.spotify.clientID, RedirectURI: f.spotify.redirect, AccountsURL: f.spotify.baseURL, APIURL: f.spotify.baseURL,
		PerSecond: f.spotify.rate, RefreshRate: f.spotify.refreshRate, Logger: log, Observer: m,
	}
	if o.ClientID == "" {
		return nil, nil //nolint:nilnil // nothing was asked for
	}
	var err error
	if o.ClientSecret, err = fromFile(f.spotify.secretFile, secretVariable); err != nil {
		return nil, err
	}
	o.ClientSecret = strings.TrimSpace(o.ClientSecret)
	if o.RedirectURI == "" {
		if o.RedirectURI, err = redirectTo(addr, f.cert != ""); err != nil {
			return nil, err
		}
	}
	if o.Cipher, err = keys(f, log); err != nil {
		return nil, err
	}
	l := &listening{}
	if l.links, err = spotify.NewLinks(s, o); err != nil {
		return nil, fmt.Errorf("spotify: %w", err)
	}
	if err := l.open(f.spotify, s, host, log, m); err != nil {
		return nil, errors.Join(err, l.links.Close())
	}
	log.Info("Spotify accounts can be linked", "redirect_uri", o.RedirectURI)
	return l, nil
}

// fromFile reads what is secret from a file, or from the environment where none is named.
func fromFile(file, variable string) (string, error) {
	if file == "" {
		return os.Getenv(variable), nil
	}
	b, err := os.ReadFile(file) //nolint:gosec // who starts the server names it
	return string(b), err
}

// redirectTo is where the server itself is found, if Spotify sends browsers there.
func redirectTo(addr net.Addr, tls bool) (string, error) {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil || !at.Addr().IsLoopback() {
		return "", errors.New("-spotify-redirect-uri is required where -addr is not a loopback address")
	}
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return scheme + "://" + at.String() + "/spotify/callback", nil
}

// keys reads the keys that seal tokens. Tokens that last as long as the process are sealed by a key that does so too.
func keys(f flags, log *slog.Logger) (spotify.Cipher, error) {
	all, err := f.spotify.keys()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		if f.store != "memory" {
			return nil, errors.New("-spotify-client-id needs keys that seal tokens: -spotify-keys FILE or $" + keysVariable +
				`, such as of: echo "key-1 $(openssl rand -base64 32)"`)
		}
		log.Info("tokens are sealed by a key that lasts as long as this process, as its memory does")
		all = []spotify.CipherKey{passing()}
	}
	ring, err := spotify.NewKeyring(all...)
	if err != nil {
		return nil, fmt.Errorf("spotify keys: %w", err)
	}
	return ring, nil
}

// passing is a key that is kept nowhere.
func passing() spotify.CipherKey {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails since Go 1.24
	return spotify.CipherKey{ID: "memory", Secret: secret}
}

// keys reads the keys that are given, if any are.
func (f *spotifyFlags) keys() ([]spotify.CipherKey, error) {
	text, err := fromFile(f.keysFile, keysVariable)
	if err != nil {
		return nil, err
	}
	var all []spotify.CipherKey
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
		if len(fields) != 2 || err != nil {
			return nil, fmt.Errorf("spotify keys: line %d is not an id, a space, and base64", n)
		}
		all = append(all, spotify.CipherKey{ID: fields[0], Secret: bytes.Clone(secret)})
	}
	return all, nil
}

// sealedBy prints which keys seal how many links' tokens.
func sealedBy(ctx context.Context, f flags, s store.Store, stdout io.Writer) error {
	given, err := f.spotify.keys()
	if err != nil {
		return err
	}
	ring, err := spotify.NewKeyring(append(given[:len(given):len(given)], passing())...) // nothing is sealed here, nor opened
	if err != nil {
		return fmt.Errorf("spotify keys: %w", err)
	}
	links, err := spotify.NewLinks(s, spotify.Options{ClientID: "none", RedirectURI: "https://example.com/spotify/callback", Cipher: ring})
	if err != nil {
		return err
	}
	count, err := links.SealedBy(ctx)
	if err = errors.Join(err, links.Close()); err != nil { //nolint:contextcheck // nothing is left to be saved
		return err
	}
	tell := func(id, what string) {
		fmt.Fprintf(stdout, "%-20s %8d  %s\n", cmp.Or(id, "-"), count[id], what) // "-": by no key of a keyring
		delete(count, id)
	}
	for i, key := range given {
		switch {
		case i == 0:
			tell(key.ID, "the first of those given: seals what is new")
		case count[key.ID] == 0:
			tell(key.ID, "may be dropped, once it has not been the first one anywhere for ten minutes")
		default:
			tell(key.ID, "still needed")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(count)) {
		tell(id, "not among the keys given")
	}
	return nil
}
