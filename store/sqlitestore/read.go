package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/rhythmiq/rhythmiq/store"
)

// reads are the prepared queries of one table.
type reads struct {
	get  *sql.Stmt
	scan *sql.Stmt
	list map[listing]*sql.Stmt
}

type listing struct{ byIndex, descending bool }

const (
	values   = "version, expires, index_partition, index_sort, body"
	columns  = "partition, sort, " + values
	getQuery = "SELECT " + values + " FROM TABLE_NAME WHERE partition = ?1 AND sort = ?2"
	// The primary key is the order on disk, so that a page is read in one piece.
	scanQuery = "SELECT " + columns + " FROM TABLE_NAME WHERE (partition, sort) > (?1, ?2) AND (expires = 0 OR expires > ?3) ORDER BY partition, sort LIMIT ?4"
)

// on returns the statement for one table.
func on(t store.Table, statement string) string {
	return strings.ReplaceAll(statement, "TABLE_NAME", string(t))
}

// Each query takes its bounds as described at bounds. Row values let SQLite go on in the middle of one index sort key.
var listQueries = map[listing]string{
	{false, false}: "partition = ?1 AND sort >= ?2 AND sort < ?3 ORDER BY sort",
	{false, true}:  "partition = ?1 AND sort >= ?2 AND sort < ?3 ORDER BY sort DESC",
	{true, false}:  "index_partition = ?1 AND (index_sort, partition, sort) > (?2, ?3, ?4) AND index_sort < ?5 ORDER BY index_sort, partition, sort",
	{true, true}:   "index_partition = ?1 AND (index_sort, partition, sort) < (?2, ?3, ?4) AND index_sort >= ?5 ORDER BY index_sort DESC, partition DESC, sort DESC",
}

func listQuery(l listing) string {
	where, order, _ := strings.Cut(listQueries[l], " ORDER BY ")
	live, limit := "?4", "?5"
	if l.byIndex {
		live, limit = "?6", "?7"
	}
	return "SELECT " + columns + " FROM TABLE_NAME WHERE " + where + " AND (expires = 0 OR expires > " + live + ") ORDER BY " + order + " LIMIT " + limit
}

func prepareReads(ctx context.Context, db *sql.DB, t store.Table) (r reads, err error) {
	r.list = map[listing]*sql.Stmt{}
	if r.get, err = db.PrepareContext(ctx, on(t, getQuery)); err != nil {
		return r, err
	}
	if r.scan, err = db.PrepareContext(ctx, on(t, scanQuery)); err != nil {
		return r, err
	}
	for l := range listQueries {
		if r.list[l], err = db.PrepareContext(ctx, on(t, listQuery(l))); err != nil { //nolint:sqlclosecheck // closed with db
			return r, err
		}
	}
	return r, nil
}

// Get implements [store.Store]. Both kinds of read are strong.
func (s *Store) Get(ctx context.Context, key store.Key, read store.Read) (store.Item, error) {
	if err := ctx.Err(); err != nil {
		return store.Item{}, err
	}
	if err := store.CheckKey(key); err != nil {
		return store.Item{}, err
	}
	if err := store.CheckRead(read); err != nil {
		return store.Item{}, err
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return store.Item{}, errClosed
	}
	r := row{scanner: s.read[key.Table].get.QueryRowContext(ctx, key.Partition[:], key.Sort)}
	err := r.scan()
	if errors.Is(err, sql.ErrNoRows) {
		return store.Item{}, store.ErrNotFound
	}
	if err != nil {
		return store.Item{}, wrap(ctx, "get", err)
	}
	item := r.item(key)
	if item.Expired(s.now()) {
		return store.Item{}, store.ErrNotFound
	}
	return item, nil
}

// List implements [store.Store]. Every page is full but the last, and the index is never behind.
func (s *Store) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	if err := store.CheckQuery(q); err != nil {
		return store.Page{}, err
	}
	args, err := bounds(q)
	if err != nil {
		return store.Page{}, err
	}
	limit := q.PageLimit()
	page, more, err := s.page(ctx, "list", q.Table, s.read[q.Table].list[listing{q.ByIndex, q.Descending}], limit, append(args, s.now().Unix()))
	if more {
		page.Next = store.EncodeCursor(q, page.Items[limit-1].PositionIn(q))
	}
	return page, err
}

