package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/mltest"
)

// tables writes planted data to train.tsv and valid.tsv of a new directory.
func tables(t *testing.T) (dir, train, valid string) {
	t.Helper()
	dir = t.TempDir()
	d, held := mltest.Split(mltest.Planted(120, 80, 4, 1), 1)
	var a, b strings.Builder
	for u, listener := range d.Listeners {
		for i, m := range []*ml.Matrix{d.Heard, held} {
			cols, weights := m.Row(u)
			for j, c := range cols {
				fmt.Fprintf([]*strings.Builder{&a, &b}[i], "%s\t%s\t%v\n", listener, d.Items[c], weights[j])
			}
		}
	}
	b.WriteString("stranger\titem-1\t1\nlistener-0\tnew-item\t2\n")
	train, valid = filepath.Join(dir, "train.tsv"), filepath.Join(dir, "valid.tsv")
	require.NoError(t, os.WriteFile(train, []byte(a.String()), 0o600))
	require.NoError(t, os.WriteFile(valid, []byte(b.String()), 0o600))
	return dir, train, valid
}

// call runs the command.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// lists reads recommendations, by listener.
func lists(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	all, last := map[string][]string{}, map[string]float64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, fields, 3)
		score, err := strconv.ParseFloat(fields[2], 64)
		require.NoError(t, err)
		if old, ok := last[fields[0]]; ok {
			require.LessOrEqual(t, score, old, "the best come first")
		}
		last[fields[0]] = score
		all[fields[0]] = append(all[fields[0]], fields[1])
	}
	return all
}

func TestAuto(t *testing.T) {
	t.Parallel()
	dir, train, _ := tables(t)
	out, rep := filepath.Join(dir, "out.tsv"), filepath.Join(dir, "a", "b")
	code, stdout, stderr := call(t, "-train", train, "-trials", "7", "-topn", "12", "-recommend", out, "-report", rep, "-threads", "1")
	require.Equal(t, good, code, stderr)
	require.Contains(t, stdout, "a tenth of each listener's cells, at random")
	require.Contains(t, stdout, "to all ")
	require.Contains(t, stderr, "trial 7")
	d, err := read(t.Context(), train, newTicker(io.Discard))
	require.NoError(t, err)
	got := lists(t, out)
	require.Len(t, got, 120)
	for u, listener := range d.Listeners {
		require.Len(t, got[listener], 12)
		cols, _ := d.Heard.Row(u)
		for _, c := range cols {
			require.NotContains(t, got[listener], d.Items[c])
		}
	}
	page, err := os.ReadFile(filepath.Join(rep, "report.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "<svg")
	text, err := os.ReadFile(filepath.Join(rep, "leaderboard.json"))
	require.NoError(t, err)
	var s ml.Selection
	require.NoError(t, json.Unmarshal(text, &s))
	require.GreaterOrEqual(t, len(s.Trials), 7)
	require.Contains(t, stdout, s.Reason)

	first, err := os.ReadFile(out)
	require.NoError(t, err)
	code, _, stderr = call(t, "-train", train, "-trials", "7", "-topn", "12", "-recommend", out, "-threads", "1")
	require.Equal(t, good, code, stderr)
	again, err := os.ReadFile(out)
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, again), "the same seed gives the same file")
}

func TestEachModel(t *testing.T) {
	t.Parallel()
	dir, train, valid := tables(t)
	for _, a := range models() {
		t.Run(a.Name(), func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(dir, a.Name()+".tsv")
			code, stdout, stderr := call(t, "-train="+train, "-valid", valid, "--model="+a.Name(), "-recommend", out, "-topn", "5")
			require.Equal(t, good, code, stderr)
			require.Contains(t, stdout, "note: 1 listeners of -valid are not in -train")
			require.Contains(t, stdout, "note: 1 lines of -valid are of items that are not in -train")
			require.Contains(t, stdout, "It has on -valid: NDCG@10 0.")
			require.Contains(t, stdout, a.Name()+" (trial 1")
			require.Len(t, lists(t, out), 120)
		})
	}
}

func TestHyperparameters(t *testing.T) {
	t.Parallel()
	dir, train, valid := tables(t)
	out := filepath.Join(dir, "out.tsv")
	code, stdout, stderr := call(t, "-model", "als", "-factors", "3", "-regularization", "1.5", "-weight", "binary", "-train", train, "-report", dir)
	require.Equal(t, good, code, stderr)
	require.Contains(t, stdout, "factors 3, regularization 1.5, weight binary")
	code, stdout, stderr = call(t, "-model", "als", "-factors", "3", "-train", train, "-recommend", out)
	require.Equal(t, good, code, stderr)
	require.NotContains(t, stdout, "NDCG", "nothing measures it")
	require.Contains(t, stdout, "als is fitted to all")

	code, _, stderr = call(t, "-model", "rp3beta", "-train", train, "-valid", valid, "-refit-all", "-recommend", out)
	require.Equal(t, good, code, stderr)
	got := lists(t, out)
	require.Contains(t, got, "stranger")
	v, err := read(t.Context(), valid, newTicker(io.Discard))
	require.NoError(t, err)
	for u, listener := range v.Listeners {
		cols, _ := v.Heard.Row(u)
		for _, c := range cols {
			require.NotContains(t, got[listener], v.Items[c], "what is learned from is not recommended")
		}
	}
}

