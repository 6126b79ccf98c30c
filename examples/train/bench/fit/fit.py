#!/usr/bin/env python3
"""Times the fitting of this module's iALS and BPR beside implicit's, in turn, in one run, on a synthetic set that anybody can make again.

    python3 examples/train/bench/fit/fit.py [--rounds 2] [--quality] [--dir DIR]

It makes a virtual environment with implicit 0.7.3 and scipy in DIR (a temporary folder, removed at the end, unless one is named), builds
the Go side, makes the data, and prints tables. The set: 100,000 listeners, 50,000 items, 10,038,960 cells (synthetic.go says how it is made). On a busy machine
look at the least times, not at the medians: what else runs only ever adds. Processor seconds are those of the whole fit, with what comes before and after its steps, for each of these.

Both sides: 64 (or 128) factors, 3 steps of the conjugate gradient method, regularization 0.01, alpha 1; BPR with a rate of 0.05 and regularization 0.003. implicit has BLAS with one
thread and its own threads beside, as its documentation advises. --quality adds NDCG@10 on the test draws, after 15 iterations of iALS and 20 epochs of BPR, and recommending ten
items to each listener without what they have heard: "folded in" is with the listener's vector computed from what they have heard, where
implicit takes the one that it fitted.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time

NEEDS = ['implicit==0.7.3', 'numpy', 'scipy']
HERE = os.path.dirname(os.path.abspath(__file__))
TASKS = [('als', 64), ('als', 128), ('bpr', 64)]
NAMES = {'als': 'iALS', 'bpr': 'BPR'}
DRAWS, LISTENERS, ITEMS, GROUPS, SEED = 11_300_000, 100_000, 50_000, 50, 7
TOP = 10


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rounds', type=int, default=2)
    p.add_argument('--steps', type=int, default=3, help='iterations or epochs that are timed in each round')
    p.add_argument('--quality', action='store_true')
    p.add_argument('--dir', help='where environment and data are kept for the next time')
    p.add_argument('--theirs', nargs=4, metavar=('ALGORITHM', 'FACTORS', 'THREADS', 'STEPS'), help=argparse.SUPPRESS)
    p.add_argument('--make', action='store_true', help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.make:
        return make(a.dir)
    if a.theirs:
        return print(json.dumps(theirs(a.dir, a.theirs[0], *map(int, a.theirs[1:]), a.quality)))
    with tempfile.TemporaryDirectory() as temporary:
        a.dir = os.path.abspath(a.dir or temporary)
        python = os.path.join(a.dir, 'venv', 'bin', 'python')
        if not os.path.exists(python):
            subprocess.check_call([sys.executable, '-m', 'venv', os.path.join(a.dir, 'venv')])
            subprocess.check_call([python, '-m', 'pip', '-q', 'install', *NEEDS])
        subprocess.check_call(['go', 'build', '-o', os.path.join(a.dir, 'fit'), '.'], cwd=HERE)
        subprocess.check_call([python, os.path.abspath(__file__), '--make', '--dir', a.dir])
        compare(a, python)


def compare(a, python):
    times, used = {}, {}

    def both(algorithm, factors, threads, steps, quality):
        """Runs theirs, then ours, and returns what they say."""
        env = dict(os.environ, OPENBLAS_NUM_THREADS='1', OMP_NUM_THREADS=str(threads))
        one = [python, os.path.abspath(__file__), '--dir', a.dir, '--theirs', algorithm, str(factors), str(threads), str(steps)]
        other = [os.path.join(a.dir, 'fit'), '-algorithm', algorithm, '-threads', str(threads), '-steps', str(steps)]
        if quality:
            one, other = one + ['--quality'], other + ['-evaluate', '-recommend']
        values = ['alpha=1', 'regularization=0.01', 'weight=raw'] if algorithm == 'als' else ['rate=0.05', 'regularization=0.003']
        said = [json.loads(subprocess.check_output(c, env=env)) for c in (one, other + [f'factors={factors}', *values])]
        for side, s in zip(('implicit', 'ours'), said):
            times.setdefault((algorithm, factors, threads, side), []).extend(s['steps'])
            used.setdefault((algorithm, factors, threads, side), []).append(s['cpu'] / steps)
        return said

    for r in range(a.rounds):
        for algorithm, factors in TASKS:
            for threads in (1, 2):
                both(algorithm, factors, threads, a.steps, False)
        print(f'round {r + 1} of {a.rounds} done, load {os.getloadavg()[0]:.1f}', file=sys.stderr)
    good = []
    if a.quality:
        for algorithm, steps in (('als', 15), ('bpr', 20)):
            for threads in (1, 2):
                good.append((algorithm, threads, both(algorithm, 64, threads, steps, True)))
    print('| seconds per iteration or epoch, least (median) | threads | implicit | ours | implicit / ours | processor seconds, implicit | ours |\n|---|---|---|---|---|---|---|')
    for algorithm, factors in TASKS:
        for threads in (1, 2):
            x, y = (times[algorithm, factors, threads, side] for side in ('implicit', 'ours'))
            c = [min(used[algorithm, factors, threads, side]) for side in ('implicit', 'ours')]
            print(f'| {NAMES[algorithm]}-{factors} | {threads} | {min(x):.2f} ({statistics.median(x):.2f}) | {min(y):.2f} ({statistics.median(y):.2f}) | {min(x) / min(y):.1f} | {c[0]:.2f} | {c[1]:.2f} |')
    if good:
        print('\n| | threads | NDCG@10 implicit | ours | listeners/s implicit | ours | ours, folded in | peak memory implicit | ours |\n|---|---|---|---|---|---|---|---|---|')
        for algorithm, threads, (x, y) in good:
            print(f"| {NAMES[algorithm]}-64 | {threads} | {x['ndcg']:.4f} | {y['ndcg']:.4f} | {x['recommended']:,.0f} | {y['recommended']:,.0f} | {y['folded']:,.0f} | {x['peak'] / 1e6:,.0f} MB | {y['peak'] / 1e6:,.0f} MB |")
        print(f"\nkernels: {y['level']}; {y['cells']:,} cells, {y['to_find']:,} to find")


def make(folder):
    """Draws the set, as synthetic.go does, and keeps it as two sparse matrices."""
    import numpy as np, scipy.sparse as sp
    if os.path.exists(os.path.join(folder, 'test.npz')):
        return

    def uniform(n):
        with np.errstate(over='ignore'):
            z = np.uint64(SEED) + (n + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
        return (z >> np.uint64(11)).astype(np.float64) * 2.0 ** -53

    rows, cols = np.empty(DRAWS, np.int32), np.empty(DRAWS, np.int32)
    chunk = 2_000_000
    for at in range(0, DRAWS, chunk):
        n = np.arange(at, min(DRAWS, at + chunk), dtype=np.uint64)
        a, b, c = (uniform(n * np.uint64(3) + np.uint64(j)) for j in range(3))
        row = np.floor(LISTENERS * (a * np.sqrt(a))).astype(np.int64)
        rows[at:at + len(n)] = row
        cols[at:at + len(n)] = np.where(b < 0.7, GROUPS * np.floor(ITEMS // GROUPS * (c * c)).astype(np.int64) + row % GROUPS, np.floor(ITEMS * (c * c)).astype(np.int64))
    testing = np.arange(DRAWS) % 20 == 19

    def matrix(some):
        m = sp.csr_matrix((np.ones(some.sum(), np.float32), (rows[some], cols[some])), shape=(LISTENERS, ITEMS))
        m.sum_duplicates()
        return m

    train, test = matrix(~testing), matrix(testing)
    known, test.data[:] = train.copy(), 1
    known.data[:] = 1
    test = test - test.multiply(known)
    test.eliminate_zeros()
    sp.save_npz(os.path.join(folder, 'train.npz'), train, compressed=False)
    sp.save_npz(os.path.join(folder, 'test.npz'), test.tocsr(), compressed=False)


def theirs(folder, algorithm, factors, threads, steps, quality):
    import numpy as np, scipy.sparse as sp
    from implicit.als import AlternatingLeastSquares
    from implicit.bpr import BayesianPersonalizedRanking
    train = sp.load_npz(os.path.join(folder, 'train.npz'))
    if algorithm == 'als':
        m = AlternatingLeastSquares(factors=factors, regularization=0.01, alpha=1, iterations=steps, num_threads=threads, random_state=1, use_gpu=False)
    else:
        m = BayesianPersonalizedRanking(factors=factors, learning_rate=0.05, regularization=0.003, iterations=steps, num_threads=threads, random_state=1, use_gpu=False)
    said = {'steps': []}
    used = sum(os.times()[:2])
    m.fit(train, show_progress=False, callback=lambda step, seconds, *rest: said['steps'].append(seconds))
    said['peak'], said['cpu'] = peak(), sum(os.times()[:2]) - used
    if quality:
        test = sp.load_npz(os.path.join(folder, 'test.npz'))
        start = time.perf_counter()
        found, _ = m.recommend(np.arange(LISTENERS), train, N=TOP, filter_already_liked_items=True)
        said['recommended'] = LISTENERS / (time.perf_counter() - start)
        gain, total, n = 1 / np.log2(np.arange(2, TOP + 2)), 0.0, 0
        for u in range(LISTENERS):
            want = test.indices[test.indptr[u]:test.indptr[u + 1]]
            if len(want):
                total += gain[np.isin(found[u], want)].sum() / gain[:min(TOP, len(want))].sum()
                n += 1
        said['ndcg'] = total / n
    return said


def peak():
    with open('/proc/self/status') as f:
        return next((int(line.split()[1]) * 1024 for line in f if line.startswith('VmHWM:')), 0)


if __name__ == '__main__':
    main()
