// Package linear proves that the strong reads and the Applies of a [store.Store] are linearizable: that whatever ran at the
// same time, and whatever answers were lost, each made Apply can be given one moment between its call and its return at which it
// happened whole, such that every strong read, every conflict and every acknowledgment fits the comment on [store.Store]. It complements
// storetest, which knows what should come out because it is nearly always alone.
//
//	func TestLinearizable(t *testing.T) {
//		linear.Run(t, nil, func(*testing.T, uint64) (store.Store, func()) { return memstore.New(nil), nil })
//	}
//
// Clients with seeded random numbers write and read a few items at once, repeat what they do not know the outcome of, and what they did and
// saw is judged by [porcupine]. The seed repeats the calls, not the moments at which they meet.
//
// [porcupine]: https://github.com/anishathalye/porcupine
package linear

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// Options of Run; nil and the zero value are fine.
type Options struct {
	Histories int           // 0 means 50; the environment's RHYTHMIQ_LINEAR_HISTORIES goes before
	Seed      uint64        // of the first history, the others count on; 0 means 1; RHYTHMIQ_LINEAR_SEED goes before
	Clients   int           // that work at the same time; 0 means 5
	Calls     int           // of each client; 0 means 15
	Unknown   int           // Applies of unknown outcome in a history, after which its clients only read, since each makes the judgment longer; 0 means 12
	Parallel  int           // histories at the same time; 0 means 1
	Pause     time.Duration // at most, before a call; 0 means 200 µs
	Timeout   time.Duration // of every call's context; 0 means 30 s
	Deadline  time.Duration // where set, one call in five gets a random shorter one, up to this, and one in sixteen a context that has ended
	Settle    time.Duration // how long what is still on its way may need to arrive before the items are read for the last time
	Decide    time.Duration // how long the judgment of one history may take; 0 means 30 s. A history that is not decided by then fails.
	Dir       string        // for pictures of histories that fail; "" means the directory for temporary files; RHYTHMIQ_LINEAR_DIR goes before
}

// keys is how many items a history is about. More of them meet less often.
const keys = 3

func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	fill(&f.Histories, 50)
	fill(&f.Seed, 1)
	fill(&f.Clients, 5)
	fill(&f.Calls, 15)
	fill(&f.Unknown, 12)
	fill(&f.Parallel, 1)
	fill(&f.Pause, 200*time.Microsecond)
	fill(&f.Timeout, 30*time.Second)
	fill(&f.Decide, 30*time.Second)
	if dir := os.Getenv("RHYTHMIQ_LINEAR_DIR"); dir != "" {
		f.Dir = dir
	}
	if n := os.Getenv("RHYTHMIQ_LINEAR_HISTORIES"); n != "" {
		var err error
		if f.Histories, err = strconv.Atoi(n); err != nil {
			return f, fmt.Errorf("RHYTHMIQ_LINEAR_HISTORIES: %w", err)
		}
	}
	if n := os.Getenv("RHYTHMIQ_LINEAR_SEED"); n != "" {
		var err error
		if f.Seed, err = strconv.ParseUint(n, 10, 64); err != nil {
			return f, fmt.Errorf("RHYTHMIQ_LINEAR_SEED: %w", err)
		}
	}
	return f, nil
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Run records histories, each on what open returns for its seed, and fails t for each that is not linearizable or could not be decided. It
// names the seed and the file with a picture of the history. open may return one store every time; what has to be closed it registers
// with t.Cleanup. heal, where it is not nil, ends the faults that open has prepared: it is called before the items are read for the last time.
func Run(t *testing.T, o *Options, open func(t *testing.T, seed uint64) (s store.Store, heal func())) {
	t.Helper()
	run(t, o, func(seed uint64) (store.Store, func()) { return open(t, seed) })
}

// reporter is the part of a *testing.T that run needs.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

func run(t reporter, o *Options, open func(seed uint64) (store.Store, func())) {
	t.Helper()
	f, err := o.filled()
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	var (
		wg    sync.WaitGroup
		sum   = summary{start: time.Now()}
		seeds = make(chan uint64)
	)
	for range f.Parallel {
		wg.Go(func() {
			for seed := range seeds {
				s, heal := open(seed)
				h := record(s, seed, &f, heal)
				sum.add(h)
				if verdict := h.judge(f.Decide); verdict != "" {
					t.Errorf("history with seed %d: %s%s", seed, verdict, h.picture(f.Dir))
				}
			}
		})
	}
	for i := range f.Histories {
		seeds <- f.Seed + uint64(i)
	}
	close(seeds)
	wg.Wait()
	t.Logf("%v", &sum)
}

// summary says how much was tried: histories without conflicts or without lost answers prove less.
type summary struct {
	mu                                                 sync.Mutex
	start                                              time.Time
	histories, reads, failed, made, conflicts, unknown int
}

func (s *summary) add(h *history) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.histories++
	s.failed += h.failedReads
	for _, c := range h.calls {
		switch {
		case c.writes == nil:
			s.reads++
		case c.outcome == made:
			s.made++
		case c.outcome == conflict:
			s.conflicts++
		default:
			s.unknown++
		}
	}
}

func (s *summary) String() string {
	return fmt.Sprintf("%d histories in %v: %d strong reads (%d more failed), %d Applies made, %d conflicts, %d of unknown outcome",
		s.histories, time.Since(s.start).Round(time.Millisecond), s.reads, s.failed, s.made, s.conflicts, s.unknown)
}
