package profile_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// BenchmarkAuthenticate is what authentication adds to a request, beside the least that any signed token costs: an HMAC over it
// and a look into a map.
func BenchmarkAuthenticate(b *testing.B) {
	s, err := profile.NewService(memstore.New(nil), profile.Options{Hash: cheap})
	require.NoError(b, err)
	p := create(b, s, "alice")
	x := logIn(b, s, "alice")
	ctx := b.Context()

	b.Run("reference", func(b *testing.B) {
		var mu sync.RWMutex
		sessions := map[string]time.Time{x.ID.String(): x.ExpiresAt}
		id, secret := x.ID.String(), make([]byte, 32)
		signed := x.Token[:strings.LastIndexByte(x.Token, '.')]
		sum := func() []byte {
			m := hmac.New(sha256.New, secret)
			m.Write([]byte(signed))
			return m.Sum(nil)
		}
		signature := sum()
		b.ReportAllocs()
		for b.Loop() {
			if !hmac.Equal(sum(), signature) {
				b.Fatal("forged")
			}
			mu.RLock()
			expires := sessions[id]
			mu.RUnlock()
			if !time.Now().Before(expires) {
				b.Fatal("expired")
			}
		}
	})
	b.Run("authenticate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Authenticate(ctx, x.Token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Authenticate(ctx, x.Token); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("not in memory", func(b *testing.B) {
		b.ReportAllocs()
		small, err := profile.NewService(memstore.New(nil), profile.Options{Hash: cheap, TokenCache: 1})
		require.NoError(b, err)
		create(b, small, "alice")
		tokens := [2]string{logIn(b, small, "alice").Token, logIn(b, small, "alice").Token}
		for i := 0; b.Loop(); i++ {
			if _, err := small.Authenticate(ctx, tokens[i%2]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("api key", func(b *testing.B) {
		_, secret, err := s.CreateAPIKey(ctx, p.ID)
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			if err := s.CheckAPIKey(ctx, p.ID, secret); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLogin shows a right login, a wrong one and an unknown name at the default cost.
func BenchmarkLogin(b *testing.B) {
	s, err := profile.NewService(memstore.New(nil), profile.Options{LoginFailures: 1_000_000})
	require.NoError(b, err)
	create(b, s, "alice")
	for name, c := range map[string]profile.Credentials{
		"right":   {Username: "alice", Password: password},
		"wrong":   {Username: "alice", Password: "correct house"},
		"unknown": {Username: "nobody", Password: password},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = s.Login(b.Context(), c)
			}
		})
	}
}

// BenchmarkSignUps shows the peak memory of one sign-up at the default cost, and of many at once.
func BenchmarkSignUps(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			peak := 0.0
			for b.Loop() {
				s, err := profile.NewService(memstore.New(nil), profile.Options{})
				require.NoError(b, err)
				runtime.GC()
				stop := watchHeap()
				var wg sync.WaitGroup
				for i := range n {
					wg.Go(func() {
						if _, err := s.Create(context.WithoutCancel(b.Context()), registration(fmt.Sprintf("user%d", i))); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
				peak = max(peak, stop())
			}
			b.ReportMetric(peak/(1<<20), "peak-MiB")
		})
	}
}

// watchHeap returns a function that returns the most that the heap held since, in bytes.
func watchHeap() (stop func() float64) {
	done, peak := make(chan struct{}), make(chan float64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		most := 0.0
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			most = max(most, float64(sample[0].Value.Uint64()))
			select {
			case <-tick.C:
			case <-done:
				peak <- most
				return
			}
		}
	}()
	return func() float64 {
		close(done)
		return <-peak
	}
}

// BenchmarkCreate is a sign-up without its hash, beside the bare Apply that it makes.
func BenchmarkCreate(b *testing.B) {
	s, err := profile.NewService(memstore.New(nil), profile.Options{Hash: cheap})
	require.NoError(b, err)
	i := 0
	for b.Loop() {
		i++
		r := registration(fmt.Sprintf("user%d", i))
		r.Password, r.Identity = "", &profile.Identity{Issuer: "i", Subject: r.Username}
		p, err := s.Create(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		if i%1000 == 0 {
			require.NoError(b, s.Delete(b.Context(), p.ID, false, store.Version{}))
		}
	}
}
