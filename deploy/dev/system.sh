# shellcheck shell=bash
# The system `./dev up` runs: its state under .dev/, its servers, manman, an agent. Expects lib.sh and install.sh.
#
#   .dev/ports         NAME=PORT, remembered so that addresses stay the same
#   .dev/environment   addresses of the last start, and the variables manman was given
#   .dev/manman.pid    process id and command line of the running manman
#   .dev/manman.log    what a detached manman logs; .dev/manman.out what it says (ready, try this)
#   .dev/worker.pid    the same of the agent; .dev/worker.log what it logs; .dev/worker what it installs and remembers
#   .dev/postgres .dev/rabbitmq    the private servers with their data

state=$repository/.dev
scripts=$repository/deploy/dev
# What the agent installs and, in .manman, remembers.
worker_directory=$state/worker
address_names=(EXPERIENCE_URL WORKER_DAL_URL STATUS_URL PROCESSOR_URL AMQP_URL POSTGRES_URL)

# What this command started, in order, for stop_started.
started=()

# Which servers of the running system are ours: some of postgres, broker. Saved with the environment.
PRIVATE_SERVERS=

open_state() {
  mkdir -p "$state"
  # The user PostgreSQL runs as must be able to pass. What is secret in here is readable for its owner only.
  chmod 755 "$state"
}

# One ./dev at a time may start or stop things. Where there is no flock (macOS) the user must not start two at once.
lock() {
  open_state
  command -v flock >/dev/null || return 0
  exec 9>"$state/lock"
  flock -n 9 && return
  say "waiting for another ./dev in this clone"
  flock 9
}

unlock() { exec 9>&-; }

remembered() { sed -n "s/^$1=//p" "$state/ports" 2>/dev/null || true; }

remember() {
  { grep -v "^$1=" "$state/ports" 2>/dev/null || true; echo "$1=$2"; } >"$state/ports.new"
  mv "$state/ports.new" "$state/ports"
}

# choose_port NAME DEFAULT: sets NAME to a free port: what MANMAN_DEV_<NAME> says, the one of last time, the default,
# or any, in this order.
choose_port() {
  local configured=MANMAN_DEV_$1 last port
  last=$(remembered "$1")
  if [[ -n ${!configured-} ]]; then
    port=${!configured}
    [[ $port =~ ^[0-9]{1,5}$ ]] || die "$configured must be a port number, not '$port'"
    ! port_taken "$port" || die "port $port ($configured) is taken by another program"
  else
    port=${last:-$2}
    if port_taken "$port"; then
      port=$(free_port)
      say "port ${last:-$2} is taken by another program: using $port as $1 (remembered in .dev/ports)"
    fi
  fi
  remember "$1" "$port"
  printf -v "$1" %s "$port"
}

# Where PostgreSQL's data is. Root runs it as another user, who may be unable to reach this clone, for example
# below /root. Then it is in a directory of the system, with a link here.
place_postgres() {
  local there
  is_root || return 0
  id postgres >/dev/null 2>&1 || die "there is no user postgres to run PostgreSQL as (it refuses root)"
  ! runuser -u postgres -- test -x "$state" || return 0
  there=/var/lib/manman-dev/$(basename "$repository")-$(printf '%s' "$repository" | cksum | cut -d ' ' -f 1)
  mkdir -p "$there"
  chmod 755 "$(dirname "$there")" "$there"
  # Not kept if it leads elsewhere: this clone would be a copy, and would share the original's data.
  [[ $(readlink "$state/postgres" || true) == "$there" ]] || {
    [[ ! -d $state/postgres || -L $state/postgres ]] ||
      die ".dev/postgres exists but the user postgres cannot reach it: ./dev reset, or chmod its parent directories"
    ln -sfn "$there" "$state/postgres"
    say "the user postgres cannot reach $state: PostgreSQL's data are in $there"
  }
}

postgres_dir() { (cd "$state/postgres" 2>/dev/null && pwd -P) || printf '%s\n' "$state/postgres"; }