func TestHelpSaysAll(t *testing.T) {
	t.Parallel()
	code, _, help := call(t, "-help")
	require.Equal(t, good, code)
	for _, a := range models() {
		require.Contains(t, help, "Flags of -model "+a.Name())
		for _, p := range a.Parameters() {
			require.Contains(t, help, "  -"+p.Name+" ")
			require.Contains(t, help, p.Doc)
			require.False(t, slices.Contains([]string{"train", "valid", "model", "budget", "trials", "topn", "recommend", "report", "seed", "threads", "refit-all"}, p.Name),
				"-%s of %s is another flag already", p.Name, a.Name())
		}
	}
	for _, name := range append(modelNames(), "unix time", "-refit-all", "130") {
		require.Contains(t, help, name)
	}
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"all at once": {
			[]string{"-model", "als", "-budget", "-1s", "-topn", "0", "-threads", "-1", "-trials", "-1", "-factors", "0", "-weight", "heavy", "-refit-all", "more"},
			[]string{"-train is required", "-budget", "-topn", "-threads", "-trials", "-factors must be", "-weight must be", "-refit-all goes with -valid", `"more"`},
		},
		"another model's": {[]string{"-train", "x", "-model", "popular", "-factors", "3"}, []string{"-factors goes with -model als", "-factors goes with -model bpr", "See -help"}},
		"of auto":         {[]string{"-train", "x", "-beta", "3"}, []string{"-beta goes with -model rp3beta"}},
		"no model":        {[]string{"-train", "x", "-model", "magic"}, []string{`-model is "magic", must be one of auto`}},
		"no number":       {[]string{"-train", "x", "-topn", "many"}, []string{`invalid value "many"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := call(t, c.args...)
			require.Equal(t, wrong, code)
			require.Empty(t, stdout)
			for _, says := range c.says {
				require.Contains(t, stderr, says)
			}
		})
	}
}

func TestWrongFiles(t *testing.T) {
	t.Parallel()
	dir, train, _ := tables(t)
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"missing":            {[]string{"-train", filepath.Join(dir, "none")}, "no such file"},
		"empty":              {[]string{"-train", file("empty", "")}, "there is nothing in it"},
		"lines":              {[]string{"-train", file("lines", "a\tb\t1\na\tb\nc\td\t-1\n")}, "line 2: 2 columns, must be 3 or 4; line 3: the weight"},
		"valid is wrong":     {[]string{"-train", train, "-valid", file("wrong", "x")}, "wrong: ml: line 1"},
		"valid of others":    {[]string{"-train", train, "-valid", file("others", "x\ty\t1\n")}, "-valid has no listener of -train"},
		"nothing to measure": {[]string{"-model", "als", "-report", dir, "-train", file("few", "a\tb\t1\n")}, "nothing to choose a model by"},
		"header":             {[]string{"-train", file("header", "user\titem\tcount\na\tb\t1\n")}, "line 1: the weight is no number above 0; a line with names of columns has to be taken out"},
		"a directory":        {[]string{"-train", train, "-recommend", dir}, "is a directory"},
		"no directory":       {[]string{"-train", train, "-recommend", filepath.Join(dir, "none", "out")}, "-recommend: "},
		"report":             {[]string{"-train", train, "-report", train}, "-report: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := call(t, c.args...)
			require.Equal(t, wrong, code, stderr)
			require.Contains(t, stderr, c.says)
		})
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	dir, train, _ := tables(t)
	for _, taken := range []string{"out", "report.html"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, taken, "full"), 0o700))
	}
	code, _, stderr := call(t, "-report", dir, "-train", train, "-model", "popular")
	require.Equal(t, failed, code)
	require.Contains(t, stderr, "train: rename")
	left, err := filepath.Glob(filepath.Join(dir, "*.*.*"))
	require.NoError(t, err)
	require.Empty(t, left, "what could not be finished is not left behind")
	// What cannot be written is found out before there is anything to write.
	code, stdout, stderr := call(t, "-recommend", filepath.Join(dir, "out"), "-train", train)
	require.Equal(t, wrong, code)
	require.Contains(t, stderr, "is a directory")
	require.Empty(t, stdout)
}

// A link stays one, and so does a device.
func TestIntoWhatIsThere(t *testing.T) {
	t.Parallel()
	dir, train, _ := tables(t)
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(filepath.Join(dir, "there.tsv"), link))
	for _, name := range []string{link, os.DevNull} {
		before, err := os.Lstat(name)
		require.NoError(t, err)
		code, _, stderr := call(t, "-recommend", name, "-train", train, "-model", "popular")
		require.Equal(t, good, code, stderr)
		after, err := os.Lstat(name)
		require.NoError(t, err)
		require.Equal(t, before.Mode(), after.Mode())
	}
	require.Len(t, lists(t, filepath.Join(dir, "there.tsv")), 120)
	code, _, stderr := call(t, "-recommend", "/dev/full", "-train", train, "-model", "popular")
	require.Equal(t, failed, code)
	require.Contains(t, stderr, "no space left")
}

// Tables as they are: with a byte order mark, as Windows ends lines, with times that are missing; and with too little in them to measure anything.
func TestOddTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text, says string
		listeners  int
	}{
		"windows": {"\ufeffann b\tx\t1\r\n\r\nann b\ty y\t2.5\t\r\nbob\tx\t1e2\t1700000000\r\n", "2 listeners, 2 items, 3 cells", 1},
		"one":     {"a\tb\t1", "note: no listener has two items", 0},
		"apart":   {"a\tx\t1\nb\ty\t1\nc\ty\t1\n", "popular is fitted to all 3 cells", 3},
		"pairs":   {strings.Repeat("a\tx\t1\na\ty\t1\nb\tx\t1\nb\tz\t1\nc\ty\t3\nc\tx\t2\n", 2), "3 listeners' 3 cells", 3},
	} {
		file, out := filepath.Join(dir, name), filepath.Join(dir, name+".out")
		require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
		code, stdout, stderr := call(t, "-train", file, "-recommend", out, "-trials", "8")
		require.Equal(t, good, code, "%s: %s", name, stderr)
		require.Contains(t, stdout, c.says, name)
		require.Len(t, lists(t, out), c.listeners, name)
	}
}

// A stop shows what is known, and writes no recommendations.
func TestStop(t *testing.T) {
	t.Parallel()
	dir, train, _ := tables(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout bytes.Buffer
	stderr := &until{what: "trial 3", then: cancel}
	code := run(ctx, []string{"-train", train, "-report", dir, "-recommend", filepath.Join(dir, "out")}, &stdout, stderr)
	require.Equal(t, stopped, code)
	require.Contains(t, stdout.String(), "itemknn")
	require.Contains(t, stderr.String(), "train: stopped")
	require.FileExists(t, filepath.Join(dir, "report.html"))
	require.NoFileExists(t, filepath.Join(dir, "out"))

	cancel()
	require.Equal(t, stopped, run(ctx, []string{"-train", train, "-model", "als"}, &stdout, stderr))
}

// until calls then once what was written.
type until struct {
	bytes.Buffer
	what string
	then func()
}

func (u *until) Write(b []byte) (int, error) {
	if strings.Contains(string(b), u.what) {
		u.then()
	}
	return u.Buffer.Write(b)
}

func TestTicker(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	bar := &ticker{w: &b, terminal: true}
	bar.fit("fitting", ml.Progress{Step: 1, Steps: 4, Left: 3 * time.Second})
	require.Equal(t, "\r\x1b[K██████░░░░░░░░░░░░░░░░░░  25 % fitting, 3s left", b.String())
	b.Reset()
	bar.fit("too soon", ml.Progress{Step: 2, Steps: 4})
	require.Empty(t, b.String())
	bar.last = time.Time{}
	bar.fit(strings.Repeat("long", 40), ml.Progress{Step: 4, Steps: 4})
	require.Len(t, []rune(b.String()), len("\r\x1b[K")+lineCells)
	b.Reset()
	bar.end()
	bar.end()
	require.Equal(t, "\r\x1b[K", b.String())
	b.Reset()

	lines := newTicker(&b)
	lines.last = time.Time{}
	lines.fit("fitting", ml.Progress{Step: 2, Steps: 0})
	require.Equal(t, "fitting: 0 %\n", b.String())
	b.Reset()
	lines.trial(ml.SelectProgress{Trial: 2, Ended: &ml.Trial{Number: 2, Algorithm: "als", Error: "bad luck"}, Algorithm: "als", Elapsed: time.Second})
	require.Equal(t, "   1.0 s  trial 2  als  given up or failed  (defaults; failed: bad luck)\n", b.String())

	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	require.True(t, newTicker(file).terminal, "a character device")
}
