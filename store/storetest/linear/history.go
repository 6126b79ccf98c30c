package linear

import (
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/rhythmiq/rhythmiq/store"
)

// history is what clients did and saw.
type history struct {
	store store.Store
	seed  uint64
	keys  [keys]store.Key
	start time.Time

	mu          sync.Mutex
	calls       []*call
	versions    map[store.Version]version
	bodies      map[version]string // what each version was written with
	failedReads int
	unknown     int
	wrong       []string                     // what breaks the contract whatever the order, such as another version's body
	checked     *porcupine.LinearizationInfo // by the last check
}

// now is the time since the history began. The clock is read before a call begins and after it has returned, so
// that an interval is never shorter than the call.
func (h *history) now() int64 { return int64(time.Since(h.start)) }

func (h *history) add(c *call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
	if c.outcome == unknown {
		h.unknown++
	}
}

func (h *history) wrongf(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

// number returns the number of a version; one that nobody has written gets a number too, which fits no state.
func (h *history) number(v store.Version) version {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, ok := h.versions[v]
	if !ok {
		n = version(len(h.versions) + 1)
		h.versions[v] = n
	}
	return n
}

func (h *history) body(v version) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bodies[v]
}

// interval returns when a call had to be made at the latest, and what is known of its outcome by then. An unknown one that
// a read has seen was made before that read returned, unless the read may have seen its repetition; all others
// may be made for a while after their return.
func (h *history) interval(c *call, after time.Duration) (to int64, o outcome) {
	if c.writes == nil || c.outcome != unknown {
		return c.to, c.outcome
	}
	to, o = math.MaxInt64, unknown
	if after < forever {
		to = c.to + int64(after)
	}
	for _, w := range c.writes {
		if w.put == 0 {
			continue
		}
		for _, r := range h.calls {
			if r.writes == nil && r.read == w.put && (r.to < to || o == unknown) && !h.writtenByOther(c, w.put, r.to) {
				to, o = r.to, made
			}
		}
	}
	return to, o
}

func (h *history) writtenByOther(c *call, v version, before int64) bool {
	for _, other := range h.calls {
		if other == c || other.from > before {
			continue
		}
		for _, w := range other.writes {
			if w.put == v {
				return true
			}
		}
	}
	return false
}

// judge returns what is wrong with the history; "" if nothing is.
func (h *history) judge(patience time.Duration) string {
	if len(h.wrong) > 0 {
		return fmt.Sprintf("%s (and %d more)", h.wrong[0], len(h.wrong)-1)
	}
	var result porcupine.CheckResult
	for i, after := range stages {
		end := time.Now()
		result, h.checked = h.check(after, patience/time.Duration(len(stages)-i))
		if result == porcupine.Ok {
			return ""
		}
		patience -= time.Since(end)
	}
	if result == porcupine.Illegal {
		return "not linearizable"
	}
	return "not decided in time"
}

const forever = time.Duration(math.MaxInt64)

// stages are how long after its return an Apply of unknown outcome may be made. To find a moment for every one is the quicker the fewer there are to
// choose from, and nearly always there are enough in the first stage. That there is none is only proven by the last.
var stages = []time.Duration{0, time.Second, forever}

func (h *history) check(after, patience time.Duration) (porcupine.CheckResult, *porcupine.LinearizationInfo) {
	ops := make([]porcupine.Operation, len(h.calls))
	line := len(h.calls) // an unknown call goes on beside its client's next ones: it is drawn on a line of its own
	for i, c := range h.calls {
		judged := *c
		judged.to, judged.outcome = h.interval(c, after)
		ops[i] = porcupine.Operation{ClientId: c.client, Input: &judged, Call: c.from, Return: judged.to}
		if c.outcome == unknown {
			ops[i].ClientId = line
			line++
		}
	}
	result, info := porcupine.CheckOperationsVerbose(model(), ops, max(patience, 1))
	return result, &info
}

// picture writes the judged history as a page for a browser and says where.
func (h *history) picture(dir string) string {
	if h.checked == nil {
		return ""
	}
	f, err := os.CreateTemp(dir, fmt.Sprintf("linear-%d-*.html", h.seed))
	if err == nil {
		err = porcupine.Visualize(model(), *h.checked, f)
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return fmt.Sprintf(" (no picture: %v)", err)
	}
	return ", see " + f.Name()
}
