#!/usr/bin/env bash
# Installs what building Tephra (`build`) or also testing it (`test`, the default) needs, on Debian 12.
#
# Safe to run again: it looks first, and installs only what is missing. A second run takes about a second; a first one
# one or two minutes for the packages, about ten more for cargo-nextest, two for the Python clients, half a one for the
# OpenID provider, one for the SDKs for Node.js and browsers and four for the one for Rust.
set -euo pipefail
cd "$(dirname "$0")/.."

scope=${1:-test}
cache=${TEPHRA_CACHE:-$HOME/.cache/tephra}
say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

case $scope in build | test) ;; *) fail "unknown scope \`$scope\`: one of \`build\`, \`test\`" ;; esac

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        fail "needs root for: $*"
    fi
}

# Compilers for RocksDB and zstd (C++), libclang for its bindings, protoc for the native protocol, mold to link.
packages() {
    local wanted=(build-essential clang libclang-dev mold protobuf-compiler cmake pkg-config curl ca-certificates)
    [ "$scope" = build ] || wanted+=(python3 python3-venv postgresql)
    local missing=()
    local package
    for package in "${wanted[@]}"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
    done
    # Another Node.js than Debian's is as good.
    if [ "$scope" = test ] && ! command -v npm >/dev/null; then missing+=(nodejs npm); fi
    if [ "$scope" = test ] && ! command -v chromium >/dev/null; then missing+=(chromium); fi
    if [ ${#missing[@]} = 0 ]; then
        say "Debian packages: all there"
        return
    fi
    command -v apt-get >/dev/null || fail "no apt-get here; install the likes of: ${missing[*]}"
    say "Debian packages: installing ${missing[*]} (a minute or two)"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

rust() {
    export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    local wanted
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! command -v cargo >/dev/null && apt-cache show rustup >/dev/null 2>&1; then
        say "Rust: installing the distribution's rustup and the stable toolchain (about two minutes)"
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq rustup >/dev/null
        rustup default stable >/dev/null
    fi
    if ! command -v cargo >/dev/null; then
        say "Rust: this Debian has no rustup; installing it from https://sh.rustup.rs (about two minutes)"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --quiet --profile minimal \
            --component clippy,rustfmt || fail "could not install Rust; install $wanted or newer and run this again"
    fi
    command -v cargo >/dev/null || fail "no cargo on the PATH; install Rust $wanted or newer and run this again"
    local found
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n1)" = "$wanted" ] ||
        fail "Rust $found is too old: Tephra needs $wanted or newer (\`rustup update stable\`)"
    say "Rust: $found"
}

nextest() {
    if cargo nextest --version >/dev/null 2>&1; then
        say "cargo-nextest: $(cargo nextest --version | head -n1 | cut -d' ' -f2)"
        return
    fi
    say "cargo-nextest: installing (about ten minutes on two cores)"
    # Outside the project's folder, so that its linker settings do not apply to a foreign build.
    (cd / && cargo install cargo-nextest --locked --quiet)
}

python_clients() {
    local requirements=api/tests/clients/requirements.txt venv=$cache/venv
    local wanted
    wanted=$(sha256sum "$requirements" | cut -d' ' -f1)
    if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/requirements.sha256" 2>/dev/null)" = "$wanted" ]; then
        say "Python clients: all there ($venv)"
        return
    fi
    say "Python clients: installing into $venv (about two minutes)"
    mkdir -p "$cache"
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    echo "$wanted" >"$venv/requirements.sha256"
}

# Beside its packages, because that is where Node.js looks for them.
openid_provider() {
    local source=api/tests/clients/oidc folder=$cache/oidc
    local wanted
    wanted=$(cat "$source"/{package.json,package-lock.json,provider.mjs} | sha256sum | cut -d' ' -f1)
    if [ "$(cat "$folder/source.sha256" 2>/dev/null)" = "$wanted" ]; then
        say "OpenID provider: all there ($folder)"
        return
    fi
    say "OpenID provider: installing into $folder (about half a minute)"
    mkdir -p "$folder"
    cp "$source"/{package.json,package-lock.json,provider.mjs} "$folder/"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --silent
    echo "$wanted" >"$folder/source.sha256"
}

# A folder of packages whose versions a file of the repository names; the names of the files are the rest of the arguments.
# Succeeds where it is there already.
is_there() {
    local folder=$1
    shift
    wanted=$(cat "$@" | sha256sum | cut -d' ' -f1)
    [ "$(cat "$folder/source.sha256" 2>/dev/null)" = "$wanted" ]
}

sdk_python_brotli() {
    local source=api/tests/sdk/python/brotli.txt folder=$cache/sdk-python-brotli wanted
    if is_there "$folder" "$source"; then
        say "brotli for the Sentry SDK for Python: all there ($folder)"
        return
    fi
    say "brotli for the Sentry SDK for Python: installing into $folder"
    rm -rf "$folder"
    "$cache/venv/bin/python" -m pip install --quiet --disable-pip-version-check --target "$folder" -r "$source"
    echo "$wanted" >"$folder/source.sha256"
}

# What the newest of the SDKs needs; the tests that want them say so where they are missing.
node_is_new_enough() {
    local found
    found=$(node --version 2>/dev/null | tr -d v) || return 1
    [ "$(printf '%s\n' 20.19.0 "$found" | sort -V | head -n1)" = 20.19.0 ]
}

sdk_node() {
    local source=api/tests/sdk/node folder=$cache/sdk-node wanted
    if is_there "$folder" "$source"/{package.json,package-lock.json}; then
        say "SDKs for Node.js: all there ($folder)"
    else
        say "SDKs for Node.js: installing into $folder (a minute or two)"
        mkdir -p "$folder"
        cp "$source"/{package.json,package-lock.json} "$folder/"
        npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --silent
        echo "$wanted" >"$folder/source.sha256"
    fi
    # Beside their packages, because that is where Node.js looks for them.
    cp "$source"/{program.mjs,otel.mjs} "$folder/"
}

sdk_browser() {
    local source=api/tests/sdk/browser folder=$cache/sdk-browser wanted
    if is_there "$folder" "$source"/{package.json,package-lock.json,page.js,index.html}; then
        say "SDK for browsers: all there ($folder)"
        return
    fi
    say "SDK for browsers: installing into $folder (about half a minute)"
    mkdir -p "$folder/source"
    cp "$source"/{package.json,package-lock.json,page.js} "$folder/source/"
    npm ci --prefix "$folder/source" --ignore-scripts --no-audit --no-fund --silent
    (cd "$folder/source" && node_modules/.bin/esbuild page.js --bundle --format=esm --log-level=warning --outfile=../page.js)
    cp "$source/index.html" "$folder/"
    echo "$wanted" >"$folder/source.sha256"
}

# A workspace of its own, so that the features of its dependencies are not those of Tephra's.
sdk_rust() {
    local source=$PWD/api/tests/sdk/rust folder=$cache/sdk-rust wanted
    if is_there "$folder" "$source"/{Cargo.toml,Cargo.lock,src/main.rs}; then
        say "SDK for Rust: all there ($folder)"
        return
    fi
    say "SDK for Rust: building into $folder (about four minutes)"
    # Outside the project's folder, so that its linker settings do not apply to a foreign build.
    (cd / && CARGO_TARGET_DIR=$folder cargo build --quiet --locked --manifest-path "$source/Cargo.toml")
    echo "$wanted" >"$folder/source.sha256"
}

packages
rust
if [ "$scope" = test ]; then
    nextest
    python_clients
    openid_provider
    sdk_python_brotli
    if node_is_new_enough; then
        sdk_node
        sdk_browser
    else
        say "SDKs for Node.js and browsers: left out, as they need Node.js 20.19 or newer"
    fi
    sdk_rust
fi
