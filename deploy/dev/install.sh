# shellcheck shell=bash
# Finds the programs ./dev needs and installs what is missing: apt-get on Debian and Ubuntu, brew on macOS.
# Expects lib.sh.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

oldest_postgres=14

# postgres_bin VERSION: prints the directory of the PostgreSQL server programs of a major version, of the newest one
# if that is empty; fails if there is none. They are not on the PATH on Debian.
postgres_bin() {
  local initdb version best='' best_version=0
  for initdb in /usr/lib/postgresql/*/bin/initdb /opt/homebrew/opt/postgresql*/bin/initdb \
    /usr/local/opt/postgresql*/bin/initdb "$(command -v initdb || true)"; do
    [[ -x $initdb ]] || continue
    version=$("$initdb" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    if ((version >= oldest_postgres && version > best_version)) && [[ -z $1 || $1 == "$version" ]]; then
      best=$(dirname "$initdb") best_version=$version
    fi
  done
  [[ -n $best ]] && printf '%s\n' "$best"
}

# Prints the directory of the RabbitMQ programs. Debian's /usr/sbin holds wrappers that insist on the user and the
# directories of the system's own broker, so the programs behind them are looked for first.
rabbitmq_bin() {
  local server
  for server in /usr/lib/rabbitmq/bin/rabbitmq-server /opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server \
    /usr/local/opt/rabbitmq/sbin/rabbitmq-server "$(command -v rabbitmq-server || true)"; do
    [[ -x $server ]] && dirname "$server" && return
  done
  return 1
}

# install_missing NEED…: each need is one of cc, curl, postgres, rabbitmq.
install_missing() {
  local need debian=() homebrew=()
  for need in "$@"; do
    case $need in
      cc) command -v cc >/dev/null || { debian+=(build-essential); homebrew+=(gcc); } ;;
      curl) command -v curl >/dev/null || { debian+=(curl); homebrew+=(curl); } ;;
      postgres) postgres_bin '' >/dev/null || { debian+=(postgresql); homebrew+=(postgresql@17); } ;;
      rabbitmq) rabbitmq_bin >/dev/null || { debian+=(rabbitmq-server); homebrew+=(rabbitmq); } ;;
    esac
  done
  ((${#debian[@]})) || return 0
  if command -v apt-get >/dev/null; then
    install_with_apt "${debian[@]}"
  elif command -v brew >/dev/null; then
    say "installing with brew: ${homebrew[*]}"
    brew install --quiet "${homebrew[@]}" </dev/null >&2
  else
    die "missing on this machine: ${debian[*]} (Debian's names). Neither apt-get nor brew is here: please install them yourself."
  fi
}

install_with_apt() {
  local log as_root=()
  if ! is_root; then
    command -v sudo >/dev/null || die "please run as root: apt-get install -y $*"
    as_root=(sudo)
    # Without a terminal nobody can type a password: fail instead of hanging.
    [[ -t 2 ]] || as_root+=(--non-interactive)
  fi
  say "installing with apt-get: $* (servers the packages start on their own are left alone)"
  log=$(mktemp)
  if ! {
    # An outdated or empty package list is the usual reason for a failure; no network is reported by the install.
    ${as_root[@]+"${as_root[@]}"} apt-get -q update || true
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
      apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
  } </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "installing failed (above: the end of apt-get's output). By hand: apt-get update && apt-get install -y $*"
  fi
  rm -f "$log"
}

# Makes cargo work with the toolchain rust-toolchain.toml names, also where rustup may not install by itself.
require_rust() {
  # rustup's own installer leaves the PATH to the next login.
  command -v cargo >/dev/null || [[ ! -x $HOME/.cargo/bin/cargo ]] || PATH=$HOME/.cargo/bin:$PATH
  command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs and try again"
  cargo --version >/dev/null 2>&1 && return
  command -v rustup >/dev/null || { cargo --version; exit 1; }
  local channel
  channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$repository/rust-toolchain.toml")
  say "installing Rust $channel with rustup"
  rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt </dev/null >&2
}
