package dynamostore

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rhythmiq/rhythmiq/store"
)

func key(k store.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{partitionName: binary(k.Partition), sortName: text(k.Sort)}
}

func binary(b [16]byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b[:]} }
func text(s string) types.AttributeValue     { return &types.AttributeValueMemberS{Value: s} }
func seconds(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// call tells the requests of one call of Apply from those of all others: where an answer was lost, an item that bears it was written by this call. A
// version does not say that, since the same writes may be applied again, and what of the first time is still on its way may arrive then.
type call [8]byte

func newCall() (c call) {
	_, _ = rand.Read(c[:]) // never fails since Go 1.24
	return c
}

// encode returns an item that store.CheckWrites takes, as it is stored. The zero call is none.
func encode(i store.Item, c call) (map[string]types.AttributeValue, error) {
	m, err := attributes(i.Body)
	if err != nil {
		return nil, err
	}
	m[partitionName], m[sortName] = binary(i.Key.Partition), text(i.Key.Sort)
	m[versionName] = binary(i.Version)
	if c != (call{}) {
		m[callName] = &types.AttributeValueMemberB{Value: c[:]}
	}
	if !i.ExpiresAt.IsZero() {
		m[expiryName] = seconds(i.ExpiresAt.Unix())
	}
	if i.Index != nil {
		m[indexPartitionName] = binary(i.Index.Partition)
		m[indexSortName] = text(place(i.Index.Sort, i.Key))
	}
	return m, nil
}

// place returns the sort key in the index. The order there is that of the index's sort key, then of the item's
// partition and sort key: NUL comes before all that can stand in the first, and the second has a fixed width.
func place(sort string, k store.Key) string {
	return sort + "\x00" + hex.EncodeToString(k.Partition[:]) + k.Sort
}

// decode returns what encode has stored.
func decode(table store.Table, m map[string]types.AttributeValue) (store.Item, error) {
	r := reader{m: m}
	i := store.Item{
		Key:     store.Key{Table: table, Partition: r.binary(partitionName), Sort: r.text(sortName)},
		Version: r.binary(versionName),
	}
	if s, ok := m[expiryName]; ok {
		i.ExpiresAt = r.time(expiryName, s)
	}
	if _, ok := m[indexPartitionName]; ok {
		sort, _, _ := strings.Cut(r.text(indexSortName), "\x00")
		i.Index = &store.Index{Partition: r.binary(indexPartitionName), Sort: sort}
	}
	if r.wrong == nil {
		i.Body, r.wrong = body(m)
	}
	if r.wrong != nil {
		return store.Item{}, fmt.Errorf("dynamostore: %v was not written by this store: %w", i.Key, r.wrong)
	}
	return i, nil
}

// reader reads attributes, and keeps the first mistake.
type reader struct {
	m     map[string]types.AttributeValue
	wrong error
}

func (r *reader) fail(name string) {
	if r.wrong == nil {
		r.wrong = fmt.Errorf("%s is missing or malformed", name)
	}
}

func (r *reader) binary(name string) (b [16]byte) {
	v, ok := r.m[name].(*types.AttributeValueMemberB)
	if !ok || len(v.Value) != len(b) {
		r.fail(name)
		return b
	}
	return [16]byte(v.Value)
}

func (r *reader) text(name string) string {
	v, ok := r.m[name].(*types.AttributeValueMemberS)
	if !ok {
		r.fail(name)
		return ""
	}
	return v.Value
}

func (r *reader) time(name string, v types.AttributeValue) time.Time {
	if n, ok := v.(*types.AttributeValueMemberN); ok {
		if s, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return time.Unix(s, 0).UTC()
		}
	}
	r.fail(name)
	return time.Time{}
}
