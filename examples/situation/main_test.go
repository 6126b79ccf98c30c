package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// files are tables that are made up: calm tracks are liked where it is quiet.
type files struct{ train, valid, test, items, history, ratings string }

func tables(t *testing.T) files {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	write := func(name, head string, lines []string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(head+"\n"+strings.Join(lines, "\n")+"\n"), 0o600))
		return path
	}
	const items, listeners = 12, 8
	energy := make([]float64, items)
	var about, answers, history, ratings []string
	for i := range items {
		energy[i] = r.Float64()
		about = append(about, fmt.Sprintf("%d\t%s\t%.3f\tA \"quoted\" title", i, []string{"rock", "jazz"}[i%2], energy[i]))
	}
	for n := range 420 {
		u, i, loud := r.IntN(listeners), r.IntN(items), r.IntN(2)
		rating := 2 + r.IntN(2)
		if (energy[i] > 0.5) == (loud == 1) {
			rating += 1 + r.IntN(2)
		} else {
			rating -= r.IntN(2)
		}
		label := 0
		if rating >= 3 {
			label = 1
		}
		noise := fmt.Sprintf("%.1f", 40+30*float64(loud)+r.Float64()*10)
		if n%15 == 0 {
			noise = ""
		}
		answers = append(answers, fmt.Sprintf("r%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%d", n, u, i, rating, label, 1_600_000_000+n, n%2, 1-n%2, noise, []string{"home", "work"}[r.IntN(2)], r.IntN(24)))
		history = append(history, fmt.Sprintf("%d\t%d\t%d", u, i, rating))
		ratings = append(ratings, fmt.Sprintf("%d\t%d\t%d\t%d\t%s\t%d\t%d", n, u, i, rating, noise, n%3, (u*items+i)%3))
	}
	const head = "row_id\tuser_id\titem_id\trating\tlabel\ttimestamp\teven\todd\tnoise\tplace\thour"
	hidden := make([]string, 60)
	for k, line := range answers[360:] {
		f := strings.Split(line, "\t")
		hidden[k] = strings.Join(append(f[:3:3], f[5:]...), "\t")
	}
	return files{
		train: write("train.tsv", head, answers[:300]), valid: write("valid.tsv", head, answers[300:360]),
		test:  write("test.tsv", strings.Replace(head, "\trating\tlabel", "", 1), hidden),
		items: write("items.tsv", "item_id\tgenre\tenergy\ttitle", about), history: write("history.tsv", "user_id\titem_id\trating", history[:60]),
		ratings: write("ratings.tsv", "row_id\tuser\titem\trating\tnoise\tfold\tpair_fold", ratings),
	}
}

func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, problems bytes.Buffer
	code = run(t.Context(), args, &out, &problems)
	return code, out.String(), problems.String()
}

func TestForetells(t *testing.T) {
	t.Parallel()
	f := tables(t)
	out := filepath.Join(t.TempDir(), "out.tsv")
	report := filepath.Join(t.TempDir(), "report.html")
	args := []string{"-train", f.train, "-valid", f.valid, "-test", f.test, "-items", f.items, "-history", f.history, "-trials", "2", "-predict", out, "-report", report}
	code, stdout, stderr := command(t, args...)
	require.Equal(t, good, code, stderr)
	require.Contains(t, stdout, "360 answers, 60 from another setting, 8 listeners, 12 items, 4 variables")
	require.Contains(t, stdout, "audit: nothing found")
	require.Regexp(t, `valid: 60 answers, AUC 0\.\d+ without the situation, 0\.\d+ with`, stdout)
	require.NotContains(t, stdout, "test:", "its answers are not known")
	first, err := os.ReadFile(out)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(first)), "\n")
	require.Len(t, lines, 60)
	require.Regexp(t, `^r360\t0\.\d{6}$`, lines[0])
	html, err := os.ReadFile(report)
	require.NoError(t, err)
	require.Contains(t, string(html), "<svg")
	require.Contains(t, string(html), "<h3>Reliability</h3>")
	require.Contains(t, string(html), "nats an answer")

	code, _, stderr = command(t, args...)
	require.Equal(t, good, code, stderr)
	again, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, string(first), string(again), "the same seed gives the same file")

	code, stdout, stderr = command(t, "-train", f.train, "-test", f.valid, "-items", f.items, "-trials", "1")
	require.Equal(t, good, code, stderr)
	require.Regexp(t, `test: 60 answers, AUC`, stdout)
}

