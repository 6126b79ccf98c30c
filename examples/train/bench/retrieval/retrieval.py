#!/usr/bin/env python3
"""Times exact top-10 search of this module beside faiss, numpy and implicit, in turn, in one run.

    python3 examples/train/bench/retrieval/retrieval.py [--rounds 15] [--listeners 100000] [--items 1000000] [--dir DIR]

It makes a virtual environment with faiss-cpu, numpy, scipy and implicit 0.7.3 in DIR (a temporary folder, removed at the end, unless
one is named), builds the Go side, makes the data (seeded), and prints tables. On a busy machine look at the least times, not at the
medians: what else runs only ever adds.

(a) One query of 64 factors over 1,000,000 items. faiss: IndexFlatIP, and IndexScalarQuantizer with QT_fp16, QT_8bit and
    QT_8bit_direct_signed (the last one gets its items and queries times 28, since it keeps whole numbers of -128 to 127 only). faiss uses one thread
    for one query, whatever it is given. numpy: a product, argpartition, and a sort of ten.
    Recall@10 is beside the ten best in 32 bits, over 500 queries.
(b) 100,000 listeners of 50,000 tracks, what each has heard left out (10 million cells), beside implicit's recommend.
"""
import argparse, json, os, subprocess, sys, tempfile, time

