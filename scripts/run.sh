#!/usr/bin/env bash
# Builds Tephra and runs it: `scripts/run.sh [arguments of tephra serve]`.
#
# The first build compiles RocksDB and the query engine: about 40 minutes on two cores, a few on a large machine; after
# that it takes seconds. On its first start the server prints its address, a project's ingest key and a read token, and
# writes them to `first-run.env` in the data directory (TEPHRA_DATA_DIR, ./data unless set).
#
# TEPHRA_PROFILE=dev builds faster and runs slower.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh build
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

profile=${TEPHRA_PROFILE:-release}
folder=$profile
[ "$profile" != dev ] || folder=debug
target=${CARGO_TARGET_DIR:-target}
data=${TEPHRA_DATA_DIR:-./data}

[ -x "$target/$folder/tephra" ] || echo "run: first build, about 40 minutes on two cores"
# The whole workspace is named, so that dependencies are those of all other builds and are not built again.
cargo build --locked --profile "$profile" --workspace --bin tephra
echo "run: data in $data; stop with Ctrl-C"
# The server takes every TEPHRA_* variable for a setting; these two are this script's.
unset TEPHRA_PROFILE TEPHRA_CACHE
exec "$target/$folder/tephra" serve --data-dir "$data" "$@"