// Scan implements [store.Scanner], in the order of partitions and sort keys.
func (s *Store) Scan(ctx context.Context, table store.Table, cursor string, limit int) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	if err := store.CheckScan(table, limit); err != nil {
		return store.Page{}, err
	}
	after, resumed, err := store.DecodeScanCursor(table, cursor)
	if err != nil {
		return store.Page{}, err
	}
	if limit == 0 {
		limit = store.DefaultPage
	}
	partition := after.Partition[:]
	if !resumed {
		partition = []byte{} // before every partition
	}
	page, more, err := s.page(ctx, "scan", table, s.read[table].scan, limit, []any{partition, after.Sort, s.now().Unix()})
	if more {
		page.Next = store.EncodeScanCursor(page.Items[limit-1].Key)
	}
	return page, err
}

// page returns up to limit of the items that a query finds, and whether there are more. Its last parameter is
// the number of rows; the ones before it are args.
func (s *Store) page(ctx context.Context, doing string, table store.Table, query *sql.Stmt, limit int, args []any) (_ store.Page, more bool, err error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return store.Page{}, false, errClosed
	}
	rows, err := query.QueryContext(ctx, append(args, limit+1)...) // one more tells whether there is more
	if err != nil {
		return store.Page{}, false, wrap(ctx, doing, err)
	}
	defer rows.Close()
	page := store.Page{Items: make([]store.Item, 0, min(limit, store.DefaultPage))}
	for rows.Next() {
		if len(page.Items) == limit {
			return page, true, nil
		}
		var (
			r         = row{scanner: rows}
			k         = store.Key{Table: table}
			partition []byte
		)
		if err := r.scan(&partition, &k.Sort); err != nil {
			return store.Page{}, false, wrap(ctx, doing, err)
		}
		copy(k.Partition[:], partition)
		page.Items = append(page.Items, r.item(k))
	}
	if err := rows.Err(); err != nil {
		return store.Page{}, false, wrap(ctx, doing, err)
	}
	return page, false, nil
}

const (
	beyond    = "\xff" // after every valid UTF-8
	successor = "\x00" // s + successor is the next string after s
)

// bounds returns the arguments that select the page: for a partition a range lo ≤ sort < hi, for the index the position
// to start behind and the range's other end.
func bounds(q store.Query) ([]any, error) {
	after, resumed, err := store.DecodeCursor(q)
	if err != nil {
		return nil, err
	}
	lo, hi := q.Bounds()
	if hi == "" {
		hi = beyond
	}
	if !q.ByIndex {
		switch {
		case resumed && q.Descending:
			hi = after.Sort
		case resumed:
			lo = after.Sort + successor
		}
		return []any{q.Partition[:], lo, hi}, nil
	}
	other := hi
	if !resumed {
		after = store.Position{Index: lo} // before all items at lo, since none has an empty sort key
	}
	if q.Descending {
		other = lo
		if !resumed {
			after.Index = hi
		}
	}
	return []any{q.Partition[:], after.Index, after.Partition[:], after.Sort, other}, nil
}

// row is a *sql.Row or *sql.Rows, and what of it is not part of the key in an item's own types.
type row struct {
	scanner interface{ Scan(dest ...any) error }

	version, indexPartition []byte
	indexSort               sql.NullString
	expires                 int64
	body                    []byte
}

// scan reads the columns before those of values, and values.
func (r *row) scan(before ...any) error {
	return r.scanner.Scan(append(before, &r.version, &r.expires, &r.indexPartition, &r.indexSort, &r.body)...)
}

func (r *row) item(k store.Key) store.Item {
	item := store.Item{Key: k, Body: r.body}
	copy(item.Version[:], r.version)
	if r.expires != 0 {
		item.ExpiresAt = time.Unix(r.expires, 0).UTC()
	}
	if r.indexSort.Valid {
		item.Index = &store.Index{Sort: r.indexSort.String}
		copy(item.Index.Partition[:], r.indexPartition)
	}
	return item
}
