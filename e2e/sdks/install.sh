#!/usr/bin/env bash
# Prints the folder in which the pinned SDKs are, and installs them there first where they are not yet:
# `python/bin/python` has those of requirements.txt, `node_modules` those of package.json. It lies below
# cargo's target folder, so that `cargo clean` takes it away and nothing of the machine's own is changed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
mkdir -p "$target"
sdks=$(cd "$target" && pwd)/e2e-sdks
mkdir -p "$sdks"

# Several tests may ask at once; the others wait, and then find it made.
exec 9>"$sdks.lock"
flock 9
if ! cmp -s "$here/requirements.txt" "$sdks/requirements.txt"; then
  rm -rf "$sdks/python"
  python3 -m venv "$sdks/python" >&2
  "$sdks/python/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  # Last, so that an installation that was cut short is made again.
  cp "$here/requirements.txt" "$sdks/requirements.txt"
fi
if ! cmp -s "$here/package.json" "$sdks/installed.json"; then
  cp "$here/package.json" "$sdks/package.json"
  (cd "$sdks" && npm install --no-audit --no-fund --ignore-scripts --silent >&2)
  cp "$here/package.json" "$sdks/installed.json"
fi
cp "$here"/*.py "$here"/*.mjs "$sdks/"
printf '%s\n' "$sdks"
