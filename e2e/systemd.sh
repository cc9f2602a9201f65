#!/usr/bin/env bash
# Prints the path of `systemd-analyze`, and installs it first where it is missing: the Debian package `systemd` and what it
# needs, unpacked below cargo's target folder. Nothing is installed into the system, and no service is started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
root=$(cd "$target" && pwd)/systemd

# Several tests may call this at once; the others wait, and then find it installed.
exec 9>"$root.lock"
flock 9
if [ ! -e "$root/systemd-analyze" ]; then
  mkdir -p "$root/packages"
  if found=$(command -v systemd-analyze); then
    ln -sfn "$found" "$root/systemd-analyze"
  else
    missing=$(apt-get --simulate --no-install-recommends install systemd | awk '$1 == "Inst" { print $2 }')
    # shellcheck disable=SC2086 # several packages
    (cd "$root/packages" && apt-get download $missing >&2 && for package in *.deb; do dpkg -x "$package" "$root/system"; done)
    rm -f "$root"/packages/*.deb
    found=$root/system/usr/bin/systemd-analyze
    [ -x "$found" ] || { echo "systemd.sh: the package has no systemd-analyze" >&2; exit 1; }
    libraries=$root/system/usr/lib/$(uname -m)-linux-gnu
    # The units that others name, such as network-online.target, come with it.
    printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%s SYSTEMD_UNIT_PATH=%s:\nexec %s "$@"\n' \
      "$libraries/systemd:$libraries" "$root/system/usr/lib/systemd/system:$root/system/lib/systemd/system" "$found" >"$root/.systemd-analyze"
    chmod +x "$root/.systemd-analyze"
    # Last, so that an interrupted installation is repeated.
    mv "$root/.systemd-analyze" "$root/systemd-analyze"
  fi
fi
printf '%s\n' "$root/systemd-analyze"
