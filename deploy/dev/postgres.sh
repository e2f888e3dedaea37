#!/usr/bin/env bash
# A private PostgreSQL server, loopback only.
#
#   postgres.sh start DIR PORT [NAME=VALUE…]   initialise if need be, start, return when it answers
#   postgres.sh database DIR NAME              a role NAME and a database NAME it owns, unless there
#   postgres.sh port DIR                       its port; fails if it is not running
#   postgres.sh stop DIR [fast|immediate]
#
# The superuser is `postgres`, without a password: whoever may connect to this machine's loopback may use it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=deploy/dev/lib.sh
. "$here/lib.sh"
# shellcheck source=deploy/dev/install.sh
. "$here/install.sh"

verb=${1-} dir=${2-}
[[ $dir == /* ]] || misuse "usage: postgres.sh start|database|port|stop DIR … (DIR absolute)"
shift 2
data=$dir/data log=$dir/log

# libpq reads a dozen variables of the caller that would lead elsewhere than told.
# shellcheck disable=SC2086 # a list of names
unset ${!PG@}

# Runs a server program. PostgreSQL refuses root, so root becomes the user of Debian's package. In `/`, because that
# user may not be able to enter the current directory.
as_server() {
  if is_root; then
    (cd / && runuser -u postgres -- "$@")
  else
    "$@"
  fi
}

server_pid() {
  local pid
  pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || return 1
  is_process "$pid" "-D $data " && printf '%s\n' "$pid"
}

# The line of the pid file that holds the port is part of PostgreSQL's documented layout.
server_port() { server_pid >/dev/null && sed -n 4p "$data/postmaster.pid"; }

initialise() {
  mkdir -p "$dir"
  if is_root; then
    id postgres >/dev/null 2>&1 || die "there is no user postgres to run PostgreSQL as (it refuses root)"
    chown postgres "$dir"
  fi
  chmod 700 "$dir"
  as_server test -w "$dir" || die "the user PostgreSQL runs as cannot reach or write $dir"
  [[ ! -d $data ]] || return 0
  # Renamed when complete: an interrupted initdb must not look like a cluster. The C locale sorts the same everywhere.
  as_server rm -rf "$data.new"
  as_server "$bin/initdb" -D "$data.new" -U postgres -A trust -E UTF8 --locale=C --no-instructions >/dev/null
  as_server mv "$data.new" "$data"
}

# PostgreSQL refuses to start if the process its pid file names exists. After a crash that may be a stranger with the
# same number, or a zombie where nobody reaps. Only the number is replaced, by one that is surely free: the rest
# of the file lets PostgreSQL see left-over children of the crashed server, and that check must stay.
disown_pid_file() {
  local rest free
  [[ -f $data/postmaster.pid ]] || return 0
  rest=$(tail -n +2 "$data/postmaster.pid")
  : &
  free=$!
  wait "$free"
  printf '%s\n' "$free" "$rest" | as_server tee "$data/postmaster.pid" >/dev/null
}

start() {
  local port=$1 setting options
  shift
  ! server_pid >/dev/null || die "PostgreSQL is already running in $dir"
  disown_pid_file
  initialise
  options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
  # The defaults are for a machine of 1990: room for many test processes, and no checkpoint every few seconds of load.
  for setting in max_connections=400 shared_buffers=256MB max_wal_size=2GB "$@"; do
    options+=" -c $setting"
  done
  as_server "$bin/pg_ctl" start -w -s -D "$data" -l "$log" -o "$options" >"$dir/start" 2>&1 9>&- || {
    { cat "$dir/start"; tail -n 5 "$log"; } >&2
    return 1
  }
}

create_database() {
  local port psql
  port=$(server_port) || die "PostgreSQL is not running in $dir"
  psql=("$bin/psql" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d postgres)
  # Not a superuser: what works here must work with the rights of a production role.
  if [[ -z $("${psql[@]}" -At -c "SELECT 1 FROM pg_roles WHERE rolname = '$1'") ]]; then
    "${psql[@]}" -c "CREATE ROLE \"$1\" LOGIN"
  fi
  if [[ -z $("${psql[@]}" -At -c "SELECT 1 FROM pg_database WHERE datname = '$1'") ]]; then
    "${psql[@]}" -c "CREATE DATABASE \"$1\" OWNER \"$1\""
  fi
}

stop() {
  server_pid >/dev/null || return 0
  # `fast` writes a checkpoint, which may take a while on a slow disk.
  as_server "$bin/pg_ctl" stop -w -s -t 120 -D "$data" -m "${1-fast}" ||
    # Somebody else may have stopped it in between.
    not server_pid >/dev/null
}

# A cluster can only be read by the major version that made it.
made_by=$(cat "$data/PG_VERSION" 2>/dev/null || true)
bin=$(postgres_bin "$made_by") ||
  die "PostgreSQL ${made_by:-$oldest_postgres or later} is not installed${made_by:+, and $dir was made by it}"

case $verb in
  start) start "$@" ;;
  database) create_database "$@" ;;
  port) server_port ;;
  stop) stop "$@" ;;
  *) misuse "postgres.sh: unknown verb '$verb'" ;;
esac
