#!/usr/bin/env bash
# Measures the figures of README.md and prints them as Markdown: `run-figures.sh [PART …]`.
#
# Parts: otlp native single sentry lake queries recovery reads idle; all of them where none is named, about ten minutes. Each part
# starts a fresh server of its own on free ports, with its data on the disk of TEPHRA_FIGURES_DIR (target/figures).
#
# TEPHRA_FIGURES_EVENTS (1000000), …_LAKE_EVENTS (500000), …_SINGLE_EVENTS (200000), …_HOT_BYTES (1 GiB) make smaller
# trials; TEPHRA_BIN and TEPHRA_BENCH_BIN name other builds; TEPHRA_FIGURES_KEEP=1 keeps the data.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
tephra=${TEPHRA_BIN:-$target/release/tephra}
bench=${TEPHRA_BENCH_BIN:-$target/release/tephra-bench}
home=${TEPHRA_FIGURES_DIR:-$target/figures}
events=${TEPHRA_FIGURES_EVENTS:-1000000}
lake_events=${TEPHRA_FIGURES_LAKE_EVENTS:-500000}
single_events=${TEPHRA_FIGURES_SINGLE_EVENTS:-200000}
hot_bytes=${TEPHRA_FIGURES_HOT_BYTES:-1073741824}
# The server takes every TEPHRA_* variable for a setting; these are this script's.
own=(-u TEPHRA_BIN -u TEPHRA_BENCH_BIN)
for variable in "${!TEPHRA_FIGURES_@}"; do own+=(-u "$variable"); done
no_roll=(TEPHRA_ROLL_BYTES_MAX=1099511627776 TEPHRA_ROLL_AGE_MS_MAX=86400000)

say() { printf '%s\n' "$*" >&2; }

# figure FILE EXPRESSION: a value of a JSON file, `r` in the expression.
figure() { python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

now_ms() { python3 -c 'import time; print(int(time.monotonic() * 1000))'; }

# A part's directory, its ports and its settings; `launch` and `restart` read them back.
prepare() {
    dir=$work/$1
    shift
    mkdir -p "$dir"
    printf '%s\n' "TEPHRA_LOG=warn" "TEPHRA_OTLP_HTTP_ADDRESS=127.0.0.1:$(free_port)" "$@" >"$dir/env"
    free_port >"$dir/http"
    free_port >"$dir/grpc"
}

# Starts the server of directory $1 in the background, its process id in $1/pid.
launch() {
    local dir=$1 variables
    mapfile -t variables <"$dir/env"
    env "${own[@]}" "${variables[@]}" "$tephra" serve --data-dir "$dir/data" --http "127.0.0.1:$(cat "$dir/http")" \
        --grpc "127.0.0.1:$(cat "$dir/grpc")" >>"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
}

# Waits until /readyz of the server of directory $1 answers 200.
await() {
    local dir=$1 port
    port=$(cat "$dir/http")
    for _ in $(seq 6000); do
        curl --noproxy '*' -fsS -o /dev/null "http://127.0.0.1:$port/readyz" 2>/dev/null && return
        kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
        sleep 0.01
    done
    say "the server did not get ready; its log:"
    tail -20 "$dir/log" >&2
    return 1
}

# Ends the server of directory $1 with signal $2 (TERM) and waits until it is gone.
end() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) || return 0
    kill -s "${2:-TERM}" "$pid" 2>/dev/null || return 0
    for _ in $(seq 3000); do
        kill -0 "$pid" 2>/dev/null || return 0
        # A zombie of this shell counts as gone.
        [ "$(ps -o stat= -p "$pid" 2>/dev/null | cut -c1)" != Z ] || return 0
        sleep 0.02
    done
    kill -s KILL "$pid" 2>/dev/null || true
}

start() {
    prepare "$@"
    launch "$dir"
    await "$dir"
}

load() {
    local json=$1
    shift
    "$bench" load --data-dir "$dir/data" --json "$dir/$json.json" "$@" >"$dir/$json.txt"
    cat "$dir/$json.txt" >&2
}

row() { printf '| %s | %s | %s |\n' "$1" "$2" "$3" >>"$rows"; }

metric() {
    curl --noproxy '*' -fsS "http://127.0.0.1:$(cat "$dir/http")/metrics" | awk -v name="$1" '$1 == name { print int($2) }'
}

