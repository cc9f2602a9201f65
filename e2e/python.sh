#!/usr/bin/env bash
# Prints the path of a Python that has what the handling samples import (requirements.txt), and makes it
# first where it is not there yet: a virtual environment below cargo's target folder, so that `cargo clean`
# takes it away and nothing of the machine's own Python is changed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
mkdir -p "$target"
venv=$(cd "$target" && pwd)/e2e-python
made="$venv/requirements.txt"

# Two tests may ask at once; the second waits, and then finds it made.
exec 9>"$venv.lock"
flock 9
if ! cmp -s "$here/requirements.txt" "$made"; then
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  # Last, so that an installation that was cut short is made again.
  cp "$here/requirements.txt" "$made"
fi
printf '%s\n' "$venv/bin/python"
