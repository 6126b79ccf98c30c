package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rhythmiq/rhythmiq/store"
	"github.com/rhythmiq/rhythmiq/store/memstore"
)

// sealed makes an archive of lines, with an end whose sum and counts are right.
func sealed(t *testing.T, lines ...string) []byte {
	t.Helper()
	text := bytes.NewBufferString(strings.Join(lines, "\n") + "\n")
	items := newCounts()
	for _, line := range lines {
		for _, table := range store.Tables() {
			if strings.HasPrefix(line, string(itemStart)+string(table)+`"`) {
				items[table]++
			}
		}
	}
	sum := sha256.New()
	sum.Write(text.Bytes())
	require.NoError(t, appendLine(text, endLine{end{Items: items, SHA256: hexSum(sum)}}))
	return text.Bytes()
}

const (
	goodHeader = `{"archive":"rhythmiq","version":1,"made":"2026-11-23T12:00:00Z","tables":["users","interactions","models"]}`
	goodItem   = `{"table":"users","partition":"00112233445566778899aabbccddeeff","sort":"profile","version":"0123456789abcdef0123456789abcdef","body":{"email":"secret@example.com"}}`
)

// What stands in a file that is no good is refused with the number of its line, and without a word of it.
func TestBadLines(t *testing.T) {
	t.Parallel()
	change := func(old, with string) []byte {
		require.Contains(t, goodItem, old)
		return sealed(t, goodHeader, goodItem, strings.Replace(goodItem, old, with, 1))
	}
	good := sealed(t, goodHeader, goodItem)
	for _, tt := range []struct {
		name string
		file []byte
		is   error
		says string
	}{
		{"good", good, nil, ""},
		{"two", sealed(t, goodHeader, goodItem, strings.Replace(goodItem, "profile", "gate", 1)), nil, ""},
		{"nothing", nil, ErrNotArchive, ""},
		{"text", []byte("secret\n"), ErrNotArchive, ""},
		{"binary", bytes.Repeat([]byte{0}, MaxLine+1), ErrNotArchive, ""},
		{"another's", sealed(t, `{"archive":"secret","version":1}`, goodItem), ErrNotArchive, ""},
		{"no version", sealed(t, `{"archive":"rhythmiq"}`, goodItem), ErrNotArchive, ""},
		{"strange header", sealed(t, `{"archive":"rhythmiq","version":1,"secret":1}`, goodItem), ErrNotArchive, ""},
		{"newer", sealed(t, `{"archive":"rhythmiq","version":2,"secret":1}`, goodItem), ErrNewer, "its version is 2, this program knows up to 1"},
		{"header cut", []byte(goodHeader), ErrNotArchive, ""},
		{"no end", []byte(goodHeader + "\n"), ErrUnfinished, "until line 1"},
		{"cut", good[:len(good)-1], ErrUnfinished, "until line 1"},
		{"two ends", append(good[:len(good):len(good)], good[bytes.LastIndexByte(good[:len(good)-1], '\n')+1:]...), ErrDamaged, "line 4 stands behind the end"},
		{"item behind the end", append(good[:len(good):len(good)], goodItem+"\n"...), ErrDamaged, "line 4 stands behind the end"},
		{"half a line behind the end", append(good[:len(good):len(good)], '{'), ErrDamaged, "line 4 stands behind the end"},
		{"text among it", sealed(t, goodHeader, "secret"), ErrDamaged, "line 2 is no line of an archive"},
		{"empty line", sealed(t, goodHeader, ""), ErrDamaged, "line 2 is no line of an archive"},
		{"two headers", sealed(t, goodHeader, goodHeader), ErrDamaged, "line 2 is no line of an archive"},
		{"strange checkpoint", sealed(t, goodHeader, `{"checkpoint":{"secret":1}}`), ErrDamaged, "line 2 is no line"},
		{"checkpoint of another table", sealed(t, goodHeader, `{"checkpoint":{"table":"secret"}}`), ErrDamaged, "line 2 is no line"},
		{"wrong checkpoint", sealed(t, goodHeader, `{"checkpoint":{"table":"users","items":{"users":0,"interactions":0,"models":0},"sha256":""}}`), ErrDamaged, "line 2 does not fit what is behind line 1"},
		{"strange end", []byte(goodHeader + "\n" + `{"end":{"secret":1}}` + "\n"), ErrDamaged, "line 2 is no line"},
		{"line too long", sealed(t, goodHeader, goodItem, goodItem[:len(goodItem)-1]+strings.Repeat(" ", MaxLine-len(goodItem))+"}"), ErrDamaged, "line 3 is too long"},
		{"line just not too long", sealed(t, goodHeader, goodItem[:len(goodItem)-1]+strings.Repeat(" ", MaxLine-len(goodItem)-1)+"}"), nil, ""},
		{"unknown table", change("users", "secret"), ErrDamaged, "line 3 is no item"},
		{"unknown table by an escape", change(`{"table":"users"`, `{"table":"users","table":"secret"`), ErrDamaged, "line 3 is no item"},
		{"no JSON", change(`"}}`, `"}`), ErrDamaged, "line 3 is no line"},
		{"two values", change(`"}}`, `"}}{}`), ErrDamaged, "line 3 is no line"},
		{"unknown field", change(`"sort"`, `"secret":1,"sort"`), ErrDamaged, "line 3 is no line"},
		{"number for text", change(`"profile"`, `123456`), ErrDamaged, "line 3 is no line"},
		{"no UTF-8", change("secret", "secret\xff"), ErrDamaged, "line 3 is no line"},
		{"short partition", change("00112233", ""), ErrDamaged, "line 3 has a partition"},
		{"no partition", change("0011", "secr"), ErrDamaged, "line 3 has a partition"},
		{"no version", change("0123456789abcdef", ""), ErrDamaged, "line 3 has a version"},
		{"zero version", change("0123456789abcdef0123456789abcdef", strings.Repeat("0", 32)), ErrDamaged, "line 3 is no item"},
		{"no sort key", change("profile", ""), ErrDamaged, "line 3 is no item"},
		{"long sort key", change("profile", strings.Repeat("secret", 200)), ErrDamaged, "line 3 is no item"},
		{"strange time", change(`"body"`, `"expiresAt":"secret","body"`), ErrDamaged, "line 3 is no line"},
		{"half a second", change(`"body"`, `"expiresAt":"2027-01-01T00:00:00.5Z","body"`), ErrDamaged, "line 3 is no item"},
		{"another zone", change(`"body"`, `"expiresAt":"2027-01-01T00:00:00+01:00","body"`), nil, ""},
		{"strange index", change(`"body"`, `"index":{"partition":"secret","sort":"a"},"body"`), ErrDamaged, "line 3 has a partition"},
		{"NUL in the index", change(`"body"`, `"index":{"partition":"00112233445566778899aabbccddeeff","sort":"\u0000"},"body"`), ErrDamaged, "line 3 is no item"},
		{"no body", change(`,"body":{"email":"secret@example.com"}`, ``), ErrDamaged, "line 3 store: over a limit: the body is no JSON object"},
		{"array", change(`{"email":"secret@example.com"}`, `["secret"]`), ErrDamaged, "the body is no JSON object"},
		{"name twice", change(`{"email"`, `{"email":"secret","email"`), ErrDamaged, "the body at byte 25: a name stands twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, s := write(t, tt.file), memory()
			_, err := Import(context.Background(), s, path, &ImportOptions{Now: now})
			if tt.is == nil {
				require.NoError(t, err)
				require.NotEmpty(t, all(t, s))
				return
			}
			require.ErrorIs(t, err, tt.is)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "123456")
			require.Empty(t, all(t, s))
		})
	}
}

