"""Reads the lake in place with `deltalake` and with DuckDB and compares each row with Tephra's own SQL.

Arguments: the table's folder, Tephra's URL, a read token. Prints the number of equal rows.
"""

import datetime
import json
import sys

import deltalake
import duckdb
import requests

table, url, token = sys.argv[1:4]


def plain(value):
    """One spelling for what the readers give as bytes, dates, pairs or text."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc)
    if isinstance(value, dict):
        return sorted(value.items())
    if isinstance(value, list):
        return sorted((tuple(pair) if isinstance(pair, (list, tuple)) else (pair["key"], pair["value"])) for pair in value)
    return value


def rows(records, names):
    return sorted(([plain(record.get(name)) for name in names] for record in records), key=lambda row: row[names.index("event_id")])


def ours():
    answer = requests.post(
        f"{url}/api/v1/sql",
        json={"sql": "SELECT * FROM events"},
        headers={"authorization": f"Bearer {token}", "accept": "application/x-ndjson"},
        timeout=60,
    )
    answer.raise_for_status()
    records = [json.loads(line) for line in answer.text.splitlines() if line]
    for record in records:
        for name in ("timestamp", "received_at"):
            record[name] = datetime.datetime.fromisoformat(record[name].replace("Z", "+00:00"))
    return records


PARTITIONS = {"retention_days", "day"}
lake = deltalake.DeltaTable(table)
names = [field.name for field in lake.schema().fields if field.name not in PARTITIONS]
expected = ours()
if unknown := {name for record in expected for name in record} - set(names):
    sys.exit(f"columns that the lake lacks: {unknown}")
expected = rows(expected, names)
in_lake = lake.to_pyarrow_table().to_pylist()
files = lake.file_uris()
in_duckdb = duckdb.connect()
in_duckdb.execute("SET TimeZone = 'UTC'")
in_duckdb = in_duckdb.execute("SELECT * FROM read_parquet($1, hive_partitioning = false)", [files]).to_arrow_table().to_pylist()

for reader, records in (("deltalake", in_lake), ("duckdb", in_duckdb)):
    found = rows(records, names)
    if len(found) != len(expected):
        sys.exit(f"{reader}: {len(found)} rows, Tephra: {len(expected)}")
    for ours_row, row in zip(expected, found):
        for name, want, have in zip(names, ours_row, row):
            if want != have:
                sys.exit(f"{reader}: `{name}` of {row[names.index('event_id')]}: {have!r}, Tephra: {want!r}")
print(len(expected))