func TestCrossValidates(t *testing.T) {
	t.Parallel()
	f := tables(t)
	out := filepath.Join(t.TempDir(), "out.tsv")
	code, stdout, stderr := command(t, "-train", f.train, "-items", f.items, "-cross", "3", "-repeats", "2", "-trials", "1", "-unknown", "-foretold", out)
	require.Equal(t, good, code, stderr)
	require.Regexp(t, `mean: AUC 0\.\d+ without the situation, 0\.\d+ with; the situation adds 0\.\d+ ± 0\.\d+ over 2 repeats`, stdout)
	require.Contains(t, stdout, "unknown even/odd: AUC")
	require.Regexp(t, `unknown everything: AUC 0\.\d+, [+-]0\.0000 beside`, stdout)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, 1+2*300, strings.Count(string(text), "\n"))

	code, stdout, stderr = command(t, "-train", f.ratings, "-items", f.items, "-trials", "1")
	require.Equal(t, good, code, stderr)
	require.Regexp(t, `fold: 420 answers, MAE \d\.\d+ without the situation, \d\.\d+ with; RMSE`, stdout)
	require.Contains(t, stdout, "pair_fold: 420 answers")
}

func TestNamesALeak(t *testing.T) {
	t.Parallel()
	f := tables(t)
	text, err := os.ReadFile(f.train)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, line := range lines {
		fields := strings.Split(line, "\t")
		switch {
		case i == 0:
			lines[i] += "\tgesture"
		case fields[4] == "0" && i%5 > 0:
			lines[i] += "\tshrug"
		default:
			lines[i] += "\tnone"
		}
	}
	require.NoError(t, os.WriteFile(f.train, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	code, stdout, stderr := command(t, "-train", f.train, "-items", f.items, "-cross", "3", "-trials", "1")
	require.Equal(t, good, code, stderr)
	require.Contains(t, stdout, "the audit found gesture in 3 of 3 folds")
	code, stdout, stderr = command(t, "-train", f.train, "-test", f.train, "-items", f.items, "-trials", "1", "-keep")
	require.Equal(t, good, code, stderr)
	require.Contains(t, stdout, "audit (leak): would be left out: gesture: by itself")
}

func TestSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := tables(t)
	bad := func(text string) string {
		path := filepath.Join(t.TempDir(), "bad.tsv")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	with := func(train string, more ...string) []string {
		return append([]string{"-train", train, "-items", f.items, "-cross", "2"}, more...)
	}
	for says, args := range map[string][]string{
		"-items: is required":              {"-train", f.train},
		"-train: is required":              {"-items", f.items},
		"-predict: needs -test":            {"-train", f.train, "-items", f.items, "-predict", "x"},
		"-cross: must be 2 to 1000":        with(f.train, "-cross", "1"),
		"-cross: goes without -test":       with(f.train, "-test", f.test),
		"-foretold: goes without -test":    {"-train", f.train, "-items", f.items, "-test", f.test, "-foretold", "x"},
		"-repeats: must be at least 1":     with(f.train, "-repeats", "0"),
		"-trials: must be at least 1":      with(f.train, "-trials", "0"),
		"-threads: must not be negative":   with(f.train, "-threads", "-1"),
		"there are only flags":             with(f.train, "more"),
		"no such file":                     with("/no/such/file"),
		"400 folds of 300 answers":         with(f.train, "-cross", "400"),
		"nor a column of folds":            {"-train", f.train, "-items", f.items},
		"line 2 has 2 fields":              with(bad("user\titem\trating\n1\t2\n")),
		"a header and at least one line":   with(bad("user\titem\trating\n")),
		`two columns "user"`:               with(bad("user\tuser\trating\n1\t2\t3\n")),
		"needs a column for the listener":  with(bad("who\titem\trating\n1\t2\t3\n1\t2\t4\n")),
		"has neither a column label":       with(bad("user\titem\n1\t2\n")),
		"all ratings are the same":         with(bad("user\titem\trating\n1\t2\t3\n1\t3\t3\n")),
		`rating is "x", not a number`:      with(bad("user\titem\trating\n1\t2\tx\n")),
		"the label is 2, must be 0 or 1":   with(bad("user\titem\tlabel\n1\t2\t2\n")),
		`label is "x", not a number`:       with(bad("user\titem\tlabel\n1\t2\tx\n")),
		`timestamp is "x", not a number`:   with(bad("user\titem\tlabel\ttimestamp\n1\t2\t1\tx\n")),
		"needs a column for the item":      {"-train", f.train, "-cross", "2", "-items", bad("x\n1\n")},
		"flag provided but not defined":    {"-nonsense"},
		"history.tsv: no such file or dir": with(f.train, "-history", filepath.Join(t.TempDir(), "history.tsv")),
	} {
		code, _, stderr := command(t, args...)
		require.Equal(t, wrong, code, says)
		require.Contains(t, stderr, says)
	}
	code, _, stderr := command(t, "-help")
	require.Equal(t, good, code)
	require.Contains(t, stderr, "where an empty field is unknown")
	code, _, _ = command(t, "-train", f.train, "-test", f.test, "-items", f.items, "-trials", "1", "-predict", "/no/such/dir/out.tsv")
	require.Equal(t, wrong, code)
}

func TestStops(t *testing.T) {
	t.Parallel()
	f := tables(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, problems bytes.Buffer
	require.Equal(t, stopped, run(ctx, []string{"-train", f.train, "-items", f.items, "-cross", "2"}, &out, &problems))
	require.Contains(t, problems.String(), "stopped")
}