// No byte of an archive can be changed, and none be cut off, without being noticed before anything is written.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	s := memory()
	house(t, s, 1)
	require.NoError(t, s.Apply(context.Background(), store.Delete(large().Key, store.None)))
	whole := exported(t, s)
	path, to := write(t, nil), memory()
	refused := func(file []byte, what string, at int) {
		require.NoError(t, os.WriteFile(path, file, 0o600))
		_, err := Import(context.Background(), to, path, &ImportOptions{Now: now})
		require.Error(t, err, "%s %d", what, at)
		require.Equal(t, []string{"house"}, files(t, path))
	}
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		refused(changed, "changed at", i)
		if i%5 == 0 {
			refused(whole[:i], "cut at", i)
		}
		w, err := walk(context.Background(), bytes.NewReader(whole[:i]))
		require.NoError(t, err)
		require.Error(t, w.whole(), "cut at %d", i)
	}
	require.Empty(t, all(t, to))
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	_, err := Import(context.Background(), to, path, &ImportOptions{Now: now})
	require.NoError(t, err)
	same(t, s, to)
}

// Where it is told to, Import takes what comes before the first damage, as far as a checkpoint says that it is right.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	s := memory()
	house(t, s, 20)
	whole := exported(t, s)
	for i := 0; i < len(whole); i += 1 + len(whole)/60 {
		for _, damaged := range []bool{false, true} {
			file := bytes.Clone(whole[:i])
			if damaged {
				file = bytes.Clone(whole)
				file[i] ^= 1
			}
			path, to := write(t, file), memory()
			sum, err := Import(context.Background(), to, path, &ImportOptions{Now: now, Unfinished: true})
			if i < bytes.IndexByte(whole, '\n') {
				require.Error(t, err)
				continue
			}
			require.NoError(t, err)
			last := bytes.LastIndex(whole[:i], []byte("\n"+string(checkpointStart)))
			if line := bytes.IndexByte(whole[last+1:], '\n'); last >= 0 && last+1+line >= i { // it is in a checkpoint
				last = bytes.LastIndex(whole[:last], []byte("\n"+string(checkpointStart)))
			}
			want := 0
			if last >= 0 {
				want = bytes.Count(whole[:last+1], []byte("\n"+string(itemStart)))
			}
			require.Equal(t, int64(want), sum.Total(), "%d, %v", i, damaged)
			require.Len(t, all(t, to), want)
			require.Equal(t, []string{"house"}, files(t, path))
		}
	}
	path, to := write(t, whole), memory()
	_, err := Import(context.Background(), to, path, &ImportOptions{Now: now, Unfinished: true})
	require.NoError(t, err)
	same(t, s, to)
	_, err = Import(context.Background(), memory(), write(t, []byte("secret\n")), &ImportOptions{Unfinished: true})
	require.ErrorIs(t, err, ErrNotArchive)
}