private_postgres() { "$scripts/postgres.sh" "$1" "$(postgres_dir)" "${@:2}"; }
private_broker() { "$scripts/broker.sh" "$1" "$state/rabbitmq" "${@:2}"; }

# The first use of a directory of ours by another user ends in the strangest messages; this is a plain one.
require_ours() {
  [[ ! -e $1 || -L $1 || -O $1 ]] || is_root || die "$1 belongs to another user (sudo ./dev?): use that user, or remove it"
}

# Sets POSTGRES_URL and manman's variable for it; starts the private server unless it runs or is not wanted.
ensure_postgres() {
  if [[ -n ${MANMAN_POSTGRES_URL-} ]]; then
    # Without the driver that SQLAlchemy-style addresses name, so that psql understands it too.
    POSTGRES_URL=${MANMAN_POSTGRES_URL/+psycopg2:/:}
    return
  fi
  require_ours "$state/postgres"
  place_postgres
  if ! POSTGRES_PORT=$(private_postgres port); then
    choose_port POSTGRES_PORT 54320
    say "starting PostgreSQL on port $POSTGRES_PORT"
    started+=(postgres)
    private_postgres start "$POSTGRES_PORT" || die "PostgreSQL did not start (log: .dev/postgres/log)"
  else
    say "PostgreSQL is running already, on port $POSTGRES_PORT"
  fi
  private_postgres database manman
  PRIVATE_SERVERS+=" postgres"
  POSTGRES_URL=postgres://manman@127.0.0.1:$POSTGRES_PORT/manman
  export MANMAN_POSTGRES_URL=$POSTGRES_URL
}

# The same for the broker, with AMQP_URL.
ensure_broker() {
  if [[ -n ${MANMAN_RABBITMQ_HOST-} ]]; then
    AMQP_URL=$(external_amqp_url)
    return
  fi
  require_ours "$state/rabbitmq"
  if ! AMQP_PORT=$(private_broker port); then
    choose_port AMQP_PORT 56720
    say "starting RabbitMQ on port $AMQP_PORT"
    started+=(broker)
    private_broker start "$AMQP_PORT" || die "RabbitMQ did not start"
  else
    say "RabbitMQ is running already, on port $AMQP_PORT"
  fi
  PRIVATE_SERVERS+=" broker"
  forget_broker
  # shellcheck disable=SC2034 # read through address_names
  AMQP_URL=amqp://guest:guest@127.0.0.1:$AMQP_PORT/%2f
  export MANMAN_RABBITMQ_HOST=127.0.0.1 MANMAN_RABBITMQ_PORT=$AMQP_PORT RABBITMQ_VHOST=/ \
    MANMAN_RABBITMQ_USER=guest MANMAN_RABBITMQ_PASSWORD=guest
}

# Starts again the private servers the running manman has lost.
revive_servers() {
  local private=$PRIVATE_SERVERS
  if [[ $private == *postgres* ]]; then
    unset MANMAN_POSTGRES_URL
    ensure_postgres
  fi
  if [[ $private == *broker* ]]; then
    forget_broker
    ensure_broker
  fi
}

# Removes the caller's settings for some other broker.
forget_broker() {
  # shellcheck disable=SC2086 # lists of names
  unset ${!MANMAN_RABBITMQ_@} ${!RABBITMQ_@}
}

external_amqp_url() {
  local scheme=amqp port=${MANMAN_RABBITMQ_PORT:-${RABBITMQ_PORT:-5672}}
  local user=${MANMAN_RABBITMQ_USER:-${RABBITMQ_USER:-guest}}
  local password=${MANMAN_RABBITMQ_PASSWORD:-${RABBITMQ_PASSWORD:-guest}}
  local vhost=${RABBITMQ_VHOST:-${APP_ENV:+manman-$APP_ENV}}
  case ${MANMAN_RABBITMQ_ENABLE_SSL:-${RABBITMQ_ENABLE_SSL-}} in 1 | true | yes | True) scheme=amqps ;; esac
  printf '%s://%s:%s@%s:%s/%s\n' "$scheme" "$(percent_encode "$user")" "$(percent_encode "$password")" \
    "$MANMAN_RABBITMQ_HOST" "$port" "$(percent_encode "${vhost:-/}")"
}

