package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/ml"
)

// ticker shows how far it is: a bar in the last line of a terminal; on anything else a line now and then.
type ticker struct {
	w        io.Writer
	terminal bool
	shown    bool // a bar, not ended by a new line
	last     time.Time
}

const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
	barCells  = 24
	lineCells = 79 // of a narrow terminal
)

func newTicker(w io.Writer) *ticker {
	t := &ticker{w: w, last: time.Now()}
	if file, ok := w.(*os.File); ok {
		if s, err := file.Stat(); err == nil {
			t.terminal = s.Mode()&os.ModeCharDevice != 0
		}
	}
	return t
}

// fit shows how far one fit is.
func (t *ticker) fit(what string, p ml.Progress) {
	every := lineEvery
	if t.terminal {
		every = barEvery
	}
	if p.Step == 0 || time.Since(t.last) < every {
		return
	}
	t.last = time.Now()
	part := 0.0
	if p.Steps > 0 {
		part = float64(p.Step) / float64(p.Steps)
	}
	left := ""
	if p.Left > 0 {
		left = ", " + p.Left.Round(time.Second).String() + " left"
	}
	if !t.terminal {
		fmt.Fprintf(t.w, "%s: %.0f %%%s\n", what, 100*part, left) //nolint:mnd // percent
		return
	}
	full := int(part * barCells)
	line := fmt.Sprintf("%s%s %3.0f %% %s%s", strings.Repeat("█", full), strings.Repeat("░", barCells-full), 100*part, what, left) //nolint:mnd // percent
	if runes := []rune(line); len(runes) > lineCells {
		line = string(runes[:lineCells])
	}
	fmt.Fprintf(t.w, "\r\x1b[K%s", line)
	t.shown = true
}

// part shows how far something else is that began at start, once that says when it will end.
func (t *ticker) part(what string, done, of int, start time.Time) {
	if done > 0 && done >= of/100 { //nolint:mnd // percent
		t.fit(what, ml.Progress{Step: done, Steps: of, Left: time.Since(start) / time.Duration(done) * time.Duration(of-done)})
	}
}

// trial shows how far a search is.
func (t *ticker) trial(p ml.SelectProgress) {
	if p.Ended == nil {
		t.fit(fmt.Sprintf("trial %d, %s, best so far %.4f", p.Trial, p.Algorithm, p.Best), p.Fit)
		return
	}
	t.end()
	result := "given up or failed"
	if p.Ended.Done() {
		result = fmt.Sprintf("NDCG@10 %.4f", p.Ended.Metrics.NDCG10)
	}
	fmt.Fprintf(t.w, "%6.1f s  trial %d  %s  %s  (%s)\n", p.Elapsed.Seconds(), p.Trial, p.Algorithm, result, p.Ended.Note())
}

// end ends the line of a bar.
func (t *ticker) end() {
	if t.shown {
		fmt.Fprint(t.w, "\r\x1b[K")
		t.shown = false
	}
}
