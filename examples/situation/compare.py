#!/usr/bin/env python3
"""Holds the models of situations beside scikit-learn's logistic regression and LightGBM, on the same folds, without the situation and with it.

    python3 examples/situation/compare.py --data DIR [--part clean] [--folds 10] [--repeats 10] [--trials 8] [--alone] [--dir DIR] [--foretold FILE]

DIR has the files of SiTunes: PART/train.tsv, PART/valid.tsv, items.tsv, stage1.tsv; train and valid are taken together. It makes a virtual environment with scikit-learn and LightGBM in --dir (a temporary folder,
removed at the end, unless one is named), lets the command beside it make the cross-validation, and takes its folds. (--foretold takes what that wrote before.)

All have the same to learn from: listener, item, genre, the item's numbers, and the answers of stage 1 as further rows without a situation (with --alone, nobody has these). What is here also learns from how high a
rating is, within a yes or no; theirs have no place for that. The hyperparameters of theirs are chosen in
each fold by an inner cross-validation: C of the logistic regression (one-hot ids, standardized numbers), trees and leaves of LightGBM (ids as categories). The AUC is over all answers of a
repeat; ± is the standard error over repeats, of which the folds differ and the answers do not, so it says how sure the means are and not how other
listeners would fare. Differences are taken repeat by repeat.
"""
import argparse, os, statistics, subprocess, sys, tempfile

NEEDS = ['scikit-learn==1.9.1', 'lightgbm==4.7.0', 'pandas', 'numpy']
HERE = os.path.dirname(os.path.abspath(__file__))
NOT_NUMBERS = {'item_id', 'general_genre_id', 'key', 'general_genre', 'title', 'artist'}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', required=True)
    p.add_argument('--part', default='clean')
    p.add_argument('--folds', type=int, default=10)
    p.add_argument('--repeats', type=int, default=10)
    p.add_argument('--trials', type=int, default=8)
    p.add_argument('--dir')
    p.add_argument('--foretold')
    p.add_argument('--alone', action='store_true')
    p.add_argument('--inside', action='store_true', help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.inside:
        return compare(a)
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.path.abspath(a.dir or temporary)
        python = os.path.join(folder, 'venv', 'bin', 'python')
        if not os.path.exists(python):
            subprocess.check_call([sys.executable, '-m', 'venv', os.path.join(folder, 'venv')])
            subprocess.check_call([python, '-m', 'pip', '-q', 'install', *NEEDS])
        foretold = a.foretold
        if not foretold:
            foretold = os.path.join(folder, 'foretold.tsv')
            file = lambda *names: os.path.join(a.data, *names)
            subprocess.check_call(['go', 'run', HERE, '-train', file(a.part, 'train.tsv'), '-valid', file(a.part, 'valid.tsv'), '-items', file('items.tsv'), *([] if a.alone else ['-history', file('stage1.tsv')]),
                                   '-cross', str(a.folds), '-repeats', str(a.repeats), '-trials', str(a.trials), '-unknown', '-foretold', foretold])
        env = dict(os.environ, OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1')
        subprocess.check_call([python, os.path.abspath(__file__), '--inside', '--data', a.data, '--part', a.part, '--foretold', foretold, *(['--alone'] if a.alone else [])], env=env)


def compare(a):
    import lightgbm, numpy as np, pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GridSearchCV, cross_val_score
    read = lambda *names: pd.read_csv(os.path.join(a.data, *names), sep='\t')
    rows = pd.concat([read(a.part, 'train.tsv'), read(a.part, 'valid.tsv')], ignore_index=True).set_index('row_id')
    history, items = read('stage1.tsv')[:0 if a.alone else None], read('items.tsv').set_index('item_id')
    situation = [c for c in rows.columns if c not in ('user_id', 'item_id', 'rating', 'label', 'timestamp')]
    numbers = [c for c in items.columns if c not in NOT_NUMBERS]
    n = len(rows)
    users = np.r_[rows.user_id.values, history.user_id.values]
    tracks = np.r_[rows.item_id.values, history.item_id.values]
    y = np.r_[rows.label.values, (history.rating.values >= 3).astype(int)]
    standard = lambda x: ((x - np.nanmean(x, 0)) / np.maximum(np.nanstd(x, 0), 1e-9))
    about = np.nan_to_num(standard(items[numbers].values.astype(float)))[items.index.get_indexer(tracks)]
    genres = items.general_genre_id.values[items.index.get_indexer(tracks)]
    now = np.vstack([rows[situation].values.astype(float), np.full((len(history), len(situation)), np.nan)])
    onehot = lambda x: pd.get_dummies(x).values.astype(float)
    taste = np.hstack([onehot(users), onehot(tracks), onehot(genres), about])
    plain = np.hstack([users[:, None], tracks[:, None], genres[:, None], about])
    sets = {'without': (taste, plain), 'with': (np.hstack([taste, np.nan_to_num(standard(now))]), np.hstack([plain, now]))}
    told = pd.read_csv(a.foretold, sep='\t')
    got = {}
    more = np.arange(n, len(y))
    place = {r: i for i, r in enumerate(rows.index)}
    for name, repeat in told.groupby('repeat', sort=False):
        at, fold = repeat.row_id.map(place).values, repeat.fold.values
        for kind in sets:
            got.setdefault(('here', kind), []).append(roc_auc_score(y[at], repeat[kind].values))
            logistic, trees = np.zeros(n), np.zeros(n)
            for k in np.unique(fold):
                learn, ask = np.r_[at[fold != k], more], at[fold == k]
                x, z = sets[kind]
                search = GridSearchCV(LogisticRegression(max_iter=3000), {'C': [.03, .1, .3, 1, 3]}, scoring='roc_auc', cv=5).fit(x[learn], y[learn])
                logistic[ask] = search.decision_function(x[ask])
                best = max(({'n_estimators': t, 'num_leaves': l} for t in (50, 150) for l in (4, 8)), key=lambda v: cross_val_score(
                    tree(lightgbm, v), z[learn], y[learn], scoring='roc_auc', cv=3, params={'categorical_feature': [0, 1, 2]}).mean())
                trees[ask] = tree(lightgbm, best).fit(z[learn], y[learn], categorical_feature=[0, 1, 2]).predict_proba(z[ask])[:, 1]
            got.setdefault(('scikit-learn logistic regression', kind), []).append(roc_auc_score(y[:n], logistic))
            got.setdefault(('LightGBM', kind), []).append(roc_auc_score(y[:n], trees))
        print(name + ': ' + ', '.join(f'{who} {kind} {x[-1]:.6f}' for (who, kind), x in got.items()), flush=True)
    def mean(x):
        return f'{statistics.mean(x):.4f} ± {statistics.stdev(x) / len(x) ** .5 if len(x) > 1 else 0:.4f}'
    for name in ('here', 'scikit-learn logistic regression', 'LightGBM'):
        less = mean([x - z for x, z in zip(got[name, 'with'], got[name, 'without'])])
        print(f'{name}: AUC ' + ', '.join(f'{mean(got[name, kind])} {kind} the situation' for kind in sets) + f', which adds {less}')
        if name != 'here':
            print('  here less that: ' + ', '.join(f"{mean([x - z for x, z in zip(got['here', kind], got[name, kind])])} {kind}" for kind in sets))


def tree(lightgbm, values):
    return lightgbm.LGBMClassifier(learning_rate=.05, min_child_samples=10, verbose=-1, n_jobs=1, random_state=0, **values)


if __name__ == '__main__':
    main()
