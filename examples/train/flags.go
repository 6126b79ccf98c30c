package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/ml"
)

// flags are what the command line says.
type flags struct {
	train, valid, model, recommend, report string
	budget                                 time.Duration
	topn, trials, threads                  int
	seed                                   uint64
	refitAll                               bool
	values                                 ml.Values // of the model
}

const (
	defaultBudget = time.Minute
	defaultTop    = 20
)

// general adds the flags that are not a model's.
func (f *flags) general(fs *flag.FlagSet) {
	fs.StringVar(&f.train, "train", "", "`file` of who heard what; required")
	fs.StringVar(&f.valid, "valid", "", "`file` of what they went on to hear, by which models are measured")
	fs.StringVar(&f.model, "model", auto, "`name` of the model: "+strings.Join(modelNames(), ", "))
	fs.DurationVar(&f.budget, "budget", defaultBudget, "how long -model auto takes, from its first fit to the end of its last")
	fs.IntVar(&f.trials, "trials", 0, "how many models -model auto tries at most, its blend not counted; 0: as many as the budget is good for")
	fs.IntVar(&f.topn, "topn", defaultTop, "how many items are recommended to each listener")
	fs.StringVar(&f.recommend, "recommend", "", "`file` to write recommendations to")
	fs.StringVar(&f.report, "report", "", "`directory` to write report.html and leaderboard.json to; it is made if need be")
	fs.Uint64Var(&f.seed, "seed", 1, "of all that is random; the same seed gives the same result")
	fs.IntVar(&f.threads, "threads", 0, "how many processors to use; 0: all")
	fs.BoolVar(&f.refitAll, "refit-all", false, "fit the last model to -valid too, and do not recommend what is in it")
}

const usage = `Train fits a model of taste to a table of who heard what, says how good it is, and writes what it recommends.

  go run ./examples/train -train FILE [-valid FILE] -model auto -budget 60s -topn 20 -recommend OUT.tsv -report DIR

FILE has one line for each listener and item, without a header, with tabs between:
  listener  item  weight  [unix time]
The weight is a number above 0, such as how often it was heard; weights of the same listener and item are added up.

-model auto tries all models, with one set of hyperparameters after the other, for as long as -budget says, and a blend of
the best; it tells why it chose the one that it did. It measures them by -valid, or else by a tenth of each listener's lines:
the newest if there are times, some at random if not. Then the chosen model is fitted again to all of -train.
Any other model is fitted once, with the hyperparameters given, and measured if there is -valid or -report.

-valid is never learned from, so that what is written to OUT can be measured by it, unless -refit-all is given. Listeners
that are not in -train are not recommended anything.

OUT has lines of listener, item, score, the best first for each listener. What the listener has in -train is left out. Scores can be compared for one
listener, not between two. The same seed gives the same file, with any number of threads except where bpr has a part in it, and
for -model auto if it was ended by -trials and not by the clock.

Ctrl-C ends it; the leaderboard is still shown, and written to -report. It exits with 0 if all went well, 1 if not, 2 if the flags or files are
wrong, 130 if it was stopped.

Flags:
`

// newFlags returns the flags of a command line with this model.
func newFlags(f *flags, a ml.Algorithm, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet("train", flag.ContinueOnError)
	fs.SetOutput(stderr)
	f.general(fs)
	f.values = ml.Values{}
	if a != nil {
		for _, p := range a.Parameters() {
			fs.Func(p.Name, p.Doc, func(text string) error {
				f.values[p.Name] = text
				return nil
			})
		}
	}
	fs.Usage = func() {} // parse says what to say
	return fs
}

// help says all there is to say, with the hyperparameters of each model.
func help(w io.Writer) {
	fmt.Fprint(w, usage)
	fs := flag.NewFlagSet("train", flag.ContinueOnError)
	fs.SetOutput(w)
	(&flags{}).general(fs)
	fs.PrintDefaults()
	for _, a := range models() {
		fmt.Fprintf(w, "\nFlags of -model %s:\n", a.Name())
		for _, p := range a.Parameters() {
			fmt.Fprintf(w, "  -%s %s\n    \t%s\n", p.Name, kind(p), p.Doc)
		}
	}
}

// kind says which values a parameter may have.
func kind(p ml.Parameter) string {
	switch {
	case p.Choices != nil:
		return fmt.Sprintf("%s (default %s)", strings.Join(p.Choices, "|"), p.Choices[0])
	case p.Whole:
		return fmt.Sprintf("whole number, %v to %v (default %v)", p.Min, p.Max, p.Default)
	default:
		return fmt.Sprintf("number, %v to %v (default %v)", p.Min, p.Max, p.Default)
	}
}

// parse reads args; what is wrong with them, and the help, goes to stderr.
func parse(args []string, stderr io.Writer) (*flags, error) {
	f := &flags{}
	fs := newFlags(f, modelNamed(modelOf(args)), stderr)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		help(stderr)
		return nil, err
	} else if err != nil {
		name, _ := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
		for _, a := range models() {
			if slices.ContainsFunc(a.Parameters(), func(p ml.Parameter) bool { return p.Name == name }) {
				fmt.Fprintf(stderr, "train: -%s goes with -model %s\n", name, a.Name())
			}
		}
		fmt.Fprintln(stderr, "See -help.")
		return nil, err
	}
	if wrong := f.check(fs); len(wrong) > 0 {
		err := errors.New(strings.Join(wrong, "; "))
		fmt.Fprintf(stderr, "train: %v\nSee -help.\n", err)
		return nil, err
	}
	return f, nil
}

// modelOf finds the model in args, on which it depends which other flags there are.
func modelOf(args []string) string {
	model := auto
	for i, arg := range args {
		name := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
		if value, ok := strings.CutPrefix(name, "model="); ok && name != arg {
			model = value
		} else if name == "model" && name != arg && i+1 < len(args) {
			model = args[i+1]
		}
	}
	return model
}

// check says all that is wrong with the flags.
func (f *flags) check(fs *flag.FlagSet) (wrong []string) {
	say := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	say(fs.NArg() > 0, "unexpected argument %q", fs.Arg(0))
	say(f.train == "", "-train is required")
	say(!slices.Contains(modelNames(), f.model), "-model is %q, must be one of %s", f.model, strings.Join(modelNames(), ", "))
	say(f.budget <= 0, "-budget must be above 0")
	say(f.trials < 0, "-trials must not be negative")
	say(f.topn < 1, "-topn must be at least 1")
	say(f.threads < 0, "-threads must not be negative")
	say(f.refitAll && f.valid == "", "-refit-all goes with -valid")
	if a := modelNamed(f.model); a != nil {
		if e, ok := fault.As(f.values.Check(a.Parameters())); ok {
			for _, p := range a.Parameters() {
				say(e.Fields[p.Name] != "", "-%s %s", p.Name, e.Fields[p.Name])
			}
		}
	}
	return wrong
}
