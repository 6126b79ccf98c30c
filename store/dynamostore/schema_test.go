package dynamostore

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq"
	"github.com/rhythmiq/rhythmiq/httpapi/apitest"
	"github.com/rhythmiq/rhythmiq/ml"
	"github.com/rhythmiq/rhythmiq/ml/blobs"
	"github.com/rhythmiq/rhythmiq/profile"
	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
	"github.com/rhythmiq/rhythmiq/tunevector"
	"github.com/rhythmiq/rhythmiq/tunevector/catalog"
)

// row is an item as the console shows it: attribute, type, value.
type row map[string]map[string]any

// kindOf names what an item is: its sort key up to a "#", or an "@" before a time. What came from Spotify is told apart by what stands behind the "#".
func (r row) kind() string {
	sort, _ := r[sortName]["S"].(string)
	if of, ok := strings.CutPrefix(sort, "spotify#"); ok {
		what, _, _ := strings.Cut(of, "#")
		return "spotify#" + what
	}
	name, _, more := strings.Cut(sort, "#")
	name, _, _ = strings.Cut(name, "@")
	if more {
		name += "#…"
	}
	return name
}

// view returns attributes as the console shows them.
func view(v types.AttributeValue) map[string]any {
	switch v := v.(type) {
	case *types.AttributeValueMemberB:
		return map[string]any{"B": base64.StdEncoding.EncodeToString(v.Value)}
	case *types.AttributeValueMemberS:
		return map[string]any{"S": short(v.Value)}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberL:
		list := []any{}
		for _, e := range v.Value[:min(1, len(v.Value))] { // one shows what the others are
			list = append(list, view(e))
		}
		return map[string]any{"L": list}
	case *types.AttributeValueMemberM:
		return map[string]any{"M": rowOf(v.Value)}
	default:
		return map[string]any{"NULL": true}
	}
}

// short cuts long strings.
func short(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func rowOf(m map[string]types.AttributeValue) row {
	r := row{}
	for name, v := range m {
		r[name] = view(v)
	}
	return r
}

// recorder keeps of each kind of item that is put the one with most in it, as DynamoDB would hold it, and all attributes seen.
type recorder struct {
	mu    sync.Mutex
	rows  map[store.Table]map[string]row
	types map[string]map[string]string // by table and kind: the types of attributes
	count map[string]map[string]int    // likewise: how many items have the attribute; under "" all
}

func (r *recorder) see(writes []store.Write) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range writes {
		if writes[i].Delete {
			continue
		}
		item, err := encode(writes[i].Item(), call{})
		if err != nil {
			return err
		}
		table, seen := writes[i].Key.Table, rowOf(item)
		kind := seen.kind()
		if r.rows[table] == nil {
			r.rows[table] = map[string]row{}
		}
		if best := r.rows[table][kind]; len(seen) > len(best) || (len(seen) == len(best) && len(fmt.Sprint(seen)) > len(fmt.Sprint(best))) {
			r.rows[table][kind] = seen
		}
		id := string(table) + "/" + kind
		if r.types[id] == nil {
			r.types[id], r.count[id] = map[string]string{}, map[string]int{}
		}
		r.count[id][""]++
		for name, v := range seen {
			r.count[id][name]++
			for t := range v {
				r.types[id][name] += t + " "
			}
		}
	}
	return nil
}

// watched is a store that shows a recorder what is put. It has no other powers, so that all goes through Apply.
type watched struct {
	store.Store
	by *recorder
}

func (w watched) Apply(ctx context.Context, writes ...store.Write) error {
	if err := w.Store.Apply(ctx, writes...); err != nil {
		return err
	}
	return w.by.see(writes)
}

// learn has a crowd listen, and a model trained from that.
func learn(t *testing.T, s store.Store) {
	t.Helper()
	app, err := rhythmiq.New(rhythmiq.Config{Store: s, Blobs: &blobs.Memory{}, Learning: ml.Options{MinListeners: 2}})
	require.NoError(t, err)
	for i := range 24 {
		p, err := app.Profiles.Create(t.Context(), profile.Registration{
			Username: fmt.Sprintf("listener%d", i), FirstName: "Eve", LastName: "Lee", Email: fmt.Sprintf("eve%d@example.com", i), PhoneNumber: "+12015550123",
			Identity: &profile.Identity{Issuer: "https://id.example.com", Subject: strconv.Itoa(i)}, // without a password to hash
		})
		require.NoError(t, err)
		tracks, err := catalog.Demo().Candidates(t.Context(), tunevector.CandidateQuery{Genres: []string{[]string{"jazz", "rock"}[i%2]}, Limit: 15, Seed: 1})
		require.NoError(t, err)
		var heard []ml.Interaction
		for j, track := range tracks[i%3:] {
			heard = append(heard, ml.Interaction{EventID: uuid.New(), TrackID: track.ID, Action: ml.Complete, At: time.Now().Add(-time.Hour - time.Duration(j)*time.Minute)})
		}
		_, err = app.TuneVectors.Record(t.Context(), p.ID, heard)
		require.NoError(t, err)
	}
	require.NoError(t, app.Sweep(t.Context()))
	_, live := app.Models.Live()
	require.True(t, live)
}