# A protocol's batches, closed loop with the roll, then an open loop at 80 % of the rate that was reached.
batches() {
    local part=$1 protocol=$2 aim=$3 rate
    start "$part"
    load closed --protocol "$protocol" --events "$events" --batch 1000 --connections 4 --roll
    rate=$(figure "$dir/closed.json" 'r["events_per_second"] * 0.8')
    load open --protocol "$protocol" --events "$((events / 2))" --seed 2 --batch 1000 --connections 4 --in-flight 4 --rate "$rate"
    end "$dir"
    row "$protocol, CPU s per million, acknowledged / rolled" "$aim" \
        "$(figure "$dir/closed.json" '"%.1f / %.1f" % (r["server"]["cpu_seconds_per_million_acked"], r["server"]["cpu_seconds_per_million_at_rest"])')"
    row "$protocol, events/s" "" "$(figure "$dir/closed.json" '"%.0f" % r["events_per_second"]')"
    row "$protocol, ack p50 / p99 at full rate, ms" "" "$(figure "$dir/closed.json" '"%.1f / %.1f" % (r["ack_ms"]["p50"], r["ack_ms"]["p99"])')"
    row "$protocol, ack p50 / p99 at 80 %, ms" "p99 < 100" "$(figure "$dir/open.json" '"%.1f / %.1f" % (r["ack_ms"]["p50"], r["ack_ms"]["p99"])')"
    row "$protocol, peak RSS, MB" "< 700" "$(figure "$dir/open.json" '"%.0f" % (r["server"]["rss_high_water_bytes"] / 1e6)')"
    row "$protocol, lake bytes per event" "" "$(figure "$dir/closed.json" '"%.1f" % r["lake_bytes_per_event"]')"
}

part_otlp() { batches otlp otlp-grpc "≤ 25"; }

part_native() { batches native native "≤ 15"; }

part_single() {
    start single
    load single --protocol otlp-grpc --events "$single_events" --single --connections 64
    end "$dir"
    row "one event per request, 64 connections, events/s" "≥ 10,000" "$(figure "$dir/single.json" '"%.0f" % r["events_per_second"]')"
    row "… ack p50 / p99, ms" "" "$(figure "$dir/single.json" '"%.1f / %.1f" % (r["ack_ms"]["p50"], r["ack_ms"]["p99"])')"
    grep -iE '(group|fsync|sync).*(sum|count|total)' "$dir/single.txt" | sed -E 's/^\| Δ ([^|]*[^ |]) *\| *([^ |]+) *\|$/| … \1 | | \2 |/' >>"$rows" || true
}

# Single envelopes of two sizes, closed loop, then an open loop at 80 % of the rate that was reached.
part_sentry() {
    local size aim bytes count rate
    for size in small huge; do
        [ "$size" = small ] && aim="≥ 10,000" bytes="2 KB" count=$single_events || aim="≥ 1,500" bytes="50 KB" count=$((single_events / 10))
        start "sentry-$size"
        load closed --protocol sentry --size "$size" --events "$count" --connections 64
        rate=$(figure "$dir/closed.json" 'r["events_per_second"] * 0.8')
        load open --protocol sentry --size "$size" --seed 2 --events "$((count / 2))" --connections 64 --rate "$rate"
        end "$dir"
        row "Sentry envelopes of one event of $bytes, gzip, 64 connections, events/s" "$aim" "$(figure "$dir/closed.json" '"%.0f" % r["events_per_second"]')"
        row "… CPU s of the server per million, acknowledged" "" "$(figure "$dir/closed.json" '"%.1f" % r["server"]["cpu_seconds_per_million_acked"]')"
        row "… ack p50 / p99 at full rate, ms" "p99 < 50" "$(figure "$dir/closed.json" '"%.1f / %.1f" % (r["ack_ms"]["p50"], r["ack_ms"]["p99"])')"
        row "… ack p50 / p99 at 80 %, ms" "p99 < 50" "$(figure "$dir/open.json" '"%.1f / %.1f" % (r["ack_ms"]["p50"], r["ack_ms"]["p99"])')"
        row "… peak RSS, MB" "< 256" "$(figure "$dir/open.json" '"%.0f" % (r["server"]["rss_high_water_bytes"] / 1e6)')"
    done
}

part_lake() {
    local size aim
    for size in small large; do
        start "lake-$size" "${no_roll[@]}"
        load lake --protocol ndjson --size "$size" --events "$lake_events" --batch 500 --connections 4 --roll
        end "$dir"
        [ "$size" = small ] && aim="≤ 75 bytes" || aim="≥ 50×"
        row "lake, $size events, $lake_events in one roll: bytes per event; JSON to lake" "$aim" \
            "$(figure "$dir/lake.json" '"%.1f; %.1f×" % (r["lake_bytes_per_event"], r["json_to_lake"])')"
    done
}

# A Python with DuckDB: TEPHRA_FIGURES_PYTHON, else one that is made here.
duckdb_python() {
    local python=${TEPHRA_FIGURES_PYTHON:-$home/duckdb/bin/python}
    if [ ! -x "$python" ]; then
        python3 -m venv "$home/duckdb" >&2
        "$home/duckdb/bin/pip" install --quiet duckdb pytz >&2
    fi
    echo "$python"
}

ask() {
    local state=$1
    shift
    {
        echo
        "$bench" queries --data-dir "$dir/data" --events "$events" --state "$state" "$@" || echo "(the query run failed)"
    } | tee -a "$tables" >&2
}

