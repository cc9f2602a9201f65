#!/usr/bin/env bash
# Prints the path of a schemathesis, and installs it first where it is not there yet: a virtual environment
# of its own below cargo's target folder, in a pinned version.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
venv=$(cd "$target" && pwd)/e2e-schemathesis
wanted="schemathesis==4.32.5 hypothesis==6.170.15"

exec 9>"$venv.lock"
flock 9
if [ "$(cat "$venv/wanted" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  # shellcheck disable=SC2086 # two packages
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check $wanted >&2
  printf '%s' "$wanted" > "$venv/wanted"
fi
printf '%s\n' "$venv/bin/schemathesis"
