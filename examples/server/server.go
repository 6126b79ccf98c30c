package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
)

// run is the whole program: it serves until ctx ends, then lets running requests finish, and returns the exit status.
// Where it cannot start it says why in one line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	do := serve
	if f.moving() {
		do = move
	}
	if err := do(ctx, f, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "server:", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

func serve(ctx context.Context, f flags, stdout, stderr io.Writer) (err error) {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: f.logLevel}))

	// Everything that can refuse to start comes first, so that nothing has begun when it does.
	var tlsConfig *tls.Config
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
		tlsConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	music, tracks, err := openMusic(ctx, f.catalog, log)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", f.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	m := newMetrics(log)
	kept, err := openStore(ctx, f, log, m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.close()) }()

	config := rhythmiq.Config{Store: kept.store, Music: music, Logger: log, Observer: m, Precision: ml.Precision(f.precision)}
	if f.models != "" {
		models, opened := blobs.Folder(f.models)
		if opened != nil {
			return opened
		}
		defer func() { err = errors.Join(err, models.Close()) }()
		config.Blobs = models
	}
	accounts, err := openSpotify(f, kept.store, music, listener.Addr(), log, m) //nolint:contextcheck // it is closed where it cannot be opened
	if err != nil {
		return err
	}
	if accounts != nil {
		defer func() { err = errors.Join(err, accounts.links.Close()) }() //nolint:contextcheck // tokens are to be saved, whatever has ended
		config.Spotify, config.Music = accounts.links, accounts.music
	}
	app, err := rhythmiq.New(config)
	if err != nil {
		return err
	}
	api, err := httpapi.New(app, apiOptions(f, log, m))
	if err != nil {
		return err
	}

	servers := []running{{newServer(api, tlsConfig, log), listener}}
	if f.metricsAddr != "" {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", f.metricsAddr)
		if err != nil {
			return err
		}
		defer l.Close()
		servers = append(servers, running{newServer(m.handler(), nil, log), l})
	}

	greet(stdout, f, listener.Addr(), kept.where, tracks, servers)
	return serveAll(ctx, app, servers, f.drain, log)
}

// running is a server and what it listens on.
type running struct {
	server   *http.Server
	listener net.Listener
}

// serveAll serves until ctx ends or a server fails. It then stops taking requests, lets the running ones finish, and only
// then stops the background work, since a request may still rely on it.
func serveAll(ctx context.Context, app *rhythmiq.App, servers []running, drain time.Duration, log *slog.Logger) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	backgroundDone := make(chan error, 1)
	go func() { backgroundDone <- app.Run(background) }()

	failed := make(chan error, len(servers))
	for _, r := range servers {
		go func() {
			if r.server.TLSConfig != nil {
				failed <- r.server.ServeTLS(r.listener, "", "")
				return
			}
			failed <- r.server.Serve(r.listener)
		}()
	}

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		log.Info("stopping: running requests finish first")
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	for _, r := range servers {
		if stopErr := r.server.Shutdown(deadline); stopErr != nil {
			err = errors.Join(err, fmt.Errorf("requests were still running after %v: %w", drain, stopErr), r.server.Close())
		}
	}
	stopBackground()
	return errors.Join(err, <-backgroundDone)
}

// newServer returns a server for HTTP/1.1 and HTTP/2, with and without TLS, that no slow client can hold for ever.
func newServer(h http.Handler, tlsConfig *tls.Config, log *slog.Logger) *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(tlsConfig == nil)
	return &http.Server{
		Handler:           h,
		Protocols:         &p,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// apiOptions are those of the API. -rate 0 also switches the limit on sign-ups and logins off, as a load test wants it.
func apiOptions(f flags, log *slog.Logger, m *metrics) httpapi.Options {
	o := httpapi.Options{Logger: log, Observer: m, CallerRate: &httpapi.Rate{PerSecond: f.rate, Burst: max(1, int(2*f.rate))}}
	if f.rate == 0 {
		o.CallerRate, o.SignUpRate = new(httpapi.Rate), new(httpapi.Rate)
	}
	return o
}

// openMusic opens the catalog and counts its tracks.
func openMusic(ctx context.Context, path string, log *slog.Logger) (tunevector.MusicProvider, int, error) {
	if path == "" {
		c := catalog.Demo()
		return c, c.Len(), nil
	}
	c, report, err := catalog.Open(ctx, path, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("catalog %s: %w", path, err)
	}
	for _, bad := range report.Bad {
		log.Warn("catalog: row left out", "file", path, "line", bad.Line, "reason", bad.Reason)
	}
	log.Info("catalog", "file", path, "tracks", report.Tracks, "rows", report.Rows, "left_out", report.BadCount, "merged", report.Merged)
	return c, c.Len(), nil
}

// greet prints where the server is and a first thing to try. The line works as it is.
func greet(w io.Writer, f flags, addr net.Addr, where string, tracks int, servers []running) {
	scheme, insecure := "http", ""
	if f.cert != "" {
		scheme, insecure = "https", " -k"
	}
	base := scheme + "://" + addr.String()
	fmt.Fprintf(w, "RhythmIQ listens on %s (data: %s; music: %d tracks; document: %s/openapi.json)\n", base, where, tracks, base)
	if len(servers) > 1 {
		fmt.Fprintf(w, "Metrics: http://%s/metrics\n", servers[1].listener.Addr())
	}
	fmt.Fprintf(w, `Try: curl -s%s %s/profiles -H 'Content-Type: application/json' -d '{"username":"ada","firstName":"Ada","lastName":"Lovelace","email":"ada@example.com","phoneNumber":"+442079460000","password":"correct horse battery"}'`+"\n", insecure, base)
}
