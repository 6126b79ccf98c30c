package profile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

func TestOptions(t *testing.T) {
	const ttl, rotation = "must be whole seconds from 1 s to 30 days", "must be 1 minute to 1 year"
	key := func(id string, n int) profile.SigningKey { return profile.SigningKey{ID: id, Secret: make([]byte, n)} }
	long := string(make([]byte, 65))
	for name, c := range map[string]struct {
		options profile.Options
		wrong   map[string]string
	}{
		"zero": {},
		"least": {options: profile.Options{
			Hash: profile.HashParams{MemoryKiB: 8, Time: 1, Threads: 1}, HashConcurrency: 1, HashQueue: 1, SessionTTL: time.Second,
			KeyRotation: time.Minute, TokenCache: 1, LoginFailures: 1, AddressFailures: 1, Keys: []profile.SigningKey{key("a", 32), key(long[:64], 33)},
		}},
		"most": {options: profile.Options{
			Hash: profile.HashParams{MemoryKiB: 4 << 20, Time: 1000, Threads: 255}, HashConcurrency: 1024, HashQueue: 1_000_000,
			SessionTTL: 30 * 24 * time.Hour, KeyRotation: 366 * 24 * time.Hour, LoginFailures: 1_000_000, AddressFailures: 1_000_000,
		}},
		"too little": {profile.Options{
			Hash: profile.HashParams{MemoryKiB: 15, Threads: 2}, HashConcurrency: -1, HashQueue: -1, SessionTTL: time.Second - 1,
			KeyRotation: time.Minute - 1, TokenCache: -1, LoginFailures: -1, AddressFailures: -1, Keys: []profile.SigningKey{{}, key("a", 31), key("a", 32)},
		}, map[string]string{
			"Hash.MemoryKiB": "must be 8 for each thread to 4194304", "Hash.Time": "must be 1 to 1000", "HashConcurrency": "must be 1 to 1024",
			"HashQueue": "must be 1 to 1000000", "SessionTTL": ttl, "KeyRotation": rotation, "TokenCache": "must be 1 to 10000000",
			"LoginFailures": "must be 1 to 1000000", "AddressFailures": "must be 1 to 1000000",
			"Keys[0].ID": "must be 1 to 64 characters long", "Keys[0].Secret": "must be at least 32 bytes long",
			"Keys[1].Secret": "must be at least 32 bytes long", "Keys[2].ID": "must be unique",
		}},
		"too much": {profile.Options{
			Hash: profile.HashParams{MemoryKiB: 4<<20 + 1, Time: 1001}, HashConcurrency: 1025, HashQueue: 1_000_001, SessionTTL: 30*24*time.Hour + time.Second,
			KeyRotation: 366*24*time.Hour + 1, TokenCache: 10_000_001, LoginFailures: 1_000_001, AddressFailures: 1_000_001, Keys: []profile.SigningKey{key(long, 32)},
		}, map[string]string{
			"Hash.MemoryKiB": "must be 8 for each thread to 4194304", "Hash.Time": "must be 1 to 1000", "Hash.Threads": "must be 1 to 255",
			"HashConcurrency": "must be 1 to 1024", "HashQueue": "must be 1 to 1000000", "SessionTTL": ttl, "KeyRotation": rotation,
			"TokenCache": "must be 1 to 10000000", "LoginFailures": "must be 1 to 1000000", "AddressFailures": "must be 1 to 1000000",
			"Keys[0].ID": "must be 1 to 64 characters long",
		}},
		"fractional":      {profile.Options{SessionTTL: 1500 * time.Millisecond}, map[string]string{"SessionTTL": ttl}},
		"too many keys":   {profile.Options{SessionTTL: 200 * time.Minute, KeyRotation: 2*time.Minute - 1}, map[string]string{"KeyRotation": "must be at least a hundredth of SessionTTL"}},
		"just few enough": {options: profile.Options{SessionTTL: 200 * time.Minute, KeyRotation: 2 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := profile.NewService(memstore.New(nil), c.options)
			if c.wrong != nil {
				requireFields(t, err, c.wrong)
				return
			}
			require.NoError(t, err)
			require.NotNil(t, s)
		})
	}
	_, err := profile.NewService(nil, profile.Options{})
	requireFields(t, err, map[string]string{"Store": "is required"})
}