// An export goes on only with what it has begun itself.
func TestExportRefuses(t *testing.T) {
	t.Parallel()
	ctx, s := context.Background(), memory()
	house(t, s, 20)
	require.NoError(t, s.Apply(ctx, store.Delete(large().Key, store.None)))
	whole := exported(t, s)
	begun := whole[:len(whole)/2]
	for _, tt := range []struct {
		name    string
		partial []byte
		o       ExportOptions
		is      error
	}{
		{"another's", []byte("secret\n"), ExportOptions{}, ErrNotArchive},
		{"another's without a line", []byte("secret"), ExportOptions{}, ErrNotArchive},
		{"newer", []byte(strings.Replace(string(begun), `"version":1`, `"version":9`, 1)), ExportOptions{}, ErrNewer},
		{"another store", begun, ExportOptions{Name: "there"}, ErrOther},
		{"other tables", []byte(strings.Replace(string(begun), `"tables":["users",`, `"tables":[`, 1)), ExportOptions{Name: "here"}, ErrOther},
	} {
		path := filepath.Join(t.TempDir(), "house")
		require.NoError(t, os.WriteFile(path+Partial, tt.partial, 0o600))
		_, err := Export(ctx, s, path, &tt.o)
		require.ErrorIs(t, err, tt.is, tt.name)
		require.ErrorContains(t, err, path+Partial)
		require.NotContains(t, err.Error(), "secret")
		require.Equal(t, tt.partial, read(t, path+Partial), tt.name)
	}

	// A cursor that the engine does not take: of a store of the same name that is another one.
	path := filepath.Join(t.TempDir(), "house")
	require.NoError(t, os.WriteFile(path+Partial, begun, 0o600))
	_, err := Export(ctx, &strange{memory()}, path, &ExportOptions{Name: "here"})
	require.ErrorIs(t, err, ErrOther)

	path = write(t, nil)
	_, err = Export(ctx, s, path, nil)
	require.ErrorIs(t, err, ErrExists)
	require.Equal(t, []string{"house"}, files(t, path))

	_, err = Export(ctx, plain{s}, path, nil)
	require.ErrorIs(t, err, ErrNoScanner)
	_, err = Import(ctx, plain{s}, write(t, whole), nil)
	require.ErrorIs(t, err, ErrNoScanner)
	_, err = Import(ctx, plain{s}, write(t, whole), &ImportOptions{NotEmpty: true})
	require.NoError(t, err)

	missing := filepath.Join(t.TempDir(), "no", "such")
	_, err = Export(ctx, s, missing, nil)
	require.EqualError(t, err, "archive: "+missing+Partial+": open: no such file or directory")
	_, err = Import(ctx, s, missing, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Export(ctx, s, string([]byte{'a', 0}), nil)
	require.Error(t, err)
	_, err = Import(ctx, s, t.TempDir(), nil)
	require.ErrorContains(t, err, "is a directory")

	ended, cancel := context.WithCancel(ctx)
	cancel()
	path = filepath.Join(t.TempDir(), "house")
	_, err = Export(ended, s, path, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, files(t, path))
	_, err = Import(ended, s, path, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// plain hides everything optional.
type plain struct{ store.Store }

// strange takes no cursor.
type strange struct{ *memstore.Store }

func (s *strange) Scan(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
	if cursor != "" {
		return store.Page{}, &store.LimitError{Reason: "cursor"}
	}
	return s.Store.Scan(ctx, table, cursor, limit)
}

// odd does something else before each page, and shows what it is told to.
type odd struct {
	*memstore.Store
	before func()
	items  []store.Item
}

func (s *odd) Scan(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
	s.before()
	page, err := s.Store.Scan(ctx, table, cursor, limit)
	page.Items = append(page.Items, s.items...)
	return page, err
}

// Two exports to one path do not write into each other.
func TestTwoExports(t *testing.T) {
	t.Parallel()
	s := memory()
	house(t, s, 20)
	path := filepath.Join(t.TempDir(), "house")
	inner := false
	_, err := Export(context.Background(), &odd{Store: s, before: func() {
		if !inner && len(files(t, path)) > 0 {
			inner = true
			_, err := Export(context.Background(), s, path, nil)
			require.NoError(t, err)
		}
	}}, path, &ExportOptions{page: 5})
	require.Error(t, err)
	to := memory()
	_, err = Import(context.Background(), to, path, &ImportOptions{Now: now})
	require.NoError(t, err)
	same(t, s, to)

	// Nor over a file that has come meanwhile.
	path = filepath.Join(t.TempDir(), "house")
	_, err = Export(context.Background(), &odd{Store: s, before: func() { require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600)) }}, path, nil)
	require.ErrorIs(t, err, ErrExists)
	require.Equal(t, []byte("mine"), read(t, path))
}

// What no archive can hold stops an export, which names the item.
func TestTooLargeToExport(t *testing.T) {
	t.Parallel()
	key := store.Key{Table: store.Users, Sort: "profile"}
	for body, says := range map[string]string{`{"a":"` + strings.Repeat("x", MaxLine) + `"}`: "more than", `{`: "unexpected end"} {
		_, err := Export(context.Background(), &odd{Store: memory(), before: func() {}, items: []store.Item{{Key: key, Body: json.RawMessage(body)}}}, filepath.Join(t.TempDir(), "house"), nil)
		require.ErrorContains(t, err, key.String())
		require.ErrorContains(t, err, says)
	}
}

// Whatever parseItem takes is an item that a store takes and that appendLine writes as it was.
func FuzzParseItem(f *testing.F) {
	f.Add([]byte(goodItem))
	f.Add([]byte(strings.Replace(goodItem, `"body"`, `"expiresAt":"2027-01-01T00:00:00Z","index":{"partition":"00112233445566778899aabbccddeeff","sort":"a"},"body"`, 1)))
	f.Add([]byte(strings.Replace(goodItem, "profile", `\u2028\u0000é`, 1)))
	f.Add([]byte(`{"table":"users"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		item, err := parseItem(line)
		if err != nil {
			return
		}
		require.NoError(t, store.CheckBulk([]store.Write{store.Put(item, store.None)}))
		var text bytes.Buffer
		require.NoError(t, appendLine(&text, lineOf(item)))
		require.Equal(t, 1, bytes.Count(text.Bytes(), []byte("\n")))
		again, err := parseItem(text.Bytes())
		require.NoError(t, err)
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, item.Body))
		require.Equal(t, compact.String(), string(again.Body))
		item.Body, again.Body = nil, nil
		require.Equal(t, item, again)
	})
}

// Whatever stands in a file, Import neither breaks nor writes anything of a file that is not whole. With an end that fits it comes as far as the items.
func FuzzImport(f *testing.F) {
	item := store.Put(store.Item{Key: store.Key{Table: store.Users, Sort: "a"}, Body: []byte(`{}`)}, store.None)
	s, path := memory(), filepath.Join(f.TempDir(), "house")
	require.NoError(f, s.Apply(context.Background(), item))
	_, err := Export(context.Background(), s, path, &ExportOptions{Now: now})
	require.NoError(f, err)
	whole, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(whole, false)
	f.Add(whole[:len(whole)/2], false)
	f.Add(whole, true)
	f.Add([]byte(goodHeader+"\n"+goodItem), true)
	f.Add([]byte(goodHeader+"\n"+goodItem+"\n"+goodItem), true)
	f.Fuzz(func(t *testing.T, file []byte, seal bool) {
		if seal {
			file = sealed(t, strings.Split(string(file), "\n")...)
		}
		w, err := walk(context.Background(), bytes.NewReader(file))
		if err != nil {
			return
		}
		for _, unfinished := range []bool{false, true} {
			to := memory()
			sum, err := Import(context.Background(), to, write(t, file), &ImportOptions{Now: now, Unfinished: unfinished})
			if w.whole() != nil && !unfinished {
				require.Error(t, err)
				require.Empty(t, all(t, to))
			}
			if err == nil {
				require.LessOrEqual(t, int64(len(all(t, to))), sum.Total()) // a key may come twice
			}
		}
	})
}
