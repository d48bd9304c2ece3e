#!/usr/bin/env bash
# Fuzzes the decoders and the search language with libFuzzer: `fuzz.sh [SECONDS] [TARGET …]`.
#
# Ten minutes each by default; the targets are envelope, event, otlp, inflate and search. Stable Rust will do: coverage is
# built into this workspace's crates alone, all others are those of the release build. Seeds come from TEPHRA_CORPUS where
# it is set; what is found lands in target/fuzz/TARGET, a crash as `crash-…` beside it.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(envelope event otlp inflate search)

target=${CARGO_TARGET_DIR:-$PWD/target}
home=$target/fuzz
mkdir -p "$home"
wrapper=$home/rustc
cat >"$wrapper" <<'WRAPPER'
#!/bin/sh
# Build scripts are no part of what is fuzzed.
case " $* " in *" --crate-name build_script_"*) exec "$@" ;; esac
exec "$@" --cfg fuzzing -C codegen-units=1 -C debug-assertions=yes -C overflow-checks=yes -C passes=sancov-module \
    -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares
WRAPPER
chmod +x "$wrapper"
echo "== building the targets with coverage (a few minutes after a release build)"
bins=()
for name in "${targets[@]}"; do bins+=(--bin "fuzz-$name"); done
CARGO_TARGET_DIR=$target RUSTC_WORKSPACE_WRAPPER=$wrapper \
    cargo build --locked --release --workspace --features tephra-fuzz/libfuzzer "${bins[@]}"

# seed TARGET: fills its corpus; files keep their names, so that doing it again changes nothing.
seed() {
    local corpus=$home/$1 from=${TEPHRA_CORPUS:-} file
    mkdir -p "$corpus"
    case $1 in
    search)
        sed -n 's/^ *check("\([^"]*\)".*/\1/p' query/src/search/tests.rs | while read -r line; do
            printf '%s' "$line" >"$corpus/seed-$(printf '%s' "$line" | cksum | cut -d' ' -f1)"
        done
        ;;
    *) [ -n "$from" ] || { echo "   TEPHRA_CORPUS is not set: $1 starts from nothing"; return; } ;;
    esac
    case $1 in
    envelope) find "$from/envelopes" "$from/real-sdk" -type f \( -name '*.txt' -o -name '*.body' -o -name '*.bin' \) -size -64k ;;
    event | otlp) find "$from/event-samples" -type f -name '*.json' -size -64k ;;
    inflate) find "$from/real-sdk" -type f -name '*.body' -size -64k ;;
    esac | while read -r file; do
        case $1 in
        # The first byte names the encoding: gzip, br.
        inflate) { [ "${file#*gzip}" = "$file" ] && printf '\003' || printf '\000'; cat "$file"; } ;;
        *) cat "$file" ;;
        esac >"$corpus/seed-$(basename "$file")"
    done
}

failed=0
for name in "${targets[@]}"; do
    seed "$name"
    echo "== $name: $seconds s, $(find "$home/$name" -type f | wc -l) inputs to begin with"
    "$target/release/fuzz-$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$home/$name-" "$home/$name" >"$home/$name.log" 2>&1 || { failed=1; echo "   FAILED"; }
    grep -E 'stat::(number_of_executed_units|average_exec)|SUMMARY|panicked|cov: ' "$home/$name.log" | tail -4 | sed 's/^/   /'
done
exit "$failed"
