#!/usr/bin/env bash
# A private PostgreSQL for tests: `scripts/postgres.sh start|stop|url [FOLDER]`.
#
# `start` makes a cluster in FOLDER where there is none, starts it on a free port of this machine (both together one to
# three seconds) and prints the line that the tests want: eval "$(scripts/postgres.sh start)". `url` prints the address of a
# running one, `stop` stops it and takes FOLDER away. It is for tests only: a power cut would destroy it.
#
# FOLDER is /var/tmp/tephra-postgres-<uid> unless given. PostgreSQL does not run as root, so root starts it as `postgres`.
set -euo pipefail

say() { printf 'postgres: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

verb=${1:-}
folder=${2:-/var/tmp/tephra-postgres-$(id -u)}
bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n1)

case $verb in start | stop | url) ;; *) fail "unknown command \`$verb\`: one of \`start\`, \`stop\`, \`url\`" ;; esac
[ -n "$bin" ] || fail "there is no PostgreSQL under /usr/lib/postgresql; run scripts/setup.sh"

# Outside of folders that the other user may not see.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else (cd / && "$@"); fi
}

running() { [ -f "$folder/data/postmaster.pid" ] && as_postgres "$bin/pg_ctl" -D "$folder/data" status >/dev/null 2>&1; }

url() {
    local port
    port=$(sed -n 4p "$folder/data/postmaster.pid")
    printf 'postgres://tephra:%s@127.0.0.1:%s/postgres\n' "$(cat "$folder/password")" "$port"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Nothing is ever taken away that this script has not made.
ours() { [ -f "$folder/password" ]; }

create() {
    if [ -e "$folder" ]; then
        ours || fail "\`$folder\` is there and is no folder of this script"
        rm -rf "$folder"
    fi
    say "making a cluster in $folder"
    umask 077
    mkdir -p "$folder"
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$folder/password"
    [ "$(id -u)" != 0 ] || chown -R postgres: "$folder"
    as_postgres "$bin/initdb" -D "$folder/data" -U tephra --pwfile="$folder/password" --auth=scram-sha-256 \
        --encoding=UTF8 --locale=C --no-sync >/dev/null
    as_postgres sh -c "cat >>'$folder/data/postgresql.conf'" <<SETTINGS
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
max_connections = 300
fsync = off
full_page_writes = off
synchronous_commit = off
SETTINGS
}

start() {
    local began=$SECONDS attempt
    if running; then
        say "runs already in $folder"
    else
        [ -f "$folder/data/postgresql.conf" ] && ours || create
        for attempt in 1 2 3; do
            # The port was free a moment ago; somebody else may have taken it since.
            as_postgres "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -t 60 -o "-p $(free_port)" start \
                >/dev/null && break
            [ "$attempt" != 3 ] || fail "does not start; its log is $folder/log"
        done
        say "runs in $folder after $((SECONDS - began)) s"
    fi
    printf "export TEPHRA_TEST_POSTGRES_URL='%s'\n" "$(url)"
}

stop() {
    if running; then
        as_postgres "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null
        say "stopped"
    fi
    if ours; then rm -rf "$folder"; fi
}

case $verb in
start) start ;;
stop) stop ;;
url) running && url || fail "does not run in $folder" ;;
esac