part_queries() {
    local python restart="$root/benches/run-figures.sh _restart"
    python=$(duckdb_python)
    start queries "${no_roll[@]}"
    load load --protocol native --events "$events"
    ask hot
    ask "hot, first after a restart" --cold --repeat 0 --restart-cmd "$restart '$dir'"
    load roll --protocol native --events "$events" --range 0..0 --roll
    ask cold --compare-duckdb "$python"
    ask "cold, first after a restart" --cold --repeat 0 --restart-cmd "$restart '$dir'"
    end "$dir"
    start mixed "${no_roll[@]}"
    load cold --protocol native --events "$events" --range "0..$((events / 2))" --roll
    load hot --protocol native --events "$events" --range "$((events / 2))..$events"
    ask "half hot, half cold"
    end "$dir"
}

part_recovery() {
    local began took loaded=0 step=$((events / 4)) total=$((events * 8)) rss
    start recovery "${no_roll[@]}"
    while [ "$(metric tephra_hot_bytes)" -lt "$hot_bytes" ] && [ "$loaded" -lt "$total" ]; do
        load "load-$loaded" --protocol native --events "$total" --range "$loaded..$((loaded + step))"
        loaded=$((loaded + step))
    done
    local held
    held=$(metric tephra_hot_bytes)
    end "$dir" KILL
    began=$(now_ms)
    launch "$dir"
    await "$dir"
    took=$(($(now_ms) - began))
    rss=$(awk '/VmRSS/ { print int($2 / 1000) }' "/proc/$(cat "$dir/pid")/status")
    local kept
    kept=$(metric tephra_hot_rows)
    end "$dir"
    row "\`kill -9\` with $((held / 1000000)) MB hot ($loaded events): ready after, ms" "< 5,000" "$took"
    row "… events found again; RSS then, MB" "$loaded" "$kept; $rss"
}

# Two data sets of 5,000 groups each, one rolled and one hot, read at an even rate by token; then sockets that only listen.
part_reads() {
    local sockets
    start reads "${no_roll[@]}" TEPHRA_LIMIT_TOKEN_PER_SECOND=0
    load cold --protocol native --events "$((events / 2))" --roll
    load hot --protocol native --events "$((events / 2))" --seed 2
    {
        echo
        "$bench" reads --data-dir "$dir/data" --issues 10000 --rate 500 --seconds 20 --json "$dir/reads.json"
    } | tee -a "$tables" >&2
    row "500 reads/s over $events events half hot, 10,000 issues: done per second" "500" \
        "$(figure "$dir/reads.json" '"%.0f" % r["done_per_second"]')"
    row "… issue list p99; event list p99, ms" "< 50" \
        "$(figure "$dir/reads.json" '"%.1f; %.1f" % (r["reads"]["issue list"]["p99_ms"], r["reads"]["event list"]["p99_ms"])')"
    end "$dir"
    start sockets TEPHRA_LIMIT_TOKEN_PER_SECOND=0
    ulimit -n 8192
    sockets=$("$bench" sockets --data-dir "$dir/data" --sockets 2000)
    row "2,000 live sockets that only listen" "< 100 MB more" "${sockets#*: }"
    end "$dir"
}

part_idle() {
    local pid before after
    start idle
    sleep 15
    pid=$(cat "$dir/pid")
    before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
    sleep 10
    after=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
    row "idle: RSS, MB; CPU ms per second" "< 80; about 0" "$(awk '/VmRSS/ { print int($2 / 1000) }' "/proc/$pid/status"); $((after - before))"
    end "$dir"
}

# Used by `tephra-bench queries --cold`.
if [ "${1:-}" = _restart ]; then
    end "$2"
    launch "$2"
    await "$2"
    exit
fi

# One part in a shell of its own, which ends at its first failure without costing the others.
if [ "${1:-}" = _part ]; then
    work=$2 rows=$2/rows.md tables=$2/tables.md
    "part_$3"
    exit
fi

for program in "$tephra" "$bench"; do
    [ -x "$program" ] || { say "no \`$program\`: cargo build --release --workspace"; exit 1; }
done
mkdir -p "$home"
work=$(mktemp -d "$home/run.XXXXXX")
rows=$work/rows.md
tables=$work/tables.md
touch "$rows" "$tables"

finish() {
    local folder
    for folder in "$work"/*/; do end "${folder%/}"; done
    [ -n "${TEPHRA_FIGURES_KEEP:-}" ] || rm -rf "$work"
}
trap finish EXIT

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(otlp native single sentry lake queries recovery reads idle)
for part in "${parts[@]}"; do
    declare -F "part_$part" >/dev/null || { say "there is no part \`$part\`"; exit 2; }
done
for part in "${parts[@]}"; do
    say "== $part"
    "$root/benches/run-figures.sh" _part "$work" "$part" || row "$part" "" "failed, see above"
    [ -n "${TEPHRA_FIGURES_KEEP:-}" ] || {
        for folder in "$work"/*/; do end "${folder%/}"; done
        rm -rf "$work"/*/
    }
done

echo "$events events, $(nproc) cores, $("$tephra" version 2>/dev/null | head -1), $(date -u +%F)"
echo
echo "| what | aim | measured |"
echo "|---|---|---|"
cat "$rows" "$tables"
