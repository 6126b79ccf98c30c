package profile

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/rhythmiq/rhythmiq/internal/fault"
	"github.com/rhythmiq/rhythmiq/store"
)

// throttle refuses further attempts once limit of them have failed within the last minute.
//
// It counts in this process only and in bounded memory: a restart resets it, n instances let through n times as
// many, and beyond throttleNames names it forgets the least recently tried. To push a name out, an attacker would have to fail
// with that many others within a minute, which takes more hashing than all but the largest machines do. Counting in the store
// instead would cost a write for each failure, and so pass a flood of logins on to the store.
type throttle struct {
	limit   int
	mu      sync.Mutex
	settled sync.Cond
	entries *simplelru.LRU[throttleKey, *attempts]
}

type throttleKey = [16]byte // a hash: no names in memory

// attempts of one name.
type attempts struct {
	failed  []time.Time // in the last minute, oldest first
	running int         // begun and not settled
}

const (
	throttleWindow = time.Minute
	throttleNames  = 1 << 16
)

func newThrottle(limit int) *throttle {
	t := &throttle{limit: limit}
	t.settled.L = &t.mu
	t.entries, _ = simplelru.NewLRU[throttleKey, *attempts](throttleNames, nil) // fails only for a size below one
	return t
}

// check returns an error if the name has failed too often. It counts nothing.
func (t *throttle) check(key throttleKey, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := t.entries.Get(key)
	if !ok {
		return nil
	}
	return t.refuse(a, now)
}

// begin starts an attempt, to be settled by its result. Where those that are running could use up what is left it waits
// for them, so that never more than limit fail, and never one is refused that nobody's failure stands
// against. The caller computes nothing else in between, so that waiting is short.
func (t *throttle) begin(key throttleKey, now time.Time) (settle func(failed bool), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		a, ok := t.entries.Get(key)
		if !ok {
			a = &attempts{}
			t.entries.Add(key, a)
		}
		if err := t.refuse(a, now); err != nil {
			return nil, err
		}
		if len(a.failed)+a.running < t.limit {
			a.running++
			return func(failed bool) { t.settle(key, a, failed, now) }, nil
		}
		t.settled.Wait()
	}
}

func (t *throttle) settle(key throttleKey, a *attempts, failed bool, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.running--
	if failed {
		a.failed = append(a.failed, at)
		if !t.entries.Contains(key) { // forgotten meanwhile
			t.entries.Add(key, a)
		}
	}
	t.settled.Broadcast()
}

// refuse returns an error if a has failed too often.
func (t *throttle) refuse(a *attempts, now time.Time) error {
	for len(a.failed) > 0 && now.Sub(a.failed[0]) >= throttleWindow {
		a.failed = a.failed[1:]
	}
	if len(a.failed) < t.limit {
		return nil
	}
	e := fault.New(fault.TooMany, "Too many failed logins. Please try again later.")
	e.RetryAfter = throttleWindow - now.Sub(a.failed[len(a.failed)-t.limit])
	return e
}

// accountKey names an account as the caller does. That the e-mail address and the username of one account count
// apart keeps the answers from telling that they belong together.
func accountKey(namespace, name string) throttleKey {
	return store.HashPartition("login/"+namespace, name)
}

// addressKey names a network address, or the /64 of an IPv6 one, which is what one customer gets.
func addressKey(address string) throttleKey {
	host := address
	if ap, err := netip.ParseAddrPort(address); err == nil {
		host = ap.Addr().String()
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		a = a.Unmap().WithZone("")
		if a.Is6() {
			a = netip.PrefixFrom(a, 64).Masked().Addr()
		}
		host = a.String()
	}
	return store.HashPartition("login/address", host)
}