percent_encode() {
  local LC_ALL=C rest=$1 character
  while [[ -n $rest ]]; do
    character=${rest:0:1} rest=${rest:1}
    case $character in
      [A-Za-z0-9._~-]) printf %s "$character" ;;
      *) printf %%%02x "$(($(printf %d "'$character") & 255))" ;;
    esac
  done
}

choose_http_ports() {
  choose_port EXPERIENCE_PORT 8000
  choose_port WORKER_DAL_PORT 8001
  choose_port STATUS_PORT 8002
  choose_port PROCESSOR_PORT 8003
  EXPERIENCE_URL=http://127.0.0.1:$EXPERIENCE_PORT
  WORKER_DAL_URL=http://127.0.0.1:$WORKER_DAL_PORT
  STATUS_URL=http://127.0.0.1:$STATUS_PORT
  PROCESSOR_URL=http://127.0.0.1:$PROCESSOR_PORT
  port_flags=(--experience-port "$EXPERIENCE_PORT" --worker-dal-port "$WORKER_DAL_PORT"
    --status-port "$STATUS_PORT" --processor-port "$PROCESSOR_PORT")
}

# Saves what `env` and `manman` need to know of this start.
write_environment() {
  local name
  (
    # It holds the passwords of external servers.
    umask 077
    for name in "${address_names[@]}" PRIVATE_SERVERS MANMAN_POSTGRES_URL ${!MANMAN_RABBITMQ_@} ${!RABBITMQ_@} APP_ENV; do
      [[ -z ${!name+set} ]] || printf '%s=%q\n' "$name" "${!name}"
    done >"$state/environment.new"
    mv "$state/environment.new" "$state/environment"
  )
}

# Becomes the environment of the last start; exported, for manman.
load_environment() {
  forget_broker
  unset APP_ENV
  set -a
  # shellcheck source=/dev/null
  . "$state/environment"
  set +a
}

# Prints the process id of manman, of the agent; fails if it does not run.
manman_pid() { pid_in "$state/manman.pid"; }
worker_pid() { pid_in "$state/worker.pid"; }

pid_in() {
  local pid command
  { read -r pid && IFS= read -r command; } 2>/dev/null <"$1" || return 1
  is_process "$pid" "$command" && printf '%s\n' "$pid"
}

# True if there is a system, whole or in part, that the saved environment describes.
anything_running() {
  [[ -f $state/environment ]] || return 1
  manman_pid >/dev/null || { [[ -d $state/postgres ]] && private_postgres port >/dev/null; } ||
    { [[ -d $state/rabbitmq ]] && private_broker port >/dev/null; }
}

# Starts manman and stays with it. It gets its signal from us, and drains while its servers still run.
run_in_foreground() {
  local command=("$manman" up --demo "${port_flags[@]}")
  rm -f "$state/manman.out"
  started+=(manman)
  start_child "${command[@]}"
  await_exec "$child"
  printf '%s\n' "$child" "${command[*]} " >"$state/manman.pid"
  ensure_worker
  unlock
  await_child
}

run_detached() {
  local command=("$manman" up --demo "${port_flags[@]}")
  rm -f "$state/manman.out"
  [[ ! -f $state/manman.log ]] || mv "$state/manman.log" "$state/manman.log.1"
  started+=(manman)
  daemon "$state/manman.out" "$state/manman.log" "${command[@]}"
  printf '%s\n' "$daemon_pid" "${command[*]} " >"$state/manman.pid"
}

