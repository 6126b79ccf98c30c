// Command retrieval is one side of a comparison: retrieval.py beside it times package topk, which no program outside
// this module can call, next to faiss, numpy and implicit. It answers one command a line from standard input with one
// line of JSON.
//
//	retrieval DIR
//
//	read THREADS                    read the items' 32-bit factors once, and do nothing with them: how fast memory is
//	single STORE THREADS            one query, the next each time: its time, and what was found
//	all STORE THREADS COUNT         COUNT listeners, what they have heard left out
//	recall STORE                    recall@10 over all queries, beside 32 bits
//
// A STORE is fp32, fp16, int8 (scored once), int8+fp16 or int8+fp32 (the best scored again). DIR holds items.f32,
// queries.f32, listeners.f32, tracks.f32 (rows of 64 factors), and what each listener has heard: heard.i32, from
// heard.i64[i] to heard.i64[i+1]. All in this machine's order of bytes.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rhythmiq/rhythmiq/internal/topk"
	"github.com/rhythmiq/rhythmiq/internal/vector"
)

const (
	factors = 64
	top     = 10
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "retrieval DIR; retrieval.py runs it")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "retrieval:", err)
		os.Exit(1)
	}
}

// answer is what a command prints.
type answer struct {
	Level   string    `json:"level"`
	Seconds float64   `json:"seconds"`
	Recall  float64   `json:"recall,omitempty"`
	Bytes   int64     `json:"bytes,omitempty"`
	Items   []int32   `json:"items,omitempty"`
	Scores  []float32 `json:"scores,omitempty"`
}

// bench holds the data, and an index of each kind that was asked for.
type bench struct {
	dir     string
	next    int // query
	indexes map[string]*topk.Index
	floats  map[string][]float32
	plain   []float32
	bounds  []int64
	heard   []int32
}

func run(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	b := &bench{dir: dir, indexes: map[string]*topk.Index{}, floats: map[string][]float32{}}
	lines, encode := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		a, err := b.do(ctx, strings.Fields(lines.Text()))
		if err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		a.Level = vector.Level()
		if err := encode.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

var errCommand = errors.New("not a command")

func (b *bench) do(ctx context.Context, words []string) (answer, error) {
	number := func(i int) int {
		n := 0
		if i < len(words) {
			n, _ = strconv.Atoi(words[i])
		}
		return n
	}
	switch {
	case len(words) == 2 && words[0] == "read":
		return b.read(number(1))
	case len(words) == 3 && words[0] == "single":
		return b.single(ctx, words[1], number(2))
	case len(words) == 4 && words[0] == "all":
		return b.all(ctx, words[1], number(2), number(3))
	case len(words) == 2 && words[0] == "recall":
		return b.recall(ctx, words[1])
	}
	return answer{}, errCommand
}

// rows returns a file of factors.
func (b *bench) rows(name string) ([]float32, error) {
	if x, ok := b.floats[name]; ok {
		return x, nil
	}
	var x []float32
	err := read(filepath.Join(b.dir, name+".f32"), 4, &x)
	b.floats[name] = x
	return x, err
}

func read[T any](path string, size int, to *[]T) error {
	data, err := os.ReadFile(path) //nolint:gosec // G304: a folder named on the command line
	if err != nil {
		return err
	}
	*to = make([]T, len(data)/size)
	_, err = binary.Decode(data, binary.NativeEndian, *to)
	return err
}

// index returns the index of a kind over the rows of a file.
func (b *bench) index(kind, file string) (*topk.Index, error) {
	if x, ok := b.indexes[kind+file]; ok {
		return x, nil
	}
	rows, err := b.rows(file)
	if err != nil {
		return nil, err
	}
	precisions := map[string]topk.Precision{"": 0, "fp32": topk.FP32, "fp16": topk.FP16, "int8": topk.INT8}
	first, again, _ := strings.Cut(kind, "+")
	x, err := topk.New(rows, factors, topk.Options{Precision: precisions[first], Rescore: precisions[again]})
	b.indexes[kind+file] = x
	runtime.GC() // not while something is timed
	return x, err
}

func (b *bench) read(threads int) (answer, error) {
	items, err := b.rows("items")
	if err != nil {
		return answer{}, err
	}
	if len(b.plain) == 0 { // in large pages, as an index is
		b.plain = vector.Large[float32](len(items))
		copy(b.plain, items)
	}
	items, threads = b.plain, max(1, threads)
	start := time.Now()
	var g errgroup.Group
	for t := range threads {
		part := items[len(items)*t/threads : len(items)*(t+1)/threads]
		g.Go(func() error {
			vector.SumSquares(part)
			return nil
		})
	}
	err = g.Wait()
	return answer{Seconds: time.Since(start).Seconds(), Bytes: 4 * int64(len(items))}, err
}

func (b *bench) single(ctx context.Context, kind string, threads int) (answer, error) {
	x, err := b.index(kind, "items")
	if err != nil {
		return answer{}, err
	}
	queries, err := b.rows("queries")
	if err != nil {
		return answer{}, err
	}
	at := b.next % (len(queries) / factors) * factors
	b.next++
	start := time.Now()
	hits, err := x.Search(ctx, queries[at:at+factors], top, topk.Filter{}, threads)
	a := answer{Seconds: time.Since(start).Seconds(), Bytes: x.Bytes()}
	for _, h := range hits {
		a.Items, a.Scores = append(a.Items, h.Item), append(a.Scores, h.Score)
	}
	return a, err
}

func (b *bench) all(ctx context.Context, kind string, threads, count int) (answer, error) {
	x, err := b.index(kind, "tracks")
	if err != nil {
		return answer{}, err
	}
	listeners, err := b.rows("listeners")
	if err != nil {
		return answer{}, err
	}
	if b.bounds == nil {
		if err := errors.Join(
			read(filepath.Join(b.dir, "heard.i64"), 8, &b.bounds), read(filepath.Join(b.dir, "heard.i32"), 4, &b.heard),
		); err != nil {
			return answer{}, err
		}
	}
	count = min(count, len(listeners)/factors)
	start := time.Now()
	found, err := x.SearchAll(ctx, listeners[:count*factors], top, func(i int) topk.Filter {
		return topk.Filter{Excluded: b.heard[b.bounds[i]:b.bounds[i+1]]}
	}, threads)
	a := answer{Seconds: time.Since(start).Seconds(), Bytes: x.Bytes()}
	for _, h := range found[0] {
		a.Items, a.Scores = append(a.Items, h.Item), append(a.Scores, h.Score)
	}
	return a, err
}

// recall is the part of the ten best in 32 bits that a store finds.
func (b *bench) recall(ctx context.Context, kind string) (answer, error) {
	exact, err := b.index("fp32", "items")
	if err != nil {
		return answer{}, err
	}
	x, err := b.index(kind, "items")
	if err != nil {
		return answer{}, err
	}
	queries, err := b.rows("queries")
	if err != nil {
		return answer{}, err
	}
	threads := runtime.GOMAXPROCS(0)
	want, err := exact.SearchAll(ctx, queries, top, nil, threads)
	if err != nil {
		return answer{}, err
	}
	start := time.Now()
	got, err := x.SearchAll(ctx, queries, top, nil, threads)
	a := answer{Seconds: time.Since(start).Seconds(), Bytes: x.Bytes()}
	for i, hits := range got {
		for _, h := range hits {
			for _, w := range want[i] {
				if w.Item == h.Item {
					a.Recall += 1 / float64(top*len(got))
				}
			}
		}
	}
	return a, err
}
