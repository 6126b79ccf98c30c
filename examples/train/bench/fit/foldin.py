#!/usr/bin/env python3
"""Times how long a new listener's vector takes, from 20, 100 and 300 of 50,000 items, with 64 factors and one thread: this module's iALS (the exact solution) and BPR beside implicit's
iALS (recalculate_user), in turn, in one run. implicit has nothing of the kind for BPR.

    python3 examples/train/bench/fit/foldin.py [--rounds 5] [--dir DIR]

It makes a virtual environment with implicit 0.7.3 in DIR (a temporary folder, removed at the end, unless one is named). The least times of all rounds are told: on a busy machine what
else runs only ever adds.
"""
import argparse, json, os, re, subprocess, sys, tempfile, time

NEEDS = ['implicit==0.7.3', 'numpy', 'scipy']
HERE = os.path.dirname(os.path.abspath(__file__))
HEARD, ITEMS, FACTORS = (20, 100, 300), 50_000, 64


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--dir', help='where the environment is kept for the next time')
    p.add_argument('--theirs', action='store_true', help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.theirs:
        return print(json.dumps(theirs()))
    with tempfile.TemporaryDirectory() as temporary:
        where = os.path.abspath(a.dir or temporary)
        python, ours = os.path.join(where, 'venv', 'bin', 'python'), os.path.join(where, 'bpr.test')
        if not os.path.exists(python):
            subprocess.check_call([sys.executable, '-m', 'venv', os.path.join(where, 'venv')])
            subprocess.check_call([python, '-m', 'pip', '-q', 'install', *NEEDS])
        subprocess.check_call(['go', 'test', '-c', '-o', ours, '../../../../ml/bpr'], cwd=HERE)
        least = {}

        def note(name, heard, microseconds):
            least[name, heard] = min(microseconds, least.get((name, heard), float('inf')))

        for _ in range(a.rounds):
            env = dict(os.environ, OPENBLAS_NUM_THREADS='1', OMP_NUM_THREADS='1')
            for heard, t in json.loads(subprocess.check_output([python, os.path.abspath(__file__), '--theirs'], env=env)).items():
                note('implicit iALS', int(heard), t)
            said = subprocess.check_output([ours, '-test.run', '^$', '-test.bench', 'Vector', '-test.benchtime', '20x', '-test.count', '10'], text=True)
            for name, heard, ns in re.findall(r'BenchmarkVector/(?:reference/)?(als|bpr)/(\d+)\S*\s+\d+\s+([\d.]+) ns/op', said):
                note({'als': 'iALS', 'bpr': 'BPR'}[name], int(heard), float(ns) / 1000)
    print('| µs, least, from | ' + ' | '.join(f'{h} items' for h in HEARD) + ' |\n|---|' + '--:|' * len(HEARD))
    for name in ('iALS', 'BPR', 'implicit iALS'):
        print(f'| {name} | ' + ' | '.join(f'{least[name, h]:.0f}' for h in HEARD) + ' |')


def theirs():
    import numpy as np, scipy.sparse as sp
    from implicit.cpu.als import AlternatingLeastSquares
    m = sp.random(3000, ITEMS, density=0.001, format='csr', random_state=1, dtype=np.float32)
    model = AlternatingLeastSquares(factors=FACTORS, iterations=1, num_threads=1)
    model.fit(m, show_progress=False)
    out = {}
    for heard in HEARD:
        u = sp.csr_matrix((np.ones(heard, np.float32), (np.zeros(heard, int), np.arange(heard) * 160)), shape=(1, ITEMS))
        best = float('inf')
        for _ in range(200):
            start = time.perf_counter()
            model.recalculate_user(0, u)
            best = min(best, time.perf_counter() - start)
        out[heard] = best * 1e6
    return out


if __name__ == '__main__':
    main()
