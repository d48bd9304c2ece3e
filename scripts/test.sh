#!/usr/bin/env bash
# Runs every check that a change must pass; .ci/run runs this very script.
#
# From nothing about an hour on two cores (most of it the first build), half an hour after that.
# TEPHRA_TEST_KILLS and TEPHRA_TEST_CUTS set the rounds of the crash harness (50 and 100).
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    local name=$1 began=$SECONDS
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    "$@" || {
        printf '== %s: failed after %s s\n' "$name" "$((SECONDS - began))" >&2
        exit 1
    }
    printf '== %s: %s s\n' "$name" "$((SECONDS - began))"
}

skip() { printf '\n== %s: skipped, %s\n' "$1" "$2"; }

# Kills, power cuts and flipped bits under load, a client's ledger as the oracle. That the harness finds planted bugs is
# shown by the same command with `--plants`, a long run of its own.
# The whole workspace is named, so that dependencies are those of the other steps and are not built again.
crash() {
    local cargo=(env -u TEPHRA_CORPUS -u TEPHRA_CACHE -u TEPHRA_PYTHON cargo)
    local harness=(--locked --workspace --features "tephra/failpoints,tephra/planted-bugs" --test crash)
    step "lint crash" "${cargo[@]}" clippy "${harness[@]}" -- -D warnings
    step crash "${cargo[@]}" test "${harness[@]}" -- \
        --kills "${TEPHRA_TEST_KILLS:-50}" --cuts "${TEPHRA_TEST_CUTS:-100}"
}

# Licences, sources and duplicates are judged from Cargo.lock; advisories need a copy of their database.
deny() {
    if ! cargo deny --version >/dev/null 2>&1; then
        skip deny "cargo-deny is not installed (\`cargo install cargo-deny --locked\`)"
    elif cargo deny fetch db >/dev/null 2>&1; then
        step deny cargo deny --locked check
    else
        step deny cargo deny --locked check bans licenses sources
        skip advisories "their database cannot be fetched from here"
    fi
}

# One that is named already is used and left alone; else a cluster of this run's own, gone with it.
postgres() {
    if [ -n "${TEPHRA_TEST_POSTGRES_URL:-}" ]; then
        skip postgres "TEPHRA_TEST_POSTGRES_URL names one"
        return
    fi
    local folder
    folder=/var/tmp/tephra-postgres-$(id -u)-$$
    # shellcheck disable=SC2064
    trap "scripts/postgres.sh stop '$folder'" EXIT
    printf '\n== postgres: in %s\n' "$folder"
    local exports
    exports=$(scripts/postgres.sh start "$folder")
    eval "$exports"
}

step setup scripts/setup.sh
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
step format cargo fmt --all --check
step lint cargo clippy --locked --workspace --all-targets -- -D warnings
deny
crash
postgres
step test cargo nextest run --locked --workspace --profile "${NEXTEST_PROFILE:-default}"
printf '\nall checks passed in %s s\n' "$SECONDS"