NEEDS = ['faiss-cpu', 'numpy', 'scipy', 'implicit==0.7.3', 'threadpoolctl']
HERE = os.path.dirname(os.path.abspath(__file__))
FACTORS, TOP = 64, 10


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rounds', type=int, default=15, help='of (a); (b) takes a tenth of it')
    p.add_argument('--items', type=int, default=1_000_000)
    p.add_argument('--listeners', type=int, default=100_000)
    p.add_argument('--part', choices=['a', 'b', 'ab'], default='ab')
    p.add_argument('--dir', help='where environment and data are kept for the next time')
    p.add_argument('--inside', action='store_true', help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.inside:
        return measure(a)
    with tempfile.TemporaryDirectory() as temporary:
        a.dir = os.path.abspath(a.dir or temporary)
        python = os.path.join(a.dir, 'venv', 'bin', 'python')
        if not os.path.exists(python):
            subprocess.check_call([sys.executable, '-m', 'venv', os.path.join(a.dir, 'venv')])
            subprocess.check_call([python, '-m', 'pip', '-q', 'install', *NEEDS])
        subprocess.check_call(['go', 'build', '-o', os.path.join(a.dir, 'retrieval'), '.'], cwd=HERE)
        subprocess.check_call([python, os.path.abspath(__file__), '--inside', *sys.argv[1:], '--dir', a.dir])


def uniform(seed, n):
    """splitmix64 as a function of the counter n: the synthetic set's source of numbers, in 0 to 1."""
    import numpy as np
    with np.errstate(over='ignore'):
        z = np.uint64(seed) + (n.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0 ** -53


def vectors(path, seed, rows):
    """Sums of four uniform numbers, their spread falling with the number of the factor as it does in trained models."""
    import numpy as np
    if os.path.exists(path) and os.path.getsize(path) == rows * FACTORS * 4:
        return np.fromfile(path, np.float32).reshape(rows, FACTORS)
    out, spread = np.empty((rows, FACTORS), np.float32), np.sqrt(3) / np.sqrt(1 + np.arange(FACTORS) / 4)
    for s in range(0, rows, 50_000):
        r = min(50_000, rows - s)
        n = np.arange(s * FACTORS, (s + r) * FACTORS, dtype=np.uint64) * np.uint64(4)
        x = sum(uniform(seed, n + np.uint64(j)) for j in range(4))
        out[s:s + r] = (x - 2).reshape(r, FACTORS) * spread
    out.tofile(path)
    return out


def heard(d, listeners, tracks=50_000, draws=11_300_000, genres=50):
    """Which tracks each listener has heard: a few hear much, a few tracks are heard by many, and most of it is of one genre."""
    import numpy as np, scipy.sparse as sp
    us, ts = [], []
    for s in range(0, draws, 2_000_000):
        n = np.arange(s, min(draws, s + 2_000_000), dtype=np.uint64)
        a, b, c = (uniform(7, n * np.uint64(3) + np.uint64(j)) for j in range(3))
        u = np.floor(listeners * (a * np.sqrt(a))).astype(np.int64)
        t = np.where(b < .7, genres * np.floor(tracks // genres * c * c).astype(np.int64) + u % genres, np.floor(tracks * c * c).astype(np.int64))
        train = n % np.uint64(20) != 19
        us.append(u[train]); ts.append(t[train])
    us, ts = np.concatenate(us), np.concatenate(ts)
    x = sp.csr_matrix((np.ones(len(us), np.float32), (us, ts)), shape=(listeners, tracks))
    x.sum_duplicates(); x.sort_indices()
    x.indptr.astype(np.int64).tofile(os.path.join(d, 'heard.i64')); x.indices.astype(np.int32).tofile(os.path.join(d, 'heard.i32'))
    return x


class Ours:
    """The Go side, a command at a time."""

    def __init__(self, d):
        self.p = subprocess.Popen([os.path.join(d, 'retrieval'), d], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *words):
        self.p.stdin.write(' '.join(map(str, words)) + '\n'); self.p.stdin.flush()
        line = self.p.stdout.readline()
        if not line:
            sys.exit('the Go side has ended')
        return json.loads(line)

    def close(self):
        self.p.stdin.close(); self.p.wait()


def in_turn(rounds, contenders):
    """Times each contender once a round; returns name → seconds. A contender returns its seconds, or None to be timed."""
    times = {name: [] for name, _ in contenders}
    for f in contenders:
        f[1]()  # warm
    for _ in range(rounds):
        for name, f in contenders:
            start = time.perf_counter()
            own = f()
            times[name].append(time.perf_counter() - start if own is None else own)
    return times


def measure(a):
    ours = Ours(a.dir)
    if 'a' in a.part:
        single(a, ours)
    if 'b' in a.part:
        everyone(a, ours)
    ours.close()
    print(f'\nload of the machine at the end, this run included: {os.getloadavg()[0]:.1f}')


def single(a, ours):
    import faiss, numpy as np
    from threadpoolctl import threadpool_limits
    items, queries = vectors(os.path.join(a.dir, 'items.f32'), 11, a.items), vectors(os.path.join(a.dir, 'queries.f32'), 13, 500)
    sq, ip = faiss.ScalarQuantizer, faiss.METRIC_INNER_PRODUCT
    flat = {'fp32': faiss.IndexFlatIP(FACTORS)}
    for name, kind in ('fp16', sq.QT_fp16), ('8bit', sq.QT_8bit), ('8bit_direct_signed', sq.QT_8bit_direct_signed):
        flat[name] = faiss.IndexScalarQuantizer(FACTORS, kind, ip)
    for name, x in flat.items():
        rows = np.clip(np.rint(items * 28), -128, 127).astype(np.float32) if name.endswith('signed') else items
        x.train(rows); x.add(rows); del rows
    at = [0]

    def query():
        at[0] = (at[0] + 1) % len(queries)
        return queries[at[0]:at[0] + 1]

    def with_numpy(threads):
        def f():
            with threadpool_limits(threads):
                q = query()[0]
                start = time.perf_counter()
                s = items @ q
                best = np.argpartition(s, -TOP)[-TOP:]
                best[np.argsort(-s[best])]
                return time.perf_counter() - start
        return f

    def with_faiss(name, threads):
        def f():
            faiss.omp_set_num_threads(threads)
            q = query() * (28 if name.endswith('signed') else 1)
            start = time.perf_counter()
            flat[name].search(q, TOP)
            return time.perf_counter() - start
        return f

    stores = ['fp32', 'fp16', 'int8', 'int8+fp16', 'int8+fp32']
    contenders = []
    for t in 1, 2:
        contenders += [(('plain read', t), lambda t=t: ours('read', t)['seconds'])]
        contenders += [(('numpy', t), with_numpy(t))]
        contenders += [(('faiss ' + n, t), with_faiss(n, t)) for n in flat]
        contenders += [(('ours ' + n, t), lambda n=n, t=t: ours('single', n, t)['seconds']) for n in stores]
    times = in_turn(a.rounds, contenders)
    recall = {'ours ' + n: ours('recall', n)['recall'] for n in stores}
    truth = flat['fp32'].search(queries, TOP)[1]
    for n, x in flat.items():
        found = x.search(queries * 28 if n.endswith('signed') else queries, TOP)[1]
        recall['faiss ' + n] = np.mean([len(set(f) & set(t)) / TOP for f, t in zip(found, truth)])
    print(f'(a) one query of {a.items:,} x {FACTORS}, kernels {ours("read", 1)["level"]}, {a.rounds} rounds: milliseconds, least / median')
    print(f'{"":26}{"1 thread":>18}{"2 threads":>18}{"recall@10":>12}')
    for name in dict.fromkeys(n for (n, _), _ in contenders):
        cells = [f'{min(times[name, t]) * 1e3:.2f} / {np.median(times[name, t]) * 1e3:.2f}' for t in (1, 2)]
        print(f'{name:26}{cells[0]:>18}{cells[1]:>18}{recall.get(name, 1):>12.4f}')
    for t in 1, 2:
        r, f = min(times['plain read', t]), min(times['ours fp32', t])
        print(f'{t} thread(s): plain read {items.nbytes / r / 1e9:.1f} GB/s, fp32 search {items.nbytes / f / 1e9:.1f} GB/s: {r / f:.0%} of it (least times)')


def everyone(a, ours):
    import numpy as np
    from implicit.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits
    threadpool_limits(1, 'blas')  # implicit has threads of its own, and asks for this
    listeners, tracks = vectors(os.path.join(a.dir, 'listeners.f32'), 17, a.listeners), vectors(os.path.join(a.dir, 'tracks.f32'), 19, 50_000)
    x = heard(a.dir, a.listeners)
    m = AlternatingLeastSquares(factors=FACTORS)
    m.user_factors, m.item_factors = listeners, tracks

    def implicit(threads, batch):
        def f():
            m.num_threads = threads
            for s in range(0, a.listeners, batch):
                ids = np.arange(s, min(s + batch, a.listeners))
                m.recommend(ids, x[ids], N=TOP, filter_already_liked_items=True)
        return f

    stores = ['fp32', 'fp16', 'int8', 'int8+fp16']
    contenders = []
    for t in 1, 2:
        contenders += [((f'implicit, {b:,} at once', t), implicit(t, b)) for b in (1_000, 10_000)]
        contenders += [(('ours ' + n, t), lambda n=n, t=t: ours('all', n, t, a.listeners)['seconds']) for n in stores]
    rounds = max(1, a.rounds // 10)
    times = in_turn(rounds, contenders)
    found, _ = m.recommend(np.arange(1), x[:1], N=TOP, filter_already_liked_items=True)
    same = [int(i) for i in found[0]] == ours('all', 'fp32', 1, 1)['items']
    print(f'\n(b) {a.listeners:,} listeners of 50,000 tracks, {x.nnz:,} heard left out, {rounds} rounds: listeners a second, most / median')
    print(f'{"":26}{"1 thread":>20}{"2 threads":>20}')
    for name in dict.fromkeys(n for (n, _), _ in contenders):
        cells = [f'{a.listeners / min(times[name, t]):,.0f} / {a.listeners / np.median(times[name, t]):,.0f}' for t in (1, 2)]
        print(f'{name:26}{cells[0]:>20}{cells[1]:>20}')
    print(f'the first listener gets the same ten from implicit and from fp32: {same}')


if __name__ == '__main__':
    main()
