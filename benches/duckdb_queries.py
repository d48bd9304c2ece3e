"""Asks DuckDB the queries of `tephra-bench queries` on the Parquet files of a lake, in place.

    pip install duckdb pytz
    tephra-bench queries --data-dir data --print-spec > spec.json
    python duckdb_queries.py --lake data/lake/events --spec spec.json

The files are those that the table's log names, so that files which wait for the vacuum are not counted twice.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time
import urllib.parse

import duckdb


def live_files(connection, lake):
    """The data files of the newest version: the last checkpoint, then the commits after it."""
    log = lake / "_delta_log"
    live, first = set(), 0
    pointer = log / "_last_checkpoint"
    if pointer.exists():
        version = json.loads(pointer.read_text())["version"]
        checkpoint = sorted(str(path) for path in log.glob(f"{version:020}.checkpoint*.parquet"))
        rows = connection.execute("SELECT add.path FROM read_parquet(?) WHERE add IS NOT NULL", [checkpoint])
        live = {path for (path,) in rows.fetchall()}
        first = version + 1
    for commit in sorted(log.glob("*.json")):
        if not commit.stem.isdigit() or int(commit.stem) < first:
            continue
        actions = [json.loads(line) for line in commit.read_text().splitlines() if line]
        live -= {action["remove"]["path"] for action in actions if "remove" in action}
        live |= {action["add"]["path"] for action in actions if "add" in action}
    return sorted(str(lake / urllib.parse.unquote(path)) for path in live)


def timed(connection, sql):
    start = time.perf_counter()
    cursor = connection.execute(sql)
    rows = cursor.fetchall()
    return (time.perf_counter() - start) * 1000, [column[0] for column in cursor.description], rows


def plain(value):
    return value.hex() if isinstance(value, bytes) else value


def ask(lake, query, repeat):
    """A connection of its own for each query, so that its first run has read nothing yet."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    files = live_files(connection, lake)
    connection.execute(f"CREATE VIEW events AS SELECT * FROM read_parquet({files!r})")
    first, names, rows = timed(connection, query["sql"])
    warm = [timed(connection, query["sql"])[0] for _ in range(repeat)]
    kept = [{name: plain(value) for name, value in zip(names, row) if name in ("n", "trace_id")} for row in rows]
    return {"first_ms": first, "warm_ms": statistics.median(warm) if warm else None, "rows": kept}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lake", required=True, type=pathlib.Path)
    parser.add_argument("--spec", required=True, help="file, or - for standard input")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    spec = json.load(sys.stdin if arguments.spec == "-" else open(arguments.spec))
    answers = [ask(arguments.lake, query, spec["repeat"]) for query in spec["queries"]]
    if arguments.json:
        json.dump({"version": duckdb.__version__, "queries": answers}, sys.stdout)
        return
    print(f"| query | DuckDB {duckdb.__version__}, warm / first ms | rows |")
    print("|---|---:|---:|")
    for query, answer in zip(spec["queries"], answers):
        times = f"{answer['warm_ms']:.1f} / {answer['first_ms']:.1f}"
        print(f"| {query['letter']} {query['what']} | {times} | {len(answer['rows'])} |")


main()
