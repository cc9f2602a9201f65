#!/usr/bin/env bash
# Print the path of a Chromium, and install it first where it is missing: Debian packages, unpacked below cargo's target
# folder. Nothing is installed into the system.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
root=$(cd "$target" && pwd)/chromium

exec 9>"$root.lock"
flock 9
if [ ! -e "$root/chromium" ]; then
  mkdir -p "$root/packages"
  if found=$(command -v chromium); then
    ln -sfn "$found" "$root/chromium"
  else
    missing=$(apt-get --simulate --no-install-recommends install chromium | awk '$1 == "Inst" { print $2 }')
    # shellcheck disable=SC2086 # several packages
    (cd "$root/packages" && apt-get download $missing >&2 && for package in *.deb; do dpkg -x "$package" "$root/system"; done)
    rm -f "$root"/packages/*.deb
    found=$root/system/usr/lib/chromium/chromium
    [ -x "$found" ] || { echo "chromium.sh: the package has no chromium" >&2; exit 1; }
    libraries=$root/system/usr/lib/$(uname -m)-linux-gnu
    # PulseAudio keeps a library in a folder of its own.
    libraries=$libraries:$libraries/pulseaudio
    # A script that becomes the program, so that the process is the program's own.
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s:%s exec %s "$@"\n' "$(dirname "$found")" "$libraries" "$found" >"$root/.chromium"
    chmod +x "$root/.chromium"
    # Last, so that an interrupted installation is repeated.
    mv "$root/.chromium" "$root/chromium"
  fi
fi
printf '%s\n' "$root/chromium"
