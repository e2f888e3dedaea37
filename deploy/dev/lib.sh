# shellcheck shell=bash
# What ./dev and the scripts beside this file share: messages, process identity, ports, waiting, signals.
#
# Written for bash 3.2 (macOS) and without ps, pgrep or curl, which a slim Linux image does not have.

say() { printf 'dev: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
misuse() { say "$*"; exit 2; }

is_root() { [[ $(id -u) == 0 ]]; }

# Prints the command line of a process, each argument followed by a space; nothing if there is no such process.
command_line() {
  if [[ -d /proc/self ]]; then
    # A zombie has an empty command line: it is not running any more.
    { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null || true
  else
    ps -o command= -p "$1" 2>/dev/null | sed 's/$/ /'
  fi
}

# Succeeds if process $1 lives and its command line contains $2. Every kill goes through this: the process named by
# an old pid file may have ended long ago and its number may belong to a stranger.
is_process() {
  [[ $1 =~ ^[0-9]+$ && "$(command_line "$1")" == *"$2"* ]]
}

# end_game_servers DIR: ends the game servers whose agents are gone and had their state in or below this directory.
end_game_servers() {
  local started_file supervisor game
  while IFS= read -r started_file; do
    supervisor=$(sed -n 's/.*"supervisor_pid": *\([0-9]*\).*/\1/p' "$started_file")
    game=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$started_file" | head -n 1)
    is_process "$supervisor" " $(dirname "$started_file") " || continue
    say "ending a game server whose agent is gone (process $game)"
    kill -KILL -- "-$game" 2>/dev/null || true
  done < <(find "$1" -path '*/runs/*/started.json' 2>/dev/null)
}

# wait_until SECONDS COMMAND…: polls until the command succeeds; fails at the deadline.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

not() { ! "$@"; }

# Waits for a child we have just forked to become the program it is to run: until then it looks like us.
await_exec() {
  local ours
  ours=$(command_line $$)
  while [[ $(command_line "$1") == "$ours" ]]; do sleep 0.01; done
}

port_taken() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints a port nobody listens on. Drawn from below the range the kernel hands to outgoing connections, and at
# random, so that two clones starting at the same moment do not draw the same one.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 10000))
    port_taken "$port" || break
  done
  printf '%s\n' "$port"
}

# http_ok PORT PATH: succeeds if a GET answers 200.
http_ok() {
  local status=
  {
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
    read -r -t 5 status <&3
  } 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  [[ $status == "HTTP/1.1 200"* ]]
}

# Starts a daemon: a process group of its own, so that Ctrl-C in our terminal does not reach it before we have
# decided the order of stopping; deaf to hang-up; none of our file descriptors, or a caller reading our output would
# wait for the daemon's end. Sets daemon_pid, which is also the id of the group.
# daemon OUT ERR COMMAND… (both files are appended to)
daemon() {
  local out=$1 err=$2
  shift 2
  set -m
  nohup "$@" </dev/null >>"$out" 2>>"$err" 9>&- &
  daemon_pid=$!
  set +m
  disown "$daemon_pid"
  await_exec "$daemon_pid"
}

# supervise COMMAND…: runs a command in the foreground but in a process group of its own, and returns its status. A
# signal to us, or Ctrl-C in the terminal, reaches it exactly once, as SIGTERM; a second one kills it.
supervise() {
  start_child "$@"
  await_child
}

# The two halves of it, for who has something to do when the child is running. Sets child.
start_child() {
  set -m
  "$@" </dev/null 9>&- &
  child=$!
  set +m
  signals=0
  trap forward_signal INT TERM HUP
}

forward_signal() {
  signals=$((signals + 1))
  local signal=TERM
  ((signals == 1)) || signal=KILL
  kill "-$signal" -- "-$child" 2>/dev/null || true
}

await_child() {
  local seen status
  while :; do
    seen=$signals status=0
    wait "$child" || status=$?
    # Otherwise a signal ended the wait, and not the end of the child.
    ((signals == seen)) && break
  done
  exit_on_signals
  return "$status"
}

# Makes a signal an ordinary exit, so that the EXIT trap cleans up.
exit_on_signals() {
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}
