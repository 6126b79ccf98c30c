#!/usr/bin/env python3
"""Makes the files beside it: the same seven interactions as other tools write them. Needs pyarrow and duckdb."""
import datetime, os, uuid
import duckdb, pyarrow as pa, pyarrow.parquet as pq

os.chdir(os.path.dirname(os.path.abspath(__file__)))
ID = lambda n: uuid.UUID(int=0x40 << 72 | 0x80 << 56 | n)
noon = datetime.datetime(2026, 3, 20, 12, 0, 0, 123456, tzinfo=datetime.timezone.utc)
rows = range(7)
profiles, events, vectors = [ID(i % 3 + 1) for i in rows], [ID(i + 1) for i in rows], [ID(5000) if i == 1 else None for i in rows]
times, tracks = [noon - datetime.timedelta(seconds=i) for i in rows], [f'track {i}' for i in rows]
actions = ['play', 'skip', 'rate', 'like', 'play', 'skip', 'rate']
positions, ratings = [None, 1.5, None, None, None, 2.25, None], [None, None, 4, None, None, None, 5]

table = pa.table({
    'extra': pa.array([[1, 2]] * 7, pa.list_(pa.int32())),
    'action': pa.array(actions).dictionary_encode(),
    'profile': pa.array([str(p) for p in profiles]),
    'event': pa.array([e.bytes for e in events], pa.binary(16)),
    'time': pa.array(times, pa.timestamp('us', 'UTC')),
    'track': pa.array(tracks, pa.large_string()),
    'position': pa.array(positions, pa.float32()),
    'rating': pa.array(ratings, pa.int64()),
    'tunevector': pa.array([v and str(v) for v in vectors]),
})
pq.write_table(table, 'pyarrow.parquet', compression='snappy')
pq.write_table(table, 'pyarrow-int96.parquet', use_deprecated_int96_timestamps=True, compression='gzip', version='1.0')
pq.write_table(table, 'pyarrow-v2.parquet', data_page_version='2.0', compression='zstd', use_dictionary=False,
               column_encoding={'time': 'DELTA_BINARY_PACKED', 'track': 'DELTA_BYTE_ARRAY'})

c = duckdb.connect()
c.execute('create table log (profile uuid, event uuid, time timestamptz, track varchar, action varchar, position double, rating integer, tunevector uuid)')
c.executemany('insert into log values (?, ?, ?, ?, ?, ?, ?, ?)', list(zip(profiles, events, times, tracks, actions, positions, ratings, vectors)))
c.execute("copy log to 'duckdb.parquet' (format parquet)")
