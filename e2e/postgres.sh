#!/usr/bin/env bash
# Prints the folder with the programs of PostgreSQL 15 or later (`initdb`, `postgres`, `psql`, `pgbench`), and installs them
# first where they are missing: Debian packages, unpacked below cargo's target folder. Nothing is installed into the system,
# and no service is started.
set -euo pipefail

for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
  version=$(basename "$(dirname "$folder")")
  if [ "$version" -ge 15 ] 2>/dev/null && [ -x "$folder/postgres" ] && [ -x "$folder/psql" ]; then
    printf '%s\n' "$folder"
    exit
  fi
done

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
root=$(cd "$target" && pwd)/postgresql

exec 9>"$root.lock"
flock 9
if [ ! -e "$root/bin" ]; then
  mkdir -p "$root/packages"
  missing=$(apt-get --simulate --no-install-recommends install postgresql | awk '$1 == "Inst" { print $2 }')
  # shellcheck disable=SC2086 # several packages
  (cd "$root/packages" && apt-get download $missing >&2 && for package in *.deb; do dpkg -x "$package" "$root/system"; done)
  rm -rf "$root/packages"
  found=$(printf '%s\n' "$root"/system/usr/lib/postgresql/*/bin | sort -rV | head -1)
  [ -x "$found/postgres" ] || { echo "postgres.sh: the package has no postgres" >&2; exit 1; }
  libraries=$root/system/usr/lib/$(uname -m)-linux-gnu
  mkdir -p "$root/programs"
  for program in initdb postgres psql pgbench pg_ctl; do
    # A script that becomes the program, so that the process is the program's own.
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$found/$program" >"$root/programs/$program"
    chmod +x "$root/programs/$program"
  done
  # Last, so that an interrupted installation is repeated.
  ln -sfn programs "$root/bin"
fi
printf '%s\n' "$root/bin"
