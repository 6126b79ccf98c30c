package dynamostore

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rhythmiq/rhythmiq/store"
)

const indexName = "index"

// selection is a query's range as DynamoDB takes it.
type selection struct {
	condition string
	names     map[string]string
	values    map[string]types.AttributeValue
}

// selected returns the range of q, false where it holds nothing. DynamoDB takes one condition on the sort key, of which only BETWEEN
// has two ends, both included.
func selected(q store.Query) (selection, bool) {
	sel := selection{
		condition: "#p = :p",
		names:     map[string]string{"#p": partitionName},
		values:    map[string]types.AttributeValue{":p": binary(q.Partition)},
	}
	sort := sortName
	if q.ByIndex {
		sel.names["#p"], sort = indexPartitionName, indexSortName
		if strings.IndexByte(q.Prefix, 0) >= 0 {
			return selection{}, false // no index sort key holds a NUL
		}
		q.From, q.To = pastNUL(q.From), pastNUL(q.To)
	}
	if lo, hi := q.Bounds(); hi != "" && lo >= hi {
		return selection{}, false
	}
	from, to := max(q.From, q.Prefix), q.To
	var where string
	switch {
	case q.Prefix != "" && from == q.Prefix && (to == "" || to > highest(q.Prefix)):
		where = "begins_with(#s, :a)"
	case q.Prefix != "" && (to == "" || to > highest(q.Prefix)):
		where, to = "#s BETWEEN :a AND :b", highest(q.Prefix)
	case from != "" && to != "":
		where, to = "#s BETWEEN :a AND :b", before(to)
	case from != "":
		where = "#s >= :a"
	case to != "":
		where = "#s < :b"
	default:
		return sel, true
	}
	sel.condition += " AND " + where
	sel.names["#s"] = sort
	if strings.Contains(where, ":a") {
		sel.values[":a"] = text(from)
	}
	if strings.Contains(where, ":b") {
		sel.values[":b"] = text(to)
	}
	return sel, true
}

// pastNUL returns a bound for what stands in the index, an index sort key with a NUL and more behind it, that divides as s
// divides index sort keys: as these hold no NUL, those not under "a\x00b" are those above "a".
func pastNUL(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i] + "\x01"
	}
	return s
}

// highest returns the last sort key that begins with prefix: as long as can be, each character the one with the greatest bytes for which there is room.
func highest(prefix string) string {
	const widest = "\U0010FFFF"
	room := store.MaxSort - len(prefix)
	return prefix + strings.Repeat(widest, room/len(widest)) + [...]string{"", "\x7f", "\u07ff", "\uffff"}[room%len(widest)]
}

// before returns the last sort key below s: without the NUL that s ends with, else the last of those that begin as s does but for
// its last character, and have the one before that there. Below what stands in the index it is as good as s.
func before(s string) string {
	last, size := utf8.DecodeLastRuneInString(s)
	head := s[:len(s)-size]
	if last == 0 {
		return head
	}
	last--
	if utf16.IsSurrogate(last) {
		last = lastBeforeSurrogates
	}
	return highest(head + string(last))
}

const lastBeforeSurrogates = '\uD7FF'

// startKey returns the key after which the page begins that q asks for, nil for the first page.
func startKey(q store.Query) (map[string]types.AttributeValue, error) {
	after, resumed, err := store.DecodeCursor(q)
	if err != nil || !resumed {
		return nil, err
	}
	k := store.Key{Table: q.Table, Partition: q.Partition, Sort: after.Sort}
	if q.ByIndex {
		k.Partition = after.Partition
	}
	// A forged cursor may hold what is no key.
	valid := store.CheckKey(k) == nil && utf8.ValidString(after.Index)
	if q.ByIndex {
		valid = valid && after.Index != "" && len(after.Index)+len(after.Sort) <= store.MaxIndexSorts && strings.IndexByte(after.Index, 0) < 0
	}
	if !valid {
		return nil, &store.LimitError{Reason: "the cursor is not of this query"}
	}
	start := key(k)
	if q.ByIndex {
		start[indexPartitionName], start[indexSortName] = binary(q.Partition), text(place(after.Index, k))
	}
	return start, nil
}

// position returns the place of a key that DynamoDB ended a page with.
func position(q store.Query, last map[string]types.AttributeValue) (store.Position, error) {
	r := reader{m: last}
	p := store.Position{Sort: r.text(sortName)}
	if q.ByIndex {
		p.Partition = r.binary(partitionName)
		p.Index, _, _ = strings.Cut(r.text(indexSortName), "\x00")
	}
	if r.wrong != nil {
		return store.Position{}, fmt.Errorf("dynamostore: the end of a page: %w", r.wrong)
	}
	return p, nil
}
