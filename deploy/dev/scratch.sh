# shellcheck shell=bash
# Throw-away servers for `./dev test` and `./dev bench`: a PostgreSQL cluster and a RabbitMQ broker on free ports in
# a temporary directory, gone with the command that started them. Expects lib.sh and install.sh.

# scratch_servers KIND PARENT [NAME=VALUE…]: sets scratch, POSTGRES_PORT and AMQP_PORT. The settings are PostgreSQL's.
scratch_servers() {
  local kind=$1 parent=$2
  shift 2
  # Where root's TMPDIR is private the user PostgreSQL runs as cannot follow.
  if is_root && ! runuser -u postgres -- test -x "$parent"; then parent=/tmp; fi
  sweep "$parent" "$kind"
  trap 'remove_scratch "$scratch"' EXIT
  exit_on_signals
  scratch=$(mktemp -d "$parent/manman-$kind.XXXXXX")
  printf '%s\n' "$(uname -n) $$" >"$scratch/owner"
  chmod 755 "$scratch"
  # What the command itself leaves in its temporary directory goes too.
  mkdir "$scratch/tmp"
  say "starting a throw-away PostgreSQL and RabbitMQ in $scratch"
  start_on_free_port POSTGRES_PORT "$scripts/postgres.sh" "$scratch/postgres" "$@"
  start_on_free_port AMQP_PORT "$scripts/broker.sh" "$scratch/rabbitmq"
}

# start_on_free_port NAME SCRIPT DIR [ARGS…]: again with another port if somebody has taken the free one we saw.
start_on_free_port() {
  local name=$1 script=$2 dir=$3 port
  shift 3
  while :; do
    port=$(free_port)
    ! "$script" start "$dir" "$port" "$@" || break
    port_taken "$port" || die "$(basename "$dir") did not start"
  done
  printf -v "$name" %s "$port"
}

# Ends every server in a scratch directory, also the brokers and game servers of tests, and removes it.
remove_scratch() {
  [[ -n $1 ]] || return 0
  # Not interruptible: a second Ctrl-C would leave the rest behind.
  trap '' INT TERM HUP
  # Again, if a program that was just starting makes another file.
  wait_until 30 wipe "$1" || say "could not remove $1"
}

wipe() {
  local broker
  while IFS= read -r broker; do
    "$scripts/broker.sh" kill9 "$(dirname "$broker")" || true
  done < <(find "$1" -name broker.state 2>/dev/null)
  end_game_servers "$1/tmp"
  [[ ! -d $1/postgres ]] || "$scripts/postgres.sh" stop "$1/postgres" immediate || true
  # The owner's name goes last: without it nobody would dare to remove the rest.
  rm -rf "$1/rabbitmq" "$1/postgres" "$1/tmp" 2>/dev/null && rm -rf "$1"
}

# Removes what commands that were killed could not.
sweep() {
  local dir host pid
  for dir in "$1/manman-$2".*; do
    [[ -O $dir && -f $dir/owner ]] || continue
    read -r host pid <"$dir/owner" || continue
    # The directory may be shared with another machine or container, whose processes we cannot see.
    if [[ $host == "$(uname -n)" ]] && ! is_process "$pid" "dev $2 "; then
      say "removing $dir, left by a run that was killed"
      (remove_scratch "$dir")
    fi
  done
}