// The package comment shows one item of each kind that the API's tests and a training leave in a store, with attributes that such items have.
func TestCommentShowsEveryKind(t *testing.T) {
	t.Parallel()
	seen := &recorder{rows: map[store.Table]map[string]row{}, types: map[string]map[string]string{}, count: map[string]map[string]int{}}
	t.Run("drive", func(t *testing.T) {
		apitest.Run(t, func(_ *testing.T, now func() time.Time) store.Store {
			return watched{memstore.New(&memstore.Options{Now: now}), seen}
		})
	})
	t.Run("learn", func(t *testing.T) { learn(t, watched{memstore.New(nil), seen}) })
	shown := examples(t)
	for _, table := range store.Tables() {
		for kind, example := range seen.rows[table] {
			if !slices.Contains(slices.Collect(maps.Keys(shown[table])), kind) {
				t.Errorf("the package comment shows no %q of table %s, such as\n%s", kind, table, show(example))
			}
		}
		for kind, example := range shown[table] {
			had := seen.types[string(table)+"/"+kind]
			if had == nil {
				t.Errorf("the package comment shows a %q of table %s, and there is none", kind, table)
				continue
			}
			for name, v := range example {
				for of := range v {
					if !strings.Contains(had[name], of+" ") {
						t.Errorf("the package comment shows %q with an attribute %s of type %s, which has %q", kind, name, of, had[name])
					}
				}
			}
			counts := seen.count[string(table)+"/"+kind]
			for name, n := range counts {
				if _, ok := example[name]; !ok && name != "" && n == counts[""] {
					t.Errorf("the package comment shows %q without %s, such as\n%s", kind, name, show(seen.rows[table][kind]))
				}
			}
		}
	}
}

// examples returns the items in the package comment: those in a section "The table …" are of that table.
func examples(t *testing.T) map[store.Table]map[string]row {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	found := map[store.Table]map[string]row{}
	var table store.Table
	var code strings.Builder
	flush := func() {
		for d := json.NewDecoder(strings.NewReader(code.String())); ; {
			var r row
			err := d.Decode(&r)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, code.String())
			require.NotEmpty(t, table)
			if found[table] == nil {
				found[table] = map[string]row{}
			}
			require.NotContains(t, found[table], r.kind())
			found[table][r.kind()] = r
		}
		code.Reset()
	}
	for line := range strings.Lines(file.Doc.Text()) {
		switch {
		case strings.HasPrefix(line, "\t") && table != "":
			code.WriteString(line)
		case strings.HasPrefix(line, "# "):
			flush()
			table = ""
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "# Table "); ok {
				table = store.Table(name)
			}
		}
	}
	flush()
	require.Len(t, found, len(store.Tables()))
	return found
}

// show writes a row as the package comment does.
func show(r row) string {
	var b bytes.Buffer
	width := 0
	for i, name := range slices.SortedFunc(maps.Keys(r), order) {
		v, _ := json.Marshal(r[name])
		part := fmt.Sprintf("%q: %s", name, v)
		switch {
		case i == 0:
			b.WriteString("//\t{")
			width = 9
		case width+len(part) > 140:
			b.WriteString(",\n//\t ")
			width = 9
		default:
			b.WriteString(", ")
			width += 2
		}
		b.WriteString(part)
		width += len(part)
	}
	return b.String() + "}\n"
}

// order puts the system's attributes first.
func order(a, b string) int {
	x, y := slices.Index(systemNames[:], a), slices.Index(systemNames[:], b)
	switch {
	case x >= 0 && y >= 0:
		return x - y
	case x >= 0:
		return -1
	case y >= 0:
		return 1
	}
	return strings.Compare(a, b)
}
