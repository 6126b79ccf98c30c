package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/store/dynamostore"
)

// flags are what the command line says.
type flags struct {
	addr, metricsAddr  string
	store, db, catalog string
	models, precision  string
	cert, key          string
	logLevel           slog.Level
	rate               float64
	drain              time.Duration

	endpoint, tablePrefix string
	createTables          bool
	cache                 size
	cacheTTL              time.Duration

	spotify spotifyFlags

	exportTo, importFrom string
	table                string
	notEmpty, unfinished bool
}

// stores is what -store may be, and which flags are about that one only.
var stores = []struct {
	name string
	own  []string
}{
	{"memory", nil},
	{"sqlite", []string{"db"}},
	{"dynamodb", []string{"dynamodb-endpoint", "table-prefix", "create-tables", "cache", "cache-ttl"}},
}

// serving are the flags that are of no use to -export, -import and -export-training, but for the catalog to that.
var serving = []string{
	"addr", "metrics-addr", "catalog", "models", "precision", "cert", "key", "rate", "drain", "cache", "cache-ttl",
	"spotify-client-id", "spotify-client-secret-file", "spotify-keys", "spotify-redirect-uri", "spotify-base-url", "spotify-rate", "spotify-refresh-rate",
	"spotify-extended", "spotify-market", "spotify-features",
}

// parseFlags reads args; what is wrong with them, and the help, goes to stderr.
func parseFlags(args []string, stderr io.Writer) (flags, error) {
	var f flags
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&f.addr, "addr", "127.0.0.1:8080", "`address` to listen on")
	fs.StringVar(&f.metricsAddr, "metrics-addr", "", "`address` for Prometheus metrics at /metrics; none if empty")
	fs.StringVar(&f.store, "store", "sqlite", "where to keep data: memory, sqlite or dynamodb")
	fs.StringVar(&f.db, "db", "./rhythmiq.db", "the database `file` of -store sqlite")
	fs.StringVar(&f.endpoint, "dynamodb-endpoint", "", "`URL` of the DynamoDB of -store dynamodb, such as a local one; AWS, in the region of the environment, if empty")
	fs.StringVar(&f.tablePrefix, "table-prefix", dynamostore.DefaultPrefix, "what the `names` of the tables of -store dynamodb begin with")
	fs.BoolVar(&f.createTables, "create-tables", false, "make the tables of -store dynamodb that are missing, before anything else")
	fs.TextVar(&f.cache, "cache", size(0), "`size` of a cache in memory before -store dynamodb, such as 64MiB; none if 0")
	fs.DurationVar(&f.cacheTTL, "cache-ttl", 10*time.Second, "how old an answer of -cache may be, and so what another server wrote go unseen")
	fs.StringVar(&f.catalog, "catalog", "", "music: a CSV or JSONL `file`; the demo catalog if empty")
	fs.StringVar(&f.models, "models", "", "`folder` to keep models of taste in, which are then trained from what is heard; servers that share a store must share it. None are trained if empty")
	fs.StringVar(&f.precision, "precision", string(ml.FP32), "in how many bits models of factors are searched for requests: fp32, fp16 or int8; with -models")
	fs.StringVar(&f.cert, "cert", "", "TLS certificate `file` (PEM), with -key")
	fs.StringVar(&f.key, "key", "", "TLS key `file` (PEM), with -cert")
	fs.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	fs.Float64Var(&f.rate, "rate", 50, "requests a second per caller, with bursts of twice that; 0 for none, nor on sign-ups and logins")
	fs.DurationVar(&f.drain, "drain", 30*time.Second, "how long a stop waits for running requests")
	f.spotify.define(fs)
	fs.StringVar(&f.exportTo, "export", "", "write all that the store holds to `file`, and serve nothing; stop the servers first")
	fs.StringVar(&f.importFrom, "import", "", "put all that -export wrote to `file` into the store, and serve nothing")
	fs.StringVar(&f.table, "export-training", "", "write who heard what to `file`, as examples/train reads it, and serve nothing: what models here would be trained on, with listeners as numbers")
	fs.BoolVar(&f.notEmpty, "not-empty", false, "-import also into a store that already holds something")
	fs.BoolVar(&f.unfinished, "unfinished", false, "-import also a file that is cut short or damaged, as far as it is right")
	if err := fs.Parse(args); err != nil {
		return f, err
	}
	if wrong := f.check(fs); len(wrong) > 0 {
		err := errors.New(strings.Join(wrong, "; "))
		fmt.Fprintln(stderr, "server:", err)
		return f, err
	}
	return f, nil
}

