package httpapi

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/rhythmiq/rhythmiq/internal/fault"
)

// limiter gives each caller a token bucket, and remembers the callers seen last.
type limiter struct {
	rate    Rate
	buckets *lru.Cache[caller, *rate.Limiter] // nil: no limit
}

// caller names whom a call is charged to: an address (IPv6: its /64), a profile, or the hash of an API key.
type caller struct {
	kind byte
	id   [16]byte
}

const (
	callerKey byte = iota + 1
	callerProfile
	callerAddress
)

func newLimiter(r Rate, callers int) (limiter, error) {
	if r.PerSecond == 0 {
		return limiter{}, nil
	}
	buckets, err := lru.New[caller, *rate.Limiter](callers)
	return limiter{r, buckets}, err
}

// take charges a call, and returns how long to wait where the bucket is empty.
func (l *limiter) take(who caller, now time.Time) (wait time.Duration) {
	if l.buckets == nil {
		return 0
	}
	b, ok := l.buckets.Get(who)
	if !ok {
		b = rate.NewLimiter(rate.Limit(l.rate.PerSecond), l.rate.Burst)
		if other, ok, _ := l.buckets.PeekOrAdd(who, b); ok {
			b = other
		}
	}
	if b.AllowN(now, 1) {
		return 0
	}
	r := b.ReserveN(now, 1)
	defer r.CancelAt(now)
	return max(r.DelayFrom(now), time.Millisecond)
}

func tooMany(wait time.Duration) error {
	if wait == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.TooMany, Message: "Too many requests. Please try again later.", RetryAfter: wait}
}

// charge charges a call by a caller who is known to their API key, else to their profile, else (an identity without a profile) to the address.
func (h *Handler) charge(c *call, apiKey string) error {
	if h.callers.buckets == nil {
		return nil
	}
	var who caller
	switch {
	case apiKey != "":
		sum := sha256.Sum256([]byte(strings.ToLower(apiKey))) // in capitals it is the same key
		who = caller{callerKey, [16]byte(sum[:16])}
	case c.who.ProfileID != [16]byte{}:
		who = caller{callerProfile, c.who.ProfileID}
	default:
		return h.chargeAddress(c)
	}
	return tooMany(h.callers.take(who, h.o.Now()))
}

// chargeAddress charges a call whose caller is not known.
func (h *Handler) chargeAddress(c *call) error {
	l := &h.callers
	switch c.route.auth {
	case free:
		return nil
	case signUp, login:
		l = &h.signUps
	case required, open:
	}
	if l.buckets == nil {
		return nil
	}
	return tooMany(l.take(caller{callerAddress, addressID(c.address())}, h.o.Now()))
}

func addressID(address string) [16]byte {
	ip, err := netip.ParseAddr(address)
	if err != nil { // such as a Unix socket's
		sum := sha256.Sum256([]byte(address))
		return [16]byte(sum[:16])
	}
	if ip = ip.Unmap(); ip.Is6() {
		p, _ := ip.WithZone("").Prefix(64) // 64 bits are what one subscriber gets
		ip = p.Addr()
	}
	return ip.As16()
}

// address returns the caller's network address without a port.
func (c *call) address() string {
	host := hostOf(c.r.RemoteAddr)
	p := c.h.o.Proxy
	if p == nil || !p.trusts(host) {
		return host
	}
	return p.caller(c.r.Header, host)
}

func hostOf(remote string) string {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().String()
	}
	return remote
}

func (p *Proxy) trusts(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, t := range p.Trusted {
		if t.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// caller walks the header from its end, over what trusted proxies have added, to the first address that none of them vouches for.
func (p *Proxy) caller(header http.Header, host string) string {
	hops := strings.Split(strings.Join(header.Values(p.Header), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		ip, err := netip.ParseAddr(hostOf(strings.TrimSpace(hops[i])))
		if err != nil {
			break
		}
		host = ip.Unmap().String()
		if !p.trusts(host) {
			break
		}
	}
	return host
}