# Starts the agent unless it runs; it waits for the API by itself. Its game servers outlive it, but not `./dev down`.
ensure_worker() {
  local command=("$manman" start-worker)
  if worker_pid >/dev/null; then
    say "the agent is running already"
    return
  fi
  say "starting an agent (log: .dev/worker.log)"
  [[ ! -f $state/worker.log ]] || mv "$state/worker.log" "$state/worker.log.1"
  started+=(worker)
  # The caller's are for some agent of his own: this one is found again, and stopped, by where its files are.
  # shellcheck disable=SC2086 # a list of names
  unset ${!MANMAN_WORKER_@}
  export MANMAN_HOST_URL=$WORKER_DAL_URL
  export MANMAN_WORKER_NAME=dev
  export MANMAN_WORKER_INSTALL_DIRECTORY=$worker_directory
  export MANMAN_WORKER_STATE_DIRECTORY=$worker_directory/.manman
  export STEAMCMD_EXECUTABLE=${STEAMCMD_EXECUTABLE:-$(dirname "$manman")/demo-steamcmd}
  daemon "$state/worker.log" "$state/worker.log" "${command[@]}"
  printf '%s\n' "$daemon_pid" "${command[*]} " >"$state/worker.pid"
}

worker_is_current() { http_ok "${EXPERIENCE_URL##*:}" /worker/current; }

worker_registered_or_dead() { worker_is_current || ! worker_pid >/dev/null; }

await_worker() {
  wait_until 60 worker_registered_or_dead || die "the agent has not registered after 60 s (log: .dev/worker.log)"
  worker_pid >/dev/null || {
    tail -n 20 "$state/worker.log" >&2 || true
    die "the agent ended before it had registered"
  }
}

all_ready() {
  local url
  for url in "$EXPERIENCE_URL" "$WORKER_DAL_URL" "$STATUS_URL" "$PROCESSOR_URL"; do
    http_ok "${url##*:}" /readyz || return 1
  done
}

ready_or_dead() { all_ready || ! manman_pid >/dev/null; }

await_ready() {
  wait_until 120 ready_or_dead || die "manman is not ready after 120 s (log: .dev/manman.log, servers: ./dev env)"
  manman_pid >/dev/null || {
    tail -n 20 "$state/manman.log" >&2 || true
    die "manman ended before it was ready"
  }
  # It says so a moment after it is; in the foreground it says so elsewhere.
  [[ ! -f $state/manman.out ]] || wait_until 5 grep -q ^ready "$state/manman.out" || true
}

# The agent first: it tells the others that its game servers have ended.
stop_worker() {
  local pid
  if pid=$(worker_pid); then
    say "stopping the agent and its game servers"
    kill -INT "$pid" 2>/dev/null || true
    if ! wait_until 60 not worker_pid >/dev/null; then
      say "the agent has not stopped in 60 s: killing it"
      kill -KILL "$pid" 2>/dev/null || true
    fi
  fi
  stop_orphans
}

# Game servers whose agent was killed. The next agent finds out how they ended, and tells.
stop_orphans() { end_game_servers "$worker_directory/.manman"; }

stop_manman() {
  local pid
  pid=$(manman_pid) || return 0
  say "stopping manman"
  kill -TERM "$pid" 2>/dev/null || true
  if ! wait_until 60 not manman_pid >/dev/null; then
    say "manman has not drained in 60 s: killing it"
    kill -KILL "$pid" 2>/dev/null || true
  fi
}

stop_broker() {
  [[ -d $state/rabbitmq ]] && private_broker port >/dev/null || return 0
  say "stopping RabbitMQ"
  private_broker stop
}

stop_postgres() {
  [[ -d $state/postgres ]] && private_postgres port >/dev/null || return 0
  say "stopping PostgreSQL"
  private_postgres stop
}

stop_system() {
  lock
  stop_worker
  stop_manman
  stop_broker
  stop_postgres
}

# Stops what this command started, the last first; also the exit trap of everything that starts something.
stop_started() {
  local index
  # A second Ctrl-C must not leave the rest running.
  trap '' INT TERM HUP
  for ((index = ${#started[@]} - 1; index >= 0; index--)); do
    "stop_${started[index]}" || say "could not stop ${started[index]}"
  done
  started=()
}
