package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// flags are what the command line says.
type flags struct {
	train, valid, test, items, history string
	predict, foretold, report          string
	cross, repeats, trials, threads    int
	seed                               uint64
	keep, unknown                      bool
}

const (
	defaultTrials  = 20
	defaultRepeats = 1
	mostFolds      = 1000
)

const usage = `Situation fits models of what listeners like in which situation to a table of answers, says how good they are without the situation and with it, and
foretells other answers.

  go run ./examples/situation -train FILE [-valid FILE] -test FILE -items FILE [-history FILE] -predict OUT.tsv
  go run ./examples/situation -train FILE [-valid FILE] -items FILE [-history FILE] -cross 10 -repeats 10

Files are tables with tabs between fields and a header. Those of answers have columns for
  the row       row_id, row
  the listener  user_id, user, listener
  the item      item_id, item, track
  the answer    label (0 or 1), or rating (any numbers), or both
and all others (but timestamp, fold and pair_fold) are the situation: numbers or words, where an empty field is unknown. Neighboring columns of which in each row one
is 1 and the others are 0 are read as one category. -items has the item, and of it artist, genre, and numbers. -history has answers from another
setting, without a situation, which are learned from and not measured by.

Where there are labels, what is foretold is the probability of a 1, and AUC says how good that is. Where there are only ratings, it is the rating that about half of the answers
would be above, and the errors are those of ratings. Columns fold and pair_fold are folds for a cross-validation, which is made where there is neither -test nor -cross.

Models are chosen by what they foretell of answers that they have not seen (-trials); columns that leak the answer, or that differ between -train and -test, are named and left out. With
-valid, the model of -train is measured on it; then the last model is fitted to both. -test may have answers: they are only measured by.

OUT has lines of row and score for each row of -test. The same seed gives the same file.

It exits with 0 if all went well, 1 if not, 2 if the flags or files are wrong, 130 if it was stopped.

Flags:
`

func parse(args []string, stderr io.Writer) (*flags, error) {
	f := &flags{}
	fs := flag.NewFlagSet("situation", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&f.train, "train", "", "`file` of answers; required")
	fs.StringVar(&f.valid, "valid", "", "`file` of more answers, by which the model of -train is measured")
	fs.StringVar(&f.test, "test", "", "`file` of rows to foretell")
	fs.StringVar(&f.items, "items", "", "`file` of what is known of the items; required")
	fs.StringVar(&f.history, "history", "", "`file` of answers from another setting")
	fs.StringVar(&f.predict, "predict", "", "`file` to write what is foretold of -test to")
	fs.StringVar(&f.foretold, "foretold", "", "`file` to write what was foretold in -cross to: repeat, fold, row, answer, without, with")
	fs.StringVar(&f.report, "report", "", "`file` to write how the last model was chosen to, as HTML with a reliability plot")
	fs.IntVar(&f.cross, "cross", 0, "`folds` of a cross-validation over -train and -valid together")
	fs.IntVar(&f.repeats, "repeats", defaultRepeats, "of -cross, each with other folds")
	fs.IntVar(&f.trials, "trials", defaultTrials, "how many models are tried each time one is chosen")
	fs.IntVar(&f.threads, "threads", 0, "how many folds are worked on at once; 0: as many as processors")
	fs.Uint64Var(&f.seed, "seed", 1, "of all that is random")
	fs.BoolVar(&f.keep, "keep", false, "learn also from columns that the audit finds")
	fs.BoolVar(&f.unknown, "unknown", false, "in -cross, also make each variable of the situation unknown in turn, and all of them")
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	err := f.check(fs.Args())
	if err != nil {
		fmt.Fprintln(stderr, "situation:", err)
		fmt.Fprintln(stderr, "See -help.")
	}
	return f, err
}

func (f *flags) check(more []string) error {
	var wrong fault.Fields
	if f.train == "" {
		wrong.Add("-train", "is required")
	}
	if f.items == "" {
		wrong.Add("-items", "is required")
	}
	if f.predict != "" && f.test == "" {
		wrong.Add("-predict", "needs -test")
	}
	if f.cross != 0 && (f.cross < 2 || f.cross > mostFolds) {
		wrong.Add("-cross", "must be 2 to %d", mostFolds)
	}
	if f.cross != 0 && f.test != "" {
		wrong.Add("-cross", "goes without -test")
	}
	if f.foretold != "" && f.test != "" {
		wrong.Add("-foretold", "goes without -test")
	}
	if f.repeats < 1 {
		wrong.Add("-repeats", "must be at least 1")
	}
	if f.trials < 1 {
		wrong.Add("-trials", "must be at least 1")
	}
	if f.threads < 0 {
		wrong.Add("-threads", "must not be negative")
	}
	if len(more) > 0 {
		wrong.Add("arguments", "%q: there are only flags", more)
	}
	if err := wrong.Err(); err != nil {
		return errors.Join(errInput, err)
	}
	return nil
}
