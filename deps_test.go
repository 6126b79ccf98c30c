package rhythmiq_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/rhythmiq/rhythmiq"

// linked is all that a host links by importing the front door, beside the standard library: of ours each package, of others'
// each module path or a part of it. What is heavy (an engine, a cloud, HTTP middleware) comes with the package that
// needs it, and a host that does not import that package does not pay for it.
var linked = []struct{ prefix, why string }{
	{module, "ours; see ours below"},
	{"github.com/google/uuid", "ids"},
	{"github.com/golang-jwt/jwt/v5", "session tokens"},
	{"github.com/hashicorp/golang-lru/v2", "bounded memories"},
	{"github.com/nyaruka/phonenumbers", "phone numbers"},
	{"google.golang.org/protobuf", "phone numbers are kept as protobuf metadata"},
	{"golang.org/x/crypto", "argon2id"},
	{"golang.org/x/sync", "bounded concurrency"},
	{"golang.org/x/sys", "what the processor can do, for x/crypto"},
	{"golang.org/x/text", "letters with and without accents"},
}

// ours is which of our packages the front door links: the domain, and the small defaults.
var ours = []string{
	"", "internal/fault", "internal/linking", "internal/observe", "ml", "ml/als", "ml/blobs", "ml/itemknn", "ml/localtrainer", "ml/personal", "ml/popular", "ml/rp3beta", "ml/safetensors", "ml/situation", "preference", "profile", "store", "store/memstore", "tunevector",
	"tunevector/catalog", "tunevector/planner", "variable",
}

func TestTheFrontDoorLinksLittle(t *testing.T) {
	c := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	c.Env = append(os.Environ(), "GOFLAGS=") // as a host links it, whatever this test is built with
	out, err := c.Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, module+"/store/memstore", "the listing works")
	for _, d := range deps {
		allowed := slices.ContainsFunc(linked, func(l struct{ prefix, why string }) bool {
			return d == l.prefix || strings.HasPrefix(d, l.prefix+"/")
		})
		require.True(t, allowed, "%s is linked by every host; is it needed?", d)
		if name, own := strings.CutPrefix(d, module); own {
			name = strings.TrimPrefix(name, "/")
			inside := slices.Contains(ours, name) || strings.Contains(name, "/internal/") || strings.HasPrefix(name, "internal/")
			require.True(t, inside, "the front door must not import %s", d)
		}
	}
}
