#!/usr/bin/env bash
# Prints the path of `promtool`, and installs it first where it is missing: the Debian package `prometheus`, unpacked below
# cargo's target folder. Nothing is installed into the system, and no service is started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
root=$(cd "$target" && pwd)/prometheus

# Several tests may call this at once; the others wait, and then find it installed.
exec 9>"$root.lock"
flock 9
if [ ! -x "$root/promtool" ]; then
  mkdir -p "$root/package"
  # The program is linked statically: its dependencies are for the service.
  (cd "$root/package" && apt-get download prometheus >&2 && dpkg -x prometheus_*.deb "$root/system")
  rm -rf "$root/package"
  ln -sfn "$root/system/usr/bin/promtool" "$root/promtool"
fi
printf '%s\n' "$root/promtool"
