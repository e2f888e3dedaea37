#!/usr/bin/env bash
# A private RabbitMQ broker, loopback only, user guest, password guest.
#
#   broker.sh start DIR PORT   start, return when it speaks AMQP on PORT; the same DIR again finds its queues again
#   broker.sh port DIR         its port; fails if it is not running
#   broker.sh stop DIR         let it close its files
#   broker.sh kill9 DIR        as a power cut would end it
#   broker.sh ctl DIR ARGS…    rabbitmqctl, for example: ctl DIR list_queues name messages
#
# It runs as whoever calls: unlike PostgreSQL it does not refuse root, and so needs no directory that a user of its
# own could enter. Name server (epmd), cookie, plugins and configuration are private too: nothing is shared with a
# broker of the system or of another clone.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=deploy/dev/lib.sh
. "$here/lib.sh"
# shellcheck source=deploy/dev/install.sh
. "$here/install.sh"

verb=${1-} dir=${2-}
[[ $dir == /* ]] || misuse "usage: broker.sh start|port|stop|kill9|ctl DIR … (DIR absolute)"
shift 2

# In the command line of the broker, to know it again. A checksum, because the start script splits at spaces.
mark=(-manman_broker "$(printf '%s' "$dir" | cksum | cut -d ' ' -f 1)")

# What the last start left: its process ids and ports.
read_state() {
  [[ -f $dir/broker.state ]] && read -r pid port distribution_port epmd_pid epmd_port <"$dir/broker.state"
}
running() { read_state && is_process "$pid" "${mark[*]} "; }

# Fills `environment`: all the broker and its tools may know. Nothing of the caller's, who may have RABBITMQ_* set
# for a client, and nothing of the system's configuration.
set_environment() {
  environment=(
    "PATH=$PATH" "HOME=$dir/home" "LANG=C.UTF-8"
    "ERL_CRASH_DUMP=$dir/erl_crash.dump" "ERL_EPMD_PORT=$epmd_port" "ERL_EPMD_ADDRESS=127.0.0.1"
    "RABBITMQ_NODENAME=manman@localhost"
    "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1" "RABBITMQ_NODE_PORT=$port" "RABBITMQ_DIST_PORT=$distribution_port"
    "RABBITMQ_MNESIA_BASE=$dir/data" "RABBITMQ_LOG_BASE=$dir/log" "RABBITMQ_ENABLED_PLUGINS_FILE=$dir/plugins"
    "RABBITMQ_CONF_ENV_FILE=$dir/none" "RABBITMQ_CONFIG_FILE=$dir/broker.conf"
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}"
    # The start script then becomes the broker instead of waiting for it, so one pid is all there is to know.
    "RUNNING_UNDER_SYSTEMD=true"
  )
}

# Succeeds if the port is answered the way AMQP 0-9-1 begins, by a method frame. The listener opens last in a boot.
speaks_amqp() {
  local first=
  {
    printf 'AMQP\000\000\011\001' >&3
    IFS= read -r -t 5 -n 1 first <&3
  } 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  [[ $first == $'\001' ]]
}

ready_or_dead() { speaks_amqp || ! running; }

start() {
  local attempt
  [[ ${1-} =~ ^[0-9]+$ ]] || misuse "usage: broker.sh start DIR PORT"
  ! running || die "the broker in $dir is already running, on port $port"
  end_name_server
  # From here on they are of this start, not of the last one.
  port=$1 pid='' epmd_pid=''
  ! port_taken "$port" || die "port $port is taken"
  mkdir -p "$dir/home" "$dir/data" "$dir/log"
  # Some versions are short of descriptors with the 1024 of a usual shell.
  ulimit -n 65536 2>/dev/null || true
  echo '[].' >"$dir/plugins"
  : >"$dir/broker.conf"
  # Erlang programs leave files in the current directory when they crash.
  cd "$dir"
  trap abandon EXIT
  exit_on_signals
  # Again with other ports, because another start may have taken the free ones we saw.
  for attempt in first second; do
    launch
    wait_until 120 ready_or_dead || break
    if running && speaks_amqp; then
      trap - EXIT
      return
    fi
    abandon
  done
  tail -n 15 "$dir/out" "$dir"/log/*.log >&2 2>/dev/null || true
  die "the broker did not start, on the $attempt attempt (above: the end of its log)"
}

launch() {
  distribution_port=$(free_port) epmd_port=$(free_port)
  set_environment
  # Ours before the broker's: it would start one that listens to the whole network and that nobody ends.
  daemon /dev/null /dev/null epmd -port "$epmd_port" -address 127.0.0.1
  epmd_pid=$daemon_pid
  wait_until 10 port_taken "$epmd_port" || true
  : >"$dir/out"
  daemon "$dir/out" "$dir/out" env -i "${environment[@]}" "$bin/rabbitmq-server" "${mark[@]}"
  pid=$daemon_pid
  printf '%s\n' "$pid $port $distribution_port $epmd_pid $epmd_port" >"$dir/broker.state"
}

# Ends a start that is not complete: our own children of a moment ago, so there is no stranger to spare.
abandon() {
  local child
  for child in "$pid" "$epmd_pid"; do
    [[ -z $child ]] || kill -KILL -- "-$child" 2>/dev/null || true
  done
  pid='' epmd_pid=''
}

end_name_server() {
  ! read_state || ! is_process "$epmd_pid" "epmd -port $epmd_port " || kill "$epmd_pid" || true
}

stop() {
  if running; then
    kill "-$1" "$pid" 2>/dev/null || true
    if ! wait_until 60 not running; then
      say "the broker in $dir did not end in 60 s: killing it"
      kill -KILL "$pid" || true
      wait_until 10 not running || die "the broker in $dir (pid $pid) does not end"
    fi
  fi
  end_name_server
}

bin=$(rabbitmq_bin) || die "RabbitMQ is not installed"
# On macOS the Erlang programs are beside the broker's, and not always on the PATH.
PATH=$PATH:$bin

case $verb in
  start) start "$@" ;;
  port) running && printf '%s\n' "$port" ;;
  stop) stop TERM ;;
  kill9) stop KILL ;;
  ctl)
    running || die "the broker in $dir is not running"
    set_environment
    exec env -i "${environment[@]}" "$bin/rabbitmqctl" "$@"
    ;;
  *) misuse "broker.sh: unknown verb '$verb'" ;;
esac