// check says all that is wrong with the flags, each by itself and together.
func (f *flags) check(fs *flag.FlagSet) (wrong []string) {
	if fs.NArg() > 0 {
		wrong = append(wrong, fmt.Sprintf("unexpected argument %q", fs.Arg(0)))
	}
	var known bool
	for _, s := range stores {
		known = known || f.store == s.name
	}
	if !known {
		wrong = append(wrong, fmt.Sprintf("-store is %q, must be memory, sqlite or dynamodb", f.store))
	}
	fs.Visit(func(given *flag.Flag) {
		for _, s := range stores {
			if known && f.store != s.name && slices.Contains(s.own, given.Name) {
				wrong = append(wrong, fmt.Sprintf("-%s goes with -store %s, and the store is %s", given.Name, s.name, f.store))
			}
		}
	})
	wrong = append(wrong, f.checkMove(fs)...)
	wrong = append(wrong, f.spotify.check(fs)...)
	if !slices.Contains(ml.Precisions(), ml.Precision(f.precision)) {
		wrong = append(wrong, fmt.Sprintf("-precision is %q, must be one of %v", f.precision, ml.Precisions()))
	}
	if u, err := url.Parse(f.endpoint); f.endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		wrong = append(wrong, "-dynamodb-endpoint must be a URL, such as http://127.0.0.1:8000")
	}
	if f.tablePrefix == "" { // such as from a variable of the shell that is not set; it must not mean the default
		wrong = append(wrong, "-table-prefix must not be empty")
	}
	if f.cacheTTL <= 0 {
		wrong = append(wrong, "-cache-ttl must be above 0")
	}
	if f.cache != 0 && f.cache < leastCache {
		wrong = append(wrong, fmt.Sprintf("-cache must be at least %s, or 0", leastCache))
	}
	if (f.cert == "") != (f.key == "") {
		wrong = append(wrong, "-cert and -key go together")
	}
	if f.rate < 0 {
		wrong = append(wrong, "-rate must not be negative")
	}
	return wrong
}

// moving says whether this is a move.
func (f *flags) moving() bool {
	return f.exportTo != "" || f.importFrom != "" || f.table != "" || f.spotify.sealedBy
}

// checkMove says what is wrong with the flags of a move.
func (f *flags) checkMove(fs *flag.FlagSet) (wrong []string) {
	var all []string
	for _, move := range []struct {
		name  string
		given bool
	}{
		{"-export", f.exportTo != ""}, {"-import", f.importFrom != ""}, {"-export-training", f.table != ""}, {"-spotify-sealed-by", f.spotify.sealedBy},
	} {
		if move.given {
			all = append(all, move.name)
		}
	}
	what, moving := strings.Join(all, " and "), f.moving()
	if len(all) > 1 {
		wrong = append(wrong, fmt.Sprintf("%s are %d commands", what, len(all)))
	}
	if moving && f.store == "memory" {
		wrong = append(wrong, what+" needs a store that lasts, and the store is memory")
	}
	fs.Visit(func(given *flag.Flag) {
		switch {
		case given.Name == "catalog" && f.table != "": // it says what may be learned from
		case given.Name == "spotify-keys" && f.spotify.sealedBy: // whose keys are counted
		case moving && slices.Contains(serving, given.Name):
			wrong = append(wrong, fmt.Sprintf("-%s is for serving, and %s serves nothing", given.Name, what))
		case f.importFrom == "" && slices.Contains([]string{"not-empty", "unfinished"}, given.Name):
			wrong = append(wrong, fmt.Sprintf("-%s goes with -import", given.Name))
		}
	})
	return wrong
}

// leastCache is the least that a cache takes.
const leastCache = 1 * size(1<<20)

// size is a number of bytes, written with or without a unit.
type size int64

var units = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *size) UnmarshalText(text []byte) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(n >= 0 && n*u.bytes < math.MaxInt64) {
			break
		}
		*s = size(n * u.bytes)
		return nil
	}
	return errors.New("must be a size such as 64MiB or 100MB")
}

// MarshalText implements encoding.TextMarshaler.
func (s size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes whole MiB as such, and all else in bytes.
func (s size) String() string {
	if s != 0 && s%(1<<20) == 0 {
		return strconv.FormatInt(int64(s>>20), 10) + "MiB"
	}
	return strconv.FormatInt(int64(s), 10)
}
