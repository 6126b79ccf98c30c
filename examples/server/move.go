package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/archive"
)

// move exports the store or imports into it, as the flags say, and tells how it goes.
func move(ctx context.Context, f flags, stdout, stderr io.Writer) (err error) {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: f.logLevel}))
	// Opening a store may make one: not with nothing to export, nor for a file that is not there.
	needed := f.importFrom
	if f.importFrom == "" && f.store == "sqlite" {
		needed = f.db
	}
	if needed != "" {
		if _, err := os.Stat(needed); err != nil {
			return err
		}
	}
	kept, err := openStore(ctx, f, log, newMetrics(log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.close()) }()
	if f.spotify.sealedBy {
		return sealedBy(ctx, f, kept.store, stdout)
	}
	if f.table != "" {
		return exportTraining(ctx, f, kept, stdout, log)
	}
	t := newTeller(stderr)
	var sum archive.Summary
	var done string
	if f.exportTo != "" {
		t.doing = "export"
		sum, err = archive.Export(ctx, kept.store, f.exportTo, &archive.ExportOptions{Name: kept.where, Progress: t.tell})
		done = fmt.Sprintf("Exported %s from %s to %s", items(sum), kept.where, f.exportTo)
	} else {
		t.doing = "import"
		sum, err = archive.Import(ctx, kept.store, f.importFrom, &archive.ImportOptions{
			Name: kept.where, NotEmpty: f.notEmpty, Unfinished: f.unfinished, Progress: t.tell,
		})
		done = fmt.Sprintf("Imported %s from %s into %s", items(sum), f.importFrom, kept.where)
	}
	t.end()
	if err != nil {
		return advise(err)
	}
	fmt.Fprintf(stdout, "%s in %v.\n", done, t.since().Round(time.Millisecond))
	return nil
}

// advices are what can be done about an error of a move.
var advices = []struct {
	is     error
	advice string
}{
	{context.Canceled, "stopped; the same command goes on from here"},
	{store.ErrUnavailable, "the same command goes on from here"},
	{archive.ErrOther, "remove that file to begin again"},
	{archive.ErrNotEmpty, "-not-empty imports all the same"},
	{archive.ErrUnfinished, "-unfinished imports what there is"},
	{archive.ErrDamaged, "-unfinished imports what comes before"},
}

func advise(err error) error {
	for _, a := range advices {
		if errors.Is(err, a.is) {
			return fmt.Errorf("%w (%s)", err, a.advice)
		}
	}
	return err
}

// items says how many were moved.
func items(s archive.Summary) string {
	tables := make([]string, 0, len(store.Tables()))
	for _, table := range store.Tables() {
		tables = append(tables, string(table)+" "+grouped(s.Items[table]))
	}
	text := fmt.Sprintf("%s items (%s; %s bytes)", grouped(s.Total()), strings.Join(tables, ", "), grouped(s.Bytes))
	if s.Expired > 0 {
		text += fmt.Sprintf(", without %s that have expired,", grouped(s.Expired))
	}
	return text
}

// grouped writes a number with a comma after every three digits.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// teller writes how far a move has come: a line now and then, on a terminal always the same one.
type teller struct {
	w        io.Writer
	terminal bool
	doing    string
	every    time.Duration
	now      func() time.Time

	start time.Time
	last  time.Time // when something was told
	first struct {  // what the first news was; rates are of what came after it
		at    time.Time
		items int64
	}
	told bool
}

func newTeller(w io.Writer) *teller {
	t := &teller{w: w, every: 2 * time.Second, now: time.Now}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		t.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	t.start = t.now()
	return t
}

func (t *teller) since() time.Duration { return t.now().Sub(t.start) }

func (t *teller) tell(p archive.Progress) {
	now := t.now()
	if t.first.at.IsZero() {
		t.first.at, t.first.items, t.last = now, p.Items, now
	}
	if now.Sub(t.last) < t.every {
		return
	}
	t.last, t.told = now, true
	rate := float64(p.Items-t.first.items) / now.Sub(t.first.at).Seconds()
	line := fmt.Sprintf("%s: %s items, %s a second, %s bytes", t.doing, grouped(p.Items), grouped(int64(rate)), grouped(p.Bytes))
	if p.Of > 0 {
		line += fmt.Sprintf(" (%.0f %%)", 100*float64(p.Bytes)/float64(p.Of))
	}
	if t.terminal {
		fmt.Fprintf(t.w, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(t.w, line)
}

// end leaves the line that was written over and over.
func (t *teller) end() {
	if t.terminal && t.told {
		fmt.Fprintln(t.w)
	}
}
